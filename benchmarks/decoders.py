"""How long decoding one item takes, in memory, against what one would write without this library.

    pip install httpx-sse
    python benchmarks/decoders.py

Every contender reads the same bytes, cut into the same chunks, from the same kind of httpx
response, so each pays what httpx takes for it. Contenders run in turn, round after round; a ratio
is taken inside a round, and the median over all rounds is shown. Counts are checked in each.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import httpx
import httpx_sse

import streamable_http as shttp

CHUNK = 64 * 1024

Reader = Callable[[httpx.Response], Iterator[Any]]


class Chunks(httpx.SyncByteStream):
    def __init__(self, chunks: list[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


class Workload(NamedTuple):
    """Bytes to decode, and who decodes them; ratios are against the first contender."""

    name: str
    media_type: str
    chunks: list[bytes]
    items: int
    contenders: dict[str, Reader]

    def seconds(self, read: Reader) -> float:
        headers = {"Content-Type": self.media_type}
        response = httpx.Response(200, headers=headers, stream=Chunks(self.chunks))
        gc.collect()
        start = time.perf_counter()
        count = sum(1 for _ in read(response))
        elapsed = time.perf_counter() - start
        assert count == self.items, f"{count} items of {self.items}"
        return elapsed


def ours(decoder: shttp.DecoderFactory[Any]) -> Reader:
    return lambda response: shttp.decode(response.iter_raw(), decoder)


def events(response: httpx.Response) -> Iterator[Any]:
    return httpx_sse.EventSource(response).iter_sse()


def json_events(response: httpx.Response) -> Iterator[Any]:
    return (json.loads(event.data) for event in httpx_sse.EventSource(response).iter_sse())


def json_event_lines(response: httpx.Response) -> Iterator[Any]:
    """The loop found in many programs: right as long as the server writes events this one way."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])


def json_lines(response: httpx.Response) -> Iterator[Any]:
    return (json.loads(line) for line in response.iter_lines())


def record(number: int) -> bytes:
    tick = {"id": number, "symbol": "ACME", "price": number % 997 / 7, "size": number % 89}
    return json.dumps({**tick, "venue": "XETR", "time": 1767225600 + number}).encode()


def packed(parts: list[bytes]) -> list[bytes]:
    """The bytes as a fast server sends them: full chunks, cut anywhere."""
    body = b"".join(parts)
    return [body[at : at + CHUNK] for at in range(0, len(body), CHUNK)]


def workloads(items: int) -> list[Workload]:
    records = [record(number) for number in range(items)]
    plain = [b"data: %b\n\n" % one for one in records]
    named = [b"event: tick\nid: %d\n%b" % pair for pair in enumerate(plain)]
    lines = [one + b"\n" for one in records]
    sse: dict[str, Reader] = {
        "httpx-sse": events,
        "SSE()": ours(shttp.SSE()),
        "SSEText()": ours(shttp.SSEText()),
    }
    as_json: dict[str, Reader] = {
        "httpx-sse, json.loads": json_events,
        "iter_lines, json.loads": json_event_lines,
        "SSEData(dict)": ours(shttp.SSEData(dict[str, Any])),
    }
    ndjson: dict[str, Reader] = {
        "iter_lines, json.loads": json_lines,
        "NDJSON()": ours(shttp.NDJSON()),
    }
    events_, records_ = "text/event-stream", "application/x-ndjson"
    return [
        Workload("events, 64 KiB chunks", events_, packed(plain), items, {**sse}),
        Workload("events with type and id, 64 KiB chunks", events_, packed(named), items, {**sse}),
        Workload("events, a chunk each", events_, plain, items, {**sse}),
        Workload("JSON events, 64 KiB chunks", events_, packed(plain), items, as_json),
        Workload("JSON events, a chunk each", events_, plain, items, as_json),
        Workload("JSON lines, 64 KiB chunks", records_, packed(lines), items, ndjson),
        Workload("JSON lines, a chunk each", records_, lines, items, ndjson),
    ]


def measure(workload: Workload, rounds: int) -> Iterator[tuple[str, float, float]]:
    """Name, nanoseconds an item, and speed against the first contender: the medians."""
    seconds: dict[str, list[float]] = {name: [] for name in workload.contenders}
    for _ in range(rounds):
        for name, read in workload.contenders.items():
            seconds[name].append(workload.seconds(read))
    (baseline, *_) = seconds.values()
    for name, own in seconds.items():
        ratios = [base / mine for base, mine in zip(baseline, own, strict=True)]
        nanoseconds = statistics.median(own) / workload.items * 1e9
        yield name, nanoseconds, statistics.median(ratios)


def main() -> None:
    parser = argparse.ArgumentParser(description="Decoding in memory, as ratios of one run.")
    parser.add_argument("--items", type=int, default=50_000, help="items in each workload")
    parser.add_argument("--rounds", type=int, default=9, help="rounds, of which medians are shown")
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {arguments.items:,} items, medians of "
          f"{arguments.rounds} rounds\n")  # fmt: skip
    print(f"{'':<40} {'ns/item':>8} {'speed':>7}")
    for workload in workloads(arguments.items):
        print(workload.name)
        for name, nanoseconds, ratio in measure(workload, arguments.rounds):
            print(f"  {name:<38} {nanoseconds:>8,.0f} {ratio:>6.1f}x")


if __name__ == "__main__":
    main()
