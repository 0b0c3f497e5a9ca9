"""What the consumer has been handed, and how far its cursor stands; pure, shared by both faces.

There are two positions. The session's *read position* is behind the last item decoded, and
serves reconnects. The *cursor* is for restarts: it passes an item when the consumer asks for the
next one, at a clean end, or at `ack()`.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from attrs import frozen

from ._decoders.engine import Batch, Position

__all__ = ["Delivery", "Mark"]

T = TypeVar("T")


@frozen(eq=False)
class Mark:
    """A place in the stream, resolved to a position only when somebody asks.

    Attributes:
        start: The position before `batch`.
        count: Items before `batch`.
        batch: Where the place is, or None: at `start` itself.
        passed: How many items of the batch lie before the place.
    """

    start: Position
    count: int
    batch: Batch[Any] | None = None
    passed: int = 0

    @property
    def items(self) -> int:
        """Items before the place, counted on from the cursor that the stream started with."""
        return self.count + self.passed

    def resolve(self) -> Position:
        """The position."""
        if self.batch is None or self.passed == 0:
            return self.start
        if self.passed == len(self.batch.items) and self.batch.end is not None:
            return self.batch.end
        return self.batch.marks.position(self.passed - 1)


class Delivery(Generic[T]):
    """Hands out batches item by item without counting each one.

    It may hand out a batch in portions, so that its user gets a word in between. A place that is
    asked for from another thread meanwhile may lag behind, but is never ahead: the order of the
    assignments sees to that.

    Attributes:
        items: The items of the current portion that are not handed out yet.
    """

    def __init__(self, start: Position, count: int = 0) -> None:
        self.items: Iterator[T] = iter(())
        self._batch: Batch[T] | None = None
        self._start = start
        self._count = count
        self._served = 0  # items of the batch up to the end of the current portion
        self._acknowledged = 0
        self._stopped: int | None = None  # what was handed out when the stream was closed

    @property
    def handed(self) -> int:
        """Items handed out, counted on from the cursor that the stream started with."""
        return self._count + self._handed

    @property
    def _handed(self) -> int:
        if self._batch is None:
            return 0
        if self._stopped is not None:
            return self._stopped
        return self._served - operator.length_hint(self.items)

    def load(self, batch: Batch[T], portion: int | None = None) -> None:
        """Hands out this batch next; what came before is done (see `finish`)."""
        self._batch = batch
        if portion is None:
            self.items, self._served = iter(batch.items), len(batch.items)
        else:
            self.more(portion)

    def more(self, portion: int | None = None) -> bool:
        """Hands out up to `portion` more items of the batch; whether there was one left."""
        items = () if self._batch is None else self._batch.items
        left = len(items) - self._served
        if not left:
            return False
        end = self._served + (left if portion is None else min(left, portion))
        whole = end - self._served == len(items)
        self.items, self._served = iter(items if whole else items[self._served : end]), end
        return True

    def finish(self) -> None:
        """All that was handed out is done: whoever asks for more has dealt with it."""
        batch = self._batch
        if batch is None:
            return
        handed = self._handed
        if handed == len(batch.items) and batch.end is not None:
            start = batch.end
        else:
            start = self.after_handed().resolve()
        self._batch, self._start, self._count = None, start, self._count + handed
        self.items, self._served, self._acknowledged = iter(()), 0, 0

    def stop(self) -> None:
        """Nothing more is handed out, not even to who holds `items`."""
        self._stopped = self._handed
        deque(self.items, maxlen=0)

    def rest(self) -> list[T]:
        """Hands out what is left of the current portion at once."""
        return list(self.items)

    def acknowledge(self) -> None:
        """All that was handed out is done, the item in hand, too."""
        self._acknowledged = self._handed

    def after_handed(self) -> Mark:
        """The place behind the item in hand."""
        return Mark(self._start, self._count, self._batch, self._handed)

    def committed(self) -> Mark:
        """The place before the item in hand, or behind it once it is acknowledged."""
        passed = max(self._handed - 1, self._acknowledged)
        return Mark(self._start, self._count, self._batch, max(passed, 0))

    def settle(self, end: Position) -> None:
        """The stream ended cleanly, at `end`."""
        self.finish()
        self._start = end
