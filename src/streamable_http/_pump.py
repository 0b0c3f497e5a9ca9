"""Drives a session: performs what it asks for until there is a batch. Once sync, once async."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

import anyio

from ._checks import CallersError, no_end
from ._decoders.engine import Batch
from ._effects import Effect, Emit
from ._errors import ConfigurationError, StreamClosed, StreamError
from ._perform import AsyncPerformer, Performer
from ._session import Session
from ._tasks import brief_shield

__all__ = ["AsyncBatches", "AsyncPump", "Batches", "Pump"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

ONE_READER = (
    "the stream is being read already: one reader at a time; to work on items concurrently use "
    "map(fn, max_concurrent=…)"
)

_CLOSED = "the stream was closed: open another one to read on"


class Batches(Protocol[T_co]):
    """Where a sync stream gets its batches from."""

    def next_batch(self) -> Batch[T_co] | None: ...
    def close(self) -> None: ...


class AsyncBatches(Protocol[T_co]):
    """Where an async stream gets its batches from."""

    async def next_batch(self) -> Batch[T_co] | None: ...
    def abandon(self) -> None: ...
    async def close(self) -> None: ...


class _Base(Generic[T]):
    def __init__(self, session: Session[T], clock: Callable[[], float]) -> None:
        self.session = session
        self._clock = clock

    def _reply(self, value: object = None) -> None:
        session = self.session
        session.now = self._clock()
        session.reply(value)

    def _fail(self, error: StreamError) -> None:
        self.session.now = self._clock()
        self.session.fail(error)

    @property
    def _opening(self) -> bool:
        return self.session.effect is not None and not self.session.is_open


class Pump(_Base[T]):
    """Pulls batches out of a session, on whichever thread asks for one."""

    def __init__(
        self, session: Session[T], performer: Performer, clock: Callable[[], float]
    ) -> None:
        super().__init__(session, clock)
        self._performer = performer
        self._busy = threading.Lock()

    def open(self) -> None:
        """Performs effects until a response is accepted, or the stream is over."""
        self._enter()
        try:
            while self._opening and (effect := self.session.effect) is not None:
                self._perform(effect)
            self._close_if_over()
        finally:
            self._leave()

    def next_batch(self) -> Batch[T] | None:
        """The next batch, or None at the end; raises what ended the stream otherwise."""
        self._enter()
        try:
            if isinstance(self.session.effect, Emit):
                self._reply()
            while (effect := self.session.effect) is not None:
                if isinstance(effect, Emit):
                    self._performer.lease.item_decoded()
                    return effect.batch
                self._perform(effect)
            self._close_if_over()
            return None
        finally:
            self._leave()

    def close(self) -> None:
        """Ends the stream, from any thread; whoever is reading lets the connection go."""
        self._performer.lease.interrupt()
        self._release_if_idle()

    def _perform(self, effect: Effect) -> None:
        try:
            reply = self._performer.perform(effect)
        except CallersError as exc:
            error = no_end(exc.error)
            raise error from error.__cause__
        except StreamClosed:
            raise
        except StreamError as exc:
            self._fail(exc)
        else:
            self._reply(reply)
            self._performer.torn = False

    def _close_if_over(self) -> None:
        if self.session.effect is None:
            self._performer.release()
            if self.session.error is not None:
                raise self.session.error

    def _enter(self) -> None:
        taken = self._busy.acquire(blocking=False)
        if self._performer.lease.closed and self.session.effect is not None:
            if taken:
                self._busy.release()
            raise StreamClosed(_CLOSED)
        if not taken:
            raise ConfigurationError(ONE_READER)

    def _leave(self) -> None:
        self._busy.release()
        # Whoever called `close()` meanwhile could not let the connection go.
        if self._performer.lease.closed:
            self._release_if_idle()

    def _release_if_idle(self) -> None:
        if self._busy.acquire(blocking=False):
            try:
                self._performer.release()
            finally:
                self._busy.release()


class AsyncPump(_Base[T]):
    """Pulls batches out of a session, in whichever task asks for one."""

    def __init__(
        self, session: Session[T], performer: AsyncPerformer, clock: Callable[[], float]
    ) -> None:
        super().__init__(session, clock)
        self._performer = performer
        self._has_reader = False
        self._idle: anyio.Event | None = None  # made by who waits for that: reading is frequent

    async def open(self) -> None:
        """Performs effects until a response is accepted, or the stream is over."""
        self._enter()
        try:
            while self._opening and (effect := self.session.effect) is not None:
                await self._perform(effect)
            await self._close_if_over()
        finally:
            await self._leave()

    async def next_batch(self) -> Batch[T] | None:
        """The next batch, or None at the end; raises what ended the stream otherwise."""
        self._enter()
        try:
            if isinstance(self.session.effect, Emit):
                self._reply()
            while (effect := self.session.effect) is not None:
                if isinstance(effect, Emit):
                    self._performer.lease.item_decoded()
                    return effect.batch
                await self._perform(effect)
            await self._close_if_over()
            return None
        finally:
            await self._leave()

    def abandon(self) -> None:
        """Nobody will ever ask again; nothing runs here by itself, so there is nothing to end."""

    async def close(self) -> None:
        """Ends the stream, from any task; returns once the connection is let go."""
        self._performer.lease.interrupt()
        if not self._has_reader:
            await self._performer.release()
        else:
            idle = self._idle = self._idle or anyio.Event()
            # Not for ever: it may be the reader itself that asks, in a function for its headers.
            with brief_shield():
                await idle.wait()

    async def _perform(self, effect: Effect) -> None:
        try:
            reply = await self._performer.perform(effect)
        except CallersError as exc:
            error = no_end(exc.error)
            raise error from error.__cause__
        except StreamClosed:
            raise
        except StreamError as exc:
            self._fail(exc)
        else:
            self._reply(reply)
            self._performer.torn = False

    async def _close_if_over(self) -> None:
        if self.session.effect is None:
            await self._performer.release()
            if self.session.error is not None:
                raise self.session.error

    def _enter(self) -> None:
        if self._performer.lease.closed and self.session.effect is not None:
            raise StreamClosed(_CLOSED)
        if self._has_reader:
            raise ConfigurationError(ONE_READER)
        self._has_reader = True

    async def _leave(self) -> None:
        self._has_reader = False
        idle, self._idle = self._idle, None
        if self._performer.lease.closed:
            await self._performer.release()
        if idle is not None:
            idle.set()
