"""The operators of the sync face: `map` and `batches`, with a cursor that never runs ahead."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._checks import check_callable, check_number, check_seconds
from ._delivery import Mark
from ._errors import StreamClosed
from ._reports import StreamStats
from ._sync import Flow, Stream
from ._turns import Over, Turns
from ._values import Cursor

__all__ = ["batched", "mapped"]

T = TypeVar("T")
R = TypeVar("R")

_JOIN_SECONDS = 1.0
_CLOSED = "the stream was closed"

AHEAD = 1000
"""How many items `batches(seconds=…)` reads ahead when it was given no size."""


def mapped(source: Flow[T], fn: Callable[[T], R], max_concurrent: int, *, ordered: bool) -> Flow[R]:
    """What `Flow.map` returns."""
    check_callable(fn, "fn")
    check_number(max_concurrent, "max_concurrent")
    if max_concurrent == 1:
        return _Mapped(source, fn)
    return _ConcurrentlyMapped(source, fn, max_concurrent, ordered=ordered)


def batched(source: Flow[T], size: int | None, seconds: float | None) -> Flow[list[T]]:
    """What `Flow.batches` returns."""
    if size is not None:
        check_number(size, "size")
    if seconds is None:
        return _Batched(source, size)
    check_seconds(seconds)
    return _TimedBatches(source, size, seconds)


def applied(fn: Callable[[T], R], item: T) -> R:
    """`fn(item)`; a StopIteration that escapes from it must not look like the stream's end."""
    try:
        return fn(item)
    except (StopIteration, StopAsyncIteration) as exc:
        raise RuntimeError(f"{fn!r} raised {type(exc).__name__}") from exc


class _Derived(Flow[R], Generic[T, R]):
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


class _Mapped(_Derived[T, R]):
    """One item at a time: the item in hand here is the one in hand upstream."""

    def __init__(self, upstream: Flow[T], fn: Callable[[T], R]) -> None:
        super().__init__(upstream)
        self._fn = fn

    def __next__(self) -> R:
        return applied(self._fn, next(self._upstream))


class _Governing(_Derived[T, R]):
    """An operator that takes more items than it has handed on, and so keeps the cursor itself."""

    def __init__(self, upstream: Flow[T]) -> None:
        super().__init__(upstream)
        self._passed = upstream._mark()
        self._source._govern(self)

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._passed)


class _Batched(_Governing[T, list[T]]):
    """Lists of items, pulled by the consumer."""

    def __init__(self, upstream: Flow[T], size: int | None) -> None:
        super().__init__(upstream)
        self._size = size
        self._error: BaseException | None = None

    def __next__(self) -> list[T]:
        self.ack()
        if self._error is not None:
            raise self._error
        if self._size is None:
            return self._upstream._next_list()
        items: list[T] = []
        try:
            while len(items) < self._size:
                items.append(next(self._upstream))
        except BaseException as exc:
            if not items:
                raise
            self._error = exc  # the items before it are delivered before it
        return items

    def ack(self) -> None:
        self._passed = self._upstream._mark()


class _ConcurrentlyMapped(_Governing[T, R]):
    """Several items at work at once, each worker a thread that pulls, works and hands over.

    A worker holds its result until the consumer takes it, so there are never more than
    `max_concurrent` items between upstream and consumer.
    """

    def __init__(
        self, upstream: Flow[T], fn: Callable[[T], R], max_concurrent: int, *, ordered: bool
    ) -> None:
        super().__init__(upstream)
        self._fn = fn
        self._turns = Turns[R](self._passed, ordered=ordered)
        self._changed = threading.Condition()
        self._pulling = threading.Lock()
        self._free = threading.Semaphore(max_concurrent)
        self._closed = False
        self._threads = [self._worker(number) for number in range(max_concurrent)]
        for thread in self._threads:
            thread.start()

    def _worker(self, number: int) -> threading.Thread:
        context = contextvars.copy_context()
        name = f"streamable-http-map-{number}"
        return threading.Thread(target=context.run, args=(self._work,), name=name, daemon=True)

    def _work(self) -> None:
        while True:
            self._free.acquire()
            with self._pulling:
                if not self._turns.accepting:
                    return
                try:
                    item = next(self._upstream)
                except BaseException as exc:
                    with self._changed:
                        self._turns.finish(None if isinstance(exc, StopIteration) else exc)
                        self._changed.notify_all()
                    self._release_all()
                    return
                with self._changed:
                    ticket = self._turns.enter(self._upstream._mark())
            try:
                value = applied(self._fn, item)
            except BaseException as exc:
                with self._changed:
                    self._turns.fail(ticket, exc)
                    self._changed.notify_all()
                self._release_all()
                return
            with self._changed:
                self._turns.leave(ticket, value)
                self._changed.notify_all()

    def _release_all(self) -> None:
        """Lets the workers that wait for a free place see that all is over."""
        for _ in self._threads:
            self._free.release()

    def __next__(self) -> R:
        with self._changed:
            self.ack()
            self._changed.wait_for(lambda: self._closed or self._turns.ready())
            if self._closed:
                raise StreamClosed(_CLOSED)
            try:
                value = self._turns.pop()
            except Over:
                raise StopIteration from None
        self._free.release()
        return value

    @property
    def cursor(self) -> Cursor | None:
        return self._source._cursor_at(self._turns.low_water)

    def ack(self) -> None:
        with self._changed:
            self._turns.settle()

    def _mark(self) -> Mark:
        return self._turns.after_hand()

    def _stop(self) -> None:
        with self._changed:
            self._closed = True
            self._turns.finish()
            self._changed.notify_all()
        self._release_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)


class _TimedBatches(_Governing[T, list[T]]):
    """Lists that are handed out in time, so a thread reads ahead of the consumer."""

    def __init__(self, upstream: Flow[T], size: int | None, seconds: float) -> None:
        super().__init__(upstream)
        self._size = AHEAD if size is None else size
        self._seconds = seconds
        self._ahead: deque[tuple[T, Mark, float]] = deque()
        self._in_hand: Mark | None = None
        self._changed = threading.Condition()
        self._over = False
        self._error: BaseException | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._fill,), name="streamable-http-batches", daemon=True
        )
        self._thread.start()

    def _fill(self) -> None:
        error: BaseException | None = None
        try:
            while not self._over:
                item = next(self._upstream)
                entry = (item, self._upstream._mark(), time.monotonic())
                with self._changed:
                    self._ahead.append(entry)
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._over or not self._full)
        except StopIteration:
            pass
        except BaseException as exc:
            error = exc
        with self._changed:
            if not self._over:
                self._over, self._error = True, error
            self._changed.notify_all()

    @property
    def _full(self) -> bool:
        return len(self._ahead) >= self._size

    def __next__(self) -> list[T]:
        with self._changed:
            self.ack()
            self._changed.wait_for(lambda: self._ahead or self._over)
            if not self._ahead:
                if self._error is not None:
                    raise self._error
                raise StopIteration
            left = self._ahead[0][2] + self._seconds - time.monotonic()
            self._changed.wait_for(lambda: self._full or self._over, max(left, 0.0))
            taken = [self._ahead.popleft() for _ in range(min(self._size, len(self._ahead)))]
            self._in_hand = taken[-1][1]
            self._changed.notify_all()
        return [item for item, _, _ in taken]

    def ack(self) -> None:
        if self._in_hand is not None:
            self._passed, self._in_hand = self._in_hand, None

    def _mark(self) -> Mark:
        return self._passed if self._in_hand is None else self._in_hand

    def _stop(self) -> None:
        with self._changed:
            self._over, self._error = True, StreamClosed(_CLOSED)
            self._ahead.clear()
            self._changed.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN_SECONDS)
