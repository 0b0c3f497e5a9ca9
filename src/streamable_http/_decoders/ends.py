"""Marks of the records of a batch by where each of them ends."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .engine import Position

__all__ = ["Ends"]


class Ends(msgspec.Struct):
    """Positions that are known, or worked out once somebody asks for one.

    Attributes:
        parts: Offsets, and functions that return those of several items in a row.
    """

    parts: list[int | Callable[[], list[int]]] = []
    _known: list[int] | None = None

    def position(self, index: int, /) -> Position:
        if self._known is None:
            known: list[int] = []
            for part in self.parts:
                if isinstance(part, int):
                    known.append(part)
                else:
                    known += part()
            self._known = known
        return Position(offset=self._known[index])

    def digest(self, index: int, /) -> bytes | None:
        return None
