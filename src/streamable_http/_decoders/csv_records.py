"""Where the records of a CSV body end, and what their cells are (RFC 4180), on bytes.

A quote is special where a cell begins, and inside of what it opened there; elsewhere it is a
character like any other. Behind a closing quote only a delimiter or a line end may come: with
anything else nobody can say where the cell ends, and so nothing behind it can be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto

__all__ = ["Misquoted", "OpenRecord", "RecordSyntax"]

_QUOTE, _LF, _CR = b'"\n\r'


class Misquoted(Exception):
    """Behind a closing quote comes what must not.

    Attributes:
        at: The index of the byte in what was read last.
    """

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.at = at


class RecordSyntax:
    """The records and cells for one delimiter, an ASCII character."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = ord(delimiter)
        comma = re.escape(delimiter)
        cell = rf'(?:"[^"]*+(?:""[^"]*+)*+"|[^"{comma}\n][^{comma}\n]*+|)'
        # A line without a quote is a record, whatever its cells; that branch is the fast one.
        record = rf'(?:[^"\n]*+\n|{cell}(?:{comma}{cell})*+\r?+\n)'.encode()
        self._whole = re.compile(b"(?:" + record + b")*+")
        self._record = re.compile(record)
        self._cell = re.compile(rf'"([^"]*+(?:""[^"]*+)*+)"|([^{comma}]*+)')
        self.plain_end = re.compile(rf"[{comma}\n]".encode())

    def whole(self, data: bytes, start: int) -> int:
        """The index behind the last of the whole, well-formed records that begin at `start`."""
        return self._whole.match(data, start).end()  # type: ignore[union-attr]  # nothing, too

    def records(self, block: bytes) -> Iterator[bytes]:
        """The records of a block of whole ones, with their line ends."""
        return map(re.Match[bytes].group, self._record.finditer(block))

    def cells(self, record: str) -> list[str]:
        """The cells of one record without its line end."""
        cells: list[str] = []
        at = 0
        while True:
            match = self._cell.match(record, at)
            quoted, plain = match.groups()  # type: ignore[union-attr]  # it matches nothing, too
            cells.append(plain if quoted is None else quoted.replace('""', '"'))
            at = match.end() + 1  # type: ignore[union-attr]
            if at > len(record):
                return cells


class _In(Enum):
    START = auto()  # where a cell begins
    PLAIN = auto()
    QUOTED = auto()
    CLOSED = auto()  # behind a quote that closes the cell, or is the first of two
    LINE_END = auto()  # behind a CR, behind a closed cell


class OpenRecord:
    """How far the record was read whose end has not come yet: each byte is looked at once."""

    def __init__(self, syntax: RecordSyntax) -> None:
        self._syntax = syntax
        self._in = _In.START

    @property
    def is_quoted(self) -> bool:
        """Whether what was read ends inside of quotes."""
        return self._in is _In.QUOTED

    def end(self, data: bytes) -> int:
        """The index behind the record's line end in `data`, which goes on with it, or -1.

        Raises:
            Misquoted: There is none, for it is no record.
        """
        at, size = 0, len(data)
        while 0 <= at < size:
            if self._in is _In.QUOTED:
                at = data.find(b'"', at) + 1 or -1
                self._in = _In.QUOTED if at < 0 else _In.CLOSED
            elif self._in is _In.PLAIN:
                match = self._syntax.plain_end.search(data, at)
                at = -1 if match is None else match.end()
                if match is not None:
                    self._in = _In.START
                    if data[at - 1] == _LF:
                        return at
            elif self._in is _In.START and data[at] != _QUOTE:
                self._in = _In.PLAIN
            else:
                self._in = self._behind_quote(data, at)
                at += 1
                if data[at - 1] == _LF:
                    return at
        return -1

    def _behind_quote(self, data: bytes, at: int) -> _In:
        """What one byte says that is a quote, or stands behind a quoted cell."""
        byte = data[at]
        if byte == _QUOTE and self._in is not _In.LINE_END:
            return _In.QUOTED
        if byte == _LF:
            return _In.START
        if self._in is _In.CLOSED and byte in (self._syntax.delimiter, _CR):
            return _In.LINE_END if byte == _CR else _In.START
        raise Misquoted(at)
