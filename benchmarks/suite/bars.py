"""The bars that the library is held to, each beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .everything import Everything
from .rounds import Result

SSE, SSE_ASYNC = "httpx-sse", "httpx-sse async"
OURS, OURS_ASYNC = "ours SSE()", "ours SSE() async"
RAW = "raw socket, httptools, our SSE()"
LOADS = "httpx-sse, json.loads"
LINES = "httpx iter_lines, json.loads"
DICT = "ours SSEData(dict)"


class Bar(NamedTuple):
    """A promise: a ratio of two contenders of one workload.

    Attributes:
        workload: Where.
        over, under: Whose figure is divided by whose.
        at_least: What the ratio must reach, or
        at_most: what it may be.
        figure: Of which figure.
    """

    workload: str
    over: str
    under: str
    at_least: float = 0
    at_most: float = 0
    figure: str = "cpu"


class Verdict(NamedTuple):
    workload: str
    what: str
    bar: str
    measured: str
    met: bool


BARS = [
    Bar("a", SSE, OURS, at_least=4),
    Bar("a", SSE, "ours SSEText()", at_least=5.5),
    Bar("a", "httpx-sse, msgspec", "ours SSEData(Struct)", at_least=4),
    Bar("a", LOADS, "ours SSEData(Struct)", at_least=8),
    Bar("b", SSE, OURS, at_least=15),
    Bar("b", SSE, OURS_ASYNC, at_least=12),
    Bar("b", OURS, RAW, at_most=1.15),
    Bar("b", OURS_ASYNC, RAW, at_most=1.35),
    Bar("b-tls", SSE, OURS, at_least=5),
    Bar("b-tls", SSE_ASYNC, OURS_ASYNC, at_least=8),
    Bar("c", LINES, "ours NDJSON(dict)", at_least=3),
    Bar("c", LINES, "ours NDJSON(Struct)", at_least=4),
    Bar("d", LOADS, DICT, at_least=9),
    Bar("d", "openai's decoder, json.loads", DICT, at_least=11),
    Bar("d", "httpx-sse, msgspec to dict", DICT, at_least=7),
    Bar("e", "ours Raw()", "httpx iter_raw", at_most=1.05),
    Bar("e", "ours Raw() async", "httpx aiter_raw", at_most=1.05),
    Bar("f", "ours CSV(list[str])", "httpx iter_lines, csv.reader", at_most=1),
    Bar("f", "httpx aiter_lines, csv.reader", "ours CSV(list[str]) async", at_least=2),
    Bar("g", OURS_ASYNC, SSE_ASYNC, at_most=0.5),
    Bar("g", OURS, SSE, at_most=1),
    Bar("g", OURS, SSE, at_most=1, figure="p50"),
    Bar("g", OURS, SSE, at_most=1, figure="p99"),
    Bar("g", OURS_ASYNC, SSE_ASYNC, at_most=1, figure="p50"),
    Bar("g", OURS_ASYNC, SSE_ASYNC, at_most=1, figure="p99"),
]
NAMES = {"cpu": "CPU", "p50": "median latency", "p99": "p99 latency"}


def judged(results: dict[str, Result]) -> Iterator[Verdict]:
    """The bars of the workloads that were measured, as far as their contenders were there."""
    for bar in BARS:
        result = results.get(bar.workload)
        if result is None or not {bar.over, bar.under} <= result.rounds[0].keys():
            continue
        ratio = result.ratio(bar.over, bar.under, bar.figure)
        met = ratio >= bar.at_least if bar.at_least else ratio <= bar.at_most
        limit = f"≥ {bar.at_least:g}" if bar.at_least else f"≤ {bar.at_most:g}"
        what = f"{NAMES[bar.figure]} of {bar.over} / {bar.under}"
        yield Verdict(bar.workload, what, limit, f"{ratio:.2f}", met)


def judged_all(found: Everything) -> Iterator[Verdict]:
    yield from judged(found.results)
    if found.many:
        growth = found.growth("ours async")
        what = "CPU for an event at 1,000 streams / at 10"
        yield Verdict("h", what, "≤ 1.2", f"{growth:.2f}", growth <= 1.2)
    if found.idle:
        more = found.memory(1000, "ours async") - found.memory(1000, "httpx aiter_raw")
        what = "memory of an idle stream beyond httpx's"
        yield Verdict("h", what, "< 60 KiB", f"{more:.1f} KiB", more < 60)
    if found.imports:
        took = found.imports["streamable_http"]
        what = "CPU of the import above `import httpx, attrs`"
        yield Verdict("import", what, "≤ 60 ms", f"{took:.0f} ms", took <= 60)
