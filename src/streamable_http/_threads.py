"""Background threads: the twin of `_tasks` for the sync face."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable
from types import CoroutineType
from typing import Any, TypeVar

from ._checks import no_end
from ._errors import ConfigurationError

__all__ = ["applied", "join_all", "start"]

R = TypeVar("R")

_JOIN_SECONDS = 1.0


def applied(fn: Callable[..., R], *arguments: Any) -> R:
    """What `fn` returns; a StopIteration that escapes from it must not look like the stream's end.

    Nor may a coroutine, as of a lambda around an async function, look like work that was done.
    """
    try:
        result = fn(*arguments)
    except (StopIteration, StopAsyncIteration) as exc:
        raise no_end(exc, repr(fn)) from exc
    if isinstance(result, CoroutineType):
        result.close()
        raise ConfigurationError(
            f"fn={fn!r} returned a coroutine, and nothing awaits it here: pass a plain function, "
            f"or use an AsyncClient"
        )
    return result


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
