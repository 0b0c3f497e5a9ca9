"""Goes on behind the last event, by its ID (WHATWG HTML, section 9.2.4)."""

from __future__ import annotations

import contextlib
import re
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

from msgspec.structs import replace

from .._decoders.engine import Batch, Position
from .._decoders.sse_marks import OneMark
from .._effects import Patch, Target
from .._errors import ResumeError
from .._redirects import same_origin
from .._resume import LAST_EVENT_ID, Again
from .._values import ResponseInfo
from .events import Events, first_of_its_own
from .replay import Replay
from .way import Plan, Way

__all__ = ["ByEventID"]

T = TypeVar("T")

# What HTTP cannot carry unchanged: control characters, and blanks at the ends, which recipients
# strip (RFC 9110, section 5.5).
_UNSENDABLE = re.compile(r"^[ \t]|[ \t]$|[\x00-\x08\x0a-\x1f\x7f]")


class ByEventID(Way):
    """Goes on with the `Last-Event-ID` header.

    Args:
        by: What carries it.
        asked: The URL of the caller's own request, with or without its query.
    """

    def __init__(self, by: Again = "request", asked: str = "") -> None:
        self._by = by
        self._asked_url = asked
        self._head: ResponseInfo | None = None  # of the first response
        self._events = Events()
        self._from_start = False  # whether the connection begins where the stream does
        self._awaited = ""  # the ID that was asked with, until an event with one of its own comes
        self._repeated = ""  # the same, once it was that event which came
        self._replay = Replay(())
        self._dropped_before = 0

    @property
    def dropped(self) -> int:
        return self._dropped_before + self._replay.dropped

    def plan(self, target: Target, position: Position, *, begun: bool) -> Plan | None:
        event_id = position.event_id
        if not event_id:
            return None
        if _UNSENDABLE.search(event_id):
            raise ResumeError(
                f"the last event ID {event_id[:80]!r} cannot be sent in a header unchanged: "
                f"the server must use IDs without control characters and outer blanks"
            )
        patch = Patch(headers=((LAST_EVENT_ID, event_id.encode()),))
        return Plan(self._asked(target), patch, event_id)

    def bodiless(self, position: Position) -> bool:
        return self._by != "request" and bool(position.event_id)

    def _asked(self, target: Target) -> Target:
        if self._by == "request":
            return target
        target = replace(target, method="GET", body=False)
        if self._by == "get":
            return target
        url = self._location()
        # The response may have come from elsewhere, after a redirect: what is the caller's goes to
        # the origin that the caller asked, and to no other.
        bare = not same_origin(urlsplit(self._asked_url), urlsplit(url)) or target.bare
        return replace(target, url=url, bare=bare)

    def _location(self) -> str:
        if self._head is None:
            raise ResumeError(
                "the Location of an earlier run is not known: open a stream with a GET of it"
            )
        location = self._head.headers.get("location", "")
        with contextlib.suppress(ValueError):  # it is no URL
            url = urljoin(self._head.url, location)
            if location and same_origin(urlsplit(self._head.url), urlsplit(url)):
                return url
        raise ResumeError("the response named no Location of its own origin to go on at")

    def connected(self, head: ResponseInfo, position: Position, plan: Plan | None) -> None:
        self._from_start = plan is None
        if plan is None:
            self._head = head
        self._awaited, self._repeated = "" if plan is None else position.event_id, ""
        self._dropped_before = self.dropped
        self._replay = Replay(position.behind)

    def keep(self, batch: Batch[T], before: Position) -> Batch[T]:
        batch = self._answered(batch) if self._awaited else self._replay.drop(batch)
        end = batch.end
        if end is None or not end.event_id:
            return batch
        if batch.items:
            self._events.note(batch, end, from_start=self._from_start)
        if self._repeated == end.event_id and self._replay.expecting:
            # The decoder forgot what followed the event when that came again. Until all of it has
            # come again, too, the stream stands where it stood.
            batch.marks, batch.end = OneMark(before), None
        return batch

    def _answered(self, batch: Batch[T]) -> Batch[T]:
        """Looks at the first event with an ID of its own, which tells where the server went on."""
        found = first_of_its_own(batch)
        if found is None:
            return self._replay.drop(batch)
        asked, self._awaited = self._awaited, ""
        (index, event_id), item = found, batch.items[found[0]]
        if event_id == asked:
            # A server that repeats items from before it has passed it, and this is another one.
            passed = self._replay.begins(batch, index)
            again = not passed and self._events.is_last(event_id, item)
            self._repeated = asked if again else ""
            return self._replay.drop(batch, index if again else None)
        if not self._events.is_first(event_id, item):
            return self._replay.drop(batch)
        rest = self._replay.drop(batch.first(index))
        rest.error = ResumeError(
            f"the server took no notice of Last-Event-ID {asked[:80]!r}: it began anew, with the "
            f"first event of the stream"
        )
        return rest

    def refusal(self, position: Position, *, live: bool) -> str:
        if not position.event_id:
            return "" if live else "its events have no IDs"
        return "" if position.exact else "too many items came since the last event ID"
