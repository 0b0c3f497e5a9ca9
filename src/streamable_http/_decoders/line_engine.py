"""What all records that end with LF or CRLF share: NDJSON and plain lines."""

from __future__ import annotations

import abc
import contextlib
from itertools import accumulate
from typing import TypeVar

import msgspec

from .bom import LeadingBOM
from .convert import bad_item
from .engine import BadItem, Batch, Context, Engine, Position, cut_in, too_large

__all__ = ["EndMarks", "LineEngine"]

T = TypeVar("T")


class LineEngine(Engine[T]):
    """Reads a record per line: all whole lines at once, or one by one if any of them is special."""

    starts_at_records = True

    def __init__(self, context: Context, *, terminal: bytes | None, bom: bool) -> None:
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        self._terminal = terminal
        self._bom = LeadingBOM() if bom and not context.offset else None
        self._tail = bytearray()  # the unfinished line
        self._offset = context.offset  # where it starts
        self._index = 0  # records so far, bad ones included
        self._over = False

    @abc.abstractmethod
    def convert(self, line: bytes) -> T:
        """The record of one line, which may end with a CR; raises if there is none."""

    @abc.abstractmethod
    def convert_all(self, lines: bytes) -> list[T]:
        """One record for each of several lines; raises if any of them is special."""

    @abc.abstractmethod
    def is_blank(self, line: bytes) -> bool:
        """Whether a line is no record."""

    @abc.abstractmethod
    def trim(self, line: bytes) -> bytes:
        """The line as a terminal is compared with it."""

    @abc.abstractmethod
    def is_cut(self, rest: bytes, *, framed: bool) -> bool:
        """Whether a last line without LF may be only the start of a record."""

    def feed(self, data: bytes, /) -> Batch[T]:
        if self._over:
            return Batch([])
        if self._bom is not None and self._bom.held is not None:
            data = self._bom.strip(data)
            self._offset = self._bom.size
        stop = data.rfind(b"\n") + 1
        if stop:
            lines = bytes(self._tail) + data[:stop] if self._tail else data[:stop]
            self._tail = bytearray(data[stop:])
            batch = self._read(lines)
        else:
            self._tail += data
            batch = Batch[T]([])
        if batch.error is None and not batch.ended and len(self._tail) > self._limit:
            batch.error = self._outgrown()
        self._over = batch.error is not None or batch.ended
        if self._over:
            self._tail = bytearray()
        return batch

    def finish(self, *, framed: bool = True) -> Batch[T]:
        if self._over:
            return Batch([])
        self._over = True
        rest = bytes(self._tail)
        if self._bom is not None and self._bom.held:
            rest = self._bom.held
        if not rest:
            return Batch([])
        if not self._is_terminal(rest) and self.is_cut(rest, framed=framed):
            return Batch([], error=cut_in(f"record {self._index}"))
        return self._read_one_by_one([rest], line_end=0)

    def _read(self, data: bytes) -> Batch[T]:
        """Reads whole lines."""
        lines = data[:-1]
        special = self._terminal is not None and lines.find(self._terminal) >= 0
        if not special and len(lines) <= self._limit:
            with contextlib.suppress(Exception):  # read one by one, they show which it is
                items = self.convert_all(lines)
                marks = _LineMarks(self._offset, lines)
                self._index += len(items)
                self._offset += len(data)
                return Batch(items, marks, Position(offset=self._offset), size=len(data))
        return self._read_one_by_one(lines.split(b"\n"), line_end=1)

    def _read_one_by_one(self, lines: list[bytes], *, line_end: int) -> Batch[T]:
        start = self._offset
        marks = EndMarks()
        batch = Batch[T]([], marks)
        for line in lines:
            if len(line) > self._limit:
                batch.error = self._outgrown()
            elif self._is_terminal(line):
                batch.ended = True
            elif not self.is_blank(line):
                batch.error = self._read_record(line, batch.items)
            if batch.error is not None:
                break
            self._offset += len(line) + line_end
            if len(batch.items) > len(marks.ends):
                marks.ends.append(self._offset)
            if batch.ended:
                break
        batch.size = self._offset - start
        batch.end = Position(offset=self._offset) if batch.size else None
        return batch

    def _read_record(self, line: bytes, items: list[T]) -> Exception | None:
        error = None
        try:
            items.append(self.convert(line))
        except Exception as exc:
            error = bad_item(
                exc, self._on_bad_item, index=self._index, offset=self._offset, data=line
            )
            self.skipped += error is None
        self._index += 1
        return error

    def _is_terminal(self, line: bytes) -> bool:
        return self._terminal is not None and self.trim(line) == self._terminal

    def _outgrown(self) -> Exception:
        # The byte that was too many: the same however the bytes were cut.
        return too_large("max_item_bytes", self._limit, self._limit + 1, "a line")


class EndMarks(msgspec.Struct):
    """Marks that know where each record ends."""

    ends: list[int] = []

    def position(self, index: int, /) -> Position:
        return Position(offset=self.ends[index])

    def digest(self, index: int, /) -> bytes | None:
        return None


class _LineMarks(msgspec.Struct):
    """Marks that still have to find out where each line ends."""

    base: int
    lines: bytes
    ends: list[int] = []

    def position(self, index: int, /) -> Position:
        if not self.ends:
            sizes = (len(line) + 1 for line in self.lines.split(b"\n"))
            self.ends = list(accumulate(sizes, initial=self.base))[1:]
        return Position(offset=self.ends[index])

    def digest(self, index: int, /) -> bytes | None:
        return None
