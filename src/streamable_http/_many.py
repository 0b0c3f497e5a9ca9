"""Many streams at once, with threads: one that fails never harms the others.

Each source has a worker (a thread) that loads one batch and waits until the consumer has taken
it and asks for more. So each stream's own cursor stays exact, at most one batch of each source is
held, and a source that floods gets its turn like any other.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeVar

from ._request import Request, checked_request, checked_requests
from ._roster import END, FailureHook, Roster, Source
from ._saving import beside
from ._sync import Stream
from ._threads import join_all, start

__all__ = ["Merged"]

T = TypeVar("T")


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
        self._roster = Roster[Stream[T], threading.Event](max_concurrent, on_failure)
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()
        self._current: Source[Stream[T], threading.Event] | None = None
        self._unsaved: Exception | None = None  # what a store raised as its stream was closed
        for request in checked_requests(requests):
            self._admit(request)

    def add(self, request: Request[T]) -> None:
        """Another source, from now on."""
        with self._changed:
            self._admit(checked_request(request))
            self._start()

    def remove(self, key: Any) -> None:
        """Closes a source and forgets what it has not yet delivered."""
        with self._changed:
            source = self._roster.remove(key)
            self._changed.notify_all()
        source.wanted.set()
        source.stream.close()

    def _admit(self, request: Request[T]) -> None:
        self._roster.add(Source(request.key, self._opener(request), threading.Event()))

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
            run = functools.partial(self._run, source)
            self._threads.add(start(run, "streamable-http-merge"))

    def _run(self, source: Source[Stream[T], threading.Event]) -> None:
        error: BaseException | None = None
        try:
            source.stream.open()
            while not (source.removed or self._roster.closed):
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
        try:
            source.stream.close()
        except Exception as exc:
            error = error or exc
            if source.removed or self._roster.closed:  # nobody will ask for the source's error
                self._unsaved = exc
        with self._changed:
            self._roster.leave(source, error)
            self._threads.discard(threading.current_thread())
            if not self._roster.closed:
                self._start()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[tuple[Any, T]]:
        return self

    def __next__(self) -> tuple[Any, T]:
        while True:
            source = self._current
            if source is not None and not source.removed:
                item = next(source.stream._items, END)
                if item is not END:
                    return source.key, item
                source.stream._delivery.acknowledge()
                source.wanted.set()
            self._current = None
            with self._changed:
                self._roster.refuse_closed()
                self._start()
                self._changed.wait_for(lambda: self._roster.closed or self._roster.ready)
                self._roster.refuse_closed()
            self._current = self._roster.next_speaker()

    def close(self) -> None:
        """Closes all streams, from any thread."""
        with self._changed:
            self._roster.closed = True
            self._changed.notify_all()
            sources, threads = [*self._roster.sources.values()], [*self._threads]
        error: Exception | None = None
        for source in sources:
            source.wanted.set()
            try:
                source.stream.close()
            except Exception as exc:  # of the store that keeps its cursor; the others close, too
                error = error or exc
        join_all(threads)
        error, self._unsaved = error or self._unsaved, None
        if error is not None:
            raise error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with beside(exc):
            self.close()
