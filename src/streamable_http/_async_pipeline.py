"""The operators of the async face: `map` and `batches`, with a cursor that never runs ahead.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import anyio

from ._async import AsyncStream
from ._async_flow import AsyncFlow
from ._checks import check_callable, check_number, check_seconds, check_weigh
from ._delivery import Mark
from ._errors import StreamClosed, StreamError
from ._gathering import Gathering
from ._pipeline import AHEAD
from ._reports import StreamStats
from ._roster import END
from ._tasks import Task, applied, spawn, stop_all
from ._turns import Over, Turns
from ._values import Cursor

__all__ = ["Derived", "batched", "mapped"]

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


def batched(
    source: AsyncFlow[T],
    size: int | None,
    seconds: float | None,
    weigh: Callable[[T], float] | None,
) -> AsyncFlow[list[T]]:
    """What `AsyncFlow.batches` returns."""
    if size is not None:
        check_number(size, "size")
    check_weigh(weigh, size)
    if seconds is None:
        return _Batched(source, size, weigh)
    check_seconds(seconds)
    return _TimedBatches(source, size, seconds, weigh)


class Derived(AsyncFlow[R], Generic[T, R]):
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


class _Mapped(Derived[T, R]):
    """One item at a time: the item in hand here is the one in hand upstream."""

    def __init__(self, upstream: AsyncFlow[T], fn: Callable[[T], Any]) -> None:
        super().__init__(upstream)
        self._fn = fn
        self._item: Any = END

    async def __anext__(self) -> R:
        if self._item is END:
            self._item = await anext(self._upstream)
        try:
            result: R = await applied(self._fn, self._item)
        except Exception:
            self._item = END
            raise
        # A cancellation is no verdict on the item: it is kept, and worked on by the next call.
        self._item = END
        return result


class _Governing(Derived[T, R]):
    """An operator that takes more items than it has handed on, and so keeps the cursor itself."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        super().__init__(upstream)
        self._start = upstream._mark()
        self._source._govern(self)

    async def __anext__(self) -> R:
        try:
            return await self._next()
        except StreamError as exc:
            # What upstream failed with may have waited for results before it to be handed out.
            exc.cursor = self.cursor
            raise

    @abc.abstractmethod
    async def _next(self) -> R:
        """The next result."""

    async def _save(self, mark: Mark, upcoming: int = 1, *, at_end: bool = False) -> None:
        """All before `mark` is done, and `upcoming` items go out next, unless this is the end."""
        await self._source._save(mark, upcoming, by=self, at_end=at_end)


class _Batched(_Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(
        self, upstream: AsyncFlow[T], size: int | None, weigh: Callable[[T], float] | None
    ) -> None:
        super().__init__(upstream)
        self._size = size
        self._gathering = Gathering[T](self._start, weigh)

    async def _next(self) -> list[T]:
        self.ack()
        try:
            while not self._gathering.over and not self._gathering.fills(self._size or 1):
                await self._gather()
        except StopAsyncIteration:
            self._gathering.finish()
        except Exception as exc:
            self._gathering.finish(exc)  # the items before it are delivered before it
        if upcoming := self._gathering.ready(self._size):
            await self._save(self._gathering.passed, upcoming)
        items = self._gathering.take(upcoming)
        if items is None:
            await self._save(self._gathering.passed, at_end=True)
            raise StopAsyncIteration
        return items

    def _start_over(self) -> None:
        self._gathering.start_over(self._upstream._mark())

    async def _gather(self) -> None:
        if self._size is None:
            items = await self._upstream._next_list()
            self._gathering.add_all(items, self._upstream._mark())
        else:
            item = await anext(self._upstream)
            self._gathering.add(item, self._upstream._mark())

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._gathering.passed)

    def ack(self) -> None:
        self._gathering.settle()

    def _mark(self) -> Mark:
        return self._gathering.after_hand()


class _Background(_Governing[T, R]):
    """An operator with tasks of its own, which start when the first result is asked for."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        super().__init__(upstream)
        self._changed = anyio.Event()
        self._closed = False
        self._tasks: list[Task] = []

    def _start_tasks(self, run: Callable[[], Awaitable[None]], name: str, count: int = 1) -> None:
        if not self._tasks and not self._closed:
            self._tasks = [spawn(run, name) for _ in range(count)]

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Waits; raises `StreamClosed` if the stream is closed meanwhile."""
        while not self._closed and not condition():
            await self._changed.wait()
        if self._closed:
            raise StreamClosed(_CLOSED)

    async def _stop(self) -> None:
        self._closed = True
        self._notify()
        await stop_all(self._tasks)


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
        self._max_concurrent = self._free = max_concurrent
        self._turns = Turns[R](self._start, ordered=ordered, reach=self._reach(max_concurrent))
        self._pulling = anyio.Lock()

    async def _work(self) -> None:
        while True:
            async with self._pulling:
                await self._until(lambda: self._has_place or not self._turns.accepting)
                if not self._turns.accepting:
                    return None
                try:
                    item = await anext(self._upstream)
                except StopAsyncIteration:
                    self._turns.finish()
                    return self._notify()
                except BaseException as exc:
                    # A cancellation that is not ours comes from the user's code: it is told, too.
                    self._turns.finish(exc)
                    self._notify()
                    raise
                self._free -= 1
                ticket = self._turns.enter(self._upstream._mark())
            try:
                self._turns.leave(ticket, await applied(self._fn, item))
            except BaseException as exc:
                self._turns.fail(ticket, exc)
                self._notify()
                raise
            self._notify()

    @property
    def _has_place(self) -> bool:
        return self._free > 0 and not self._turns.crowded

    async def _next(self) -> R:
        self._start_tasks(self._work, "streamable-http-map", self._max_concurrent)
        self.ack()
        await self._save(self._turns.low_water)
        try:
            await self._until(self._turns.ready)
            value = self._turns.pop()
        except Over:
            await self._save(self._turns.low_water, at_end=True)
            raise StopAsyncIteration from None
        self._free += 1
        self._notify()
        return value

    def _reach(self, max_concurrent: int) -> int | None:
        saver = self._source._opening.saver
        every = None if saver is None else saver.every
        return None if every is None else max(every, max_concurrent)

    def _start_over(self) -> None:
        self._turns.start_over(self._upstream._mark())

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._turns.low_water)

    def ack(self) -> None:
        self._turns.settle()
        self._notify()

    def _mark(self) -> Mark:
        return self._turns.after_hand()


class _TimedBatches(_Background[T, list[T]]):
    """Lists that are handed out in time, so a task reads ahead of the consumer."""

    def __init__(
        self,
        upstream: AsyncFlow[T],
        size: int | None,
        seconds: float,
        weigh: Callable[[T], float] | None,
    ) -> None:
        super().__init__(upstream)
        self._size = AHEAD if size is None else size
        self._seconds = seconds
        self._gathering = Gathering[T](self._start, weigh)
        self._since = 0.0  # when the first of the items came

    async def _fill(self) -> None:
        try:
            while True:
                item = await anext(self._upstream)
                if not len(self._gathering):
                    self._since = anyio.current_time()
                self._gathering.add(item, self._upstream._mark())
                self._notify()
                await self._until(lambda: not self._full)
        except StopAsyncIteration:
            self._gathering.finish()
        except StreamClosed as exc:
            self._gathering.drop(exc)
        except BaseException as exc:
            # A cancellation that is not ours comes from the user's code: it is told, too.
            self._gathering.finish(exc)
            raise
        finally:
            self._notify()

    @property
    def _full(self) -> bool:
        return self._gathering.fills(self._size)

    async def _next(self) -> list[T]:
        self._start_tasks(self._fill, "streamable-http-batches")
        self.ack()
        await self._until(lambda: bool(len(self._gathering)) or self._gathering.over)
        left = self._since + self._seconds - anyio.current_time()
        with anyio.move_on_after(max(left, 0.0)):
            await self._until(lambda: self._full or self._gathering.over)
        upcoming = self._gathering.ready(self._size)
        if upcoming:
            await self._save(self._gathering.passed, upcoming)
            await self._until(lambda: True)
        items = self._gathering.take(upcoming)
        self._since = anyio.current_time()
        self._notify()
        if items is None:
            await self._save(self._gathering.passed, at_end=True)
            raise StopAsyncIteration
        return items

    def _start_over(self) -> None:
        self._gathering.start_over(self._upstream._mark())

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._gathering.passed)

    def ack(self) -> None:
        self._gathering.settle()

    def _mark(self) -> Mark:
        return self._gathering.after_hand()
