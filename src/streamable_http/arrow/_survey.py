"""What lines would take, in fields and in places for values, before pyarrow takes the memory."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["MAX_COLUMNS", "MAX_DEPTH", "outgrown", "overfull", "portions"]

MAX_COLUMNS = 1000
"""Fields of a schema that is found, those within others among them."""

MAX_DEPTH = 64
"""How deep values may lie in each other; Arrow itself sends no deeper ones between programs."""

_FREE_CELLS = 1 << 20
_CELLS_PER_BYTE = 16

# Strings whole, since they may hold brackets; with a colon behind it, one is a key. Possessive, and
# with strings that never end: what does not match is found out in one pass.
_tokens = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"(?:[ \t\r]*+:)?+)?+|[{}\[\]]', re.DOTALL)
_QUOTE = ord('"')


def outgrown(lines: Sequence[bytes]) -> tuple[int, str] | None:
    """The first line with which a schema that is found grows out of bounds, and how; or None.

    Each new key makes a column, in which each record has a place: of lines that all have keys of
    their own, pyarrow's memory would grow with the square. So places are counted beforehand, and
    bounded by the bytes that came. Lines are taken as they are: what is no JSON is told later.
    """
    shapes: dict[bytes, int] = {}
    columns = _Columns()
    objects = size = 0
    for place, line in enumerate(lines):
        tokens = [one for one in _tokens.findall(line) if one[-1] != _QUOTE]
        shape = b"".join(tokens)
        if shape not in shapes:
            if not columns.add(tokens):
                return place, f"its values are nested deeper than {MAX_DEPTH}"
            shapes[shape] = tokens.count(b"{")
        objects += shapes[shape]
        size += len(line)
        if columns.count > MAX_COLUMNS:
            return place, f"with it there are more than {MAX_COLUMNS} fields to find"
        cells = (place + 1) * columns.plain + objects * columns.listed
        if cells > _room(size):
            return place, f"its {columns.count} fields are empty in most of the records"
    return None


def portions(data: bytes, plain: int, listed: int) -> tuple[bytes, ...]:
    """Lines, cut into such as make batches of a bounded size each.

    A record has a place in each column, however little of it came: of `{}` a line, a wide schema
    makes thousands of times their bytes.

    Args:
        data: Whole lines.
        plain: How many places for values a record has.
        listed: How many an item of a list within it has.
    """
    found: list[bytes] = []
    waiting = [data]
    while waiting:
        piece = waiting.pop()
        middle = len(piece) // 2
        cut = piece.rfind(b"\n", 0, middle) + 1 or piece.find(b"\n", middle) + 1
        cells = piece.count(b"\n") * plain + piece.count(b"{") * listed
        if cells > _room(len(piece)) and cut < len(piece):
            waiting += (piece[cut:], piece[:cut])
        else:
            found.append(piece)
    return tuple(found)


def overfull(line: bytes, listed: int) -> bool:
    """Whether the lists of one record have far more places than bytes, so that no cut helps."""
    room = _room(len(line))
    if line.count(b"{") * listed <= room:
        return False
    return _tokens.findall(line).count(b"{") * listed > room


def _room(size: int) -> int:
    return _FREE_CELLS + _CELLS_PER_BYTE * size


class _Columns:
    """The fields that pyarrow would find, as a tree.

    Attributes:
        plain: How many there are that have a place in each record.
        listed: How many are within lists: they have one in each item.
    """

    def __init__(self) -> None:
        self.plain = 0
        self.listed = 0
        self._root = _Column(listed=False)

    @property
    def count(self) -> int:
        return self.plain + self.listed

    def add(self, tokens: Sequence[bytes]) -> bool:
        """Adds the fields of one line, unless they lie too deep: False."""
        here = self._root
        around: list[_Column] = []
        for token in tokens:
            if token in b"{[":
                here = self._within(here, token, listed=True) if token == b"[" else here
                around.append(here)
                if len(around) > MAX_DEPTH:
                    return False
            elif token in b"}]":
                # An item of a list may follow; in an object, its key will say where.
                del around[-1:]
                here = around[-1] if around else self._root
            elif around:
                here = self._within(around[-1], token.rstrip(b": \t\r"), listed=False)
            if self.count > MAX_COLUMNS:
                break
        return True

    def _within(self, parent: _Column, name: bytes, *, listed: bool) -> _Column:
        found = parent.within.get(name)
        if found is None:
            found = parent.within[name] = _Column(listed=listed or parent.listed)
            if found.listed:
                self.listed += 1
            else:
                self.plain += 1
        return found


class _Column:
    __slots__ = ("listed", "within")

    def __init__(self, *, listed: bool) -> None:
        self.listed = listed
        self.within: dict[bytes, _Column] = {}
