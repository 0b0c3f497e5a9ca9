"""Remembers the events of a stream by which a server gives away that it sends them again."""

from __future__ import annotations

from typing import Any, TypeVar

from .._decoders.engine import Batch, Position
from .._decoders.sse_event import ServerSentEvent
from .._decoders.sse_marks import OneMark, SSEMarks
from .content import digest_of, is_equal

__all__ = ["Events", "first_of_its_own", "is_comment"]

T = TypeVar("T")


class Events:
    """The first and the last event that had an ID of its own.

    Of the first there is no more than a digest, since the stream may be long. The last one is held
    as it is: a digest of each batch's would cost more than reading it.
    """

    def __init__(self) -> None:
        self._first: tuple[str, bytes | None] | None = None
        self._last: tuple[str, Any] = ("", None)

    def note(self, batch: Batch[Any], end: Position, *, from_start: bool) -> None:
        """These come next. There is one call for each batch, so it looks at one item if it can.

        Args:
            batch: Some items.
            end: Where they end, behind an event with an ID.
            from_start: Whether the connection begins where the stream does.
        """
        if from_start and self._first is None:
            found = first_of_its_own(batch)
            if found is not None:
                self._first = found[1], digest_of(batch.items[found[0]])
        if _ends_with_the_owner(batch, end):
            self._last = end.event_id, batch.items[-1]
            return
        if not end.exact:
            return  # from there no server is asked to go on
        for index in range(len(batch.items) - 1, -1, -1):
            event_id = _own_id(batch, index)
            if event_id:
                self._last = event_id, batch.items[index]
                return

    def is_first(self, event_id: str, item: object) -> bool:
        """Whether this is the first event of the stream once more."""
        if self._first is None or self._first[0] != event_id:
            return False
        return self._first[1] is not None and self._first[1] == digest_of(item)

    def is_last(self, event_id: str, item: object) -> bool:
        """Whether this is the last event once more."""
        return self._last[0] == event_id and is_equal(self._last[1], item)


def first_of_its_own(batch: Batch[Any]) -> tuple[int, str] | None:
    """The first item that has an ID of its own: its index, and the ID."""
    for index in range(len(batch.items)):
        event_id = _own_id(batch, index)
        if event_id:
            return index, event_id
    return None


def is_comment(item: object) -> bool:
    """Whether an item is no event, and no part of what is sent again."""
    return isinstance(item, ServerSentEvent) and not item.event


def _ends_with_the_owner(batch: Batch[Any], end: Position) -> bool:
    """Whether the last item is known at once to have brought the ID that is in force behind it."""
    marks = batch.marks
    if isinstance(marks, OneMark):
        return True
    # A position of an item in plain blocks has all of them measured. But they hold an item each,
    # with an ID; so it is enough that nothing came behind them.
    blocks = marks.blocks if isinstance(marks, SSEMarks) else None
    return blocks is not None and blocks.base + len(blocks.text) >= end.offset


def _own_id(batch: Batch[Any], index: int) -> str:
    """The ID that an item brought itself, or ""."""
    if is_comment(batch.items[index]) or batch.marks.digest(index) is not None:
        return ""
    place = batch.marks.position(index)
    # Without one it counts among those behind an ID, and they may be too many for a digest.
    return place.event_id if place.exact and not place.behind else ""
