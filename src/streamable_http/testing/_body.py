"""A scripted body as an HTTP client reads it, sync or async, in the time of a clock."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterator
from types import ModuleType
from typing import Any, Self

import anyio
import anyio.lowlevel

from .._clock import Clock
from .._lease import FixedLease, Lease, Nap, lease_of
from ._script import Response, is_bodiless
from ._steps import Act, Cut, Delay, Pause, Reset, Until, data_of, played

__all__ = ["Played"]

_POLL_SECONDS = 0.001


class Played:
    """One response on its way to a client; its bytes are the items of the iterator.

    Every wait obeys the timeouts of the request, with a stream's lease behind them or without, as
    a connection would.
    """

    def __init__(
        self, response: Response, request: Any, flavour: ModuleType, clock: Clock | None
    ) -> None:
        self._timeouts: dict[str, Any] = request.extensions.get("timeout", {})
        lease = self._lease()
        self._clock = clock or lease.clock
        self._flavour = flavour
        self._until_closed = response.framing == "close"
        # Whoever counts has the whole body before a cut behind its last byte, and is not told.
        self._left = len(data_of(response.body)) if response.framing == "length" else None
        self._before = played(response.before)
        # Nothing reads on behind an answer without a body.
        self._steps = played(() if is_bodiless(response, request.method) else response.body)
        lease.managed = True
        lease.sending(b"GET", ready=True)
        lease.sent_some()

    def begin(self) -> None:
        """Plays what comes before the head."""
        for step in self._before:
            self._take(step, head=True)
            if isinstance(step, Pause):
                self._pause(step)

    async def begin_async(self) -> None:
        """Plays what comes before the head."""
        for step in self._before:
            self._take(step, head=True)
            if isinstance(step, Pause):
                await self._pause_async(step)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        for step in self._rest():
            data = self._take(step)
            if data:
                return data
            if isinstance(step, Pause):
                self._pause(step)
        raise StopIteration

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        await anyio.lowlevel.checkpoint()  # as a read from a socket would
        for step in self._rest():
            data = self._take(step)
            if data:
                return data
            if isinstance(step, Pause):
                await self._pause_async(step)
        raise StopAsyncIteration

    def close(self) -> None:
        """Nothing comes any more."""
        self._steps.close()

    async def aclose(self) -> None:
        """Nothing comes any more."""
        self.close()

    def _rest(self) -> Iterator[Act]:
        """The steps that are left, up to the last byte of a Content-Length."""
        while self._left != 0:
            step = next(self._steps, None)
            if step is None:
                return
            if isinstance(step, bytes) and self._left is not None:
                self._left -= len(step)
            yield step

    def _take(self, step: Act, *, head: bool = False) -> bytes:
        """The bytes of a step; raises where the connection ends."""
        if isinstance(step, bytes):
            return step
        if isinstance(step, Cut):
            self.close()
            if head:
                raise self._flavour.RemoteProtocolError("the server hung up without a response")
            if not self._until_closed:
                raise self._flavour.RemoteProtocolError("the body was cut before its end")
        elif isinstance(step, Reset):
            self.close()
            raise self._flavour.ReadError("the connection was reset by the server")
        return b""

    def _pause(self, step: Pause) -> None:
        nap = Nap(threading.Event())
        with self._waiting(nap) as lease:
            left = lease.wait()
            if isinstance(step, Until):
                until = None if left is None else self._clock.now() + left
                while not self._over(step, nap, until):
                    step.event.wait(_POLL_SECONDS)
            else:
                seconds, too_long = _bounded(step, left)
                self._clock.wait(nap.woken, seconds)
                _refuse(lease, too_long=too_long)

    async def _pause_async(self, step: Pause) -> None:
        nap = Nap(anyio.Event())
        with self._waiting(nap) as lease:
            left = lease.wait()
            if isinstance(step, Until):
                until = None if left is None else self._clock.now() + left
                # The event is a thread's: nothing can be awaited.
                while not self._over(step, nap, until):  # noqa: ASYNC110
                    await anyio.sleep(_POLL_SECONDS)
            else:
                seconds, too_long = _bounded(step, left)
                await self._clock.wait_async(nap.woken, seconds)
                _refuse(lease, too_long=too_long)

    def _over(self, step: Until, nap: Nap[Any], until: float | None) -> bool:
        if until is not None and self._clock.now() >= until:
            raise TimeoutError
        return step.event.is_set() or nap.woken.is_set()

    @contextlib.contextmanager
    def _waiting(self, nap: Nap[Any]) -> Generator[Lease, None, None]:
        lease = self._lease()
        lease.waker, lease.managed = nap, True
        try:
            yield lease
            lease.waited()
        except TimeoutError as exc:
            lease.expire()
            raise self._flavour.ReadTimeout("timed out") from exc
        except OSError as exc:
            raise self._flavour.ReadError(str(exc)) from exc
        finally:
            if lease.waker is nap:
                lease.waker = None

    def _lease(self) -> Lease:
        timeout: Any = self._timeouts.get("read")
        return lease_of(timeout) if timeout is not None else FixedLease(None)


def _bounded(step: Pause, left: float | None) -> tuple[float | None, bool]:
    """How long a pause lasts, and whether a clock ends it."""
    seconds = step.seconds if isinstance(step, Delay) else None
    if left is not None and (seconds is None or seconds >= left):
        return left, True
    return seconds, False


def _refuse(lease: Lease, *, too_long: bool) -> None:
    lease.check()
    if too_long:
        raise TimeoutError
