"""Many streams at once, with tasks: one that fails never harms the others.

Each source has a worker (a task) that loads one batch and waits until the consumer has taken
it and asks for more. So each stream's own cursor stays exact, at most one batch of each source is
held, and a source that floods gets its turn like any other.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio

from ._async import AsyncStream
from ._request import Request, checked_request, checked_requests
from ._roster import END, FailureHook, Roster, Source
from ._saving import beside
from ._tasks import Task, spawn, stop_all

__all__ = ["AsyncMerged"]

T = TypeVar("T")


class AsyncMerged(Generic[T]):
    """An async iterator of `(key, item)` over many streams; made by `AsyncClient.merge`.

    Use it as an async context manager: leaving the block closes all streams.
    """

    def __init__(
        self,
        requests: Iterable[Request[T]],
        opener: Callable[[Request[T]], AsyncStream[T]],
        max_concurrent: int | None,
        on_failure: FailureHook | None,
    ) -> None:
        self._opener = opener
        self._roster = Roster[AsyncStream[T], deque[anyio.Event]](max_concurrent, on_failure)
        self._changed = anyio.Event()
        self._tasks: set[Task] = set()
        self._current: Source[AsyncStream[T], deque[anyio.Event]] | None = None
        self._unsaved: Exception | None = None  # what a store raised as its stream was closed
        for request in checked_requests(requests):
            self._admit(request)

    def add(self, request: Request[T]) -> None:
        """Another source, from now on."""
        self._admit(checked_request(request))
        self._start()

    async def remove(self, key: Any) -> None:
        """Closes a source and forgets what it has not yet delivered."""
        source = self._roster.remove(key)
        self._want(source)
        self._notify()
        await source.stream.aclose()

    def _admit(self, request: Request[T]) -> None:
        self._roster.add(Source(request.key, self._opener(request), deque()))

    @property
    def streams(self) -> Mapping[Any, AsyncStream[T]]:
        """The stream of each source by its key: its `cursor`, `stats` and `response`."""
        return MappingProxyType({key: one.stream for key, one in self._roster.sources.items()})

    def ack(self) -> None:
        """The item in hand is done: its stream's cursor passes it."""
        if self._current is not None:
            self._current.stream.ack()

    def _notify(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    def _want(self, source: Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        while source.wanted:
            source.wanted.popleft().set()

    def _start(self) -> None:
        for source in self._roster.startable():
            self._spawn(source)

    def _spawn(self, source: Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        async def run() -> None:
            try:
                await self._run(source)
            finally:
                self._tasks.discard(task)

        task = spawn(run, "streamable-http-merge")
        self._tasks.add(task)

    async def _run(self, source: Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        error: BaseException | None = None
        try:
            await source.stream.open()
            while not (source.removed or self._roster.closed):
                await source.stream._load()
                wanted = anyio.Event()
                source.wanted.append(wanted)
                self._roster.speak(source)
                self._notify()
                await wanted.wait()
        except StopAsyncIteration:
            pass
        except BaseException as exc:
            # A cancellation that is not ours comes from the user's code: it is told, too.
            error = exc
            raise
        finally:
            try:
                await source.stream.aclose()
            except Exception as exc:
                error = error or exc
                if source.removed or self._roster.closed:  # nobody will ask for the source's error
                    self._unsaved = exc
            self._roster.leave(source, error)
            if not self._roster.closed:
                self._start()
            self._notify()

    def __aiter__(self) -> AsyncIterator[tuple[Any, T]]:
        return self

    async def __anext__(self) -> tuple[Any, T]:
        while True:
            source = self._current
            if source is not None and not source.removed:
                item = next(source.stream._items, END)
                if item is not END:
                    return source.key, item
                source.stream._delivery.acknowledge()
                self._want(source)
            self._current = None
            self._roster.refuse_closed()
            self._start()
            while not (self._roster.closed or self._roster.ready):
                await self._changed.wait()
            self._roster.refuse_closed()
            try:
                self._current = self._roster.next_speaker()
            except StopIteration:
                raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Closes all streams, from any task."""
        self._roster.closed = True
        self._notify()
        # Each is closed whatever becomes of those before it: asyncio's own cancellation heeds no
        # shield.
        async with contextlib.AsyncExitStack() as steps:
            steps.push_async_callback(stop_all, [*self._tasks])
            for source in self._roster.sources.values():
                steps.push_async_callback(self._close, source)
        error, self._unsaved = self._unsaved, None
        if error is not None:
            raise error

    async def _close(self, source: Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        try:
            await source.stream.aclose()
        except Exception as exc:  # of the store that keeps its cursor; the others close, too
            self._unsaved = self._unsaved or exc
        finally:
            self._want(source)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with beside(exc):
            await self.aclose()
