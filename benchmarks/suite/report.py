"""The report: `benchmarks/RESULTS.md`, and the part of it that the documentation shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .bars import Verdict, judged, judged_all
from .everything import Everything
from .rounds import ROOT, Result
from .workloads import WORKLOADS

RESULTS = ROOT / "benchmarks" / "RESULTS.md"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"

INTRODUCTION = """\
# Results

Made by `nox -s bench`; do not edit. [README.md](README.md) says how it is measured, and
[performance.md](../docs/performance.md) what it means. Figures are CPU time of the client's
process, medians over {rounds} rounds; ratios are taken inside a round, and then the median. On a
machine that others use, too, the last digits are noise.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compared(result: Result) -> str:
    """One workload: every contender, the cheapest last, against the first one named."""
    load = WORKLOADS[result.name]
    names = list(result.rounds[0])
    base, *more = baselines(result)
    head = ["", f"CPU µs/{load.unit}", *(f"vs {name}" for name in (base, *more))]
    shown, per = ("MiB", 1024) if load.length else (f"{load.unit}s", 1)
    head += ["p50 µs", "p99 µs"] if load.pause else [f"{shown}/s"]
    rows = []
    for name in sorted(names, key=result.per_item, reverse=True):
        row = [name, f"{result.per_item(name):.2f}"]
        row += [f"{result.ratio(one, name):.2f}" for one in (base, *more)]
        if load.pause:
            row += [f"{result.median(name, figure):.0f}" for figure in ("p50", "p99")]
        else:
            speed = result.median(name, "items") / result.median(name, "wall") / per
            row.append(f"{speed:,.0f}")
        rows.append([*row, f"{result.median(name, 'MiB'):.0f}"])
    return table([*head, "peak MiB"], rows)


def baselines(result: Result) -> list[str]:
    """Whom the others are measured by: the first sync peer, and the first async one."""
    from .contenders import CONTENDERS

    here = [one for one in CONTENDERS[result.name] if one.name in result.rounds[0]]
    sync = [one.name for one in here if one.opens is not None]
    both = [one.name for one in here if one.opens_async is not None]
    return [sync[0], both[0]] if both and not both[0].startswith("ours") else [sync[0]]


def bars(verdicts: Iterable[Verdict]) -> str:
    return table(
        ["workload", "what", "bar", "measured", ""],
        (
            [one.workload, one.what, one.bar, one.measured, "met" if one.met else "**not met**"]
            for one in verdicts
        ),
    )


def printed(result: Result) -> str:
    load = WORKLOADS[result.name]
    lines = [f"## {result.name}: {load.about}", "", compared(result)]
    lines += [f"\nLeft out: {name} ({why})." for name, why in result.left_out.items()]
    verdicts = list(judged({result.name: result}))
    if verdicts:
        lines += ["", bars(verdicts)]
    return "\n".join(lines)


def by_count(
    found: dict[str, dict[str, Any]], what: str, unit: str, figure: Callable[[int, str], float]
) -> str:
    """A row for each number of streams, a column for each contender."""
    names = next(iter(found.values()))
    rows = (
        [f"{int(count):,}", *(f"{figure(int(count), who):.1f}" for who in runs)]
        for count, runs in found.items()
    )
    return table([what, *(f"{who}, {unit}" for who in names)], rows)


def many(found: Everything) -> Iterator[str]:
    yield "## h: many streams in one process\n"
    yield "One event at a time on every stream, 4,000 a second all in all.\n"
    yield by_count(found.many, "streams", "CPU µs/event", found.per_event)
    yield "\nMemory of a stream that waits: how much the process grew for each.\n"
    yield by_count(found.idle, "idle streams", "KiB", found.memory)
    if "10000" in found.idle:
        yield "\n10,000 streams are those of ten clients: one pool opens so many slowly."


def start(found: Everything) -> Iterator[str]:
    yield "## Beginning and leaving\n"
    yield "On a client that was used before, a new connection for each stream.\n"
    rows = (
        [who, f"{one['first']:,.0f}", f"{one['close']:,.0f}"] for who, one in found.start.items()
    )
    yield table(["", "first item after, µs", "left after, µs"], rows)
    yield "\nImports, CPU above `import httpx, attrs`:\n"
    yield table(["", "ms"], ([name, f"{took:.1f}"] for name, took in found.imports.items()))


def text(found: Everything) -> str:
    rounds = max(len(one.rounds) for one in found.results.values())
    verdicts = list(judged_all(found))
    met = sum(one.met for one in verdicts)
    parts = [INTRODUCTION.format(rounds=rounds)]
    parts += [f"- {line}" for line in found.machine]
    parts += [f"\n## Bars\n\n{met} of {len(verdicts)} are met.\n", bars(verdicts), ""]
    for result in found.results.values():
        load = WORKLOADS[result.name]
        parts += [f"## {result.name}: {load.about}\n", compared(result), ""]
        parts += [f"Left out: {name} ({why}).\n" for name, why in result.left_out.items()]
    if found.many and found.idle:
        parts += [*many(found), ""]
    if found.start:
        parts += [*start(found), ""]
    if found.gateway:
        parts += ["## Handing a stream on\n\n`benchmarks/gateway.py`:\n"]
        parts += ["```text", found.gateway.strip(), "```\n"]
    parts += [f"- {note}" for note in found.notes]
    return "\n".join(parts).rstrip() + "\n"


SHOWN = {
    "a": ("ours SSE()", "ours SSEText()", "ours SSEData(Struct)"),
    "b": ("ours SSE()", "ours SSE() async"),
    "b-tls": ("ours SSE()", "ours SSE() async"),
    "c": ("ours NDJSON(dict)", "ours NDJSON(Struct)"),
    "d": ("ours SSEData(dict)", "ours SSEData(dict) async"),
    "e": ("ours Raw()", "ours Raw() async"),
    "f": ("ours CSV(list[str])", "ours CSV(list[str]) async"),
    "g": ("ours SSE()", "ours SSE() async"),
    "array": ("ours JSONArray(dict)",),
}


def shown(found: Everything) -> str:
    """The table of the documentation."""
    rows = []
    for name, chosen in SHOWN.items():
        result, load = found.results[name], WORKLOADS[name]
        base, *others = baselines(result)
        for who in chosen:
            peer = others[0] if who.endswith("async") and others else base
            cells = [f"{result.per_item(who):.2f}", f"{result.per_item(peer):.2f}", peer]
            rows.append([load.about, who.removeprefix("ours "), *cells,
                         f"{result.ratio(peer, who):.1f}"])  # fmt: skip
    head = ["stream", "read by", "CPU µs an item", "peer's", "peer", "peer's CPU / ours"]
    verdicts = list(judged_all(found))
    missed = [one for one in verdicts if not one.met]
    lines = [table(head, rows), ""]
    lines.append(f"Of {len(verdicts)} bars that this library is held to, "
                 f"{len(verdicts) - len(missed)} are met in this run.")  # fmt: skip
    if missed:
        lines += ["Not met:\n", bars(missed)]
    return "\n".join(lines)


def write(found: Everything) -> None:
    RESULTS.write_text(text(found), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    inside = f"{BEGIN}\n{shown(found)}\n{END}"
    page = re.sub(f"{BEGIN}.*?{END}", lambda _: inside, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")
