"""All that one run of the suite measured, kept as JSON, from which report and plots are made."""

from __future__ import annotations

import json
import statistics
from typing import Any, NamedTuple

from .rounds import ROOT, Result, Round, child, cost, server
from .start import WAYS

KEPT = ROOT / "build" / "benchmarks.json"
STREAMS = (1, 10, 100, 1_000)
RATE = 4_000.0
COMPARED = ("httpx-sse async", "ours async")
IDLE = ("httpx aiter_raw", "ours async")


class Everything(NamedTuple):
    """The results of a run.

    Attributes:
        results: By workload.
        many: By number of streams, then by contender: its figures in each round.
        idle: The same for streams in which nothing happens.
        start: By contender, microseconds to the first item and to leave.
        imports: By module, milliseconds.
        gateway: What `benchmarks/gateway.py` printed.
        machine: What it ran on.
        notes: What was left out.
    """

    results: dict[str, Result]
    many: dict[str, dict[str, list[dict[str, Any]]]]
    idle: dict[str, dict[str, list[dict[str, Any]]]]
    start: dict[str, dict[str, float]]
    imports: dict[str, float]
    gateway: str
    machine: list[str]
    notes: list[str]

    def save(self) -> None:
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps(self._asdict()))

    @classmethod
    def load(cls) -> Everything:
        kept = json.loads(KEPT.read_text())
        results = {name: Result(*one) for name, one in kept.pop("results").items()}
        return cls(results, **kept)

    def per_event(self, streams: int, who: str) -> float:
        return statistics.median(cost(one) for one in self.many[str(streams)][who])

    def memory(self, streams: int, who: str) -> float:
        """KiB for each idle stream."""
        return statistics.median(one["KiB"] for one in self.idle[str(streams)][who])

    def growth(self, who: str) -> float:
        """CPU for an event among 1,000 streams against one among 10, in the same round."""
        few, lots = self.many["10"][who], self.many["1000"][who]
        return statistics.median(cost(b) / cost(a) for a, b in zip(few, lots, strict=True))


def many_streams(rounds: int, events: int) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Events one by one on so many streams; as many a second, however many streams there are."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for _ in range(rounds):
        for count in STREAMS:
            for who in COMPARED:
                ticks = str(max(2, events // count))
                figures = of_many(who, count, ticks)
                found.setdefault(str(count), {}).setdefault(who, []).append(figures)
    return found


def idle_streams(rounds: int, counts: tuple[int, ...]) -> dict[str, dict[str, list[Round]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    for count in counts:
        for _ in range(rounds if count <= 1_000 else 1):
            for who in IDLE:
                figures = of_many(who, count, "0")
                found.setdefault(str(count), {}).setdefault(who, []).append(figures)
    return found


def of_many(who: str, count: int, ticks: str) -> dict[str, Any]:
    with server("many_server", str(count), ticks, str(RATE)) as port:
        return child("many", who, str(count), ticks, f"http://127.0.0.1:{port}")


def starts(rounds: int) -> dict[str, dict[str, float]]:
    runs: dict[str, Any] = {who: [] for who in WAYS}
    with server("start_server") as port:
        for _ in range(rounds):
            for who, own in runs.items():
                own.append(child("start", who, f"http://127.0.0.1:{port}/"))
    return {
        who: {name: statistics.median(one[name] for one in own) for name in own[0]}
        for who, own in runs.items()
    }


def open_files() -> int:
    """How many files a process may have open; as many as it may have are asked for."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return 0
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # children have it, too
    return hard
