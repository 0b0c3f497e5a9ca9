"""How often a toolkit may be called."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Pace"]

_WINDOW_SECONDS = 60.0


class Pace:
    """Counts the calls of the last minute, whatever thread they come from.

    Args:
        most: How many there may be in any minute.
        clock: The time in seconds.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._calls: deque[float] = deque()
        self._lock = threading.Lock()

    def admit(self) -> float | None:
        """Counts a call and returns None, or returns the seconds until one may come again."""
        with self._lock:
            now = self._clock()
            while self._calls and now - self._calls[0] >= _WINDOW_SECONDS:
                self._calls.popleft()
            if len(self._calls) >= self._most:
                return self._calls[0] + _WINDOW_SECONDS - now
            self._calls.append(now)
            return None
