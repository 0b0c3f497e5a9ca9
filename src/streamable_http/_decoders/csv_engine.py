"""Reads the rows of a table: whole blocks at once where they are plain, else record by record."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .._errors import ConfigurationError, ContentTypeError
from .bom import LeadingBOM
from .charsets import ascii_codec, charset_of, encoded_terminal, is_cut, stands_alone
from .convert import bad_item
from .csv_blocks import BlockReader
from .csv_columns import from_head, has_header, named, to_head
from .csv_records import Misquoted, OpenRecord, RecordSyntax
from .csv_rows import rows_of
from .ends import Ends
from .engine import BadItem, Batch, Context, Engine, Position, cut_in, too_large
from .media_types import parse_content_type

if TYPE_CHECKING:
    from .csv_table import CSV

__all__ = ["TableEngine"]

T = TypeVar("T")

_BLANK = frozenset({b"", b"\r"})  # without its LF


class TableEngine(Engine[T]):
    """The engine of `CSV`."""

    def __init__(self, context: Context, spec: CSV[T]) -> None:
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        self._rows = rows_of(spec.type)
        self._empty = spec.empty
        self._rename = spec.rename
        self._codec = _codec(context, spec)
        self._terminal = encoded_terminal(context, self._codec)
        self._bom = LeadingBOM() if self._codec == "utf-8" and not context.offset else None
        self._syntax = RecordSyntax(spec.delimiter)
        self._blocks = BlockReader(spec.delimiter)
        self._columns = spec.header if isinstance(spec.header, tuple) else None
        self._header_comes = self._has_header(context, spec)
        self._tail = bytearray()  # the unfinished record
        self._open = OpenRecord(self._syntax)  # how far that was read
        self._misquoted: int | None = None  # where in it the quotes are wrong
        self._read_ahead: tuple[bytes, list[list[str]]] | None = None  # a block, and its rows
        self._offset = context.offset  # where it starts
        self._index = 0  # rows so far, bad ones included
        self._over = False

    def _has_header(self, context: Context, spec: CSV[T]) -> bool:
        """Whether the first row that comes is the header."""
        content_type = context.headers.get("content-type", "")
        comes = has_header(spec.header, parse_content_type(content_type))
        if spec.header is True and not comes and self._rows.by_name:
            raise ContentTypeError(
                f"the Content-Type {content_type!r} says that the table has no header: pass the "
                f"names of its columns, as in CSV(header=('id', 'name'))",
                content_type=content_type,
            )
        if context.offset and comes and self._columns is None and context.head:
            self.head = context.head
            cells = from_head(context.head)
            try:
                self._columns = self._named(cells)
            except ValueError as exc:
                raise ConfigurationError(
                    f"start= is a cursor of a table whose header does not fit this decoder: {exc}"
                ) from exc
        self.starts_at_records = not comes or self._columns is not None
        return comes and not (context.offset and self._columns is not None)

    def _named(self, cells: list[str]) -> tuple[str, ...]:
        return named(cells, self._rename, by_name=self._rows.by_name)

    def feed(self, data: bytes, /) -> Batch[T]:
        if self._over:
            return Batch([])
        if self._bom is not None and self._bom.held is not None:
            data = self._bom.strip(data)
            self._offset = self._bom.size
        batch = Batch[T]([], Ends([]))
        block = self._take(data)
        if block:
            self._read(block, batch)
        if _goes_on(batch):
            batch.error = self._fault()
        self._over = not _goes_on(batch)
        if self._over:
            self._tail = bytearray()
        return batch

    def finish(self, *, framed: bool = True) -> Batch[T]:
        batch = Batch[T]([], Ends([]))
        if self._over:
            return batch
        self._over = True
        rest = bytes(self._tail)
        if self._bom is not None and self._bom.held:
            rest = self._bom.held
        if not rest:
            return batch
        if not self._is_terminal(rest) and self._is_cut(rest, framed=framed):
            batch.error = cut_in(f"row {self._index}")
        else:
            self._read_all([rest], batch)
        return batch

    def _is_cut(self, rest: bytes, *, framed: bool) -> bool:
        """Whether a last record without its line end may be only the start of one."""
        if not framed or self._open.is_quoted or is_cut(rest, self._codec):
            return True
        if self._columns is None or self._header_comes:
            return False
        return len(self._syntax.cells(rest.decode(self._codec, "replace"))) < len(self._columns)

    def _take(self, data: bytes) -> bytes:
        """All records that are whole with `data`; what is left is the tail."""
        start = self._scan(data) if self._tail else 0
        if start < 0:
            self._tail += data
            return b""
        # Most often the last line end of a piece is the end of a row. If reading up to there shows
        # that it is, nobody has to look for it; else the records are found by themselves.
        whole = max(data.rfind(b"\n") + 1, start)
        block = bytes(self._tail) + data[:whole] if self._tail else data[:whole]
        if data.find(b'"', start) >= 0 and not self._can_be_read(block):
            whole = self._syntax.whole(data, start)
            block = bytes(self._tail) + data[:whole] if self._tail else data[:whole]
        self._tail, self._open = bytearray(), OpenRecord(self._syntax)
        self._scan(data[whole:])
        self._tail += data[whole:]
        return block

    def _can_be_read(self, block: bytes) -> bool:
        """Whether this is whole, well-formed records; keeps what they hold for `_read_many`."""
        try:
            self._read_ahead = block, self._cells(block)
        except (ValueError, csv.Error):
            self._read_ahead = None
        return self._read_ahead is not None

    def _scan(self, data: bytes) -> int:
        """The index behind the end of the open record, which goes on with `data`, or -1."""
        try:
            return self._open.end(data)
        except Misquoted as bad:
            self._misquoted = len(self._tail) + bad.at
            return -1

    def _fault(self) -> Exception | None:
        """What is wrong with the tail: the same however the bytes were cut."""
        at = self._misquoted
        if at is not None and at <= self._limit:
            bad = ValueError("behind a closing quote comes neither a delimiter nor a line end")
            data = bytes(self._tail[: at + 1])
            return bad_item(bad, "raise", index=self._index, offset=self._offset + at, data=data)
        return self._outgrown() if len(self._tail) > self._limit else None

    def _outgrown(self) -> Exception:
        return too_large("max_item_bytes", self._limit, self._limit + 1, "a row")

    def _read(self, block: bytes, batch: Batch[T]) -> None:
        """Reads whole records: the header by itself, then all at once or one by one."""
        start = self._offset
        records = self._syntax.records(block)
        while self._header_comes and _goes_on(batch):
            record = next(records, None)
            if record is None:
                return
            self._read_all([record], batch)
        rest = block[self._offset - start :]
        if _goes_on(batch) and rest and not self._read_many(rest, batch):
            self._read_all(self._syntax.records(rest), batch)

    def _read_many(self, block: bytes, batch: Batch[T]) -> bool:
        """Reads whole records at once; returns whether none of them was special."""
        ahead, self._read_ahead = self._read_ahead, None
        special = self._terminal is not None and self._terminal in block
        if special or len(block) > self._limit:
            return False
        try:
            # (A slice of all of a block is the block itself; if it is not, it is read again.)
            known = ahead is not None and ahead[0] is block
            items = self._items(ahead[1] if ahead and known else self._cells(block))
        except Exception:  # read one by one, they show which it is
            return False
        ends = cast("Ends", batch.marks)
        ends.parts.append(partial(_ends, self._syntax, self._offset, block))
        batch.items += items
        self._index += len(items)
        self._offset += len(block)
        batch.size += len(block)
        batch.end = Position(offset=self._offset)
        return True

    def _cells(self, block: bytes) -> list[list[str]]:
        return self._blocks.rows(block.decode(self._codec))

    def _items(self, rows: list[list[Any]]) -> list[T]:
        if self._empty != "":
            empty = self._empty
            rows = [[cell or empty for cell in row] for row in rows]
        columns = self._columns
        if columns is None:
            return self._rows.convert_all(rows)
        if set(map(len, rows)) - {len(columns)}:
            raise ValueError
        if self._rows.by_name:
            return self._rows.convert_all([dict(zip(columns, row, strict=False)) for row in rows])
        return self._rows.convert_all(rows)

    def _read_all(self, records: Iterable[bytes], batch: Batch[T]) -> None:
        """Reads records one by one, with their line ends, until one of them ends the stream."""
        marks = cast("Ends", batch.marks)
        for record in records:
            line, count = record.removesuffix(b"\n"), len(batch.items)
            if len(line) > self._limit:
                batch.error = self._outgrown()
            elif self._is_terminal(line):
                batch.ended = True
            elif line not in _BLANK:
                batch.error = self._read_line(line, batch.items)
            if batch.error is not None:
                return
            self._offset += len(record)
            batch.size += len(record)
            batch.end = Position(offset=self._offset)
            if len(batch.items) > count:
                marks.parts.append(self._offset)
            if batch.ended:
                return

    def _read_line(self, line: bytes, items: list[T]) -> Exception | None:
        policy: BadItem = "raise" if self._header_comes else self._on_bad_item
        try:
            cells = self._syntax.cells(line.removesuffix(b"\r").decode(self._codec))
            if self._header_comes:
                self._read_header(cells)
                return None
            items.append(self._item(cells))
        except Exception as exc:
            error = bad_item(exc, policy, index=self._index, offset=self._offset, data=line)
            self.skipped += error is None
        else:
            error = None
        self._index += 1
        return error

    def _read_header(self, cells: list[str]) -> None:
        if self._columns is None:
            self._columns = self._named(cells)
            self.head = to_head(cells)
            self.starts_at_records = True
        self._header_comes = False

    def _item(self, cells: list[Any]) -> T:
        columns = self._columns
        if columns is not None and len(cells) != len(columns):
            raise ValueError(
                f"the row has {len(cells):,} cells, and the table has {len(columns):,} columns"
            )
        if self._empty != "":
            cells = [cell or self._empty for cell in cells]
        by_name = columns is not None and self._rows.by_name
        row = dict(zip(columns or (), cells, strict=True)) if by_name else cells
        return cast("T", self._rows.convert(row))

    def _is_terminal(self, line: bytes) -> bool:
        return self._terminal is not None and line.removesuffix(b"\r") == self._terminal


def _codec(context: Context, spec: CSV[Any]) -> str:
    codec = charset_of(context) if spec.encoding is None else ascii_codec(spec.encoding)
    if codec is None or not all(stands_alone(sign, codec) for sign in (spec.delimiter, '"')):
        raise ContentTypeError(
            f"in the charset {codec} the byte of {spec.delimiter!r} or of a quote may be a part of "
            f"another character: pass decoder=Raw() and decode the bytes yourself",
            content_type=context.headers.get("content-type", ""),
        )
    return codec


def _goes_on(batch: Batch[T]) -> bool:
    return batch.error is None and not batch.ended


def _ends(syntax: RecordSyntax, base: int, block: bytes) -> list[int]:
    ends: list[int] = []
    for record in syntax.records(block):
        base += len(record)
        if record.removesuffix(b"\n") not in _BLANK:
            ends.append(base)
    return ends
