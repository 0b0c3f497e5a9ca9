"""Multipart bodies (RFC 2046, section 5.1): parts, each with headers and a body of its own."""

from __future__ import annotations

from enum import Enum, auto
from typing import ClassVar, cast

from attrs import field, frozen

from .._errors import ConfigurationError, LimitExceeded
from .._values import Headers
from .convert import bad_item
from .engine import BadItem, Batch, Context, Engine, Position, Spec, cut_in, too_large
from .line_engine import EndMarks
from .media_types import parse_content_type
from .multipart_syntax import BLANK_LINE, NO_HEADERS, Boundary, Malformed, OpenPart

__all__ = ["Multipart", "Part"]


@frozen
class Part:
    """One part of a multipart body.

    Attributes:
        headers: Its headers, such as `Content-Type`.
        body: Its bytes, as they came: no Content-Transfer-Encoding is undone.
    """

    headers: Headers
    body: bytes = field(repr=lambda body: f"<{len(body):,} bytes>")


@frozen(init=False)
class Multipart(Spec[Part]):
    """Decodes a multipart body (`multipart/mixed`, `multipart/x-mixed-replace`) into its parts.

    A part is delivered with the boundary behind it, without waiting for what comes then, or with
    its last byte if it has a `Content-Length`; a boundary must follow then. CRLF and LF are read
    alike, the preamble and the epilogue are passed over. The closing boundary proves that the
    parts are complete, even where HTTP does not: `stats.ended` is "terminal" then. Without it the
    body is cut, and `StreamTruncated` is raised, except in `multipart/x-mixed-replace`, which may
    end behind any part if HTTP proves that the body is complete.

    Headers that are none make the part a `DecodeError`, or are passed over with
    `on_bad_item="skip"`. `Limits(max_item_bytes)` bounds the headers of a part, and its body.

    Attributes:
        boundary: What separates the parts, without the dashes before it; None for the one that
            the Content-Type names, or else the first line of the body.

    Raises:
        ConfigurationError: `boundary` is no boundary.
    """

    boundary: str | None

    media_type: ClassVar[str] = "multipart/mixed"
    has_records: ClassVar[bool] = False

    def __init__(self, boundary: str | None = None) -> None:
        _check_boundary(boundary)
        object.__setattr__(self, "boundary", boundary or None)

    @property
    def accept(self) -> str:
        return "multipart/mixed, multipart/x-mixed-replace, multipart/*;q=0.9"

    def build(self, context: Context, /) -> Engine[Part]:
        return _PartsEngine(context, self.boundary)


def _check_boundary(boundary: object) -> None:
    text = isinstance(boundary, str) and boundary.isascii() and boundary.isprintable()
    if boundary is not None and not text:
        raise ConfigurationError(
            f"boundary={boundary!r} separates no parts: pass ASCII text, or None for the one of "
            f"the Content-Type"
        )


class _At(Enum):
    PREAMBLE = auto()
    BREAK = auto()  # behind a body: a line break and a boundary are to come
    BOUNDARY = auto()  # behind a boundary, on its line
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class _PartsEngine(Engine[Part]):
    starts_at_records = True

    def __init__(self, context: Context, boundary: str | None) -> None:
        content_type = parse_content_type(context.headers.get("content-type", ""))
        name = boundary or content_type.parameters.get("boundary", "")
        self._named = bool(name)
        self._boundary = Boundary(name, context.head.encode("latin-1", "replace"))
        self._replaces = content_type.media_type == "multipart/x-mixed-replace"
        self._proves_end = context.terminal is None
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        self._at = _At.BREAK if context.offset else _At.PREAMBLE
        self._data = bytearray()  # what is not read yet
        self._seen = 0  # up to where no boundary begins in it
        self._offset = context.offset  # where it starts
        self._open = OpenPart()
        self._index = 0
        self._over = False

    def feed(self, data: bytes, /) -> Batch[Part]:
        batch = Batch[Part]([], EndMarks([]))
        if self._over:
            return batch
        self._data += data
        try:
            while self._step(batch):
                pass
        except Malformed as bad:
            batch.error = bad_item(
                ValueError(str(bad)),
                "raise",
                index=self._index,
                offset=self._offset,
                data=bytes(self._data[:1]),  # the same however the bytes were cut
            )
        except LimitExceeded as exc:
            batch.error = exc
        self._over = batch.error is not None
        if self._over:
            self._data = bytearray()
        return batch

    def finish(self, *, framed: bool = True) -> Batch[Part]:
        batch = Batch[Part]([])
        if self._over:
            return batch
        self._over = True
        if self._at is _At.EPILOGUE:
            batch.ended = self._proves_end and not framed
        elif not (self._replaces and framed and self._is_between_parts()):
            inside = self._at in {_At.HEADERS, _At.BODY}
            behind = f"the multipart body, behind {self._index:,} parts"
            batch.error = cut_in(f"part {self._index}" if inside else behind)
        return batch

    def _is_between_parts(self) -> bool:
        """Whether what may end behind any part may end here; or before the first byte."""
        if self._at is _At.PREAMBLE:
            return not (self._offset or self._data)
        return self._at is not _At.BODY and not self._data.strip(b"\r\n")

    def _step(self, batch: Batch[Part]) -> bool:
        """Reads on, if there is enough to; returns whether it was."""
        match self._at:
            case _At.PREAMBLE:
                return self._read_preamble()
            case _At.BREAK:
                return self._read_break()
            case _At.BOUNDARY:
                return self._read_boundary()
            case _At.HEADERS:
                return self._read_headers()
            case _At.BODY:
                return self._read_body(batch) and batch.error is None
            case _At.EPILOGUE:
                self._pass(len(self._data))
                return False

    def _pass(self, count: int) -> None:
        del self._data[:count]
        self._offset += count
        self._seen = 0

    def _read_preamble(self) -> bool:
        if not self._boundary.line:
            return self._read_break()  # there is nothing to know it by behind other text
        if self._offset == 0:
            if self._boundary.may_begin(self._data):
                return False
            if first := self._boundary.at_start(self._data):
                return self._enter(first)
        searched, behind = self._boundary.find(self._data, 0)
        if behind:
            return self._enter(behind)
        self._pass(searched)
        return False

    def _read_break(self) -> bool:
        self._pass(len(self._data) - len(self._data.lstrip(b"\r\n")))
        if not self._data or self._boundary.may_begin(self._data):
            return False
        size = self._boundary.at_start(self._data)
        if not size:
            raise Malformed("behind a body comes no boundary")
        return self._enter(size)

    def _enter(self, behind: int) -> bool:
        if not self._named:
            self.head = self._boundary.line.decode("latin-1")
        self._pass(behind)
        self._at = _At.BOUNDARY
        return True

    def _read_boundary(self) -> bool:
        end, closing = self._boundary.rest_of_line(self._data)
        if end:
            self._pass(end)
            self._at = _At.EPILOGUE if closing else _At.HEADERS
        return end > 0

    def _read_headers(self) -> bool:
        match = NO_HEADERS.match(self._data) or BLANK_LINE.search(self._data, self._seen)
        if match is None:
            self._seen = max(len(self._data) - 3, 0)
            if len(self._data) > self._limit + 4:
                raise self._outgrown("the headers of a part")
            return False
        if match.start() > self._limit:
            raise self._outgrown("the headers of a part")
        self._open = OpenPart.of(bytes(self._data[: match.start()]), self._offset)
        # The line break before the body may also be the one before a boundary.
        self._pass(match.end() - 1)
        self._at = _At.BODY
        return True

    def _read_body(self, batch: Batch[Part]) -> bool:
        length, size = self._open.length, len(self._data) - 1
        if length is not None:
            if length > self._limit:
                raise too_large("max_item_bytes", self._limit, length, "a part")
            if size < length:
                return False
            self._deliver(1 + length, batch)
            self._at = _At.BREAK
            return True
        stop, behind = self._boundary.find(self._data, self._seen)
        # What is read so far may end with the CR before a boundary.
        if stop - 1 - (not behind) > self._limit:
            raise self._outgrown("a part")
        if not behind:
            self._seen = stop
            return False
        stop = max(stop, 1)
        self._deliver(stop, batch)
        return self._enter(behind - stop)

    def _deliver(self, stop: int, batch: Batch[Part]) -> None:
        """Hands over the part whose body ends at `stop`.

        It begins with the second byte: `_read_headers` keeps the LF before it.
        """
        body, part = bytes(self._data[1:stop]), self._open
        self._pass(stop)
        if part.fault is None:
            batch.items.append(Part(part.headers, body))
            cast("EndMarks", batch.marks).ends.append(self._offset)
        else:
            batch.error = bad_item(
                part.fault,
                self._on_bad_item,
                index=self._index,
                offset=part.offset,
                data=part.block,
            )
            self.skipped += batch.error is None
        self._index += 1
        if batch.error is None:
            batch.size += self._offset - part.offset
            batch.end = Position(offset=self._offset)

    def _outgrown(self, what: str) -> LimitExceeded:
        # The byte that was too many: the same however the bytes were cut.
        return too_large("max_item_bytes", self._limit, self._limit + 1, what)
