"""What a caller can say of how a stream goes on, and the public form of its positions."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias, get_args

import msgspec
from attrs import frozen

from ._checks import refuse_async
from ._decoders.engine import Position
from ._errors import ConfigurationError
from ._values import Cursor

__all__ = [
    "BYTE_RANGE",
    "LAST_EVENT_ID",
    "ByteRange",
    "ItemCursor",
    "LastEventID",
    "NoResume",
    "Resume",
    "cursor_of",
    "is_idempotent",
    "is_scalar",
    "position_of",
    "sends_again",
]

LAST_EVENT_ID = "last-event-id"
ITEM = "item"
BYTE_RANGE = "byte-range"

# RFC 9110, section 9.2.2; and QUERY, which is defined to be safe.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})

Again: TypeAlias = Literal["request", "get", "location"]


@frozen
class LastEventID:
    """Go on with the `Last-Event-ID` header (WHATWG HTML, section 9.2.4).

    Attributes:
        by: What carries the header. "request": the request, sent again; saying so also says that
            it may be, whatever its method. "get": a GET of the same URL, without the body.
            "location": a GET of the `Location` that the accepted response named, which must be of
            the origin that answered. Where a redirect had led to another one than was asked, it
            goes without headers, cookies and auth. With the last two a POST is never repeated to
            go on.
    """

    by: Again = "request"

    def __attrs_post_init__(self) -> None:
        if self.by not in get_args(Again):
            raise ConfigurationError(
                f"LastEventID(by={self.by!r}) is no way to ask: pass 'request', 'get' or 'location'"
            )


@frozen
class ItemCursor:
    """Go on with what the last item says of its position, such as a sequence number.

    Passing it as `resume=` also says that the request may be sent again, whatever its method.

    Attributes:
        get: Where an item tells its position: keys joined by dots, as in
            "metadata.resourceVersion" (an event's data and a line of text count as JSON), or a
            function. The position is text or a number; None for an item without one.
        apply: What the position does to the next request: the name of a query parameter, or a
            function of the position that returns changes of `params` and `headers` (by name) and
            of `json` (a merge patch of the request's JSON body, RFC 7396), as in
            `lambda seq: {"json": {"after": seq}}`.
        key: What an item is recognised by (keys joined by dots, or a function returning JSON
            values), for servers that send the items at the position again: those that were had
            are dropped. Without it such a server gets a `ResumeError`.
        gone: Whether an item says that the server has lost the position; it raises `ResumeError`.
    """

    get: str | Callable[[Any], str | int | float | None]
    apply: str | Callable[[Any], Mapping[str, Any]]
    key: str | Callable[[Any], object] | None = None
    gone: Callable[[Any], bool] | None = None

    def __attrs_post_init__(self) -> None:
        for name, value in (("get", self.get), ("apply", self.apply), ("key", self.key)):
            fits = (isinstance(value, str) and value) or callable(value)
            if not (fits or (name == "key" and value is None)):
                raise ConfigurationError(
                    f"ItemCursor({name}={value!r}) is of no use: pass a name or a function"
                )
        if self.gone is not None and not callable(self.gone):
            raise ConfigurationError(
                f"ItemCursor(gone={self.gone!r}) is no test: pass a function of an item"
            )
        for name in ("get", "apply", "key", "gone"):
            refuse_async(getattr(self, name), name)


@frozen
class ByteRange:
    """Go on at the exact byte with a range request (RFC 9110, section 14), whatever the format.

    Only for a GET, and only where a strong ETag shows that the bytes are of one representation.
    Within a process the same decoder goes on; `start=` needs a format that can begin at a record:
    NDJSON, JSON text sequences, CSV, multipart, length-prefixed frames, lines or raw bytes, or a
    decoder of your own that tells positions.
    """


@frozen
class NoResume:
    """Never go on with a stream that has delivered an item; raise instead."""


Resume: TypeAlias = LastEventID | ItemCursor | ByteRange | NoResume


def is_idempotent(method: str) -> bool:
    """Whether sending a request of this method twice means what sending it once does."""
    return method in _IDEMPOTENT


def sends_again(resume: Resume | None) -> bool:
    """Whether the caller's way to go on says that the request may be sent twice."""
    if isinstance(resume, LastEventID):
        return resume.by == "request"
    return isinstance(resume, (ItemCursor, ByteRange))


def is_scalar(value: object) -> bool:
    """Whether a value can be an item's position: text or a finite number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def cursor_of(position: Position, count: int, request: str) -> Cursor | None:
    """The public form of a position; None where there is nothing to go on with faithfully.

    Args:
        position: The place; its offset counts only with an `etag`.
        count: Items before it.
        request: What it is a place in.
    """
    etag, head, behind = "", "", position.behind
    if not position.exact:
        return None
    if position.value is not None:
        kind, value = ITEM, msgspec.json.encode(position.value).decode()
    elif position.event_id:
        kind, value = LAST_EVENT_ID, position.event_id
    elif position.etag and position.offset:
        kind, value, etag, behind = BYTE_RANGE, str(position.offset), position.etag, ()
        head = position.head
    else:
        return None
    digests = tuple([digest.hex() for digest in behind])
    return Cursor(
        kind=kind, value=value, etag=etag, count=count, behind=digests, request=request, head=head
    )


def position_of(start: Cursor | str | float, resume: Resume | None) -> Position:
    """The position that `start=` means; a plain value is the last event ID, or the item's.

    Raises:
        ConfigurationError: It is a cursor of a kind that this stream cannot go on with.
    """
    if not isinstance(start, Cursor):
        return _plain(start, resume)
    if start.kind not in _kinds(resume):
        raise ConfigurationError(
            f"start= is a cursor of kind {start.kind!r}, and this stream goes on with "
            f"{' or '.join(map(repr, _kinds(resume)))}: pass a cursor of that kind, or the "
            f"resume= that it was made with, or start without it"
        )
    try:
        # What came in a header, and what came in a body: nothing else can be sent again.
        start.etag.encode("latin-1")
        start.value.encode()
    except UnicodeEncodeError as exc:
        raise _tampered("with a text that no server sent") from exc
    if start.count < 0:
        raise _tampered(f"behind {start.count} items")
    try:
        behind = tuple(map(bytes.fromhex, start.behind))
    except ValueError as exc:
        raise _tampered("with a digest that is not hex") from exc
    if start.kind == LAST_EVENT_ID:
        return Position(event_id=start.value, behind=behind)
    if start.kind == ITEM:
        return Position(value=_item_value(start.value), behind=behind)
    number = start.value.isascii() and start.value.isdigit() and len(start.value) < 19
    if not (number and start.etag.startswith('"')):
        raise _tampered("of bytes without an offset or a strong ETag")
    return Position(offset=int(start.value), etag=start.etag, head=start.head)


def _kinds(resume: Resume | None) -> tuple[str, ...]:
    if isinstance(resume, ItemCursor):
        return (ITEM,)
    if isinstance(resume, ByteRange):
        return (BYTE_RANGE,)
    if isinstance(resume, LastEventID):
        return (LAST_EVENT_ID,)
    return (LAST_EVENT_ID, BYTE_RANGE)


def _plain(start: str | float, resume: Resume | None) -> Position:
    if isinstance(resume, ItemCursor) and is_scalar(start):
        return Position(value=start)
    if isinstance(resume, ByteRange):
        raise ConfigurationError(
            f"start={start!r} is no position in bytes that can be proved: pass stream.cursor of "
            f"an earlier run, which has their ETag"
        )
    if not isinstance(start, str):
        raise ConfigurationError(
            f"start={start!r} is no position: pass stream.cursor of an earlier run, or a last "
            f"event ID as text"
        )
    return Position(event_id=start)


def _item_value(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except ValueError:
        value = None
    if not is_scalar(value):
        raise _tampered("of an item whose value is no JSON text or number")
    return value


def _tampered(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"start= is a cursor {what}: pass stream.cursor or Cursor.from_json(…) unchanged"
    )
