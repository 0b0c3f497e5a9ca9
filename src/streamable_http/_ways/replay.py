"""Recognises what a server sends again after a resume, item by item."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from .._decoders.engine import Batch
from .events import is_comment

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

    @property
    def expecting(self) -> bool:
        """Whether more repeats may come."""
        return bool(self._expected)

    def begins(self, batch: Batch[T], count: int) -> bool:
        """Whether repeats came, or do with the first `count` items of the batch."""
        events = (at for at in range(count) if not is_comment(batch.items[at]))
        first = next(events, None)
        if self.dropped or first is None or not self._expected:
            return self.dropped > 0
        return batch.marks.digest(first) == self._expected[0]

    def drop(self, batch: Batch[T], had: int | None = None) -> Batch[T]:
        """The batch without the items that are repeats.

        Args:
            batch: What came.
            had: The index of the event that they followed, where that is a repeat, too.
        """
        if not batch.items or (had is None and not self._expected):
            return batch
        kept = [
            index
            for index, item in enumerate(batch.items)
            if index != had and self._is_new(batch, index, item)
        ]
        self.dropped += len(batch.items) - len(kept)
        if len(kept) == len(batch.items):
            return batch
        return batch.only(kept)

    def _is_new(self, batch: Batch[T], index: int, item: T) -> bool:
        if is_comment(item):
            return True
        if self._expected and batch.marks.digest(index) == self._expected[0]:
            self._expected.popleft()
            return False
        self._expected.clear()
        return True
