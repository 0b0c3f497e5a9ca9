"""The plots of the documentation, as SVG."""

from __future__ import annotations

from typing import Any

from .everything import STREAMS, Everything
from .rounds import ROOT, Result
from .workloads import WORKLOADS

FOLDER = ROOT / "docs" / "plots"
OURS, PEER, LIMIT = "#1f77b4", "#b0b0b0", "#2ca02c"
PANELS = ("a", "b", "d")


def draw(found: Everything) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "benchmarks"
    mpl.rcParams["svg.fonttype"] = "none"  # text that stays text
    mpl.rcParams["font.size"] = 8
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(PANELS), 1, figsize=(8, 12), layout="constrained")
    for axis, name in zip(axes, PANELS, strict=True):
        costs(axis, found.results[name])
    save(figure, "costs")

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    latency(axes, found.results["g"])
    save(figure, "latency")

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    streams(axes, found)
    save(figure, "streams")


def save(figure: Any, name: str) -> None:
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


def colour(name: str) -> str:
    if name.startswith("ours"):
        return OURS
    return LIMIT if name.startswith("raw") else PEER


def costs(axis: Any, result: Result) -> None:
    """CPU for each item, the dearest above: on a scale of tens, since it spans a hundredfold."""
    names = sorted(result.rounds[0], key=result.per_item)
    values = [result.per_item(name) for name in names]
    bars = axis.barh(names, values, color=[colour(name) for name in names])
    axis.bar_label(bars, fmt="%.2f", padding=2)
    axis.set(xscale="log", title=WORKLOADS[result.name].about, xlabel="CPU µs for each item")
    axis.margins(x=0.1)
    axis.grid(axis="x", alpha=0.3)


def latency(axes: Any, result: Result) -> None:
    names = sorted(result.rounds[0], key=result.per_item)
    left, right = axes
    left.barh(names, [result.per_item(one) for one in names], color=[colour(one) for one in names])
    left.set(xlabel="CPU µs for each event")
    for figure, mark in (("p50", "o"), ("p99", "|")):
        values = [result.median(one, figure) for one in names]
        right.plot(values, names, mark, label=figure, markersize=9, color="#333333")
    right.set(xlabel="µs from send to item", xscale="log", yticklabels=[])
    right.legend()
    for axis in axes:
        axis.grid(alpha=0.3)


def streams(axes: Any, found: Everything) -> None:
    left, right = axes
    for who in found.many["1"]:
        left.plot(STREAMS, [found.per_event(count, who) for count in STREAMS], "o-", label=who)
    left.set(xscale="log", xlabel="streams in one process", ylabel="CPU µs for each event")
    left.set_ylim(bottom=0)
    left.legend()
    counts = [int(count) for count in found.idle]
    for number, who in enumerate(found.idle["1000"]):
        places = [at + 0.4 * number for at in range(len(counts))]
        right.bar(places, [found.memory(count, who) for count in counts], 0.4, label=who)
    right.set(xlabel="idle streams", ylabel="KiB for each")
    right.set_xticks([at + 0.2 for at in range(len(counts))], [f"{one:,}" for one in counts])
    right.legend(loc="lower right")
    for axis in axes:
        axis.grid(alpha=0.3)
