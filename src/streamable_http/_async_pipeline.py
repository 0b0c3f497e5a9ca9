"""The operators of the async face: `map` and `batches`, with a cursor that never runs ahead.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from ._async_derived import Derived, Governing
from ._async_flow import AsyncFlow
from ._checks import check_callable, check_number, check_seconds, check_weigh
from ._errors import StreamClosed
from ._gathering import Gathering
from ._pipeline import AHEAD
from ._roster import END
from ._tasks import Task, applied, spawn, stop_all
from ._turns import Over, Turns

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

    @property
    def _left(self) -> bool:
        return self._item is not END


class _Batched(Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(
        self, upstream: AsyncFlow[T], size: int | None, weigh: Callable[[T], float] | None
    ) -> None:
        super().__init__(upstream)
        self._size = size
        self._ledger = self._gathering = Gathering[T](upstream._mark(), weigh)

    async def _next(self) -> list[T]:
        self.ack()
        try:
            with self._source._pulling():
                while not self._gathering.over and not self._gathering.fills(self._size or 1):
                    await self._gather()
        except StopAsyncIteration:
            self._gathering.finish()
        except Exception as exc:
            self._gathering.finish(exc)  # the items before it are delivered before it
        if upcoming := self._gathering.ready(self._size):
            await self._save(self._gathering.low_water, upcoming)
        items = self._gathering.take(upcoming)
        if items is None:
            await self._save(self._gathering.low_water, at_end=True)
            raise StopAsyncIteration
        return items

    async def _gather(self) -> None:
        if self._size is None:
            items = await self._upstream._next_list()
            self._gathering.add_all(items, self._upstream._mark())
        else:
            item = await anext(self._upstream)
            self._gathering.add(item, self._upstream._mark())


class _Background(Governing[T, R]):
    """An operator with tasks of its own, which start when the first result is asked for."""

    def __init__(self, upstream: AsyncFlow[T]) -> None:
        super().__init__(upstream)
        self._changed = anyio.Event()
        self._closed = False
        self._tasks: list[Task] = []

    def _start_tasks(self, run: Callable[[], Awaitable[None]], name: str, count: int = 1) -> None:
        if self._tasks:
            return
        self._source._runs(self)

        async def pulling() -> None:
            with self._source._pulling():
                await run()

        self._tasks = [spawn(pulling, name) for _ in range(count)]

    @property
    def _left(self) -> bool:
        return super()._left or (bool(self._tasks) and not self._over)

    @property
    @abc.abstractmethod
    def _over(self) -> bool:
        """Whether nothing more is read."""

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
        reach = self._reach(max_concurrent)
        self._ledger = self._turns = Turns[R](upstream._mark(), ordered=ordered, reach=reach)
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

    @property
    def _over(self) -> bool:
        return not self._turns.accepting

    def _reach(self, max_concurrent: int) -> int | None:
        saver = self._source._opening.saver
        every = None if saver is None else saver.every
        return None if every is None else max(every, max_concurrent)

    def ack(self) -> None:
        super().ack()
        self._notify()


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
        self._ledger = self._gathering = Gathering[T](upstream._mark(), weigh)
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
        except BaseException as exc:
            if isinstance(exc, StreamClosed) and self._source._shut:
                self._gathering.drop(exc)
                return
            # A cancellation that is not ours comes from the user's code: it is told, too.
            self._gathering.finish(exc)
            raise
        finally:
            self._notify()

    @property
    def _over(self) -> bool:
        return self._gathering.over

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
            await self._save(self._gathering.low_water, upcoming)
            await self._until(lambda: True)
        items = self._gathering.take(upcoming)
        self._since = anyio.current_time()
        self._notify()
        if items is None:
            await self._save(self._gathering.low_water, at_end=True)
            raise StopAsyncIteration
        return items
