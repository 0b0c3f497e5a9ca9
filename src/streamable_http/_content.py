"""Content codings (RFC 9110, section 8.4), undone piece by piece and within bounds.

Ours, because what HTTP clients do takes a cut body for a whole one, reads only the first member of
a gzip file, and inflates a chunk to any size at once.
"""

from __future__ import annotations

import abc
import contextlib
import zlib
from collections.abc import Iterable, Iterator
from typing import ClassVar, Protocol

from ._errors import ContentTypeError, DecodeError, LimitExceeded, StreamTruncated
from ._values import Headers, Limits

__all__ = ["CODINGS", "ContentDecoder", "content_decoder", "portions"]

_PIECE = 64 * 1024  # of output: what is inflated at once
_SLICE = 16 * 1024  # of input: zlib copies what it leaves of it
_UNCHECKED = 10 * 1024 * 1024
_MOST_CODINGS = 4

_GZIP_MAGIC = 0x1F
_GZIP_WBITS = 31
_ZLIB_WBITS = 15
_RAW_WBITS = -15


def content_decoder(headers: Headers, limits: Limits) -> ContentDecoder:
    """What undoes the codings that `headers` name; without any, it passes bytes through.

    Raises:
        ContentTypeError: A coding that is not gzip, deflate or identity.
    """
    value = headers.get("content-encoding", "")
    names = [name.strip().lower() for name in value.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    for name in names:
        if name not in _STAGES:
            raise ContentTypeError(
                f"the body has the content coding {name!r}, and only gzip and deflate are read: "
                f"ask for another with headers={{'Accept-Encoding': 'identity'}}",
                content_type=headers.get("content-type", ""),
            )
    if len(names) > _MOST_CODINGS:
        raise ContentTypeError(
            f"the body has {len(names)} content codings, and at most {_MOST_CODINGS} are read",
            content_type=headers.get("content-type", ""),
        )
    # They are named in the order they were applied in.
    return ContentDecoder([_STAGES[name]() for name in reversed(names)], limits)


def portions(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, at most `size` of them at once."""
    for piece in pieces:
        if len(piece) <= size:
            yield piece
        else:
            yield from (piece[at : at + size] for at in range(0, len(piece), size))


class ContentDecoder:
    """Undoes the content codings of one body."""

    def __init__(self, stages: list[_Stage], limits: Limits) -> None:
        self._stages = stages
        self._ratio = limits.max_decompressed_ratio
        self._received = 0

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The bytes that `data` decodes to: at most 64 KiB at once, each made when asked for.

        Take them all before the next call. (Without a coding, `data` comes back as it is.)

        Raises:
            DecodeError: The body is corrupt.
            LimitExceeded: It grows beyond `Limits.max_decompressed_ratio`.
        """
        if not self._stages:
            return (data,) if data else ()
        self._received += len(data)
        return self._through(self._stages, data)

    def finish(self) -> None:
        """The body has ended.

        Raises:
            StreamTruncated: The coding says that there should be more.
        """
        for stage in self._stages:
            stage.finish()

    def _through(self, stages: list[_Stage], data: bytes) -> Iterator[bytes]:
        if not stages:
            yield data
            return
        for piece in stages[0].feed(data):
            # Every stage is held to the ratio: what one makes, the next may swallow.
            self._check(stages[0].made)
            yield from self._through(stages[1:], piece)

    def _check(self, made: int) -> None:
        if self._ratio is None or made <= max(_UNCHECKED, self._ratio * self._received):
            return
        raise LimitExceeded(
            f"the body grew to {made:,} bytes from {self._received:,} on the wire, more than "
            f"Limits(max_decompressed_ratio={self._ratio}) allows; raise the limit if the server "
            f"is to be trusted with that",
            limit="max_decompressed_ratio",
            setting=self._ratio,
            seen=made / self._received,
        )


class _Inflater(Protocol):
    """What `zlib.decompressobj` makes."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...
    def copy(self) -> _Inflater: ...


class _Stage(abc.ABC):
    """Undoes one coding."""

    name: ClassVar[str]

    def __init__(self) -> None:
        self.made = 0
        self._inflater: _Inflater | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _SLICE):
            rest = data[start : start + _SLICE]
            while True:
                if self._inflater is None:
                    self._inflater, rest = self._begin(rest)
                if self._inflater is None:
                    break
                yield from self._inflate(self._inflater, rest)
                if not self._inflater.eof:
                    break
                rest, self._inflater = self._inflater.unused_data, None

    @abc.abstractmethod
    def _begin(self, data: bytes) -> tuple[_Inflater | None, bytes]:
        """What inflates the data that begins so, and the data; no inflater if there is none yet."""

    def _inflate(self, inflater: _Inflater, data: bytes) -> Iterator[bytes]:
        while True:
            before = inflater.copy()
            try:
                piece = inflater.decompress(data, _PIECE)
            except zlib.error as exc:
                yield from self._sound_part(before, data)
                raise self._corrupt(str(exc)) from exc
            data = inflater.unconsumed_tail
            if piece:
                self.made += len(piece)
                yield piece
            # A full piece may have more behind it, though no input is left.
            if inflater.eof or (not data and len(piece) < _PIECE):
                return

    def _sound_part(self, inflater: _Inflater, data: bytes) -> Iterator[bytes]:
        """What comes before the corrupt byte: zlib drops what it made in the call that fails."""
        with contextlib.suppress(zlib.error):
            for byte in range(len(data)):
                rest = data[byte : byte + 1]
                while piece := inflater.decompress(rest, _PIECE):
                    self.made += len(piece)
                    yield piece
                    rest = inflater.unconsumed_tail

    def _corrupt(self, reason: str) -> DecodeError:
        return DecodeError(
            f"the {self.name} body is corrupt after {self.made:,} bytes: {reason}", offset=self.made
        )

    def finish(self) -> None:
        if self._inflater is not None:
            raise self._cut()

    def _cut(self) -> StreamTruncated:
        return StreamTruncated(f"the {self.name} body ended early, after {self.made:,} bytes")


class _Gzip(_Stage):
    """RFC 1952: any number of members, perhaps with zero bytes behind them."""

    name = "gzip"

    def __init__(self) -> None:
        super().__init__()
        self._begun = False
        self._padded = False

    def _begin(self, data: bytes) -> tuple[_Inflater | None, bytes]:
        if self._begun:
            member = data.lstrip(b"\0")
            self._padded = self._padded or len(member) < len(data)
            data = member
            if data and (self._padded or data[0] != _GZIP_MAGIC):
                raise self._corrupt("there is something else behind its end")
        if not data:
            return None, data
        self._begun = True
        return zlib.decompressobj(_GZIP_WBITS), data


class _Deflate(_Stage):
    """RFC 1950, or RFC 1951 without its wrapping, which some servers send for it."""

    name = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._head = b""
        self._begun = False

    def _begin(self, data: bytes) -> tuple[_Inflater | None, bytes]:
        if self._begun:
            if data:
                raise self._corrupt("there is something else behind its end")
            return None, data
        self._head += data
        if len(self._head) < 2:
            return None, b""
        self._begun = True
        head, self._head = self._head, b""
        wrapped = head[0] & 15 == 8 and int.from_bytes(head[:2]) % 31 == 0
        return zlib.decompressobj(_ZLIB_WBITS if wrapped else _RAW_WBITS), head

    def finish(self) -> None:
        super().finish()
        if self._head:
            raise self._cut()


_STAGES: dict[str, type[_Stage]] = {"gzip": _Gzip, "x-gzip": _Gzip, "deflate": _Deflate}

CODINGS = frozenset(_STAGES)
"""The codings that can be undone, in lower case."""
