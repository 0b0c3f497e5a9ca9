"""Background threads: the twin of `_tasks` for the sync face."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable

__all__ = ["join_all", "start"]

_JOIN_SECONDS = 1.0


def start(run: Callable[[], object], name: str) -> threading.Thread:
    """Starts `run()`, which must deal with its own exceptions, in the background."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(run,), name=name, daemon=True)
    thread.start()
    return thread


def join_all(threads: Iterable[threading.Thread]) -> None:
    """Waits until the threads have ended, but not for oneself, and not long: all were told to.

    One that is inside a user's function cannot be stopped; closing must not hang on it.
    """
    deadline = time.monotonic() + _JOIN_SECONDS
    for thread in threads:
        if thread is not threading.current_thread():
            thread.join(max(deadline - time.monotonic(), 0.0))
