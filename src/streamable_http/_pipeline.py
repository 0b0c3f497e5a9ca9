"""The operators of the sync face: `map` and `batches`, with a cursor that never runs ahead."""

from __future__ import annotations

import abc
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._checks import check_callable, check_number, check_seconds, check_weigh, refuse_async
from ._delivery import Mark
from ._errors import StreamClosed, StreamError
from ._flow import Flow
from ._gathering import Gathering
from ._reports import StreamStats
from ._roster import END
from ._sync import Stream
from ._threads import applied, join_all, start
from ._turns import Over, Turns
from ._values import Cursor

__all__ = ["Derived", "batched", "mapped"]

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


class _Governing(Derived[T, R]):
    """An operator that takes more items than it has handed on, and so keeps the cursor itself."""

    def __init__(self, upstream: Flow[T]) -> None:
        super().__init__(upstream)
        self._start = upstream._mark()
        self._source._govern(self)

    def __next__(self) -> R:
        try:
            return self._next()
        except StreamError as exc:
            # What upstream failed with may have waited for results before it to be handed out.
            exc.cursor = self.cursor
            raise

    @abc.abstractmethod
    def _next(self) -> R:
        """The next result."""

    def _save(self, mark: Mark, upcoming: int = 1, *, at_end: bool = False) -> None:
        """All before `mark` is done, and `upcoming` items go out next, unless this is the end."""
        self._source._save(mark, upcoming, by=self, at_end=at_end)


class _Batched(_Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(
        self, upstream: Flow[T], size: int | None, weigh: Callable[[T], float] | None
    ) -> None:
        super().__init__(upstream)
        self._size = size
        self._gathering = Gathering[T](self._start, weigh)

    def _next(self) -> list[T]:
        self.ack()
        try:
            while not self._gathering.over and not self._gathering.fills(self._size or 1):
                self._gather()
        except StopIteration:
            self._gathering.finish()
        except Exception as exc:
            self._gathering.finish(exc)  # the items before it are delivered before it
        if upcoming := self._gathering.ready(self._size):
            self._save(self._gathering.passed, upcoming)
        items = self._gathering.take(upcoming)
        if items is None:
            self._save(self._gathering.passed, at_end=True)
            raise StopIteration
        return items

    def _start_over(self) -> None:
        self._gathering.start_over(self._upstream._mark())

    def _gather(self) -> None:
        if self._size is None:
            items = self._upstream._next_list()
            self._gathering.add_all(items, self._upstream._mark())
        else:
            item = next(self._upstream)
            self._gathering.add(item, self._upstream._mark())

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._gathering.passed)

    def ack(self) -> None:
        self._gathering.settle()

    def _mark(self) -> Mark:
        return self._gathering.after_hand()


class _Background(_Governing[T, R]):
    """An operator with threads of its own, which start when the first result is asked for."""

    def __init__(self, upstream: Flow[T]) -> None:
        super().__init__(upstream)
        self._changed = threading.Condition()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def _start_threads(self, run: Callable[[], object], name: str, count: int = 1) -> None:
        if self._threads:
            return
        with self._changed:  # whoever closes the stream meanwhile finds all of them, or none
            if not self._closed:
                self._threads = [start(run, name) for _ in range(count)]

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
        self._turns = Turns[R](self._start, ordered=ordered, reach=self._reach(max_concurrent))
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

    def _reach(self, max_concurrent: int) -> int | None:
        saver = self._source._opening.saver
        every = None if saver is None else saver.every
        return None if every is None else max(every, max_concurrent)

    def _start_over(self) -> None:
        self._turns.start_over(self._upstream._mark())

    @property
    def cursor(self) -> Cursor | None:
        with self._changed:
            return self._source._cursor_at(self._turns.low_water)

    def ack(self) -> None:
        with self._changed:
            self._turns.settle()
            self._changed.notify_all()

    def _mark(self) -> Mark:
        with self._changed:
            return self._turns.after_hand()


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
        self._gathering = Gathering[T](self._start, weigh)
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
            if isinstance(error, StreamClosed):
                self._gathering.drop(error)
            else:
                self._gathering.finish(error)
            self._changed.notify_all()

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
            self._save(self._gathering.passed, upcoming)
        with self._changed:
            self._until(lambda: True)
            items = self._gathering.take(upcoming)
            self._since = time.monotonic()
            self._changed.notify_all()
        if items is None:
            self._save(self._gathering.passed, at_end=True)
            raise StopIteration
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
