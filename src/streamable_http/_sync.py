"""The sync face: `Flow`, what every stream of items can do, and `Stream`, the one over HTTP."""

from __future__ import annotations

import abc
import warnings
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from ._checks import check_number
from ._delivery import Delivery, Mark
from ._errors import StreamClosed, StreamError
from ._opening import Opening
from ._prefetch import Prefetch
from ._progress import ProgressTeller
from ._pump import Batches, Pump
from ._reports import Progress, StreamStats, Summary
from ._values import Cursor, ResponseInfo

__all__ = ["Flow", "Stream"]

T = TypeVar("T")
R = TypeVar("R")
A = TypeVar("A")

_END: Any = object()


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

    def batches(self, size: int | None = None, seconds: float | None = None) -> Flow[list[T]]:
        """Groups items into lists; the cursor passes a whole list at a time.

        Args:
            size: Items in a list (the last one may be shorter); None takes what is there.
            seconds: A list is handed out at most this long after its first item came, however
                short it is; the stream then reads ahead by itself, at most `size` items.
        """
        from ._pipeline import batched

        return batched(self, size, seconds)

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
        value = initial
        for item in self:
            value = fn(value, item)
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
            while max_items is None or len(items) < max_items:
                items.append(next(self))
        except StopIteration:
            pass
        except StreamError as exc:
            exc.items = items
            raise
        return items


class Stream(Flow[T]):
    """A response that arrives as a stream of items; made by `Client.stream`.

    Use it as a context manager, or call `open()` and `close()`. Nothing is sent before.
    """

    def __init__(self, opening: Opening[T]) -> None:
        self._opening = opening
        self._delivery = Delivery[T](opening.start, opening.count)
        self._items: Iterator[T] = iter(())
        self._pump: Pump[T] | None = None
        self._batches: Batches[T] | None = None
        self._governors: list[Flow[Any]] = []
        self._closed = False

    def open(self) -> Self:
        """Sends the request and returns once a response is accepted.

        Raises:
            StreamError: No acceptable response was had; see the error tree.
        """
        pump = self._pump = self._opening.pump()
        try:
            self._refuse_closed()  # after `_pump` is set, where `close` looks for it
            pump.open()
        except StreamError as exc:
            pump.close()
            raise self._witnessed(exc) from exc.__cause__
        except BaseException:
            pump.close()
            raise
        self._batches = pump
        bounds = self._opening.prefetch
        if bounds is not None:
            self._batches = Prefetch(pump, max_items=bounds.items, max_bytes=bounds.bytes)
        return self

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StreamClosed("the stream was closed: open another one to read on")

    def close(self) -> None:
        self._closed, self._items = True, iter(())
        self._opening.stop_clock()
        reading = self._pump if self._batches is None else self._batches
        if reading is not None:
            reading.close()
        for operator in self._governors:
            operator._stop()

    def __del__(self) -> None:
        batches = getattr(self, "_batches", None)
        if batches is not None and not self._closed:
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2)
            batches.close()

    def __next__(self) -> T:
        item = next(self._items, _END)
        return self._refill() if item is _END else item

    def _refill(self) -> T:
        self._load()
        return next(self._delivery.items)  # `close` may have emptied `_items` meanwhile

    def _next_list(self) -> list[T]:
        rest = self._delivery.rest()
        if not rest:
            self._load()
            rest = self._delivery.rest()
        return rest

    def _load(self) -> None:
        """Goes on to the next batch; raises StopIteration at the end."""
        if self._opening.settled:
            raise StopIteration
        self._refuse_closed()
        self._delivery.finish()
        self._items = self._delivery.items
        batches = self._opening.opened(self._batches)
        try:
            batch = batches.next_batch()
        except StreamError as exc:
            raise self._witnessed(exc) from exc.__cause__
        if batch is None:
            self._closed = True
            self._opening.settle(self._delivery)
            raise StopIteration
        self._delivery.load(batch)
        self._items = self._delivery.items

    def _witnessed(self, error: StreamError) -> StreamError:
        self._opening.stop_clock()
        error.stats, error.cursor = self.stats, self.cursor
        return error

    @property
    def response(self) -> ResponseInfo:
        """The head of the last response.

        Raises:
            StreamClosed: The stream was not opened yet.
        """
        return self._opening.head()

    @property
    def stats(self) -> StreamStats:
        return self._opening.stats(self._delivery.handed)

    @property
    def cursor(self) -> Cursor | None:
        if self._governors:
            return self._governors[-1].cursor
        return self._cursor_at(self._delivery.committed())

    def ack(self) -> None:
        if self._governors:
            self._governors[-1].ack()
        else:
            self._delivery.acknowledge()

    @property
    def _source(self) -> Stream[Any]:
        return self

    def _mark(self) -> Mark:
        return self._delivery.after_handed()

    def _cursor_at(self, mark: Mark) -> Cursor | None:
        return self._opening.cursor(mark)

    def _govern(self, operator: Flow[Any]) -> None:
        """From now on an operator that reads ahead says how far the cursor is."""
        self._governors.append(operator)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._opening.label}>"
