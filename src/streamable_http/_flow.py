"""The sync face's `Flow`: what every stream of items can do."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._checks import check_callable, check_number, refuse_async
from ._delivery import Mark
from ._errors import StreamError
from ._progress import ProgressTeller
from ._reports import Progress, StreamStats, Summary
from ._threads import applied
from ._values import Cursor

if TYPE_CHECKING:
    from ._sync import Stream

__all__ = ["Flow"]

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")


class Flow(abc.ABC, Generic[T]):
    """A stream of items, or what `map` or `batches` made of one.

    It is an iterator. Its cursor passes an item when the next one is asked for, when the stream
    ends, or at `ack()`; `break` or an exception leaves the item in hand uncommitted.
    """

    @abc.abstractmethod
    def __next__(self) -> T: ...

    def __iter__(self) -> Iterator[T]:
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
    def close(self) -> None:
        """Ends the stream, from any thread, whatever it waits for. Closing twice is harmless."""

    @property
    @abc.abstractmethod
    def _source(self) -> Stream[Any]:
        """The stream over HTTP that all this comes from."""

    @abc.abstractmethod
    def _mark(self) -> Mark:
        """The place behind everything handed out so far."""

    def _stop(self) -> None:
        """Ends what the operator runs by itself; its stream is closed already."""

    @property
    def _left(self) -> bool:
        """Whether items were read here, or may be at any time, that are not handed out."""
        return False

    def _start_over(self) -> None:
        """The next item lies behind all that upstream has handed out so far."""

    def _chain(self) -> Iterator[Flow[Any]]:
        """The flow itself, and all those that it reads from."""
        yield self

    def _next_list(self) -> list[T]:
        """What can be had at once, at least one item; raises StopIteration at the end."""
        return [next(self)]

    def map(
        self, fn: Callable[[T], R], max_concurrent: int = 1, *, ordered: bool = True
    ) -> Flow[R]:
        """Applies `fn` to each item.

        Args:
            fn: Called with one item. What it raises reaches the consumer unchanged.
            max_concurrent: How many calls may run at once, each in a thread of its own; above 1
                the stream reads ahead by that many items.
            ordered: Whether results come in the order of the items, or as they are ready.

        Returns:
            The results. Its cursor (and this stream's) is a low-water mark: it passes only items
            whose result was taken, and those of all items before them.
        """
        from ._pipeline import mapped

        return mapped(self, fn, max_concurrent, ordered=ordered)

    def batches(
        self,
        size: int | None = None,
        seconds: float | None = None,
        *,
        weigh: Callable[[T], float] | None = None,
    ) -> Flow[list[T]]:
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
        from ._pipeline import batched

        return batched(self, size, seconds, weigh)

    def process(
        self,
        fn: Callable[[T], object],
        max_concurrent: int = 1,
        *,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
    ) -> Summary:
        """Runs `fn` on every item, to the end of the stream.

        Args:
            fn: Called with one item. What it raises reaches the caller unchanged.
            max_concurrent: How many calls may run at once.
            on_progress: Called after every `progress_every` items and at the end. What it raises
                is logged, and changes nothing.
            progress_every: Items between two reports.

        Returns:
            How many items were processed, with statistics and cursor.
        """
        teller = ProgressTeller(on_progress, progress_every, self._source.response)
        done = 0
        for _ in self.map(fn, max_concurrent, ordered=False):
            done += 1
            teller.done(done, self)
        teller.end(done, self)
        return Summary(items=done, stats=self.stats, cursor=self.cursor)

    def reduce(self, fn: Callable[[A, T], A], initial: A) -> A:
        """Folds all items into one value: each is combined by `fn(accumulated, item)`."""
        check_callable(fn, "fn")
        refuse_async(fn, "fn")
        # The first item is asked for as in a loop: then what was done before may be saved.
        value = initial
        for item in self:
            value = applied(fn, value, item)
            break
        with self._source._gathering():
            for item in self:
                value = applied(fn, value, item)
        return value

    def collect(self, max_items: int | None = None) -> list[T]:
        """All items, or the first `max_items`, as a list.

        Raises:
            StreamError: The stream failed; the items that came before are its `items`.
        """
        if max_items is not None:
            check_number(max_items, "max_items")
        items: list[T] = []
        try:
            # The first is asked for as in a loop: then what was done before may be saved.
            items.append(next(self))
            with self._source._gathering():
                while max_items is None or len(items) < max_items:
                    items.append(next(self))
        except StopIteration:
            pass
        except StreamError as exc:
            self._source._gathered()
            if self._source._is_own(exc):
                exc.items = items
            raise
        return items
