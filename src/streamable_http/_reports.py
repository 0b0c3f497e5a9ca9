"""The frozen values that tell what a stream did, is doing, or came to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from attrs import frozen

from ._errors import StreamError
from ._values import Cursor, ResponseInfo

__all__ = [
    "Connected",
    "Connecting",
    "Ended",
    "EventHook",
    "Failed",
    "Gap",
    "Outcome",
    "Progress",
    "Proof",
    "Retrying",
    "StreamEvent",
    "StreamStats",
    "Succeeded",
    "Summary",
]

T_co = TypeVar("T_co", covariant=True)

Proof: TypeAlias = Literal["terminal", "framing", "closed"]
"""What proved that a stream ended: its own terminal, HTTP's framing, or nothing but a close."""


@frozen(kw_only=True)
class StreamStats:
    """What a stream did so far.

    Attributes:
        items: Items delivered.
        bytes: Bytes of body received, as on the wire.
        connects: Responses that were opened.
        retries: Attempts that failed and were followed by another.
        resumes: Connections that went on from a position.
        gaps: Reconnects of a live feed that may have missed items.
        skipped: Bad items that `on_bad_item` let pass.
        replayed: Items that the server sent again and that were dropped.
        elapsed: Seconds from opening the stream until now, or until the consumer was done with it.
        ended: What proved the end, or None before it: "terminal" (the stream's own), "framing"
            (HTTP's), or "closed" (nothing did: the server closed a body of unknown length).
    """

    items: int = 0
    bytes: int = 0
    connects: int = 0
    retries: int = 0
    resumes: int = 0
    gaps: int = 0
    skipped: int = 0
    replayed: int = 0
    elapsed: float = 0.0
    ended: Proof | None = None


@frozen(kw_only=True)
class Progress:
    """How far a stream is.

    Attributes:
        items: Items done.
        bytes: Bytes of body received.
        elapsed: Seconds since the stream was opened.
        total_items: How many items there will be, if the server or the caller told.
        total_bytes: How many bytes there will be, if the server told.
    """

    items: int
    bytes: int
    elapsed: float
    total_items: int | None = None
    total_bytes: int | None = None

    @property
    def rate(self) -> float:
        """Items per second, over the whole stream."""
        return self.items / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def fraction(self) -> float | None:
        """The part that is done, from 0 to 1, or None if no total is known."""
        if self.total_items:
            return min(self.items / self.total_items, 1.0)
        if self.total_bytes:
            return min(self.bytes / self.total_bytes, 1.0)
        return None

    @property
    def eta(self) -> float | None:
        """Seconds left at the rate so far, or None if no total is known."""
        fraction = self.fraction
        return self.elapsed * (1 - fraction) / fraction if fraction else None


@frozen(kw_only=True)
class Summary:
    """What `process` or `write_to` did.

    Attributes:
        items: Items that were processed to their end.
        stats: The stream's statistics.
        cursor: Where a restart would go on.
    """

    items: int
    stats: StreamStats
    cursor: Cursor | None = None


@frozen(kw_only=True)
class Succeeded(Generic[T_co]):
    """One of many streams, which ran to its end (or to `max_items`)."""

    items: list[T_co]
    stats: StreamStats


@frozen(kw_only=True)
class Failed(Generic[T_co]):
    """One of many streams, which failed; the items before its failure are kept.

    Attributes:
        error: Why.
        items: What came before.
        stats: What it had done.
        key: The source's key.
    """

    error: StreamError
    items: list[T_co]
    stats: StreamStats
    key: Any = None


Outcome: TypeAlias = Succeeded[T_co] | Failed[T_co]


@frozen(kw_only=True)
class StreamEvent:
    """Something in the life of a stream, told to `on_event` and to the log.

    Attributes:
        request: Method and URL, without query and credentials.
    """

    request: str


@frozen(kw_only=True)
class Connecting(StreamEvent):
    """A request is about to be sent.

    Attributes:
        attempt: Counted from 1.
        resume: The position that is asked for, or "".
    """

    attempt: int
    resume: str = ""


@frozen(kw_only=True)
class Connected(StreamEvent):
    """A response head was accepted."""

    response: ResponseInfo


@frozen(kw_only=True)
class Retrying(StreamEvent):
    """An attempt is over, and another follows.

    Attributes:
        error: Why it failed; None where a followed stream ended cleanly.
        delay: Seconds until the next one.
        tries: Tries charged since the last new item.
    """

    error: StreamError | None
    delay: float
    tries: int


@frozen(kw_only=True)
class Gap(StreamEvent):
    """A live feed reconnects without a position: items sent meanwhile are missed.

    Attributes:
        count: Counted from 1.
    """

    count: int


@frozen(kw_only=True)
class Ended(StreamEvent):
    """The stream is complete, and `proof` says what proved it."""

    proof: Proof
    stats: StreamStats


EventHook: TypeAlias = Callable[[StreamEvent], object]
