"""Who is at work on which item, in which order results leave, and what is safely done; pure.

`map(max_concurrent=…)` works on several items at once. The cursor may pass an item only when
its result was handed over and the consumer asked for the next, and so was every item's before
it: the low-water mark.
"""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar

from ._delivery import Mark

__all__ = ["Ledger", "Over", "Turns"]

R = TypeVar("R")


class Ledger(Protocol):
    """How far an operator is with the items that it took: see `Turns` and `Gathering`."""

    low_water: Mark
    error: BaseException | None

    @property
    def left(self) -> bool: ...
    def settle(self) -> None: ...
    def after_hand(self) -> Mark: ...
    def start_over(self, start: Mark, /) -> None: ...


class Over(Exception):  # a signal, as StopIteration is
    """There are no more results."""


class _Ticket(Generic[R]):
    __slots__ = ("error", "mark", "settled", "value")

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self.value: R
        self.error: BaseException | None = None
        self.settled = False


class Turns(Generic[R]):
    """The state of a concurrent map, without threads or tasks: its user brings the waiting.

    Args:
        start: The place before the first item.
        ordered: Whether results leave in the order of the items.
        reach: How many items may be taken on from the low-water mark on. Without an order, one slow
            item holds that mark back, while any number of others pass by.

    Attributes:
        low_water: The place before the first item that is not done.
        error: What the source failed with, raised behind all results.
    """

    def __init__(self, start: Mark, *, ordered: bool, reach: int | None = None) -> None:
        self.low_water = start
        self._reach = reach
        self._ordered = ordered
        self._unsettled: deque[_Ticket[R]] = deque()
        self._awaited: deque[_Ticket[R]] = deque()
        self._left: deque[_Ticket[R]] = deque()
        self._finished: set[int] = set()
        self._in_hand: _Ticket[R] | None = None
        self._over = False
        self.error: BaseException | None = None

    def start_over(self, start: Mark) -> None:
        """The next item lies behind this place, and there is none before it."""
        self.low_water = start

    @property
    def left(self) -> bool:
        """Whether there are items whose results were not handed out."""
        return any(not one.settled and one is not self._in_hand for one in self._unsettled)

    @property
    def accepting(self) -> bool:
        """Whether another item may be taken on."""
        return not self._over

    @property
    def crowded(self) -> bool:
        """Whether an item that is taken on now would be out of reach."""
        return self._reach is not None and len(self._unsettled) >= self._reach

    def enter(self, mark: Mark) -> _Ticket[R]:
        """An item is taken on; `mark` is the place behind it."""
        ticket = _Ticket[R](mark)
        self._unsettled.append(ticket)
        self._awaited.append(ticket)
        return ticket

    def leave(self, ticket: _Ticket[R], value: R) -> None:
        """The work on an item is finished."""
        ticket.value = value
        self._depart(ticket)

    def fail(self, ticket: _Ticket[R], error: BaseException) -> None:
        """The work on an item failed: nothing new is taken on."""
        ticket.error = error
        self._over = True
        self._depart(ticket)

    def finish(self, error: BaseException | None = None) -> None:
        """The source has ended, or failed with `error`, which is raised behind all results."""
        if not self._over:
            self._over, self.error = True, error

    def _depart(self, ticket: _Ticket[R]) -> None:
        self._finished.add(id(ticket))
        if not self._ordered:
            self._awaited.remove(ticket)
            self._left.append(ticket)

    def ready(self) -> bool:
        """Whether `pop` has an answer now."""
        if self._ordered:
            while self._awaited and id(self._awaited[0]) in self._finished:
                self._left.append(self._awaited.popleft())
        return bool(self._left) or (self._over and not self._awaited)

    def pop(self) -> R:
        """The next result; only when `ready`.

        Raises:
            Over: There is none any more.
            BaseException: What the work on this item, or the source, raised.
        """
        self.settle()
        if not self._left:
            if self.error is not None:
                raise self.error
            raise Over
        ticket = self._left[0]
        if ticket.error is not None:
            raise ticket.error
        self._left.popleft()
        self._finished.discard(id(ticket))
        self._in_hand = ticket
        return ticket.value

    def settle(self) -> None:
        """The result in hand is done."""
        if self._in_hand is None:
            return
        self._in_hand.settled = True
        self._in_hand = None
        while self._unsettled and self._unsettled[0].settled:
            self.low_water = self._unsettled.popleft().mark

    def after_hand(self) -> Mark:
        """Where the low-water mark will be once the result in hand is done."""
        mark = self.low_water
        for ticket in self._unsettled:
            if not ticket.settled and ticket is not self._in_hand:
                break
            mark = ticket.mark
        return mark
