"""Recognises what a server sends again after a resume, item by item."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

from .._decoders.engine import Batch
from .._decoders.sse_event import ServerSentEvent

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
        kept = [index for index, item in enumerate(batch.items) if self._is_new(batch, index, item)]
        self.dropped += len(batch.items) - len(kept)
        if len(kept) == len(batch.items):
            return batch
        return batch.only(kept)

    def _is_new(self, batch: Batch[T], index: int, item: T) -> bool:
        if isinstance(item, ServerSentEvent) and not item.event:
            return True  # a comment, which is no part of what is repeated
        if self._expected and batch.marks.digest(index) == self._expected[0]:
            self._expected.popleft()
            return False
        self._expected.clear()
        return True
