"""Lines of text, and bytes as they come."""

from __future__ import annotations

import sys
from typing import ClassVar

import msgspec
from attrs import frozen

from .charsets import charset_of, encoded_terminal, is_cut
from .engine import Batch, Context, Engine, Position, Spec, too_large
from .line_engine import LineEngine

__all__ = ["Lines", "Raw"]


@frozen
class Lines(Spec[str]):
    """Decodes text into its lines, without their LF or CRLF (nothing else ends a line).

    The charset is the one of the Content-Type, UTF-8 without one; bytes that are not of it make a
    `DecodeError`. A last line without its LF is a line.
    """

    media_type: ClassVar[str] = "text/plain"

    def build(self, context: Context, /) -> Engine[str]:
        """A fresh engine for one connection.

        Raises:
            ContentTypeError: The charset is unknown, or has no plain line ends.
        """
        return _LinesOfText(context, charset_of(context))


@frozen
class Raw(Spec[bytes]):
    """Hands the bytes over as they come, untouched. How they are cut means nothing.

    Attributes:
        whole_lines: Cut them behind line ends (LF) only, so that each piece is one or more whole
            lines; only the last one may lack its LF. For parsers that take lines by the block.
    """

    whole_lines: bool = False

    has_records: ClassVar[bool] = False

    def build(self, context: Context, /) -> Engine[bytes]:
        if self.whole_lines:
            return _WholeLines(context)
        return _Chunks(context.offset)


class _LinesOfText(LineEngine[str]):
    def __init__(self, context: Context, codec: str) -> None:
        self._codec = codec
        terminal = encoded_terminal(context, codec)
        super().__init__(context, terminal=terminal, bom=codec == "utf-8")

    def convert(self, line: bytes) -> str:
        return self.trim(line).decode(self._codec)

    def convert_all(self, lines: bytes) -> list[str]:
        if self._codec == "utf-8":
            return lines.decode().replace("\r\n", "\n").removesuffix("\r").split("\n")
        return [self.convert(line) for line in lines.split(b"\n")]

    def is_blank(self, line: bytes) -> bool:
        return False

    def trim(self, line: bytes) -> bytes:
        return line.removesuffix(b"\r")

    def is_cut(self, rest: bytes, *, framed: bool) -> bool:
        return is_cut(rest, self._codec)


class _Chunks(Engine[bytes]):
    starts_at_records = True
    portion = sys.maxsize

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def feed(self, data: bytes, /) -> Batch[bytes]:
        if not data:
            return Batch([])
        self._offset += len(data)
        end = Position(offset=self._offset)
        return Batch([data], _ChunkMarks(end), end, size=len(data))

    def finish(self, *, framed: bool = True) -> Batch[bytes]:
        return Batch([])


class _WholeLines(Engine[bytes]):
    starts_at_records = True
    portion = sys.maxsize

    def __init__(self, context: Context) -> None:
        self._limit = context.limits.max_item_bytes
        self._offset = context.offset  # where the unfinished line starts
        self._tail = bytearray()
        self._over = False

    def feed(self, data: bytes, /) -> Batch[bytes]:
        if self._over:
            return Batch([])
        stop = data.rfind(b"\n") + 1
        piece = bytes(self._tail) + data[:stop] if stop else b""
        if stop:
            self._tail = bytearray(data[stop:])
        else:
            self._tail += data
        whole = self._within_limit(piece)
        batch = self._piece(piece[:whole])
        if whole < len(piece) or len(self._tail) > self._limit:
            self._over = True
            # The byte that was too many: the same however the bytes were cut.
            batch.error = too_large("max_item_bytes", self._limit, self._limit + 1, "a line")
        return batch

    def _within_limit(self, piece: bytes) -> int:
        """How many bytes of these lines come before one that is too long."""
        place = 0
        while len(piece) - place > self._limit:
            end = piece.find(b"\n", place) + 1
            if end - 1 - place > self._limit:
                return place
            place = end
        return len(piece)

    def finish(self, *, framed: bool = True) -> Batch[bytes]:
        if self._over:
            return Batch([])
        self._over = True
        return self._piece(bytes(self._tail))

    def _piece(self, piece: bytes) -> Batch[bytes]:
        if not piece:
            return Batch([])
        self._offset += len(piece)
        end = Position(offset=self._offset)
        return Batch([piece], _ChunkMarks(end), end, size=len(piece))


class _ChunkMarks(msgspec.Struct):
    end: Position

    def position(self, index: int, /) -> Position:
        return self.end

    def digest(self, index: int, /) -> bytes | None:
        return None
