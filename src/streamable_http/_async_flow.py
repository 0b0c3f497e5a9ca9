"""The async face's `AsyncFlow`: what every stream of items can do.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

import abc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from ._checks import check_callable, check_number
from ._delivery import Mark
from ._errors import StreamError
from ._progress import ProgressTeller
from ._reports import Progress, StreamStats, Summary
from ._tasks import applied
from ._values import Cursor

if TYPE_CHECKING:
    from ._async import AsyncStream

__all__ = ["AsyncFlow"]

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")


class AsyncFlow(abc.ABC, Generic[T]):
    """A stream of items, or what `map` or `batches` made of one.

    It is an iterator. Its cursor passes an item when the next one is asked for, when the stream
    ends, or at `ack()`; `break` or an exception leaves the item in hand uncommitted.
    """

    @abc.abstractmethod
    async def __anext__(self) -> T: ...

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    @property
    @abc.abstractmethod
    def stats(self) -> StreamStats:
        """What the stream did so far."""

    @property
    @abc.abstractmethod
    def cursor(self) -> Cursor | None:
        """Where a restart goes on (`start=`), or None where the stream has no positions."""

    @abc.abstractmethod
    def ack(self) -> None:
        """The item in hand is done: the cursor passes it without the next being asked for."""

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Ends the stream, from any task, whatever it waits for. Closing twice is harmless."""

    @property
    @abc.abstractmethod
    def _source(self) -> AsyncStream[Any]:
        """The stream over HTTP that all this comes from."""

    @abc.abstractmethod
    def _mark(self) -> Mark:
        """The place behind everything handed out so far."""

    async def _stop(self) -> None:
        """Ends what the operator runs by itself; its stream is closed already."""

    @property
    def _left(self) -> bool:
        """Whether items were read here, or may be at any time, that are not handed out."""
        return False

    def _start_over(self) -> None:
        """The next item lies behind all that upstream has handed out so far."""

    def _chain(self) -> Iterator[AsyncFlow[Any]]:
        """The flow itself, and all those that it reads from."""
        yield self

    async def _next_list(self) -> list[T]:
        """What can be had at once, at least one item; raises StopAsyncIteration at the end."""
        return [await anext(self)]

    @overload
    def map(
        self, fn: Callable[[T], Awaitable[R]], max_concurrent: int = 1, *, ordered: bool = True
    ) -> AsyncFlow[R]: ...
    @overload
    def map(
        self, fn: Callable[[T], R], max_concurrent: int = 1, *, ordered: bool = True
    ) -> AsyncFlow[R]: ...
    def map(
        self, fn: Callable[[T], Any], max_concurrent: int = 1, *, ordered: bool = True
    ) -> AsyncFlow[Any]:
        """Applies `fn` to each item.

        Args:
            fn: Called with one item; it may be async. What it raises reaches the consumer
                unchanged.
            max_concurrent: How many calls may run at once, each in a task of its own; above 1
                the stream reads ahead by that many items.
            ordered: Whether results come in the order of the items, or as they are ready.

        Returns:
            The results. Its cursor (and this stream's) is a low-water mark: it passes only items
            whose result was taken, and those of all items before them.
        """
        from ._async_pipeline import mapped

        return mapped(self, fn, max_concurrent, ordered=ordered)

    def batches(
        self,
        size: int | None = None,
        seconds: float | None = None,
        *,
        weigh: Callable[[T], float] | None = None,
    ) -> AsyncFlow[list[T]]:
        """Groups items into lists; the cursor passes a whole list at a time.

        Args:
            size: Items in a list (the last one may be shorter); None takes what is there.
            seconds: A list is handed out at most this long after its first item came, however
                short it is; the stream then reads ahead by itself, at most `size` items.
            weigh: Called with each item; `size` is then the sum of weights at which a list is
                complete, as in `batches(1_000_000, weigh=len)` for a million characters.

        Raises:
            ConfigurationError: An argument is wrong, or `weigh` is given without `size`.
        """
        from ._async_pipeline import batched

        return batched(self, size, seconds, weigh)

    async def process(
        self,
        fn: Callable[[T], object],
        max_concurrent: int = 1,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
    ) -> Summary:
        """Runs `fn` on every item, to the end of the stream.

        Args:
            fn: Called with one item; it may be async. What it raises reaches the caller unchanged.
            max_concurrent: How many calls may run at once.
            on_progress: Called after every `progress_every` items and at the end. What it raises
                is logged, and changes nothing.
            progress_every: Items between two reports.

        Returns:
            How many items were processed, with statistics and cursor.
        """
        teller = ProgressTeller(on_progress, progress_every, self._source.response)
        done = 0
        async for _ in self.map(fn, max_concurrent, ordered=False):
            done += 1
            teller.done(done, self)
        teller.end(done, self)
        return Summary(items=done, stats=self.stats, cursor=self.cursor)

    async def reduce(self, fn: Callable[[A, T], A | Awaitable[A]], initial: A) -> A:
        """Folds all items into one value: each is combined by `fn(accumulated, item)`."""
        check_callable(fn, "fn")
        # The first item is asked for as in a loop: then what was done before may be saved.
        value = initial
        async for item in self:
            value = await applied(fn, value, item)
            break
        with self._source._gathering():
            async for item in self:
                value = await applied(fn, value, item)
        return value

    async def collect(self, max_items: int | None = None) -> list[T]:
        """All items, or the first `max_items`, as a list.

        Raises:
            StreamError: The stream failed; the items that came before are its `items`.
        """
        if max_items is not None:
            check_number(max_items, "max_items")
        items: list[T] = []
        try:
            # The first is asked for as in a loop: then what was done before may be saved.
            items.append(await anext(self))
            with self._source._gathering():
                while max_items is None or len(items) < max_items:
                    items.append(await anext(self))
        except StopAsyncIteration:
            pass
        except StreamError as exc:
            self._source._gathered()
            if self._source._is_own(exc):
                exc.items = items
            raise
        return items
