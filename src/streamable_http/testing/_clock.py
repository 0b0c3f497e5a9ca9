"""Time that passes only where somebody waits for it."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.lowlevel

from .._errors import ConfigurationError

__all__ = ["VirtualClock"]


class VirtualClock:
    """A clock for tests: whoever waits moves it on at once, so that minutes take no time.

    Pass it as `Client(transport=ScriptedTransport(…), clock=VirtualClock())`. Backoff, the five
    timeouts and the transport's `Delay` and `Stall` then live by it. It is exact for streams that
    wait one after another, with or without prefetch; the waits of streams that wait at the same
    time add up, so give each a client and a clock of its own. `batches(seconds=…)` and progress
    displays keep the real time.

    A `Stall` that no timeout bounds lasts until the stream is closed, in real time.
    """

    def __init__(self, start: float = 0.0, *, jitter: float = 1.0) -> None:
        """A clock.

        Args:
            start: The time it begins at, in seconds.
            jitter: What stands for every random number between 0 and 1. By default waits with
                full jitter are as long as they may be: 0.5, 1, 2 … seconds.

        Raises:
            ConfigurationError: A value is wrong.
        """
        value: Any = jitter
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ConfigurationError(
                f"VirtualClock(jitter={value!r}) is no such number: pass one from 0 to 1"
            )
        self._now = float(start)
        self._jitter = float(jitter)
        self._lock = threading.Lock()

    def now(self) -> float:
        """The time in seconds."""
        return self._now

    def jitter(self) -> float:
        """The number that stands for every random one."""
        return self._jitter

    def advance(self, seconds: float) -> None:
        """Lets time pass, as slow work of your own would."""
        if not seconds >= 0:
            raise ConfigurationError(
                f"advance({seconds!r}) would turn time back: pass 0 seconds or more"
            )
        with self._lock:
            self._now += seconds

    def wait(self, woken: threading.Event, seconds: float | None) -> None:
        """Moves the clock on by `seconds`, unless `woken` is set; without any, waits for that."""
        if seconds is None:
            woken.wait()
        elif not woken.is_set():
            self.advance(seconds)

    async def wait_async(self, woken: anyio.Event, seconds: float | None) -> None:
        """The same for tasks; other tasks get their turn."""
        await anyio.lowlevel.checkpoint()
        if seconds is None:
            await woken.wait()
        elif not woken.is_set():
            self.advance(seconds)

    def __repr__(self) -> str:
        return f"VirtualClock(now={self._now}, jitter={self._jitter})"
