"""What `batches` has gathered and handed out, and how far its cursor is; pure, for both faces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from ._checks import no_end
from ._delivery import Mark

__all__ = ["Gathering"]

T = TypeVar("T")


class Gathering(Generic[T]):
    """Items on their way into lists, each with the place behind it.

    Attributes:
        low_water: The place behind the last list that is done.
        error: What upstream failed with, raised behind all items.
    """

    def __init__(self, start: Mark, weigh: Callable[[T], float] | None = None) -> None:
        self.low_water = start
        self._in_hand = start
        self._weigh = weigh
        self._weight: float = 0
        self._items: deque[tuple[T, Mark, float]] = deque()
        self._over = False
        self.error: BaseException | None = None

    def start_over(self, start: Mark) -> None:
        """The next item lies behind this place, and there is none before it."""
        self.low_water = self._in_hand = start

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: T, mark: Mark) -> None:
        """The next item, with the place behind it."""
        try:
            weight = 1 if self._weigh is None else self._weigh(item)
        except Exception as exc:
            raise no_end(exc, "weigh=") from exc.__cause__
        self._weight += weight
        self._items.append((item, mark, weight))

    def add_all(self, items: Iterable[T], mark: Mark) -> None:
        """Items that are handed out together, with the place behind the last."""
        for item in items:
            self.add(item, mark)

    def fills(self, size: float) -> bool:
        """Whether there is enough for a list of this size."""
        return self._weight >= size

    @property
    def left(self) -> bool:
        """Whether there are items that were not handed out."""
        return bool(self._items)

    @property
    def over(self) -> bool:
        """Whether nothing more will be added."""
        return self._over

    def finish(self, error: BaseException | None = None) -> None:
        """Upstream has ended, or failed with `error`, which is raised behind all items."""
        if not self._over:
            self._over, self.error = True, error

    def drop(self, error: BaseException) -> None:
        """Nothing more is handed out: from now on `take` raises `error`."""
        self._items.clear()
        self._over, self.error = True, error

    def take(self, most: int | None = None) -> list[T] | None:
        """The next list, of at most `most` items (see `ready`); None at the end.

        Raises:
            BaseException: What upstream failed with.
        """
        if not self._items:
            if self.error is not None:
                raise self.error
            return None
        count = len(self._items) if most is None else min(most, len(self._items))
        taken = [self._items.popleft() for _ in range(count)]
        self._weight -= sum(weight for _, _, weight in taken)
        self._in_hand = taken[-1][1]
        return [item for item, _, _ in taken]

    def ready(self, size: float | None = None) -> int:
        """How many of the items make a list of this size, or what there is of one."""
        if size is None:
            return len(self._items)
        if self._weigh is None:
            return min(int(size), len(self._items))
        total: float = 0
        for count, (_, _, weight) in enumerate(self._items):
            if total >= size:
                return count
            total += weight
        return len(self._items)

    def settle(self) -> None:
        """The list in hand is done."""
        self.low_water = self._in_hand

    def after_hand(self) -> Mark:
        """The place behind the list in hand."""
        return self._in_hand
