"""One response of the service: records in small batches, at the client's pace, with its faults."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from starlette.responses import StreamingResponse
from starlette.types import Send

from .formats import Format
from .parameters import Number, Text
from .pressure import Gauge, Pressure
from .records import Endpoint

__all__ = ["SWITCHES", "Plan", "RecordStream"]

_BATCH = 256
_COUNTED = 10_000

SWITCHES = (
    Number(
        name="delay",
        description="Seconds to wait before each record but the first of a connection.",
        default=0,
        most=60,
        fraction=True,
    ),
    Number(
        name="heartbeat",
        description="Seconds of silence before a heartbeat is sent, in formats that have one.",
        default=15,
        least=0.01,
        most=3600,
        fraction=True,
    ),
    Number(
        name="cut_after",
        description="Break the connection off, unfinished, after so many of its records.",
        least=1,
        most=1_000_000_000,
    ),
    Number(
        name="cuts",
        description="How often to cut a client that resumes: not past record cut_after x cuts.",
        most=1_000_000_000,
    ),
    Number(
        name="fail_after",
        description="Report a failure inside the stream after this record, and end.",
        most=1_000_000_000,
    ),
    Text(name="label", description="A name for GET /pressure.", default="", longest=100),
)
"""Parameters that every endpoint takes: its pace, and faults on demand."""


@frozen(kw_only=True)
class Plan:
    """What one connection sends.

    Attributes:
        endpoint: Whose records.
        total: How many the whole stream has.
        start: How many the client has already: it goes on after that one.
        delay: Seconds between two records.
        heartbeat: Seconds of silence after which a heartbeat is sent.
        cut_at: The record after which the connection is cut, or None.
        fail_at: The record after which a failure is reported, or None.
    """

    endpoint: Endpoint
    total: int
    start: int = 0
    delay: float = 0
    heartbeat: float = 15
    cut_at: int | None = None
    fail_at: int | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, values: Mapping[str, Any], start: int) -> Plan:
        """The plan for a request's parameters. It holds no state: the start says what was cut."""
        total = endpoint.total(values)
        every, cuts, fail_at = values["cut_after"], values["cuts"], values["fail_after"]
        cut_at = None if every is None else start + every
        if cut_at is not None and (cut_at > total or (cuts is not None and cut_at > every * cuts)):
            cut_at = None
        return cls(
            endpoint=endpoint,
            total=total,
            start=start,
            delay=values["delay"],
            heartbeat=values["heartbeat"],
            cut_at=cut_at,
            fail_at=None if fail_at is None or fail_at > total else fail_at,
        )

    @property
    def stop(self) -> int:
        """The last record of this connection."""
        return min(end for end in (self.total, self.cut_at, self.fail_at) if end is not None)

    def batches(self) -> Iterator[range]:
        """The numbers of this connection's records, as they are sent together."""
        size = 1 if self.delay else _BATCH
        for first in range(self.start + 1, self.stop + 1, size):
            yield range(first, min(first + size, self.stop + 1))

    def length(self, form: Format) -> int | None:
        """The length of a complete body, where it can be told cheaply."""
        if form.tail or form.heartbeat or self.total > _COUNTED:
            return None
        record = self.endpoint.record
        whole = range(1, self.total + 1)
        sizes = (
            len(form.rows(whole[at : at + _BATCH], record)) for at in range(0, self.total, _BATCH)
        )
        return len(form.head(record(1))) + sum(sizes)


class RecordStream(StreamingResponse):
    """Sends a plan's records, never holding more than one batch of them.

    Each send waits until the socket has room, so a slow client slows the service. Returning
    before the body is complete makes the server drop the connection: that is the cut.
    """

    def __init__(
        self, plan: Plan, form: Format, pressure: Pressure, *, label: str, head_only: bool
    ) -> None:
        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "X-Total-Count": str(plan.total),
        }
        length = plan.length(form)
        if length is not None:
            headers["Content-Length"] = str(length)
        super().__init__((), headers=headers)
        self.raw_headers.append((b"content-type", form.content_type.encode()))
        self._plan = plan
        self._form = form
        self._pressure = pressure
        self._head_only = head_only
        self._gauge = Gauge(label, plan.endpoint.name, plan.total, plan.start)

    async def stream_response(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with self._pressure.watch(self._gauge):
            await send(start)
            if self._head_only:
                await self._write(send, b"", last=True)
                return
            await self._send_records(send)
            if self._plan.cut_at != self._plan.stop:
                await self._write(send, self._ending(), last=True)

    async def _send_records(self, send: Send) -> None:
        plan, form = self._plan, self._form
        record = plan.endpoint.record
        head = form.head(record(1))
        if head:
            await self._write(send, head)
        for numbers in plan.batches():
            if numbers[0] > plan.start + 1:
                await self._pause(send)
            await self._write(send, form.rows(numbers, record), records=len(numbers))

    async def _pause(self, send: Send) -> None:
        """Waits between two batches; without a delay, it still lets other streams run."""
        left = self._plan.delay
        while self._form.heartbeat and left > self._plan.heartbeat:
            await asyncio.sleep(self._plan.heartbeat)
            left -= self._plan.heartbeat
            await self._write(send, self._form.heartbeat)
        await asyncio.sleep(left)

    async def _write(
        self, send: Send, data: bytes, *, records: int = 0, last: bool = False
    ) -> None:
        with self._gauge.sending():
            await send({"type": "http.response.body", "body": data, "more_body": not last})
        self._gauge.sent += records
        self._gauge.bytes += len(data)

    def _ending(self) -> bytes:
        fail_at = self._plan.fail_at
        if fail_at is None:
            return self._form.tail
        error = {"type": "failed", "message": f"the source failed after record {fail_at}"}
        return self._form.failure(error) or b""
