"""The async face's `AsyncStream`: a flow of items over HTTP.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.to_thread import run_sync

from ._async_flow import AsyncFlow
from ._delivery import Mark
from ._errors import StreamError
from ._handle import Handle
from ._opening import Opening
from ._prefetch import AsyncPrefetch
from ._pump import AsyncBatches, AsyncPump
from ._reports import Progress, Summary
from ._saving import Saver, beside

__all__ = ["AsyncStream"]

T = TypeVar("T")


class AsyncStream(Handle[T, AsyncFlow[Any]], AsyncFlow[T]):
    """A response that arrives as a stream of items; made by `AsyncClient.stream`.

    Use it as an async context manager, or call `open()` and `aclose()`. Nothing is sent before.
    """

    def __init__(self, opening: Opening[T]) -> None:
        super().__init__(opening)
        self._pump: AsyncPump[T] | None = None
        self._batches: AsyncBatches[T] | None = None

    async def open(self) -> Self:
        """Sends the request and returns once a response is accepted.

        Raises:
            StreamError: No acceptable response was had; see the error tree.
        """
        await self._load_cursor()
        pump = self._pump = self._opening.async_pump()
        try:
            self._refuse_closed()  # after `_pump` is set, where `aclose` looks for it
            await pump.open()
        except BaseException as exc:
            try:
                await pump.close()
            finally:
                self._release_key()
            if isinstance(exc, StreamError):
                raise self._witnessed(exc) from exc.__cause__
            raise
        self._batches = pump
        bounds = self._opening.prefetch
        if bounds is not None:
            self._batches = AsyncPrefetch(pump, max_items=bounds.items, max_bytes=bounds.bytes)
        return self

    async def _load_cursor(self) -> None:
        if self._opening.saver is None or self._pump is not None:
            return
        try:
            self._delivery = await run_sync(self._opening.load)
        except BaseException:
            self._release_key()
            raise

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with beside(exc):
            await self.aclose()

    async def write_to(
        self: AsyncStream[bytes],
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
        from ._download import download_async

        return await download_async(self, path, on_progress)

    async def aclose(self) -> None:
        self._closed, self._items = True, iter(())
        self._opening.stop_clock()
        # Each step is taken whatever becomes of those before it: asyncio's own cancellation heeds
        # no shield.
        async with contextlib.AsyncExitStack() as steps:
            steps.push_async_callback(self._finish_saving)
            for action in self._closers:
                steps.callback(action)
            for operator in self._running:
                steps.push_async_callback(operator._stop)
            reading = self._pump if self._batches is None else self._batches
            if reading is not None:
                steps.push_async_callback(reading.close)

    async def _finish_saving(self) -> None:
        saver = self._opening.saver
        if saver is None or saver.over:
            return
        cursor = self.cursor
        try:
            with anyio.CancelScope(shield=True):
                await run_sync(saver.finish, cursor)
        finally:
            # Idle, unless it was cancelled before a thread was at it: rather a moment's wait than
            # a position lost.
            with contextlib.suppress(Exception):
                saver.finish(cursor)

    def __del__(self) -> None:
        batches = getattr(self, "_batches", None)
        if batches is not None and not self._closed:
            self._release_key()
            warnings.warn(f"{self!r} was never closed", ResourceWarning, stacklevel=2)
            batches.abandon()

    async def __anext__(self) -> T:
        for item in self._items:  # the cheapest way to take one, and to see that there is none
            return item
        return await self._refill()

    async def _refill(self) -> T:
        if self._governor is not None:
            self._read_by(None)
            for item in () if self._closed else self._delivery.items:
                return item
        await self._load()
        if self._governor is not None:
            self._items = iter(())
        return next(self._delivery.items)  # `close` may have emptied `_items` meanwhile

    async def _next_list(self) -> list[T]:
        rest = self._delivery.rest()
        if not rest:
            await self._load()
            rest = self._delivery.rest()
        return rest

    async def _load(self) -> None:
        """Goes on to the next batch; raises StopAsyncIteration at the end."""
        opening = self._opening
        if opening.settled:
            raise StopAsyncIteration
        if self._closed:
            self._refuse_closed()
        if opening.saver is not None and await self._goes_on(opening.saver):
            return
        self._delivery.finish()
        self._items = self._delivery.items
        batches = self._batches or opening.opened(None)
        try:
            batch = await batches.next_batch()
        except StreamError as exc:
            raise self._witnessed(exc) from exc.__cause__
        if batch is None:
            self._closed = True
            opening.settle(self._delivery)
            await self._save(self._delivery.committed(), at_end=True)
            raise StopAsyncIteration
        self._delivery.load(batch, None if opening.saver is None else self._portion())
        self._items = self._delivery.items

    async def _goes_on(self, saver: Saver) -> bool:
        """Saves the cursor if that is due; whether there is more of the batch in hand."""
        self._delivery.acknowledge()
        await self._save(self._delivery.committed())
        self._refuse_closed()
        if not self._delivery.more(self._portion()):
            return False
        self._items = self._delivery.items
        return True

    async def _save(
        self,
        mark: Mark,
        upcoming: int = 1,
        *,
        by: AsyncFlow[Any] | None = None,
        at_end: bool = False,
    ) -> None:
        """The consumer has come to `mark`: saves the cursor if that is due."""
        saver = self._saver_due(mark, upcoming, by, at_end=at_end)
        if saver is not None:
            await run_sync(saver.save, self._cursor_at(mark), mark.items)

    @property
    def _source(self) -> AsyncStream[Any]:
        return self
