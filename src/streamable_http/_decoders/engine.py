"""What a decoder is: to its users, and to the session.

A *user's* decoder has two methods, `decode` and `flush` (the `Decoder` protocol). Inside, the
session talks to an `Engine`, which hands over a whole `Batch` per piece of input and says more:
where each item ended, whether a record is open, what proved the end.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec
from attrs import frozen

from .._errors import DecodeError, LimitExceeded, StreamTruncated
from .._values import Failure, Headers, Limits, Terminal

__all__ = [
    "EXCERPT",
    "NO_MARKS",
    "BadItem",
    "Batch",
    "Context",
    "Decoder",
    "DecoderFactory",
    "Engine",
    "Marks",
    "Position",
    "PositionedDecoder",
    "Spec",
    "cut_in",
    "too_large",
]

EXCERPT = 64
"""How many bytes of a bad item an error quotes."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BadItem = Literal["raise", "skip"] | Callable[[DecodeError], None]
"""What to do with an item that cannot be decoded: raise, skip, or ask (return = skip)."""


class Decoder(Protocol[T_co]):
    """Turns the bytes of one response into items. The two-method contract for your own."""

    def decode(self, data: bytes, /) -> Iterable[T_co]:
        """Takes the next bytes, cut anywhere, and returns the items they complete."""
        ...

    def flush(self) -> Iterable[T_co]:
        """The body has ended: returns what is left, or raises if a record is cut in two."""
        ...


class PositionedDecoder(Decoder[T_co], Protocol[T_co]):
    """A decoder that tells where its items end, so that a stream of it can be started there.

    By having an `offset` it promises that a fresh one reads on right if it is fed what comes
    behind that place. Then `cursor`, `start=` and checkpoints work with byte ranges.
    """

    offset: int
    """How many of the bytes fed so far belong to the items handed over so far. It is read after
    each item; of items that share an offset, all but the last count as ending where the items
    before them do."""


DecoderFactory = Callable[[], Decoder[T_co]]


class Position(msgspec.Struct, frozen=True):
    """A place between two items of a stream, from which it could be gone on with."""

    event_id: str = ""
    """The last event ID (WHATWG HTML 9.2.6) at that place; "" if there is none."""
    offset: int = 0
    """Bytes of the body up to the end of the last record, or 0 where nobody counts them."""
    behind: tuple[bytes, ...] = ()
    """Digests of the items after the one that set `event_id`, oldest first; or, with `value`, of
    the keys of the items that share it."""
    exact: bool = True
    """False if there are too many items to keep in `behind`, which is empty then."""
    value: str | int | float | None = None
    """What the last item with a position of its own says it is."""
    etag: str = ""
    """The validator of the bytes that `offset` counts, where a stream starts in the middle."""
    head: str = ""
    """What an engine that starts there must know of the bytes before: see `Engine.head`."""


class Marks(Protocol):
    """Resolves an item of a batch to the position right after it; asked rarely, so lazy."""

    def position(self, index: int, /) -> Position:
        """The position after item `index` of the batch."""
        ...

    def digest(self, index: int, /) -> bytes | None:
        """What item `index` is recognised by when it is sent again after a resume.

        None if it brought a position of its own, or cannot be recognised.
        """
        ...


class _NoMarks:
    def position(self, index: int, /) -> Position:
        return Position()

    def digest(self, index: int, /) -> bytes | None:
        return None


NO_MARKS: Marks = _NoMarks()


class Batch(msgspec.Struct, Generic[T_co]):
    """The items that one piece of input completed.

    Attributes:
        items: The items, in order.
        marks: Resolves each of them to a position.
        end: The position once the whole batch is passed; None if it moved nothing. A batch with an
            error ends before the item that the error is about.
        error: Raised once the items before it are delivered: one of ours, or an exception of the
            user's own code, unwrapped.
        ended: Whether the stream's terminal was met: nothing after it is read.
        size: Bytes that the items stand for, for bounds on buffers.
    """

    items: list[T_co]
    marks: Marks = NO_MARKS
    end: Position | None = None
    error: Exception | None = None
    ended: bool = False
    size: int = 0

    def first(self, count: int) -> Batch[T_co]:
        """The first `count` items, without what comes after them."""
        end = self.marks.position(count - 1) if count else None
        return Batch(self.items[:count], self.marks, end, size=self.size)

    def only(self, kept: list[int]) -> Batch[T_co]:
        """The items at these indexes, and all that comes after them."""
        items = [self.items[index] for index in kept]
        marks = _Picked(self.marks, kept)
        return Batch(items, marks, self.end, self.error, self.ended, self.size)


class _Picked:
    """The marks of a batch of which some items are left."""

    def __init__(self, marks: Marks, kept: list[int]) -> None:
        self._marks, self._kept = marks, kept

    def position(self, index: int, /) -> Position:
        return self._marks.position(self._kept[index])

    def digest(self, index: int, /) -> bytes | None:
        return self._marks.digest(self._kept[index])


@frozen
class Context:
    """What a decoder spec may know about the stream it decodes for.

    Attributes:
        headers: Of the response.
        limits: The bounds to keep.
        terminal: What ends the stream from inside, or None.
        failure: What reports a failure from inside, or None.
        event_id: The last event ID that the connection goes on from.
        behind: Digests of the items that were delivered after it on earlier connections.
        offset: Bytes of the body before the first that comes.
        head: The `Engine.head` of the engine that read those.
        on_bad_item: What to do with an item that cannot be decoded.
    """

    headers: Headers = Headers()
    limits: Limits = Limits()
    terminal: str | Terminal | Callable[[Any], bool] | None = None
    failure: Failure | Callable[[Any], bool] | None = None
    event_id: str = ""
    behind: tuple[bytes, ...] = ()
    offset: int = 0
    head: str = ""
    on_bad_item: BadItem = "raise"


class Engine(abc.ABC, Generic[T_co]):
    """A decoder of ours: the `Decoder` protocol for users, batches for the session.

    Indexes in its errors count from the start of the connection, offsets from the start of the
    body. After a batch with an error, or one that ended the stream, it takes no more.
    """

    reconnects: bool = False
    """Whether reconnecting is part of the format, so that `follow=True` has a meaning."""
    starts_at_records: bool = False
    """Whether it can begin behind any record of a body, without what comes before."""
    portion: int = 32 * 1024
    """How many bytes it is best fed with at once: their items fit into a processor's cache, from
    where the consumer takes them. Decoding more at once takes a third longer."""
    head: str = ""
    """What another engine must know of the start of the body, to begin behind a record of it; ""
    if that is nothing."""
    event_id: str = ""
    """The last event ID after everything fed so far."""
    retry_ms: int | None = None
    """The reconnection time that the server asked for last, in milliseconds."""
    skipped: int = 0
    """Bad items that `on_bad_item` let pass."""

    @abc.abstractmethod
    def feed(self, data: bytes, /) -> Batch[T_co]:
        """Takes the next bytes, cut anywhere; never raises for what is in them."""

    @abc.abstractmethod
    def finish(self, *, framed: bool = True) -> Batch[T_co]:
        """The body has ended. `framed` tells whether HTTP itself proved that.

        It changes nothing that a shallow copy of the engine shares with it. A record that is still
        open makes a batch whose error is `StreamTruncated`.
        """

    def decode(self, data: bytes, /) -> Iterator[T_co]:
        """The items that `data` completes; raises what the batch carries after them."""
        yield from _unpack(self.feed(data))

    def flush(self) -> Iterator[T_co]:
        """The items left at the end of the bytes; raises if a record is cut in two."""
        yield from _unpack(self.finish())


def _unpack(batch: Batch[T]) -> Iterator[T]:
    yield from batch.items
    if batch.error is not None:
        raise batch.error


class Spec(abc.ABC, Generic[T_co]):
    """A built-in decoder's settings: frozen, shareable, and itself a decoder factory."""

    media_type: ClassVar[str] = "*/*"
    """Of the format."""
    has_records: ClassVar[bool] = True
    """Whether there is a raw text of each item, to compare a `terminal="..."` with."""
    has_events: ClassVar[bool] = False
    """Whether items have an event type, for `Terminal(event=)` and `Failure(event=)`."""

    @property
    def accept(self) -> str:
        """The media type to ask for."""
        return self.media_type

    @abc.abstractmethod
    def build(self, context: Context, /) -> Engine[T_co]:
        """A fresh engine for one connection."""

    def __call__(self) -> Engine[T_co]:
        return self.build(Context())


def too_large(limit: str, setting: int, seen: int, what: str) -> LimitExceeded:
    """The error for an input that outgrew `limit`, worded in one place."""
    return LimitExceeded(
        f"{what} is larger than Limits({limit}={setting:,}): {seen:,} bytes seen; "
        f"raise the limit if the server is to be trusted with that",
        limit=limit,
        setting=setting,
        seen=seen,
    )


def cut_in(what: str) -> StreamTruncated:
    """The error for a body that ended inside a record, worded in one place."""
    return StreamTruncated(f"the body ended inside {what}: the stream is not complete")
