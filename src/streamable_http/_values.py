"""The frozen values that say what a stream is to do, and what answered."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from attrs import field, fields, frozen

from ._errors import ConfigurationError

__all__ = [
    "Cursor",
    "Failure",
    "Headers",
    "Limits",
    "ResponseInfo",
    "Terminal",
    "Timeouts",
]


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
        shown = {name: self[name] for name in self}
        shown |= dict.fromkeys(_SECRET_HEADERS & shown.keys(), _REDACTED)
        if "location" in shown:
            shown["location"] = without_secrets(shown["location"])
        return f"Headers({shown})"

    def get_list(self, name: str) -> list[str]:
        """Each value of `name`, in order."""
        lowered = name.lower()
        return [value for key, value in self._pairs if key == lowered]


_CREDENTIALS = re.compile(r"^((?:[^/:]*:)?//)?[^/]*@")


def without_secrets(url: str) -> str:
    """A URL for messages and logs, also one that is not right: no credentials, no query."""
    return _CREDENTIALS.sub(r"\1", url.partition("#")[0].partition("?")[0])


def _shown_url(url: str) -> str:
    return repr(without_secrets(url))


_REDACTED = "[secret]"
_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "proxy-authorization", "set-cookie", "www-authenticate"}
)


def _check_seconds(value: object, owner: str, name: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ConfigurationError(
            f"{owner}({name}={value!r}) is not a time: pass seconds above 0, or None for no bound"
        )


def _check_count(value: object, owner: str, name: str, *, none: bool) -> None:
    if value is None and none:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        or_none = ", or None for no bound" if none else ""
        raise ConfigurationError(
            f"{owner}({name}={value!r}) is not a bound: pass a whole number from 1 up{or_none}"
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
            _check_seconds(getattr(self, attribute.name), "Timeouts", attribute.name)


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
            _check_count(getattr(self, name), "Limits", name, none=optional)


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
    url: str = field(repr=_shown_url)
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
        return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


_CURSOR_VERSION = 1


def _as_strings(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError
    return tuple(values)


@frozen(kw_only=True)
class Cursor:
    """Where a stream can be gone on with, in another process too.

    Attributes:
        kind: What `value` is: "last-event-id", "byte-range" (an offset), or "item" (`ItemCursor`).
        value: The position, in the server's terms.
        etag: The validator that the position belongs to, or "".
        count: Items passed so far, over all runs that this cursor stands for.
        behind: Digests (hex) of the items passed since the one that set `value`: a server that
            replays them is recognised item by item.
        request: What it is a cursor of: method and URL without secrets.
        head: What a decoder must know of the start of the body to begin in its midst, such as the
            header of a table, or "".
    """

    kind: str
    value: str
    etag: str = ""
    count: int = 0
    behind: tuple[str, ...] = field(default=(), converter=_as_strings)
    request: str = ""
    head: str = ""

    def to_json(self) -> str:
        """The cursor as one line of JSON, for `from_json`."""
        body = {"version": _CURSOR_VERSION, "kind": self.kind, "value": self.value}
        rest = {"etag": self.etag, "count": self.count, "behind": list(self.behind)}
        head = {"head": self.head} if self.head else {}
        return json.dumps({**body, **rest, "request": self.request, **head})

    @classmethod
    def from_json(cls, text: str | bytes) -> Cursor:
        """Reads what `to_json` wrote.

        Raises:
            ConfigurationError: It is not a cursor, or one of a later version.
        """
        try:
            values = json.loads(text)
            version = values.pop("version")
            if version == _CURSOR_VERSION and type(version) is int:
                return cls(**values)._checked()
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as exc:
            raise ConfigurationError(
                f"{text!r:.80} is not a cursor: pass what Cursor.to_json() wrote"
            ) from exc
        raise ConfigurationError(
            f"the cursor has version {version!r}, and this release reads {_CURSOR_VERSION}: "
            f"upgrade streamable-http, or start without it"
        )

    def _checked(self) -> Self:
        texts = (self.kind, self.value, self.etag, self.request, self.head, *self.behind)
        if type(self.count) is not int or not set(map(type, texts)) <= {str}:
            raise TypeError
        if self.count < 0:
            raise ValueError
        return self
