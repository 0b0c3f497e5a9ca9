"""Reads many streams to their ends and keeps what came of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from ._async import AsyncStream
from ._async_many import AsyncMerged
from ._checks import check_number
from ._many import Merged
from ._reports import Failed, Outcome, Succeeded
from ._request import Request, checked_requests
from ._sync import Stream

__all__ = ["gather", "gather_async"]

T = TypeVar("T")


class _Gathered(Generic[T]):
    """The items of each source so far, and how it ended."""

    def __init__(self, requests: Iterable[Request[T]], max_items: int | None) -> None:
        if max_items is not None:
            check_number(max_items, "max_items")
        self.requests: list[Request[T]] = checked_requests(requests)
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
