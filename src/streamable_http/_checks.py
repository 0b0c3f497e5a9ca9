"""Checks of single arguments that several modules make."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Generator

from ._errors import ConfigurationError

__all__ = [
    "CallersError",
    "callers_own",
    "check_callable",
    "check_number",
    "check_seconds",
    "check_weigh",
    "no_end",
    "refuse_async",
]


def check_callable(value: object, name: str) -> None:
    """Refuses what cannot be called."""
    if not callable(value):
        raise ConfigurationError(f"{name}={value!r} is not callable: pass a function of one item")


def refuse_async(value: object, name: str) -> None:
    """Refuses an async function where nobody awaits it: its coroutine would pass for an answer."""
    call = getattr(value, "__call__", None)  # noqa: B004  # an object may have an async __call__
    if inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(call):
        shown = getattr(value, "__name__", type(value).__name__)
        raise ConfigurationError(
            f"{name}={shown} is an async function, and nothing awaits it here: pass a plain one"
        )


class CallersError(Exception):
    """Carries what a function of the caller's raised past all that reads a stream's own errors.

    A token that could not be had is no news of this stream's server, though an HTTP client, or a
    stream, may have told it.

    Attributes:
        error: The exception itself.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


@contextlib.contextmanager
def callers_own() -> Generator[None]:
    """Around what is the caller's: its exceptions are theirs."""
    try:
        yield
    except Exception as exc:
        raise CallersError(exc) from exc


def no_end(error: Exception, whose: str = "a function or type of yours") -> Exception:
    """An error of the caller's own code; one by which Python ends a loop becomes another.

    Nobody would see it otherwise: the loop over the stream would just end, as if all were said.
    """
    if not isinstance(error, (StopIteration, StopAsyncIteration)):
        return error
    seen = RuntimeError(f"{whose} raised {type(error).__name__}")
    seen.__cause__ = error
    return seen


def check_number(value: object, name: str) -> None:
    """Refuses what is no number of things."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(
            f"{name}={value!r} is not a number of them: pass a whole number from 1 up"
        )


def check_seconds(value: object) -> None:
    """Refuses what is no length of time."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigurationError(f"seconds={value!r} is not a time: pass seconds above 0, or None")


def check_weigh(weigh: object, size: int | None) -> None:
    """Refuses a measure of items that is none, or that nothing is measured by."""
    if weigh is None:
        return
    check_callable(weigh, "weigh")
    if size is None:
        raise ConfigurationError(
            f"weigh={weigh!r} measures items for size=, and there is none: pass size=, the weight "
            f"of a whole list"
        )
