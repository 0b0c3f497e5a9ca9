"""The operators of the async face: `map` and `batches`, with a cursor that never runs ahead.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import anyio

from ._async import AsyncFlow, AsyncStream
from ._checks import check_callable, check_number, check_seconds
from ._delivery import Mark
from ._errors import StreamClosed
from ._pipeline import AHEAD
from ._reports import StreamStats
from ._tasks import applied, spawn
from ._turns import Over, Turns
from ._values import Cursor

__all__ = ["batched", "mapped"]

T = TypeVar("T")
R = TypeVar("R")

_CLOSED = "the stream was closed"


def mapped(
    source: AsyncFlow[T], fn: Callable[[T], Any], max_concurrent: int, *, ordered: bool
) -> AsyncFlow[Any]:
    """What `AsyncFlow.map` returns."""
    check_callable(fn, "fn")
    check_number(max_concurrent, "max_concurrent")
    if max_concurrent == 1:
        return _Mapped(source, fn)
    return _ConcurrentlyMapped(source, fn, max_concurrent, ordered=ordered)


def batched(source: AsyncFlow[T], size: int | None, seconds: float | None) -> AsyncFlow[list[T]]:
    """What `AsyncFlow.batches` returns."""
    if size is not None:
        check_number(size, "size")
    if seconds is None:
        return _Batched(source, size)
    check_seconds(seconds)
    return _TimedBatches(source, size, seconds)


class _Derived(AsyncFlow[R], Generic[T, R]):
    """An operator in front of another flow, to which all goes through that it does not change."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        self._upstream = upstream

    @property
    def _source(self) -> AsyncStream[Any]:
        return self._upstream._source

    @property
    def stats(self) -> StreamStats:
        return self._upstream.stats

    @property
    def cursor(self) -> Cursor | None:
        return self._upstream.cursor

    def ack(self) -> None:
        self._upstream.ack()

    async def aclose(self) -> None:
        await self._upstream.aclose()

    def _mark(self) -> Mark:
        return self._upstream._mark()


class _Mapped(_Derived[T, R]):
    """One item at a time: the item in hand here is the one in hand upstream."""

    def __init__(self, upstream: AsyncFlow[T], fn: Callable[[T], Any]) -> None:
        super().__init__(upstream)
        self._fn = fn

    async def __anext__(self) -> R:
        result: R = await applied(self._fn, await anext(self._upstream))
        return result


class _Governing(_Derived[T, R]):
    """An operator that takes more items than it has handed on, and so keeps the cursor itself."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        super().__init__(upstream)
        self._passed = upstream._mark()
        self._source._govern(self)

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._passed)


class _Batched(_Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(self, upstream: AsyncFlow[T], size: int | None) -> None:
        super().__init__(upstream)
        self._size = size
        self._items: list[T] = []
        self._error: Exception | None = None

    async def __anext__(self) -> list[T]:
        if not self._items:
            self.ack()
        if self._error is not None:
            raise self._error
        if self._size is None:
            return await self._upstream._next_list()
        try:
            # A cancelled call keeps what it has gathered for the next one.
            while len(self._items) < self._size:
                self._items.append(await anext(self._upstream))
        except Exception as exc:
            if not self._items:
                raise
            self._error = exc  # the items before it are delivered before it
        items, self._items = self._items, []
        return items

    def ack(self) -> None:
        self._passed = self._upstream._mark()


class _Background(_Governing[T, R]):
    """An operator with tasks of its own that fill it while the consumer is elsewhere."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        super().__init__(upstream)
        self._changed = anyio.Event()
        self._closed = False

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not self._closed and not condition():
            await self._changed.wait()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StreamClosed(_CLOSED)


class _ConcurrentlyMapped(_Background[T, R]):
    """Several items at work at once, each worker a task that pulls, works and hands over.

    A worker holds its result until the consumer takes it, so there are never more than
    `max_concurrent` items between upstream and consumer.
    """

    def __init__(
        self, upstream: AsyncFlow[T], fn: Callable[[T], Any], max_concurrent: int, *, ordered: bool
    ) -> None:
        super().__init__(upstream)
        self._fn = fn
        self._turns = Turns[R](self._passed, ordered=ordered)
        self._pulling = anyio.Lock()
        self._free = max_concurrent
        names = [f"streamable-http-map-{number}" for number in range(max_concurrent)]
        self._tasks = [spawn(self._work, name) for name in names]

    async def _work(self) -> None:
        while True:
            async with self._pulling:
                await self._until(lambda: self._free > 0 or not self._turns.accepting)
                if self._closed or not self._turns.accepting:
                    return
                try:
                    item = await anext(self._upstream)
                except Exception as exc:
                    self._turns.finish(None if isinstance(exc, StopAsyncIteration) else exc)
                    self._notify()
                    return
                self._free -= 1
                ticket = self._turns.enter(self._upstream._mark())
            try:
                self._turns.leave(ticket, await applied(self._fn, item))
            except Exception as exc:
                self._turns.fail(ticket, exc)
            self._notify()

    async def __anext__(self) -> R:
        self.ack()
        await self._until(self._turns.ready)
        self._refuse_closed()
        try:
            value = self._turns.pop()
        except Over:
            raise StopAsyncIteration from None
        self._free += 1
        self._notify()
        return value

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._turns.low_water)

    def ack(self) -> None:
        self._turns.settle()

    def _mark(self) -> Mark:
        return self._turns.after_hand()

    async def _stop(self) -> None:
        self._closed = True
        self._turns.finish()
        self._notify()
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            await task.wait()


class _TimedBatches(_Background[T, list[T]]):
    """Lists that are handed out in time, so a task reads ahead of the consumer."""

    def __init__(self, upstream: AsyncFlow[T], size: int | None, seconds: float) -> None:
        super().__init__(upstream)
        self._size = AHEAD if size is None else size
        self._seconds = seconds
        self._ahead: deque[tuple[T, Mark, float]] = deque()
        self._in_hand: Mark | None = None
        self._over = False
        self._error: Exception | None = None
        self._task = spawn(self._fill, "streamable-http-batches")

    async def _fill(self) -> None:
        try:
            while not self._closed:
                item = await anext(self._upstream)
                self._ahead.append((item, self._upstream._mark(), anyio.current_time()))
                self._notify()
                await self._until(lambda: not self._full)
        except StopAsyncIteration:
            pass
        except Exception as exc:
            self._error = exc
        finally:
            self._over = True
            self._notify()

    @property
    def _full(self) -> bool:
        return len(self._ahead) >= self._size

    async def __anext__(self) -> list[T]:
        self.ack()
        await self._until(lambda: bool(self._ahead) or self._over)
        self._refuse_closed()
        if not self._ahead:
            if self._error is not None:
                raise self._error
            raise StopAsyncIteration
        left = self._ahead[0][2] + self._seconds - anyio.current_time()
        with anyio.move_on_after(max(left, 0.0)):
            await self._until(lambda: self._full or self._over)
        self._refuse_closed()
        taken = [self._ahead.popleft() for _ in range(min(self._size, len(self._ahead)))]
        self._in_hand = taken[-1][1]
        self._notify()
        return [item for item, _, _ in taken]

    def ack(self) -> None:
        if self._in_hand is not None:
            self._passed, self._in_hand = self._in_hand, None

    def _mark(self) -> Mark:
        return self._passed if self._in_hand is None else self._in_hand

    async def _stop(self) -> None:
        self._closed = True
        self._notify()
        self._task.cancel()
        await self._task.wait()
