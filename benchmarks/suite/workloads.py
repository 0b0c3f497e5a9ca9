"""What servers send: the workloads, as records, framing and pace."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

from .payloads import Record, kibibyte, row, tick, token, user

FULL = 64 * 1024
GIBIBYTE = 1024 * 1024  # in units of 1 KiB, as that workload counts
SSE = "text/event-stream"


class Workload(NamedTuple):
    """Bytes to send, and what a reader must find in them.

    Attributes:
        about: What it stands for.
        media_type: The Content-Type.
        record: The text of a record by its number.
        frame: What makes an item of a text.
        items: How many, all in all; rounded to whole blocks.
        block: How many are prepared: a block is sent again and again, so that memory stays small.
        size: How large an HTTP chunk is; None for one item each.
        first, last: What stands around the items in the body.
        extra: Items in them.
        tls: Whether each chunk is a TLS record.
        gzip: Whether the body is compressed.
        length: Whether the body has a Content-Length instead of chunks.
        pause: Seconds between two items; 0 sends as fast as it goes.
        unit: How an item is called.
    """

    about: str
    media_type: str
    record: Callable[[int], Record]
    frame: str
    items: int
    block: int = 5_000
    size: int | None = None
    first: str = ""
    last: str = ""
    extra: int = 0
    tls: bool = False
    gzip: bool = False
    length: bool = False
    pause: float = 0
    unit: str = "event"

    def sizes(self, scale: float) -> tuple[int, int]:
        """How many items a block has, and how many blocks there are."""
        wanted = max(1, round(self.items * scale))
        block = min(self.block, wanted)
        return block, max(1, wanted // block)

    def expected(self, blocks: int, scale: float) -> dict[str, int]:
        """Items, characters of their texts, and the sum over the fields."""
        block, _ = self.sizes(scale)
        records = [self.record(number) for number in range(block)]
        return {
            "items": block * blocks + self.extra,
            "text": sum(len(one.text) for one in records) * blocks,
            "fields": sum(one.fields for one in records) * blocks,
            "bytes": sum(len(self.framed(n, one)) for n, one in enumerate(records)) * blocks
            + len(self.first + self.last),
        }

    def framed(self, number: int, record: Record) -> bytes:
        return self.frame.format(text=record.text, number=number).encode()

    def pieces(self, blocks: int, scale: float) -> list[list[bytes]]:
        """The body as its HTTP chunks, block by block; equal blocks are one object."""
        block, _ = self.sizes(scale)
        items = [self.framed(number, self.record(number)) for number in range(block)]
        cut = items if self.size is None else packed(b"".join(items), self.size)
        ends = [[part.encode()] if part else [] for part in (self.first, self.last)]
        body = [ends[0], *[cut] * blocks, ends[1]]
        return [compressed(body)] if self.gzip else body


def packed(body: bytes, size: int) -> list[bytes]:
    """The bytes as a fast server sends them: full chunks, cut anywhere."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def compressed(body: list[list[bytes]]) -> list[bytes]:
    coder = zlib.compressobj(wbits=31)
    parts = [coder.compress(piece) for block in body for piece in block]
    return packed(b"".join([*parts, coder.flush()]), FULL)


EVENT = "data: {text}\n\n"
NAMED = "event: tick\nid: {number}\ndata: {text}\n\n"
STREAM = Workload("ticks, in chunks of 64 KiB", SSE, tick, EVENT, 400_000, size=FULL)
FLOOD = Workload("ticks, a chunk for each, as fast as it goes", SSE, tick, EVENT, 100_000)

WORKLOADS: dict[str, Workload] = {
    "a": STREAM,
    "b": FLOOD,
    "b-tls": FLOOD._replace(
        about="ticks over TLS, a chunk and a record for each", items=50_000, tls=True
    ),
    "c": Workload(
        "rows as JSON Lines, in chunks of 64 KiB", "application/x-ndjson", user, "{text}\n",
        200_000, size=FULL, unit="line",
    ),
    "d": Workload(
        "answers of a language model, a chunk for each token", SSE, token, EVENT, 60_000,
        last="data: [DONE]\n\n",
    ),
    "e": Workload(
        "1 GiB with its Content-Length", "application/octet-stream", kibibyte, "{text}", GIBIBYTE,
        block=1024, size=GIBIBYTE, length=True, unit="KiB",
    ),
    "f": Workload(
        "rows of CSV, in chunks of 64 KiB", "text/csv", row, "{text}\r\n", 400_000, size=FULL,
        first="volume,time,symbol,price,note\r\n", unit="row",
    ),
    "g": FLOOD._replace(
        about="one event at a time, 0.6 ms apart", items=4_000, block=4_000, pause=0.0006
    ),
    "i": STREAM._replace(
        about="ticks with type and id, in chunks of 64 KiB, resume on", frame=NAMED, items=200_000
    ),
    "i-each": FLOOD._replace(
        about="ticks with type and id, a chunk for each, resume on", frame=NAMED
    ),
    "gzip": STREAM._replace(about="ticks, gzip'd", gzip=True, items=200_000),
    "array": Workload(
        "rows as one JSON array, in chunks of 64 KiB", "application/json", user, ",{text}",
        100_000, size=FULL, first='[{"volume":0}', last="]", extra=1, unit="element",
    ),
}  # fmt: skip
