"""Reads one stream as far as the limits allow, and says why it stopped."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
from attrs import define, field, frozen

from streamable_http import (
    AsyncStream,
    AsyncStreamService,
    Cursor,
    Limits,
    StreamError,
)

from ._positions import written_cursor
from ._problems import Problem, problem_of
from ._values import is_deep, size

__all__ = ["MAX_DEPTH", "Query", "Reading", "read_stream"]

MAX_DEPTH = 64
"""What is nested deeper is no record for a model, and encoders of messages fail on it."""

_PEEK_SECONDS = 0.25
# What a record may be on the wire: one too large for an answer is left out, not held in memory.
_WIRE_LIMITS = Limits(max_item_bytes=1024 * 1024, max_stream_bytes=64 * 1024 * 1024)


@frozen
class Query:
    """What one stream is asked for.

    Attributes:
        endpoint: Its name.
        params: The parameters for the service.
        max_records: How many records to take.
        start: Where to go on, or None for the beginning.
    """

    endpoint: str
    params: dict[str, Any]
    max_records: int
    start: Cursor | None = None


@define
class Reading:
    """What came of a stream so far.

    Attributes:
        query: What was asked for.
        max_bytes: What its records may take.
        max_record_bytes: What one of them may take.
        redact: Applied to each record before anything else looks at it.
        records: Those for the answer.
        received: Records dealt with, also those left out.
        stop_reason: Why it stopped; as long as nothing stopped it, that will have been the time.
        problem: What went wrong, if something did.
        cursor: Where to go on.
    """

    query: Query
    max_bytes: int
    max_record_bytes: int
    redact: Callable[[Any], Any] | None = None
    records: list[Any] = field(factory=list[Any])
    received: int = 0
    stop_reason: str = "timeout"
    problem: Problem | None = None
    cursor: Cursor | None = None
    _bytes: int = 0

    def take(self, record: Any) -> bool:
        """Whether the record was dealt with; if not, the answer has no room for it."""
        if self.redact is not None:
            record = self.redact(record)
        length = size(record) + 1  # behind each record there is a comma or a bracket
        if length <= min(self.max_record_bytes + 1, self.max_bytes) and not is_deep(
            record, MAX_DEPTH
        ):
            if self._bytes + length > self.max_bytes:
                self.stop_reason = "max_bytes"
                return False
            self.records.append(record)
            self._bytes += length
        self.received += 1
        return True

    @property
    def full(self) -> bool:
        """Whether there are as many records as wanted."""
        return len(self.records) == self.query.max_records

    def fail(self, problem: Problem) -> None:
        """The stream ends with an error; what it had is kept."""
        self.stop_reason, self.problem = "error", problem

    @property
    def truncated(self) -> bool:
        """Whether the stream has, or may have, records that are not in the answer."""
        return self.stop_reason != "end" or self.received > len(self.records)

    def summary(self) -> dict[str, Any]:
        """All but the records."""
        shown: dict[str, Any] = {
            "endpoint": self.query.endpoint,
            "stop_reason": self.stop_reason,
            "truncated": self.truncated,
            "received": self.received,
            "returned": len(self.records),
        }
        if self.stop_reason != "end":
            cursor = written_cursor(self.cursor, self.query.endpoint, self.query.params)
            shown |= {} if cursor is None else {"cursor": cursor}
        if self.problem is not None:
            shown["error"] = self.problem.as_json()
        return shown


async def read_stream(service: AsyncStreamService, reading: Reading, deadline: float) -> None:
    """Reads until the stream's end, a limit, the deadline or a fault.

    It raises nothing: what happened is in `reading`.

    Args:
        service: Where the stream is.
        reading: What to read; filled in place.
        deadline: When to stop, by the event loop's clock.
    """
    reading.cursor = reading.query.start
    with anyio.CancelScope(deadline=deadline) as scope:
        try:
            await _read(service, reading)
        except Exception as exc:
            reading.fail(problem_of(exc))
    if scope.cancelled_caught and not reading.received:
        reading.fail(Problem("timeout", "No record came in time."))


async def _read(service: AsyncStreamService, reading: Reading) -> None:
    query = reading.query
    stream = service.stream_data(
        query.endpoint,
        query.params,
        start=query.start,
        prefetch=0,
        limits=_WIRE_LIMITS,
        follow_redirects=False,
    )
    async with stream:
        try:
            await _take(stream, reading)
        finally:
            reading.cursor = stream.cursor


async def _take(stream: AsyncStream[Any], reading: Reading) -> None:
    """Takes records; one that there is no room for is not passed by the cursor."""
    async for record in stream:
        if not reading.take(record):
            return
        if reading.full:
            await _peek(stream, reading)
            return
    reading.stop_reason = "end"


async def _peek(stream: AsyncStream[Any], reading: Reading) -> None:
    """Whether the last record wanted was also the last one there is, if that shows at once."""
    reading.stop_reason = "max_records"
    with anyio.move_on_after(_PEEK_SECONDS):
        try:
            await anext(stream)
        except StopAsyncIteration:
            reading.stop_reason = "end"
        except StreamError:
            pass  # there is more, and whoever asks for it will see what is wrong
