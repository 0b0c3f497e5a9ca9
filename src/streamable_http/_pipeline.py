"""The operators of the sync face: `map` and `batches`, with a cursor that never runs ahead."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ._checks import check_callable, check_number, check_seconds, check_weigh, refuse_async
from ._delivery import Mark
from ._derived import Derived, Governing
from ._errors import StreamClosed
from ._flow import Flow
from ._gathering import Gathering
from ._roster import END
from ._threads import applied, join_all, start
from ._turns import Over, Turns
from ._values import Cursor

__all__ = ["AHEAD", "batched", "mapped"]

T = TypeVar("T")
R = TypeVar("R")

_CLOSED = "the stream was closed"

AHEAD = 1000
"""How many items `batches(seconds=…)` reads ahead when it was given no size."""


def mapped(source: Flow[T], fn: Callable[[T], R], max_concurrent: int, *, ordered: bool) -> Flow[R]:
    """What `Flow.map` returns."""
    check_callable(fn, "fn")
    refuse_async(fn, "fn")
    check_number(max_concurrent, "max_concurrent")
    if max_concurrent == 1:
        return _Mapped(source, fn)
    return _ConcurrentlyMapped(source, fn, max_concurrent, ordered=ordered)


def batched(
    source: Flow[T],
    size: int | None,
    seconds: float | None,
    weigh: Callable[[T], float] | None,
) -> Flow[list[T]]:
    """What `Flow.batches` returns."""
    if size is not None:
        check_number(size, "size")
    check_weigh(weigh, size)
    if seconds is None:
        return _Batched(source, size, weigh)
    check_seconds(seconds)
    return _TimedBatches(source, size, seconds, weigh)


class _Mapped(Derived[T, R]):
    """One item at a time: the item in hand here is the one in hand upstream."""

    def __init__(self, upstream: Flow[T], fn: Callable[[T], R]) -> None:
        super().__init__(upstream)
        self._fn = fn
        self._item: Any = END

    def __next__(self) -> R:
        if self._item is END:
            self._item = next(self._upstream)
        try:
            result = applied(self._fn, self._item)
        except Exception:
            self._item = END
            raise
        # An interrupt is no verdict on the item: it is kept, and worked on by the next call.
        self._item = END
        return result

    @property
    def _left(self) -> bool:
        return self._item is not END


class _Batched(Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(
        self, upstream: Flow[T], size: int | None, weigh: Callable[[T], float] | None
    ) -> None:
        super().__init__(upstream)
        self._size = size
        self._ledger = self._gathering = Gathering[T](upstream._mark(), weigh)

    def _next(self) -> list[T]:
        self.ack()
        try:
            with self._source._pulling():
                while not self._gathering.over and not self._gathering.fills(self._size or 1):
                    self._gather()
        except StopIteration:
            self._gathering.finish()
        except Exception as exc:
            self._gathering.finish(exc)  # the items before it are delivered before it
        if upcoming := self._gathering.ready(self._size):
            self._save(self._gathering.low_water, upcoming)
        items = self._gathering.take(upcoming)
        if items is None:
            self._save(self._gathering.low_water, at_end=True)
            raise StopIteration
        return items

    def _gather(self) -> None:
        if self._size is None:
            items = self._upstream._next_list()
            self._gathering.add_all(items, self._upstream._mark())
        else:
            item = next(self._upstream)
            self._gathering.add(item, self._upstream._mark())


class _Background(Governing[T, R]):
    """An operator with threads of its own, which start when the first result is asked for."""

    def __init__(self, upstream: Flow[T]) -> None:
        super().__init__(upstream)
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def _start_threads(self, run: Callable[[], object], name: str, count: int = 1) -> None:
        if self._threads:
            return
        self._source._runs(self)

        def pulling() -> None:
            with self._source._pulling():
                run()

        with self._changed:  # whoever closes the stream meanwhile finds all of them, or none
            if not self._closed:
                self._threads = [start(pulling, name) for _ in range(count)]

    @property
    def _left(self) -> bool:
        return super()._left or (bool(self._threads) and not self._over)

    @property
    @abc.abstractmethod
    def _over(self) -> bool:
        """Whether nothing more is read."""

    def _until(self, condition: Callable[[], bool], seconds: float | None = None) -> None:
        """Waits; raises `StreamClosed` if the stream is closed meanwhile."""
        self._changed.wait_for(lambda: self._closed or condition(), seconds)
        if self._closed:
            raise StreamClosed(_CLOSED)

    def _stop(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._release_all()
        join_all(self._threads)

    def _release_all(self) -> None:
        """Lets threads that wait for something else than `_changed` see that all is over."""


class _ConcurrentlyMapped(_Background[T, R]):
    """Several items at work at once, each worker a thread that pulls, works and hands over.

    A worker holds its result until the consumer takes it, so there are never more than
    `max_concurrent` items between upstream and consumer.
    """

    def __init__(
        self, upstream: Flow[T], fn: Callable[[T], R], max_concurrent: int, *, ordered: bool
    ) -> None:
        super().__init__(upstream)
        self._fn = fn
        self._max_concurrent = max_concurrent
        reach = self._reach(max_concurrent)
        self._ledger = self._turns = Turns[R](upstream._mark(), ordered=ordered, reach=reach)
        self._pulling = threading.Lock()
        self._free = threading.Semaphore(max_concurrent)

    def _work(self) -> None:
        while True:
            self._free.acquire()
            with self._pulling:
                with self._changed:
                    self._changed.wait_for(lambda: self._idle or not self._turns.crowded)
                if self._idle:
                    return None
                try:
                    item = next(self._upstream)
                except BaseException as exc:
                    error = None if isinstance(exc, StopIteration) else exc
                    return self._tell(lambda: self._turns.finish(error), last=True)  # noqa: B023
                with self._changed:
                    ticket = self._turns.enter(self._upstream._mark())
            try:
                value = applied(self._fn, item)
            except BaseException as exc:
                failure = exc
                return self._tell(lambda: self._turns.fail(ticket, failure), last=True)  # noqa: B023
            self._tell(lambda: self._turns.leave(ticket, value))  # noqa: B023

    @property
    def _idle(self) -> bool:
        return self._closed or not self._turns.accepting

    def _tell(self, news: Callable[[], None], *, last: bool = False) -> None:
        with self._changed:
            news()
            self._changed.notify_all()
        if last:
            self._release_all()

    def _release_all(self) -> None:
        for _ in range(self._max_concurrent):
            self._free.release()

    def _next(self) -> R:
        self._start_threads(self._work, "streamable-http-map", self._max_concurrent)
        self.ack()
        self._save(self._turns.low_water)
        try:
            with self._changed:
                self._until(self._turns.ready)
                value = self._turns.pop()
        except Over:
            self._save(self._turns.low_water, at_end=True)
            raise StopIteration from None
        self._free.release()
        return value

    @property
    def _over(self) -> bool:
        return not self._turns.accepting

    def _reach(self, max_concurrent: int) -> int | None:
        saver = self._source._opening.saver
        every = None if saver is None else saver.every
        return None if every is None else max(every, max_concurrent)

    @property
    def cursor(self) -> Cursor | None:
        with self._changed:
            return super().cursor

    def ack(self) -> None:
        with self._changed:
            super().ack()
            self._changed.notify_all()

    def _mark(self) -> Mark:
        with self._changed:
            return super()._mark()


class _TimedBatches(_Background[T, list[T]]):
    """Lists that are handed out in time, so a thread reads ahead of the consumer."""

    def __init__(
        self,
        upstream: Flow[T],
        size: int | None,
        seconds: float,
        weigh: Callable[[T], float] | None,
    ) -> None:
        super().__init__(upstream)
        self._size = AHEAD if size is None else size
        self._seconds = seconds
        self._ledger = self._gathering = Gathering[T](upstream._mark(), weigh)
        self._since = 0.0  # when the first of the items came

    def _fill(self) -> None:
        error: BaseException | None = None
        try:
            while not self._closed:
                item = next(self._upstream)
                with self._changed:
                    if not len(self._gathering):
                        self._since = time.monotonic()
                    self._gathering.add(item, self._upstream._mark())
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._closed or not self._full)
        except StopIteration:
            pass
        except BaseException as exc:
            error = exc
        with self._changed:
            if isinstance(error, StreamClosed) and self._source._shut:
                self._gathering.drop(error)
            else:
                self._gathering.finish(error)
            self._changed.notify_all()

    @property
    def _over(self) -> bool:
        return self._gathering.over

    @property
    def _full(self) -> bool:
        return self._gathering.fills(self._size)

    def _next(self) -> list[T]:
        self._start_threads(self._fill, "streamable-http-batches")
        with self._changed:
            self.ack()
            self._until(lambda: bool(len(self._gathering)) or self._gathering.over)
            left = self._since + self._seconds - time.monotonic()
            self._until(lambda: self._full or self._gathering.over, max(left, 0.0))
            upcoming = self._gathering.ready(self._size)
        if upcoming:
            self._save(self._gathering.low_water, upcoming)
        with self._changed:
            self._until(lambda: True)
            items = self._gathering.take(upcoming)
            self._since = time.monotonic()
            self._changed.notify_all()
        if items is None:
            self._save(self._gathering.low_water, at_end=True)
            raise StopIteration
        return items
