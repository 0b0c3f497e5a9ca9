"""Many streams at once: `merge` and `gather`, where one that fails never harms the others.

Each source has a worker (a thread or a task) that loads one batch and waits until the consumer
has taken it and asks for more. So each stream's own cursor stays exact, at most one batch of each
source is held, and a source that floods gets its turn like any other.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

import anyio

from ._async import AsyncStream
from ._errors import ConfigurationError, StreamError, StreamsFailed
from ._pipeline import check_number
from ._request import Request
from ._sync import Stream
from ._tasks import Task, spawn
from ._values import Failed, Outcome, StreamStats, Succeeded

__all__ = ["AsyncMerged", "FailureHook", "Merged", "gather", "gather_async"]

T = TypeVar("T")
S = TypeVar("S")
E = TypeVar("E")

FailureHook: TypeAlias = Callable[[Failed[Any]], object]

_END: Any = object()
_JOIN_SECONDS = 1.0


class _Source(Generic[S, E]):
    """One stream among many; `wanted` is set when its worker is to load the next batch."""

    def __init__(self, key: Any, stream: S, wanted: E) -> None:
        self.key, self.stream, self.wanted = key, stream, wanted
        self.removed = False
        self.error: BaseException | None = None


class _Roster(Generic[S, E]):
    """Who waits for a place, who has one, who has something to say; pure."""

    def __init__(self, max_concurrent: int | None, on_failure: FailureHook | None) -> None:
        if max_concurrent is not None:
            check_number(max_concurrent, "max_concurrent")
        if on_failure is not None and not callable(on_failure):
            raise ConfigurationError(
                f"on_failure={on_failure!r} is not callable: pass a function of a Failed"
            )
        self._places = max_concurrent
        self._on_failure = on_failure
        self._failures: dict[Any, StreamError] = {}
        self._pending: deque[_Source[S, E]] = deque()
        self._active = 0
        self._speaking: deque[_Source[S, E]] = deque()
        self.sources: dict[Any, _Source[S, E]] = {}

    def add(self, source: _Source[S, E]) -> None:
        if source.key in self.sources:
            raise ConfigurationError(
                f"two sources have the key {source.key!r}: pass Request(…, key=…) for each"
            )
        self.sources[source.key] = source
        self._pending.append(source)

    def remove(self, key: Any) -> _Source[S, E]:
        source = self.sources.pop(key, None)
        if source is None:
            raise ConfigurationError(f"no source has the key {key!r}")
        source.removed = True
        if source in self._pending:
            self._pending.remove(source)
        return source

    def startable(self) -> Iterator[_Source[S, E]]:
        """Sources that have a place now."""
        while self._pending and (self._places is None or self._active < self._places):
            self._active += 1
            yield self._pending.popleft()

    def speak(self, source: _Source[S, E]) -> None:
        """The source has a batch."""
        self._speaking.append(source)

    def leave(self, source: _Source[S, E], error: BaseException | None) -> None:
        """The source has ended; a failure is told after everything that came before it."""
        self._active -= 1
        if error is not None and not source.removed:
            source.error = error
            self._speaking.append(source)

    @property
    def ready(self) -> bool:
        return bool(self._speaking) or not (self._active or self._pending)

    def next_speaker(self) -> _Source[S, E] | None:
        """The next source with a batch; None if only failures were to be told, or all is over."""
        if not self._speaking:
            self._end()
        source = self._speaking.popleft()
        if source.removed:
            return None
        if source.error is None:
            return source
        self._told(source, source.error)
        return None

    def _told(self, source: _Source[S, E], error: BaseException) -> None:
        if not isinstance(error, StreamError):
            raise error
        if self._on_failure is None:
            self._failures[source.key] = error
            return
        stats = StreamStats() if error.stats is None else error.stats
        self._on_failure(Failed(error=error, items=[], stats=stats, key=source.key))

    def _end(self) -> None:
        if self._failures:
            shown = "; ".join(f"{key!r}: {error}" for key, error in self._failures.items())
            raise StreamsFailed(
                f"{len(self._failures)} of {len(self.sources)} streams failed: {shown[:500]}",
                failures=dict(self._failures),
            )
        raise StopIteration


class Merged(Generic[T]):
    """An iterator of `(key, item)` over many streams; made by `Client.merge`.

    Use it as a context manager: leaving the block closes all streams.
    """

    def __init__(
        self,
        requests: Iterable[Request[T]],
        opener: Callable[[Request[T]], Stream[T]],
        max_concurrent: int | None,
        on_failure: FailureHook | None,
    ) -> None:
        self._opener = opener
        self._roster = _Roster[Stream[T], threading.Event](max_concurrent, on_failure)
        self._changed = threading.Condition()
        self._closed = False
        self._threads: set[threading.Thread] = set()
        self._current: _Source[Stream[T], threading.Event] | None = None
        for request in requests:
            self._admit(request)

    def add(self, request: Request[T]) -> None:
        """Another source, from now on."""
        with self._changed:
            self._admit(request)
            self._start()

    def remove(self, key: Any) -> None:
        """Closes a source and forgets what it has not yet delivered."""
        with self._changed:
            source = self._roster.remove(key)
            self._changed.notify_all()
        source.wanted.set()
        source.stream.close()

    def _admit(self, request: Request[T]) -> None:
        self._roster.add(_Source(request.key, self._opener(request), threading.Event()))

    @property
    def streams(self) -> Mapping[Any, Stream[T]]:
        """The stream of each source by its key: its `cursor`, `stats` and `response`."""
        return MappingProxyType({key: one.stream for key, one in self._roster.sources.items()})

    def ack(self) -> None:
        """The item in hand is done: its stream's cursor passes it."""
        if self._current is not None:
            self._current.stream.ack()

    def _start(self) -> None:
        for source in self._roster.startable():
            context = contextvars.copy_context()
            thread = threading.Thread(
                target=context.run,
                args=(self._run, source),
                name="streamable-http-merge",
                daemon=True,
            )
            self._threads.add(thread)
            thread.start()

    def _run(self, source: _Source[Stream[T], threading.Event]) -> None:
        error: BaseException | None = None
        try:
            source.stream.open()
            while not (source.removed or self._closed):
                source.stream._load()
                with self._changed:
                    self._roster.speak(source)
                    self._changed.notify_all()
                source.wanted.wait()
                source.wanted.clear()
        except StopIteration:
            pass
        except BaseException as exc:
            error = exc
        source.stream.close()
        with self._changed:
            self._roster.leave(source, error)
            self._threads.discard(threading.current_thread())
            if not self._closed:
                self._start()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[tuple[Any, T]]:
        return self

    def __next__(self) -> tuple[Any, T]:
        while True:
            source = self._current
            if source is not None and not source.removed:
                item = next(source.stream._items, _END)
                if item is not _END:
                    return source.key, item
                source.wanted.set()
            self._current = None
            with self._changed:
                self._start()
                self._changed.wait_for(lambda: self._closed or self._roster.ready)
                if self._closed:
                    raise StopIteration
            self._current = self._roster.next_speaker()

    def close(self) -> None:
        """Closes all streams, from any thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            sources, threads = [*self._roster.sources.values()], [*self._threads]
        for source in sources:
            source.wanted.set()
            source.stream.close()
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(_JOIN_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


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
        self._roster = _Roster[AsyncStream[T], deque[anyio.Event]](max_concurrent, on_failure)
        self._changed = anyio.Event()
        self._closed = False
        self._tasks: set[Task] = set()
        self._current: _Source[AsyncStream[T], deque[anyio.Event]] | None = None
        for request in requests:
            self._admit(request)

    def add(self, request: Request[T]) -> None:
        """Another source, from now on."""
        self._admit(request)
        self._start()

    async def remove(self, key: Any) -> None:
        """Closes a source and forgets what it has not yet delivered."""
        source = self._roster.remove(key)
        self._want(source)
        self._notify()
        await source.stream.aclose()

    def _admit(self, request: Request[T]) -> None:
        self._roster.add(_Source(request.key, self._opener(request), deque()))

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

    def _want(self, source: _Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        while source.wanted:
            source.wanted.popleft().set()

    def _start(self) -> None:
        for source in self._roster.startable():
            self._spawn(source)

    def _spawn(self, source: _Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        async def run() -> None:
            try:
                await self._run(source)
            finally:
                self._tasks.discard(task)

        task = spawn(run, "streamable-http-merge")
        self._tasks.add(task)

    async def _run(self, source: _Source[AsyncStream[T], deque[anyio.Event]]) -> None:
        error: BaseException | None = None
        try:
            await source.stream.open()
            while not (source.removed or self._closed):
                await source.stream._load()
                wanted = anyio.Event()
                source.wanted.append(wanted)
                self._roster.speak(source)
                self._notify()
                await wanted.wait()
        except StopAsyncIteration:
            pass
        except Exception as exc:
            error = exc
        finally:
            await source.stream.aclose()
            self._roster.leave(source, error)
            if not self._closed:
                self._start()
            self._notify()

    def __aiter__(self) -> AsyncIterator[tuple[Any, T]]:
        return self

    async def __anext__(self) -> tuple[Any, T]:
        while True:
            source = self._current
            if source is not None and not source.removed:
                item = next(source.stream._items, _END)
                if item is not _END:
                    return source.key, item
                self._want(source)
            self._current = None
            self._start()
            while not (self._closed or self._roster.ready):
                await self._changed.wait()
            if self._closed:
                raise StopAsyncIteration
            try:
                self._current = self._roster.next_speaker()
            except StopIteration:
                raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """Closes all streams, from any task."""
        self._closed = True
        self._notify()
        tasks = [*self._tasks]
        for source in [*self._roster.sources.values()]:
            await source.stream.aclose()
            self._want(source)
        for task in tasks:
            task.cancel()
            await task.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class _Gathered(Generic[T]):
    """The items of each source so far, and how it ended."""

    def __init__(self, requests: Iterable[Request[T]], max_items: int | None) -> None:
        if max_items is not None:
            check_number(max_items, "max_items")
        self.requests = list(requests)
        self.outcomes: dict[Any, Outcome[T]] = {}
        self._max_items = max_items
        self._items: dict[Any, list[T]] = {request.key: [] for request in self.requests}

    def take(self, key: Any, item: T) -> bool:
        """Whether the source has given enough."""
        items = self._items[key]
        items.append(item)
        return len(items) == self._max_items

    def fail(self, failed: Failed[Any]) -> None:
        items = self._items[failed.key]
        failed.error.items = items
        self.outcomes[failed.key] = Failed(
            error=failed.error, items=items, stats=failed.stats, key=failed.key
        )

    def succeed(self, key: Any, stream: Stream[T] | AsyncStream[T]) -> None:
        if key not in self.outcomes:
            self.outcomes[key] = Succeeded(items=self._items[key], stats=stream.stats)

    def result(self) -> dict[Any, Outcome[T]]:
        return {request.key: self.outcomes[request.key] for request in self.requests}


def gather(
    requests: Iterable[Request[T]],
    opener: Callable[[Request[T]], Stream[T]],
    max_items: int | None,
    max_concurrent: int | None,
) -> dict[Any, Outcome[T]]:
    """See `Client.gather`."""
    gathered = _Gathered(requests, max_items)
    with Merged(gathered.requests, opener, max_concurrent, gathered.fail) as merged:
        streams = merged.streams
        for key, item in merged:
            if gathered.take(key, item):
                merged.remove(key)
    for key, stream in streams.items():
        gathered.succeed(key, stream)
    return gathered.result()


async def gather_async(
    requests: Iterable[Request[T]],
    opener: Callable[[Request[T]], AsyncStream[T]],
    max_items: int | None,
    max_concurrent: int | None,
) -> dict[Any, Outcome[T]]:
    """See `AsyncClient.gather`."""
    gathered = _Gathered(requests, max_items)
    async with AsyncMerged(gathered.requests, opener, max_concurrent, gathered.fail) as merged:
        streams = merged.streams
        async for key, item in merged:
            if gathered.take(key, item):
                await merged.remove(key)
    for key, stream in streams.items():
        gathered.succeed(key, stream)
    return gathered.result()
