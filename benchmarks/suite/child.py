"""One run: a process that reads one workload by one contender, and prints what it took as JSON.

    python -m benchmarks.suite.child WORKLOAD SCALE CONTENDER URL [AUTHORITY]

It reads one block first, and weighs each item: so all is imported, and the contender is checked.
The run that is measured only counts. CPU is that of all threads, from the head of the response to
the end of the body.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time
from collections.abc import AsyncIterable, Iterable
from typing import Any, NamedTuple

from .contender import Contender, Target
from .contenders import CONTENDERS
from .payloads import OF_TEXT, WEIGHS
from .workloads import WORKLOADS, Workload

Figures = dict[str, Any]


class Count(NamedTuple):
    items: int
    weight: int


def counted(items: Iterable[Any], gives: str, *, check: bool) -> Count:
    count = weight = 0
    if gives in {"bytes", "unchecked"} or check:
        weigh = WEIGHS.get(gives, len)
        for item in items:
            count += 1
            weight += weigh(item)
    else:
        for _ in items:
            count += 1
    return Count(count, weight)


async def counted_async(items: AsyncIterable[Any], gives: str, *, check: bool) -> Count:
    count = weight = 0
    if gives == "bytes" or check:
        weigh = WEIGHS[gives]
        async for item in items:
            count += 1
            weight += weigh(item)
    else:
        async for _ in items:
            count += 1
    return Count(count, weight)


def run(contender: Contender, target: Target, *, check: bool) -> tuple[Count, Figures]:
    if contender.opens is None:
        return asyncio.run(run_async(contender, target, check=check))
    with contender.opens(target) as items:
        start, clock = time.process_time(), time.perf_counter()
        count = counted(items, contender.gives, check=check)
        took = {"cpu": time.process_time() - start, "wall": time.perf_counter() - clock}
    return count, took


async def run_async(contender: Contender, target: Target, *, check: bool) -> tuple[Count, Figures]:
    assert contender.opens_async is not None
    async with contender.opens_async(target) as items:
        start, clock = time.process_time(), time.perf_counter()
        count = await counted_async(items, contender.gives, check=check)
        took = {"cpu": time.process_time() - start, "wall": time.perf_counter() - clock}
    return count, took


def prove(contender: Contender, load: Workload, count: Count, blocks: int, scale: float) -> None:
    """Fails unless the contender gave what was sent."""
    gives, want = contender.gives, load.expected(blocks, scale)
    if gives == "unchecked":
        return
    if gives == "bytes":
        assert count.weight == want["bytes"], f"{contender.name}: {count} of {want}"
        return
    assert count.items == want["items"], f"{contender.name}: {count} of {want}"
    if count.weight:
        key = "text" if gives in OF_TEXT else "fields"
        assert count.weight == want[key], f"{contender.name}: {count} of {want}"


def latencies(contender: Contender, target: Target) -> Figures:
    """A paced run, in which each item tells when it was sent."""
    now = time.monotonic_ns

    async def read_async() -> tuple[list[tuple[int, Any]], float]:
        assert contender.opens_async is not None
        async with contender.opens_async(target) as items:
            start = time.process_time()
            seen = [(now(), item) async for item in items]
            return seen, time.process_time() - start

    if contender.opens is None:
        seen, cpu = asyncio.run(read_async())
    else:
        with contender.opens(target) as items:
            start = time.process_time()
            seen = [(now(), item) for item in items]
            cpu = time.process_time() - start
    texts = [(at, item.data if contender.gives == "event" else item) for at, item in seen]
    late = sorted((at - json.loads(text)["sent"]) / 1e3 for at, text in texts)
    p50, p99 = late[len(late) // 2], late[len(late) * 99 // 100]
    return {"cpu": cpu, "wall": 0, "items": len(late), "p50": p50, "p99": p99}


def main(name: str, scale: float, chosen: str, url: str, authority: str = "") -> Figures:
    load = WORKLOADS[name]
    (contender,) = (one for one in CONTENDERS[name] if one.name == chosen)
    verify = ssl.create_default_context(cafile=authority) if authority else True
    _, blocks = load.sizes(scale)
    sent = {"/check": 1, "/": blocks}
    figures: Figures = {}
    for path, times in sent.items():
        items = load.expected(times, scale)["items"]
        target = Target(url + path, verify, items)
        if load.pause:
            figures = latencies(contender, target)
            wanted = 100 if path == "/check" else items
            assert figures["items"] == wanted, f"{contender.name}: {figures}"
            continue
        count, figures = run(contender, target, check=path == "/check")
        prove(contender, load, count, times, scale)
        figures["items"] = items
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**figures, "MiB": peak}


if __name__ == "__main__":
    _, name, scale, *rest = sys.argv
    print(json.dumps(main(name, float(scale), *rest)))
