"""Reading ahead: a thread or a task fills a queue of batches, bounded in items and in bytes.

While the queue is full nothing is read, so the socket's buffers fill and the server's send
blocks: backpressure. Held here at most: the bound plus the batch that went over it.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

import anyio

from ._decoders.engine import Batch
from ._errors import ConfigurationError, StreamClosed
from ._pump import ONE_READER, AsyncBatches, Batches
from ._tasks import spawn, stop_all
from ._threads import join_all, start

__all__ = ["AsyncPrefetch", "Prefetch"]

T = TypeVar("T")

_CLOSED = "the stream was closed"


class _Queue(Generic[T]):
    """The bounded hand-off, without the waiting."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._max_items, self._max_bytes = max_items, max_bytes
        self._batches: deque[Batch[T]] = deque()
        self._items = self._bytes = 0
        self.over = False
        self.error: BaseException | None = None
        self._has_reader = False

    def enter(self) -> None:
        """Somebody waits for a batch, and nobody else may."""
        if self._has_reader:
            raise ConfigurationError(ONE_READER)
        self._has_reader = True

    def leave(self) -> None:
        """Nobody waits any more."""
        self._has_reader = False

    @property
    def full(self) -> bool:
        return self._items >= self._max_items or self._bytes >= self._max_bytes

    @property
    def ready(self) -> bool:
        return bool(self._batches) or self.over

    def put(self, batch: Batch[T]) -> None:
        self._batches.append(batch)
        self._items += len(batch.items)
        self._bytes += batch.size

    def get(self) -> Batch[T] | None:
        if not self._batches:
            if self.error is not None:
                raise self.error
            return None
        batch = self._batches.popleft()
        self._items -= len(batch.items)
        self._bytes -= batch.size
        return batch

    def finish(self, error: BaseException | None = None) -> None:
        if not self.over:
            self.over, self.error = True, error

    def close(self) -> None:
        self._batches.clear()
        self.over, self.error = True, StreamClosed(_CLOSED)


class Prefetch(Generic[T]):
    """Batches read ahead by one thread, which lives from here to the end or `close()`."""

    def __init__(self, source: Batches[T], *, max_items: int, max_bytes: int) -> None:
        self._source = source
        self._queue = _Queue[T](max_items, max_bytes)
        self._changed = threading.Condition()
        self._thread = start(self._fill, "streamable-http-prefetch")

    def _fill(self) -> None:
        error: BaseException | None = None
        try:
            while (batch := self._source.next_batch()) is not None and self._hand_over(batch):
                pass
        except BaseException as exc:
            error = exc
        with self._changed:
            self._queue.finish(error)
            self._changed.notify_all()

    def _hand_over(self, batch: Batch[T]) -> bool:
        with self._changed:
            if self._queue.over:
                return False
            self._queue.put(batch)
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._queue.full or self._queue.over)
            return not self._queue.over

    def next_batch(self) -> Batch[T] | None:
        """The next batch, as `Pump.next_batch`."""
        with self._changed:
            self._queue.enter()
            try:
                self._changed.wait_for(lambda: self._queue.ready)
            finally:
                self._queue.leave()
            self._changed.notify_all()
            return self._queue.get()

    def close(self) -> None:
        """Ends the stream from any thread, and the reading thread with it."""
        with self._changed:
            self._queue.close()
            self._changed.notify_all()
        self._source.close()
        join_all([self._thread])


class AsyncPrefetch(Generic[T]):
    """Batches read ahead by one task, which lives from here to the end or `close()`."""

    def __init__(self, source: AsyncBatches[T], *, max_items: int, max_bytes: int) -> None:
        self._source = source
        self._queue = _Queue[T](max_items, max_bytes)
        self._changed = anyio.Event()
        self._task = spawn(self._fill, "streamable-http-prefetch")

    async def _fill(self) -> None:
        error: BaseException | None = StreamClosed(_CLOSED)
        try:
            while (batch := await self._source.next_batch()) is not None:
                self._queue.put(batch)
                self._notify()
                while self._queue.full and not self._queue.over:
                    await self._changed.wait()
            error = None
        except BaseException as exc:
            # A cancellation that is not ours comes from the user's code: it is told, too.
            error = exc
            raise
        finally:
            self._queue.finish(error)
            self._notify()

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def next_batch(self) -> Batch[T] | None:
        """The next batch, as `AsyncPump.next_batch`; cancelling it loses nothing."""
        self._queue.enter()
        try:
            while not self._queue.ready:
                await self._changed.wait()
        finally:
            self._queue.leave()
        batch = self._queue.get()
        self._notify()
        return batch

    def abandon(self) -> None:
        """Nobody will ever ask again: the reading task is to end by itself."""
        self._queue.close()
        self._task.cancel()

    async def close(self) -> None:
        """Ends the stream from any task, and the reading task with it."""
        self._queue.close()
        self._notify()
        await self._source.close()
        await stop_all([self._task])
