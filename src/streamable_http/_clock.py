"""The time that a stream lives by: what it reads, waits on and draws its jitter from."""

from __future__ import annotations

import random
import threading
import time
from typing import Protocol

import anyio

from ._errors import ConfigurationError

__all__ = ["SYSTEM", "Clock", "checked_clock"]


class Clock(Protocol):
    """Where a client's streams take time and chance from.

    A face uses one of the two waits: threads `wait`, tasks `wait_async`.
    """

    def now(self) -> float:
        """The time in seconds, from any start; it never goes back."""
        ...

    def jitter(self) -> float:
        """A number between 0 and 1, which the random part of a wait is multiplied by."""
        ...

    def wait(self, woken: threading.Event, seconds: float | None) -> None:
        """Returns after `seconds` (None: never), or as soon as `woken` is set."""
        ...

    async def wait_async(self, woken: anyio.Event, seconds: float | None) -> None:
        """The same for a task, on asyncio and trio."""
        ...


class _SystemClock:
    """The machine's own time."""

    now = staticmethod(time.monotonic)
    jitter = staticmethod(random.random)

    def wait(self, woken: threading.Event, seconds: float | None) -> None:
        woken.wait(seconds)

    async def wait_async(self, woken: anyio.Event, seconds: float | None) -> None:
        with anyio.move_on_after(seconds):
            await woken.wait()


SYSTEM: Clock = _SystemClock()


def checked_clock(clock: object, *, transport: object, http: object) -> Clock:
    """The clock, where it can be kept; None is the machine's own."""
    if clock is None:
        return SYSTEM
    parts = ("now", "jitter", "wait", "wait_async")
    if isinstance(clock, type) or not all(callable(getattr(clock, part, None)) for part in parts):
        raise ConfigurationError(
            f"clock={clock!r} is not a clock: pass an object such as testing.VirtualClock()"
        )
    if http is None and (transport is None or isinstance(transport, str)):
        raise ConfigurationError(
            "clock= cannot change the time of real sockets: pass a transport without any beside "
            "it, such as transport=testing.ScriptedTransport(…)"
        )
    ours: Clock = clock  # type: ignore[assignment]  # its methods were looked for
    return ours
