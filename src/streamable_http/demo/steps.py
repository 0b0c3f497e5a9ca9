"""The steps of the demo. Each does one thing, and tells what it measured."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from streamable_http import AsyncStreamService, Failed, StreamTruncated
from streamable_http.progress import shown_progress

from .stage import Stage
from .verify import Mismatch

__all__ = ["analytics", "at_once", "binary", "interrupted", "pipeline", "users"]

_BETWEEN_SECONDS = 0.001
_WORKERS = 8
_WORK_SECONDS = 0.002
_CUT_AFTER = 300
_CUTS = 2


def users(stage: Stage) -> None:
    """Every user, with progress."""
    tally = stage.tally("users")
    with (
        stage.service.stream_data("users", {"delay": _BETWEEN_SECONDS}) as stream,
        shown_progress(stage.console, "   users") as show,
    ):
        summary = stream.process(tally.take, on_progress=show, progress_every=50)
    tally.end()
    stats = summary.stats
    stage.say(
        f"{summary.items:,} users, {stats.bytes:,} bytes in {stats.elapsed:.2f} s, "
        f"end proved by: {stats.ended}"
    )


def analytics(stage: Stage) -> None:
    """Every record through a processor, results kept."""
    tally = stage.tally("analytics")

    def visitors(record: dict[str, Any]) -> int:
        tally.take(record)
        return int(record.get("visitors", 0))

    done = stage.service.process_stream("analytics", {}, visitors)
    tally.end()
    stage.say(f"{done.summary.items:,} records, {sum(done.results):,} visitors in all")


def at_once(stage: Stage) -> None:
    """Three streams at the same time, on asyncio."""
    tallies = {name: stage.tally(name) for name in ("logs", "metrics", "events")}

    async def read() -> dict[str, Any]:
        async with AsyncStreamService(stage.url) as service:
            return await service.batch_stream(list(tallies), {"delay": _BETWEEN_SECONDS})

    started = time.perf_counter()
    outcomes = asyncio.run(read())
    elapsed = time.perf_counter() - started
    for name, outcome in outcomes.items():
        if isinstance(outcome, Failed):
            raise outcome.error
        for record in outcome.items:
            tallies[name].take(record)
        tallies[name].end()
    each = " + ".join(f"{outcome.stats.elapsed:.2f}" for outcome in outcomes.values())
    counts = " + ".join(f"{tally.count:,} {name}" for name, tally in tallies.items())
    stage.say(f"{counts} in {elapsed:.2f} s at once ({each} s)")


def pipeline(stage: Stage) -> None:
    """Workers, then batches, then a sum; each step waits for the one after it."""
    tally = stage.tally("users")

    def work(record: dict[str, Any]) -> dict[str, Any]:
        time.sleep(_WORK_SECONDS)
        return record

    def add(countries: Counter[str], batch: list[dict[str, Any]]) -> Counter[str]:
        for record in batch:
            tally.take(record)
        countries.update(record.get("country", "") for record in batch)
        return countries

    with stage.service.stream_data("users") as stream:
        batches = stream.map(work, max_concurrent=_WORKERS).batches(100)
        countries = batches.reduce(add, Counter[str]())
        elapsed = stream.stats.elapsed
    tally.end()
    top, count = countries.most_common(1)[0]
    stage.say(
        f"{tally.count:,} users of {_WORK_SECONDS * 1000:.0f} ms work each in {elapsed:.2f} s "
        f"(alone at least {tally.count * _WORK_SECONDS:.2f} s), most from {top}: {count:,}"
    )


class Frames:
    """A decoder of one's own: records behind their length, four bytes, in JSON."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def decode(self, data: bytes) -> Iterator[Any]:
        """The records that `data` completes."""
        self._buffer += data
        start = 0
        while len(self._buffer) >= start + 4:
            end = start + 4 + int.from_bytes(self._buffer[start : start + 4], "big")
            if len(self._buffer) < end:
                break
            yield json.loads(self._buffer[start + 4 : end])
            start = end
        del self._buffer[:start]

    def flush(self) -> Iterator[Any]:
        """Nothing is left, unless a record was cut in two."""
        if self._buffer:
            raise StreamTruncated("the body ended inside a record")
        return iter(())


def binary(stage: Stage) -> None:
    """Binary records, by a decoder that is no part of the library."""
    tally = stage.tally("metrics")
    accept = {"Accept": "application/octet-stream"}
    with stage.service.stream_data("metrics", decoder=Frames, headers=accept) as stream:
        for record in stream:
            tally.take(record)
        stats = stream.stats
    tally.end()
    stage.say(f"{tally.count:,} records in {stats.bytes:,} bytes, end proved by: {stats.ended}")


def interrupted(stage: Stage) -> None:
    """A service that breaks the connection off, and a stream that goes on."""
    tally = stage.tally("users")
    faults = {"cut_after": _CUT_AFTER, "cuts": _CUTS}
    with stage.service.stream_data("users", faults) as stream:
        for record in stream:
            tally.take(record)
        stats = stream.stats
    tally.end()
    if stats.resumes != _CUTS:
        raise Mismatch(f"users: {_CUTS} cuts were asked for, and {stats.resumes} were seen")
    stage.say(
        f"cut off every {_CUT_AFTER} users, resumed {stats.resumes} times: {tally.count:,} users, "
        f"none lost, none twice, in {stats.elapsed:.2f} s"
    )
