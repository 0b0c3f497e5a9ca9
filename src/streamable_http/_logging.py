"""The logger `streamable_http`, and what keeps users' callbacks from harming a stream."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from ._errors import StatusError, StreamError, TimeoutExceeded
from ._reports import Connected, Connecting, Ended, EventHook, Gap, Retrying, StreamEvent

__all__ = ["guarded", "logger", "teller"]

T = TypeVar("T")

logger = logging.getLogger("streamable_http")
logger.addHandler(logging.NullHandler())


def guarded(callback: Callable[[T], object], name: str) -> Callable[[T], None]:
    """The callback, with its exceptions logged: it may watch a stream, not change it."""

    @functools.wraps(callback)
    def call(value: T) -> None:
        try:
            callback(value)
        except Exception:
            logger.exception("%s raised; the stream goes on", name)

    return call


def teller(hooks: list[EventHook]) -> Callable[[StreamEvent], None]:
    """One function that tells an event to the log (DEBUG) and to every hook."""
    safe = [guarded(hook, "on_event") for hook in hooks]

    def tell(event: StreamEvent) -> None:
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", describe(event))
        for hook in safe:
            hook(event)

    return tell


def describe(event: StreamEvent) -> str:
    """An event as one line, which holds no header, query or body."""
    what: Any
    match event:
        case Connecting():
            resume = f" after {event.resume!r}" if event.resume else ""
            what = f"connecting (attempt {event.attempt}){resume}"
        case Connected():
            what = f"connected: {event.response.status_code} {event.response.media_type}"
        case Retrying():
            why = "the followed stream ended" if event.error is None else _cause(event.error)
            what = f"again in {event.delay:.2f} s (try {event.tries}): {why}"
        case Gap():
            what = f"gap {event.count}: items sent meanwhile are missed"
        case Ended():
            what = f"ended by {event.proof}: {event.stats}"
        case _:
            what = event
    return f"{event.request}: {what}"


def _cause(error: StreamError) -> str:
    """What went wrong, without the message: it may quote a server's answer."""
    name = type(error).__name__
    if isinstance(error, StatusError):
        return f"{name} {error.status_code}"
    if isinstance(error, TimeoutExceeded):
        return f"{name} ({error.kind})"
    return name
