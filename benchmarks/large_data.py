"""A response of many records, loaded and streamed: memory, and the time to the first record.

`python benchmarks/large_data.py` prints the table of docs/large-data.md and draws its plot. Each
figure is the median of three processes; the service is another process.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 3
PLOT = Path(__file__).parent.parent / "docs" / "plots" / "large-data.svg"
NDJSON = {"Accept": "application/x-ndjson"}

Figures = dict[str, float]


def loaded(url: str, count: int) -> Figures:
    """As one reads an answer that is small: all of it, then its lines."""
    import httpx

    start = time.perf_counter()
    body = httpx.get(f"{url}/stream/numbers", params={"limit": count}, headers=NDJSON, timeout=60)
    records = [json.loads(line) for line in body.text.splitlines()]
    first = time.perf_counter() - start
    total = sum(record["n"] for record in records)
    return _figures(start, first, total, count)


def streamed(url: str, count: int) -> Figures:
    """Record by record."""
    import streamable_http as shttp

    start = time.perf_counter()
    with (
        shttp.Client() as client,
        client.stream("GET", f"{url}/stream/numbers?limit={count}", headers=NDJSON) as records,
    ):
        total = next(records)["n"]
        first = time.perf_counter() - start
        for record in records:
            total += record["n"]
    return _figures(start, first, total, count)


def _figures(start: float, first: float, total: int, count: int) -> Figures:
    assert total == count * (count + 1) // 2, "records are missing"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"MiB": peak, "first": first, "seconds": time.perf_counter() - start}


WAYS: dict[str, Callable[[str, int], Figures]] = {"loaded": loaded, "streamed": streamed}


@contextmanager
def service() -> Iterator[str]:
    """The demo's data service, in a process of its own."""
    command = [sys.executable, "-m", "streamable_http", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().removeprefix("serving on ").strip()
        finally:
            process.terminate()


def measured(url: str, way: str, count: int) -> Figures:
    command = [sys.executable, __file__, way, url, str(count)]
    runs = [
        json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(ROUNDS)
    ]
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def table(rows: dict[tuple[int, str], Figures]) -> str:
    lines = [
        "| records | | peak memory | first record after | all after |",
        "|---|---|---|---|---|",
    ]
    for (count, way), row in rows.items():
        cells = f"{row['MiB']:.0f} MiB | {row['first']:.3f} s | {row['seconds']:.2f} s"
        lines.append(f"| {count:,} | {way} | {cells} |")
    return "\n".join(lines)


def draw(rows: dict[tuple[int, str], Figures]) -> None:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "large-data"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
    for axis, name, label in zip(
        axes, ("MiB", "first"), ("peak memory, MiB", "first record after, s"), strict=True
    ):
        for way in WAYS:
            axis.plot(SIZES, [rows[count, way][name] for count in SIZES], "o-", label=way)
        axis.set(xscale="log", yscale="log", xlabel="records", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(PLOT, metadata={"Date": None})


def main() -> None:
    if len(sys.argv) > 1:
        way, url, count = sys.argv[1:]
        print(json.dumps(WAYS[way](url, int(count))))
        return
    with service() as url:
        rows = {(count, way): measured(url, way, count) for count in SIZES for way in WAYS}
    print(table(rows))
    draw(rows)


if __name__ == "__main__":
    main()
