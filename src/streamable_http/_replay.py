"""Recognises what a server sends again after a resume, item by item."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from ._decoders.engine import Batch, Marks, Position

__all__ = ["Replay"]

T = TypeVar("T")


class Replay:
    """Drops items that were delivered before the connection broke.

    After a `Last-Event-ID` a server goes on behind that event. Items without an ID of their own
    that followed it may be sent again, or not, depending on the server. A count would guess; so
    an item is dropped only while it equals the next one that is known to have been delivered.

    Attributes:
        dropped: Items dropped so far.
    """

    def __init__(self, behind: tuple[bytes, ...]) -> None:
        self._expected = deque(behind)
        self.dropped = 0

    def drop(self, batch: Batch[T]) -> Batch[T]:
        """The batch without the items that are repeats."""
        if not self._expected or not batch.items:
            return batch
        repeats = 0
        for index in range(len(batch.items)):
            if not self._expected or batch.marks.digest(index) != self._expected[0]:
                self._expected.clear()
                break
            self._expected.popleft()
            repeats += 1
        self.dropped += repeats
        if not repeats:
            return batch
        return Batch(
            batch.items[repeats:],
            _Shifted(batch.marks, repeats),
            batch.end,
            batch.error,
            batch.ended,
            batch.size,
        )


class _Shifted:
    """The marks of a batch that lost its first items."""

    def __init__(self, marks: Marks, by: int) -> None:
        self._marks, self._by = marks, by

    def position(self, index: int, /) -> Position:
        return self._marks.position(index + self._by)

    def digest(self, index: int, /) -> bytes | None:
        return self._marks.digest(index + self._by)
