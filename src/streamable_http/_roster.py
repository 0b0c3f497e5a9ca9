"""Who of many streams waits for a place, who has one, and who has something to say; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeAlias, TypeVar

from ._checks import check_number, no_end, refuse_async
from ._errors import ConfigurationError, StreamClosed, StreamError, StreamsFailed
from ._reports import Failed, StreamStats
from ._request import shown_key

__all__ = ["END", "FailureHook", "Roster", "Source"]

S = TypeVar("S")
E = TypeVar("E")

FailureHook: TypeAlias = Callable[[Failed[Any]], object]

END: Any = object()
"""Stands for "no item left" of a batch."""


class Source(Generic[S, E]):
    """One stream among many; `wanted` is set when its worker is to load the next batch."""

    def __init__(self, key: Any, stream: S, wanted: E) -> None:
        self.key, self.stream, self.wanted = key, stream, wanted
        self.removed = self.finished = False
        self.error: BaseException | None = None


class Roster(Generic[S, E]):
    """Who waits for a place, who has one, who has something to say; pure."""

    def __init__(self, max_concurrent: int | None, on_failure: FailureHook | None) -> None:
        if max_concurrent is not None:
            check_number(max_concurrent, "max_concurrent")
        if on_failure is not None and not callable(on_failure):
            raise ConfigurationError(
                f"on_failure={on_failure!r} is not callable: pass a function of a Failed"
            )
        refuse_async(on_failure, "on_failure")
        self._places = max_concurrent
        self._on_failure = on_failure
        self._failures: list[tuple[Any, StreamError]] = []  # a key may have been added again
        self._known = 0  # sources, over time
        self._pending: deque[Source[S, E]] = deque()
        self._active = 0
        self._speaking: deque[Source[S, E]] = deque()
        self.sources: dict[Any, Source[S, E]] = {}
        self.closed = self.ended = False

    def refuse_closed(self) -> None:
        """Closing is not the end: who goes on after it must not take it for one."""
        if self.closed and not self.ended:
            raise StreamClosed("the merged streams were closed")

    def add(self, source: Source[S, E]) -> None:
        if self.closed:
            raise StreamClosed("the merged streams were closed: call merge(…) again for others")
        known = self.sources.get(source.key)
        if known is not None and not known.finished:
            raise ConfigurationError(
                f"two sources have the key {shown_key(source.key)!r}: pass Request(…, key=…) for "
                f"each"
            )
        self.ended = False
        self._known += 1
        self.sources[source.key] = source
        self._pending.append(source)

    def remove(self, key: Any) -> Source[S, E]:
        source = self.sources.pop(key, None)
        if source is None:
            raise ConfigurationError(
                f"no source has the key {shown_key(key)!r}: pass the key of a Request, which is "
                f"its URL by default"
            )
        source.removed = True
        if source in self._pending:
            self._pending.remove(source)
        return source

    def startable(self) -> Iterator[Source[S, E]]:
        """Sources that have a place now."""
        while self._pending and (self._places is None or self._active < self._places):
            self._active += 1
            yield self._pending.popleft()

    def speak(self, source: Source[S, E]) -> None:
        """The source has a batch."""
        self._speaking.append(source)

    def leave(self, source: Source[S, E], error: BaseException | None) -> None:
        """The source has ended; a failure is told after everything that came before it."""
        self._active -= 1
        source.finished = True
        if error is not None and not source.removed:
            source.error = error
            self._speaking.append(source)

    @property
    def ready(self) -> bool:
        return bool(self._speaking) or not (self._active or self._pending)

    def next_speaker(self) -> Source[S, E] | None:
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

    def _told(self, source: Source[S, E], error: BaseException) -> None:
        if not isinstance(error, StreamError):
            raise error
        if self._on_failure is None:
            self._failures.append((source.key, error))
            return
        stats = StreamStats() if error.stats is None else error.stats
        try:
            self._on_failure(Failed(error=error, items=[], stats=stats, key=source.key))
        except Exception as exc:
            raise no_end(exc, "on_failure=") from exc.__cause__

    def _end(self) -> None:
        self.ended = True
        if self._failures:
            told = [f"{shown_key(key)!r}: {error}" for key, error in self._failures]
            shown = "; ".join(told)
            raise StreamsFailed(
                f"{len(self._failures)} of {self._known} streams failed: {shown[:500]}",
                failures=dict(self._failures),
            )
        raise StopIteration
