"""The frozen values that users pass in and get back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from attrs import evolve, field, fields, frozen

from ._errors import ConfigurationError, StreamError

__all__ = [
    "Connected",
    "Connecting",
    "Cursor",
    "Ended",
    "Failed",
    "Failure",
    "Gap",
    "Headers",
    "Limits",
    "Outcome",
    "Progress",
    "Proof",
    "ResponseInfo",
    "Retrying",
    "StreamEvent",
    "StreamStats",
    "Succeeded",
    "Summary",
    "Terminal",
    "Timeouts",
]

T_co = TypeVar("T_co", covariant=True)

Proof: TypeAlias = Literal["terminal", "framing", "closed"]
"""What proved that a stream ended: its own terminal, HTTP's framing, or nothing but a close."""


class Headers(Mapping[str, str]):
    """Response headers: names in any case, values as text, order and repeats kept."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple((name.lower(), value) for name, value in pairs)

    def __getitem__(self, name: str) -> str:
        """All values of `name`, joined by a comma (RFC 9110, section 5.3)."""
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _ in self._pairs))

    def __len__(self) -> int:
        return len({name for name, _ in self._pairs})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Headers):
            return self._pairs == other._pairs
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self._pairs)

    def __repr__(self) -> str:
        shown = {name: _REDACTED if name in _SECRET_HEADERS else self[name] for name in self}
        return f"Headers({shown})"

    def get_list(self, name: str) -> list[str]:
        """Each value of `name`, in order."""
        lowered = name.lower()
        return [value for key, value in self._pairs if key == lowered]


_REDACTED = "[secret]"
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "www-authenticate"}
)


def _check_seconds(value: object, name: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(
            f"{name}={value!r} is not a time: pass seconds above 0, or None for no bound"
        )


def _check_count(value: object, name: str, *, none: bool = False, least: int = 1) -> None:
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        or_none = ", or None for no bound" if none else ""
        raise ConfigurationError(
            f"{name}={value!r} is not a bound: pass a whole number from {least} up{or_none}"
        )


@frozen(kw_only=True)
class Timeouts:
    """The five clocks of a stream, in seconds; None stops one.

    All but `total` end one attempt, which may be tried again; they run only while the stream
    waits for the network, so a slow consumer trips none of them.

    Attributes:
        connect: Pool wait, name resolution, TCP, TLS and proxy handshakes together.
        first_byte: From the request being sent to the response head being complete.
        idle: No byte on the wire; heartbeats count as bytes.
        between_items: No item decoded; heartbeats do not count.
        total: The whole stream, with all attempts and waits.
    """

    connect: float | None = 10.0
    first_byte: float | None = 60.0
    idle: float | None = 300.0
    between_items: float | None = None
    total: float | None = None

    def __attrs_post_init__(self) -> None:
        for attribute in fields(type(self)):
            _check_seconds(getattr(self, attribute.name), f"Timeouts({attribute.name})")


@frozen(kw_only=True)
class Limits:
    """What a stream may take; an input that takes more raises `LimitExceeded`.

    Attributes:
        max_item_bytes: One item, as bytes of the decoded body (a line, an event, a record).
        max_stream_bytes: All bytes of the decoded body, over all attempts.
        max_items: All items.
        max_decompressed_ratio: Decoded bytes for each byte on the wire, once more than 10 MiB
            are decoded.
        prefetch_bytes: Bytes of undelivered items that `prefetch` may hold.
        error_excerpt: How much of an error response's body is kept.
    """

    max_item_bytes: int = 16 * 1024 * 1024
    max_stream_bytes: int | None = None
    max_items: int | None = None
    max_decompressed_ratio: int | None = 200
    prefetch_bytes: int = 8 * 1024 * 1024
    error_excerpt: int = 2048

    def __attrs_post_init__(self) -> None:
        for attribute in fields(type(self)):
            name = attribute.name
            optional = name in {"max_stream_bytes", "max_items", "max_decompressed_ratio"}
            _check_count(getattr(self, name), f"Limits({name})", none=optional)


@frozen
class Terminal:
    """The item that ends a stream from inside, recognised by its SSE event type.

    The item is delivered; nothing after it is read. (A plain string as `terminal=`, such as
    "[DONE]", is compared with the raw data instead, and is not delivered.)

    Attributes:
        event: The event type, such as "message_stop".
    """

    event: str


@frozen(kw_only=True)
class Failure:
    """How a server reports a failure inside its stream; it raises `StreamFailed`.

    Attributes:
        event: An SSE event type, such as "error".
        path: A key (or keys joined by dots) of the item, or of its JSON data, that is present and
            not null only in a failure, such as "error".
    """

    event: str | None = None
    path: str | None = None

    def __attrs_post_init__(self) -> None:
        if (self.event is None) == (self.path is None):
            raise ConfigurationError(
                f"{self!r} names no failure: pass event= or path=, as in Failure(path='error')"
            )


@frozen
class ResponseInfo:
    """The head of a response.

    Attributes:
        status_code: The status.
        headers: The headers.
        url: The URL that answered, after redirects.
        http_version: Such as "HTTP/1.1".
        media_type: The media type in lower case without parameters, or "".
    """

    status_code: int
    headers: Headers
    url: str
    http_version: str = "HTTP/1.1"
    media_type: str = ""

    @property
    def framed(self) -> bool:
        """Whether HTTP itself marks the end of the body (RFC 9112, section 6.3).

        False for a body that lasts until the connection closes: its end proves nothing.
        """
        if self.http_version not in {"HTTP/1.0", "HTTP/1.1"}:
            return True
        coding = self.headers.get("transfer-encoding", "").lower()
        if coding:
            return coding.rpartition(",")[2].strip() == "chunked"
        return "content-length" in self.headers or self.status_code in {204, 304}

    @property
    def content_length(self) -> int | None:
        """The length of the body on the wire in bytes, where the server told it."""
        value = self.headers.get("content-length", "")
        return int(value) if value.isascii() and value.isdigit() else None


_CURSOR_VERSION = 1


def _as_strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@frozen(kw_only=True)
class Cursor:
    """Where a stream can be gone on with, in another process too.

    Attributes:
        kind: What `value` is: "last-event-id".
        value: The position, in the server's terms.
        etag: The validator that the position belongs to, or "".
        count: Items passed so far, over all runs that this cursor stands for.
        behind: Digests (hex) of the items passed since the one that set `value`: a server that
            replays them is recognised item by item.
        request: What it is a cursor of: method and URL without secrets.
    """

    kind: str
    value: str
    etag: str = ""
    count: int = 0
    behind: tuple[str, ...] = field(default=(), converter=_as_strings)
    request: str = ""

    def to_json(self) -> str:
        """The cursor as one line of JSON, for `from_json`."""
        body = {"version": _CURSOR_VERSION, "kind": self.kind, "value": self.value}
        rest = {"etag": self.etag, "count": self.count, "behind": list(self.behind)}
        return json.dumps({**body, **rest, "request": self.request})

    @classmethod
    def from_json(cls, text: str | bytes) -> Cursor:
        """Reads what `to_json` wrote.

        Raises:
            ConfigurationError: It is not a cursor, or one of a later version.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version == _CURSOR_VERSION:
                return cls(**values)
        except (ValueError, TypeError, AttributeError, KeyError) as exc:
            raise ConfigurationError(
                f"{text[:80]!r} is not a cursor: pass what Cursor.to_json() wrote"
            ) from exc
        raise ConfigurationError(
            f"the cursor has version {version!r}, and this release reads {_CURSOR_VERSION}: "
            f"upgrade streamable-http, or start without it"
        )


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
        elapsed: Seconds since the stream was opened.
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

    def with_items(self, items: int) -> StreamStats:
        """The same with another count of delivered items."""
        return evolve(self, items=items)


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
    """What `process` did.

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
