"""The sync face's `Stream`: a flow of items over HTTP."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from operator import length_hint
from types import TracebackType
from typing import Any, Self, TypeVar

from ._delivery import Mark
from ._errors import StreamError
from ._flow import Flow
from ._handle import Handle
from ._opening import Opening
from ._prefetch import Prefetch
from ._pump import Batches, Pump
from ._reports import Progress, Summary
from ._saving import Saver, beside

__all__ = ["Stream"]

T = TypeVar("T")

_END: Any = object()


class Stream(Handle[T, Flow[Any]], Flow[T]):
    """A response that arrives as a stream of items; made by `Client.stream`.

    Use it as a context manager, or call `open()` and `close()`. Nothing is sent before.
    """

    def __init__(self, opening: Opening[T]) -> None:
        super().__init__(opening)
        self._pump: Pump[T] | None = None
        self._batches: Batches[T] | None = None

    def open(self) -> Self:
        """Sends the request and returns once a response is accepted.

        Raises:
            StreamError: No acceptable response was had; see the error tree.
        """
        self._load_cursor()
        pump = self._pump = self._opening.pump()
        try:
            self._refuse_closed()  # after `_pump` is set, where `close` looks for it
            pump.open()
        except BaseException as exc:
            pump.close()
            self._release_key()
            if isinstance(exc, StreamError):
                raise self._witnessed(exc) from exc.__cause__
            raise
        self._batches = pump
        bounds = self._opening.prefetch
        if bounds is not None:
            self._batches = Prefetch(pump, max_items=bounds.items, max_bytes=bounds.bytes)
            if self._closed:  # when there was only the pump to be closed
                self._batches.close()
        return self

    def _load_cursor(self) -> None:
        if self._opening.saver is None or self._pump is not None:
            return
        try:
            self._delivery = self._opening.load()
        except BaseException:
            self._release_key()
            raise

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with beside(exc):
            self.close()

    def write_to(
        self: Stream[bytes],
        path: str | os.PathLike[str],
        *,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> Summary:
        """Writes the body to a file, which gets its name only once the stream has ended cleanly.

        Call it on a stream that is not open yet: it opens the stream where an earlier run stopped
        (what came lies in `path` + ".part"), or else at its start, and closes it.

        Args:
            path: The file; one that is there is replaced at the end.
            on_progress: Called now and then, and at the end, with what this run has done.

        Returns:
            The statistics of this run; items are pieces of the body.

        Raises:
            ConfigurationError: The decoder is not `Raw()`; the path is no place for a file; or
                another stream writes it.
            OSError: The disk fails.
            StreamError: The stream fails; what came stays, for the next run.
        """
        from ._download import download

        return download(self, path, on_progress)

    def close(self) -> None:
        self._closed, self._items = True, iter(())
        self._delivery.stop()
        self._opening.stop_clock()
        with contextlib.ExitStack() as steps:  # each is taken whatever becomes of those before it
            steps.callback(self._finish_saving)
            for action in self._closers:
                steps.callback(action)
            for operator in self._running:
                steps.callback(operator._stop)
            reading = self._pump if self._batches is None else self._batches
            if reading is not None:
                steps.callback(reading.close)

    def _finish_saving(self) -> None:
        saver = self._opening.saver
        if saver is not None:
            saver.finish(self.cursor)

    def __del__(self) -> None:
        batches = getattr(self, "_batches", None)
        if batches is not None and not self._closed:
            self._release_key()
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2)
            batches.close()

    def __iter__(self) -> Iterator[T]:
        # In C from one batch to the next: `__next__` costs a loop more than its item's decoding.
        return chain.from_iterable(iter(self._next_items, _END))

    def _next_items(self) -> Iterator[T]:
        if self._governor is not None:
            self._read_by(None)
        if not length_hint(self._items):
            self._load()
        return self._items

    def __next__(self) -> T:
        for item in self._items:  # the cheapest way to take one, and to see that there is none
            return item
        return self._refill()

    def _refill(self) -> T:
        if self._governor is not None:
            self._read_by(None)
            for item in () if self._closed else self._delivery.items:
                return item
        self._load()
        item = next(self._delivery.items, _END)  # `close` may have emptied `_items` meanwhile
        if item is _END:
            self._refuse_closed()
        if self._governor is not None:
            self._items = iter(())
        return item

    def _next_list(self) -> list[T]:
        rest = self._delivery.rest()
        if not rest:
            self._load()
            rest = self._delivery.rest()
        return rest

    def _load(self) -> None:
        """Goes on to the next batch; raises StopIteration at the end."""
        opening = self._opening
        if opening.settled:
            raise StopIteration
        if self._closed:
            self._refuse_closed()
        if opening.saver is not None and self._goes_on(opening.saver):
            return
        self._delivery.finish()
        self._items = self._delivery.items
        batches = self._batches or opening.opened(None)
        try:
            batch = batches.next_batch()
        except StreamError as exc:
            raise self._witnessed(exc) from exc.__cause__
        if batch is None:
            self._closed = True
            opening.settle(self._delivery)
            self._save(self._delivery.committed(), at_end=True)
            raise StopIteration
        self._delivery.load(batch, None if opening.saver is None else self._portion())
        self._items = self._delivery.items

    def _goes_on(self, saver: Saver) -> bool:
        """Saves the cursor if that is due; whether there is more of the batch in hand."""
        self._delivery.acknowledge()
        self._save(self._delivery.committed())
        self._refuse_closed()
        if not self._delivery.more(self._portion()):
            return False
        self._items = self._delivery.items
        return True

    def _save(
        self,
        mark: Mark,
        upcoming: int = 1,
        *,
        by: Flow[Any] | None = None,
        at_end: bool = False,
    ) -> None:
        """The consumer has come to `mark`: saves the cursor if that is due."""
        saver = self._saver_due(mark, upcoming, by, at_end=at_end)
        if saver is not None:
            saver.save(self._cursor_at(mark), mark.items)

    @property
    def _source(self) -> Stream[Any]:
        return self
