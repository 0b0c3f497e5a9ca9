"""What an operator is in front of, and how far it is with what it took; the same on both faces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, Protocol, TypeVar

from ._delivery import Mark
from ._reports import StreamStats
from ._turns import Ledger
from ._values import Cursor

__all__ = ["InFront", "Keeping"]


class _Upstream(Protocol):
    @property
    def _source(self) -> Any: ...
    @property
    def stats(self) -> StreamStats: ...
    @property
    def cursor(self) -> Cursor | None: ...
    def ack(self) -> None: ...
    def _mark(self) -> Mark: ...
    def _start_over(self) -> None: ...
    def _chain(self) -> Iterator[Any]: ...


U = TypeVar("U", bound=_Upstream)


class InFront(Generic[U]):
    """In front of another flow, to which all goes through that is not changed here."""

    def __init__(self, upstream: U) -> None:
        self._upstream: U = upstream

    @property
    def _source(self) -> Any:
        return self._upstream._source

    @property
    def stats(self) -> StreamStats:
        return self._upstream.stats

    @property
    def cursor(self) -> Cursor | None:
        return self._upstream.cursor

    def ack(self) -> None:
        self._upstream.ack()

    def _mark(self) -> Mark:
        return self._upstream._mark()

    def _start_over(self) -> None:
        self._upstream._start_over()

    def _chain(self) -> Iterator[Any]:
        yield self
        yield from self._upstream._chain()


class Keeping(InFront[U]):
    """In front of a flow of which more items are taken than handed on: it keeps the cursor itself.

    It does so from when the first result is asked for: the item in hand is not done before.
    """

    _ledger: Ledger
    _begun = False

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
        if not self._begun:
            return super().cursor
        cursor: Cursor | None = self._source._cursor_at(self._ledger.low_water)
        return cursor

    def ack(self) -> None:
        if self._begun:
            self._ledger.settle()
        else:
            super().ack()

    def _mark(self) -> Mark:
        return self._ledger.after_hand() if self._begun else super()._mark()
