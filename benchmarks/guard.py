"""Whether this library has become slower: `nox -s speed_guard`.

    python benchmarks/guard.py            # measures, and fails where something is a quarter slower
    python benchmarks/guard.py record     # prints the table to put in here

Each decoder, and a whole stream without a network, is timed against plain loops in this file that
do the same with the standard library. Both run in one process, in turns, and of each the quickest
round counts: what else the machine does makes rounds slower, never quicker. So the ratio says what
the code does. It differs a little from machine to machine, and `FLOORS` leave room for that.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import httpx
import msgspec

import streamable_http as shttp

ROUNDS = 25
TRIES = 4
"""A ratio that is too low is taken again: a real one stays low."""

ITEMS = 4_000
CHUNK = 64 * 1024

FLOORS = {
    "SSE": 1.25,
    "SSE with ids and types": 0.9,
    "SSEText": 1.65,
    "SSEData(Struct)": 4.35,
    "an event for each chunk": 0.35,
    "a stream, an event for each chunk": 0.09,
    "NDJSON": 3.4,
    "NDJSON(Struct)": 4.1,
    "Lines": 0.41,
    "CSV": 0.6,
}
"""Three quarters of the lowest ratios measured, on a busy machine, when the code was last made
faster."""


class Trade(msgspec.Struct):
    symbol: str
    price: float
    volume: int


TEXTS = [
    b'{"symbol":"ABCD","price":%d.25,"volume":1200,"time":"2026-01-01T00:00:00Z"}' % (n % 1000)
    for n in range(ITEMS)
]


def in_chunks(body: bytes) -> list[bytes]:
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


EVENTS = [b"data: %b\n\n" % text for text in TEXTS]
PACKED = in_chunks(b"".join(EVENTS))
NUMBERED = in_chunks(b"".join(b"id: %d\nevent: trade\n%b" % pair for pair in enumerate(EVENTS)))
LINES = in_chunks(b"".join(text + b"\n" for text in TEXTS))
TABLE = in_chunks(
    b"id,name,text\r\n" + b"".join(b'%d,user %d,"a, b"\r\n' % (n, n) for n in range(ITEMS))
)


# What one would write without this library -------------------------------------------------------


def by_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + chunk.decode()).split("\n")
        yield from lines


def plain_events(chunks: Iterable[bytes]) -> Iterator[dict[str, str]]:
    event: dict[str, str] = {}
    for line in by_lines(chunks):
        if not line:
            yield event
            event = {}
        else:
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")


def plain_json(chunks: Iterable[bytes]) -> Iterator[Any]:
    return (json.loads(line) for line in by_lines(chunks) if line)


def plain_event_json(chunks: Iterable[bytes]) -> Iterator[Any]:
    return (json.loads(event["data"]) for event in plain_events(chunks))


def plain_table(chunks: Iterable[bytes]) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(b"".join(chunks).decode(), newline=""))


# The same with it --------------------------------------------------------------------------------


def decoded(decoder: Any) -> Callable[[list[bytes]], Iterable[Any]]:
    return lambda chunks: shttp.decode(chunks, decoder)


class Body(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


def streamed(chunks: list[bytes]) -> Iterable[Any]:
    """All but the network: client, session, batches, the loop."""
    headers = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked"}
    answer = httpx.Response(200, headers=headers, stream=Body(chunks))
    network = httpx.MockTransport(lambda _: answer)
    with shttp.Client(transport=network) as client, client.stream("GET", "http://host/") as stream:
        yield from stream


class Case(NamedTuple):
    """A decoder, and the loop that it is held against."""

    name: str
    chunks: list[bytes]
    reference: Callable[[list[bytes]], Iterable[Any]]
    ours: Callable[[list[bytes]], Iterable[Any]]

    def ratio(self) -> float:
        """How many times as fast as the loop."""
        theirs, ours = [], []
        for _ in range(ROUNDS):
            theirs.append(self._seconds(self.reference))
            ours.append(self._seconds(self.ours))
        return min(theirs) / min(ours)

    def _seconds(self, read: Callable[[list[bytes]], Iterable[Any]]) -> float:
        start = time.process_time()
        count = sum(1 for _ in read(self.chunks))
        seconds = time.process_time() - start
        assert count == ITEMS, f"{self.name}: {count} items of {ITEMS}"
        return seconds


CASES = (
    Case("SSE", PACKED, plain_events, decoded(shttp.SSE())),
    Case("SSE with ids and types", NUMBERED, plain_events, decoded(shttp.SSE())),
    Case("SSEText", PACKED, plain_events, decoded(shttp.SSEText())),
    Case("SSEData(Struct)", PACKED, plain_event_json, decoded(shttp.SSEData(Trade))),
    Case("an event for each chunk", EVENTS, plain_events, decoded(shttp.SSE())),
    Case("a stream, an event for each chunk", EVENTS, plain_events, streamed),
    Case("NDJSON", LINES, plain_json, decoded(shttp.NDJSON())),
    Case("NDJSON(Struct)", LINES, plain_json, decoded(shttp.NDJSON(Trade))),
    Case("Lines", LINES, by_lines, decoded(shttp.Lines())),
    Case("CSV", TABLE, plain_table, decoded(shttp.CSV())),
)


def main(arguments: list[str]) -> int:
    ratios: dict[str, float] = {}
    slow: list[str] = []
    print(f"{'times as fast as a plain loop':36}{'ratio':>8}{'floor':>8}")
    for case in CASES:
        floor = FLOORS.get(case.name, 0.0)
        ratio = case.ratio()
        for _ in range(TRIES - 1):
            if ratio >= floor and not arguments:
                break
            ratio = max(ratio, case.ratio())
        ratios[case.name] = ratio
        print(f"{case.name:36}{ratio:>8.2f}{floor:>8.2f}", flush=True)
        slow += [case.name] if ratio < floor else []
    if arguments == ["record"]:
        for name, ratio in ratios.items():
            print(f'    "{name}": {ratio * 0.75:.2f},')
    elif slow:
        print(f"slower than it was by a quarter or more: {', '.join(slow)}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
