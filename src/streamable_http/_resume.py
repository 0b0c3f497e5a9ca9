"""How a stream that broke can go on where it was, and when it must not."""

from __future__ import annotations

import re
from typing import TypeAlias

from attrs import frozen

from ._decoders.engine import Position
from ._errors import ConfigurationError, ResumeError
from ._values import Cursor

__all__ = [
    "LAST_EVENT_ID",
    "LastEventID",
    "NoResume",
    "Resume",
    "cursor_of",
    "is_idempotent",
    "position_of",
    "resume_headers",
]

LAST_EVENT_ID = "last-event-id"

# RFC 9110, section 9.2.2; and QUERY, which is defined to be safe.
_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"})

# What HTTP cannot carry unchanged: control characters, and blanks at the ends, which recipients
# strip (RFC 9110, section 5.5).
_UNSENDABLE = re.compile(r"^[ \t]|[ \t]$|[\x00-\x08\x0a-\x1f\x7f]")


@frozen
class LastEventID:
    """Go on with the `Last-Event-ID` header (WHATWG HTML, section 9.2.4).

    Passing it as `resume=` also says that the request may be sent again, whatever its method.
    """


@frozen
class NoResume:
    """Never go on with a stream that has delivered an item; raise instead."""


Resume: TypeAlias = LastEventID | NoResume


def is_idempotent(method: str) -> bool:
    """Whether sending a request of this method twice means what sending it once does."""
    return method in _IDEMPOTENT


def resume_headers(position: Position) -> tuple[tuple[str, bytes], ...]:
    """What to send so that the server goes on after `position`; nothing at the start.

    Raises:
        ResumeError: The last event ID cannot be sent without changing it.
    """
    if not position.event_id:
        return ()
    if _UNSENDABLE.search(position.event_id):
        raise ResumeError(
            f"the last event ID {position.event_id[:80]!r} cannot be sent in a header unchanged: "
            f"the server must use IDs without control characters and outer blanks"
        )
    return ((LAST_EVENT_ID, position.event_id.encode()),)


def cursor_of(position: Position, count: int, request: str) -> Cursor | None:
    """The public form of a position; None where there is nothing to go on with faithfully."""
    if not (position.event_id and position.exact):
        return None
    return Cursor(
        kind=LAST_EVENT_ID,
        value=position.event_id,
        count=count,
        behind=tuple([digest.hex() for digest in position.behind]),
        request=request,
    )


def position_of(start: Cursor | str) -> Position:
    """The position that `start=` means; a plain string is a last event ID.

    Raises:
        ConfigurationError: It is a cursor of a kind that this stream cannot go on with.
    """
    if isinstance(start, str):
        return Position(event_id=start)
    if start.kind != LAST_EVENT_ID:
        raise ConfigurationError(
            f"start= is a cursor of kind {start.kind!r}, and this stream goes on with "
            f"{LAST_EVENT_ID!r}: pass a cursor of that kind, or start without one"
        )
    try:
        behind = tuple(map(bytes.fromhex, start.behind))
    except ValueError as exc:
        raise ConfigurationError(
            "start= is a cursor with a digest that is not hex: pass stream.cursor or "
            "Cursor.from_json(…) unchanged"
        ) from exc
    return Position(event_id=start.value, behind=behind)
