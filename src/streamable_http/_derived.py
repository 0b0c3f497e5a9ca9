"""What the operators of the sync face have in common: what they are in front of, and the cursor."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from ._delivery import Mark
from ._errors import StreamError
from ._flow import Flow
from ._reports import StreamStats
from ._sync import Stream
from ._turns import Ledger
from ._values import Cursor

__all__ = ["Derived", "Governing"]

T = TypeVar("T")
R = TypeVar("R")


class Derived(Flow[R], Generic[T, R]):
    """An operator in front of another flow, to which all goes through that it does not change."""

    def __init__(self, upstream: Flow[T]) -> None:
        self._upstream = upstream

    @property
    def _source(self) -> Stream[Any]:
        return self._upstream._source

    @property
    def stats(self) -> StreamStats:
        return self._upstream.stats

    @property
    def cursor(self) -> Cursor | None:
        return self._upstream.cursor

    def ack(self) -> None:
        self._upstream.ack()

    def close(self) -> None:
        self._upstream.close()

    def _mark(self) -> Mark:
        return self._upstream._mark()

    def _start_over(self) -> None:
        self._upstream._start_over()

    def _chain(self) -> Iterator[Flow[Any]]:
        yield self
        yield from self._upstream._chain()


class Governing(Derived[T, R]):
    """An operator that takes more items than it has handed on, and so keeps the cursor itself.

    It does so from when the first result is asked for: the item in hand is not done before.
    """

    _ledger: Ledger

    def __init__(self, upstream: Flow[T]) -> None:
        super().__init__(upstream)
        self._begun = False

    def __next__(self) -> R:
        self._source._read_by(self)
        try:
            return self._next()
        except StreamError as exc:
            # What upstream failed with may have waited for results before it to be handed out.
            if self._source._is_own(exc):
                exc.cursor = self.cursor
            raise

    @abc.abstractmethod
    def _next(self) -> R:
        """The next result."""

    def _save(self, mark: Mark, upcoming: int = 1, *, at_end: bool = False) -> None:
        """All before `mark` is done, and `upcoming` items go out next, unless this is the end."""
        self._source._save(mark, upcoming, by=self, at_end=at_end)

    @property
    def _left(self) -> bool:
        return self._ledger.left or self._ledger.error is not None

    def _start_over(self) -> None:
        super()._start_over()
        if not self._left:
            self._ledger.settle()
            self._ledger.start_over(self._upstream._mark())
        self._begun = True

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._ledger.low_water) if self._begun else super().cursor

    def ack(self) -> None:
        if self._begun:
            self._ledger.settle()
        else:
            super().ack()

    def _mark(self) -> Mark:
        return self._ledger.after_hand() if self._begun else super()._mark()
