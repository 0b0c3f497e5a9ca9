"""What a scripted server does, step by step: frozen values, the vocabulary of scripts."""

from __future__ import annotations

import itertools
import operator
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sized
from typing import Any, TypeAlias, Union

from attrs import field, frozen

from .._errors import ConfigurationError

__all__ = [
    "Act",
    "Chunk",
    "Cut",
    "Delay",
    "Pause",
    "Reset",
    "Stall",
    "Step",
    "Steps",
    "Until",
    "checked_steps",
    "data_of",
    "is_known",
    "is_used_up",
    "played",
]


@frozen
class Chunk:
    """Bytes of the body; plain `bytes` mean the same."""

    data: bytes

    def __attrs_post_init__(self) -> None:
        value: Any = self.data
        if not isinstance(value, bytes):
            raise ConfigurationError(f"Chunk({self.data!r}) is not bytes: encode it first")


@frozen
class Delay:
    """Nothing for so many seconds: of the clock on a transport, of real time on a server."""

    seconds: float

    def __attrs_post_init__(self) -> None:
        value: Any = self.seconds
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
            raise ConfigurationError(
                f"Delay({value!r}) is not a number of seconds: pass 0 or more (Stall() is for ever)"
            )


@frozen
class Stall:
    """Nothing more comes, and the connection stays open: until a timeout, or until it is closed."""


@frozen(eq=False)
class Until:
    """Nothing until your test sets the event; for tests that take turns with the server.

    It waits in real time, so on a transport the clock stands still meanwhile.
    """

    event: threading.Event = field(repr=False)

    def __attrs_post_init__(self) -> None:
        value: Any = self.event
        if not isinstance(value, threading.Event):
            raise ConfigurationError(
                f"Until({self.event!r}) cannot be waited for: pass a threading.Event"
            )


@frozen
class Cut:
    """The connection ends here, cleanly but too early (FIN)."""


@frozen
class Reset:
    """The connection is reset (RST)."""


Pause: TypeAlias = Delay | Stall | Until
Act: TypeAlias = bytes | Pause | Cut | Reset
Step: TypeAlias = Chunk | Act
Steps: TypeAlias = Iterable[Union[Step, "Steps"]]

_KINDS = (bytes, Chunk, Delay, Stall, Until, Cut, Reset)
_FIX = "pass bytes, Chunk, Delay, Stall, Until, Cut, Reset, or lists of these"


@frozen
class _Repeated:
    """What an `itertools.repeat` repeats, which itself can be used only once."""

    step: Step | Steps
    times: int | None

    def __iter__(self) -> Iterator[Any]:
        if self.times is None:
            return itertools.repeat(self.step)
        return itertools.repeat(self.step, self.times)

    def __repr__(self) -> str:
        return repr(iter(self))


def checked_steps(value: Step | Steps) -> Steps:
    """Steps as they were given, but all that has a length as tuples; the rest may be endless.

    Raises:
        ConfigurationError: Something among them is not a step.
    """
    given: object = value
    several: Any = value
    if isinstance(given, _KINDS):
        return (several,)
    if isinstance(given, (str, bytearray, memoryview, Mapping)) or not hasattr(given, "__iter__"):
        raise ConfigurationError(f"{value!r} is no step of a script: {_FIX}")
    if isinstance(given, itertools.repeat):
        return _repeated(several)
    if isinstance(given, Sized):
        return tuple(one if isinstance(one, _KINDS) else checked_steps(one) for one in several)
    endless: Steps = several
    return endless


def _repeated(steps: itertools.repeat[Any]) -> Steps:
    times = operator.length_hint(steps, -1)
    if times == 0:
        return ()
    step = next(steps)  # there is no other way to see it
    if not isinstance(step, _KINDS):
        step = checked_steps(step)
    return _Repeated(step, None if times < 0 else times)


def is_known(steps: Steps) -> bool:
    """Whether all steps are there, so that their bytes can be counted; the rest may be endless."""
    return isinstance(steps, tuple) and all(is_known(one) for one in _lists_in(steps))


def is_used_up(steps: Steps) -> bool:
    """Whether the steps, or some of them, can be played only once: those of a generator."""
    if isinstance(steps, _Repeated):
        return is_used_up((steps.step,))
    if isinstance(steps, tuple):
        return any(is_used_up(one) for one in _lists_in(steps))
    return isinstance(steps, Iterator)


def _lists_in(steps: Iterable[Any]) -> Iterator[Steps]:
    return (one for one in steps if not isinstance(one, _KINDS))


def played(steps: Steps) -> Generator[Act, None, None]:
    """The steps in order, lists within lists unfolded, a `Chunk` as its bytes."""
    for step in steps:
        if isinstance(step, Chunk):
            yield step.data
        elif isinstance(step, _KINDS):
            yield step
        else:
            yield from played(step)


def data_of(steps: Steps) -> bytes:
    """All bytes among the steps, those behind a `Cut` included."""
    return b"".join(step for step in played(steps) if isinstance(step, bytes))
