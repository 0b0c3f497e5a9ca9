"""`python -m faults.soak [MINUTES]`: streams on every face at once, for long; what grows?

They are opened, cut, resumed, left, cancelled and closed all the time, against a server of which
half the answers are faulty. What they deliver is held against the truth.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import anyio
from attrs import define, field
from driver import Face
from simulation.consumers import Foul, Ledger
from simulation.life import options_of

import streamable_http as shttp

from .leaks import count_descriptors
from .soak_server import Server, resource_of, trials

_WORKERS = 4
_SAMPLE_SECONDS = 5.0
_LONGEST_ITEMS = 64 * 1024
_CLOCKS = shttp.Timeouts(connect=5.0, first_byte=1.0, idle=1.0, between_items=1.5)
_POLICY = shttp.RetryPolicy(stop=3, min_delay=0.0, max_delay=0.03)
_FACES = [
    Face(runtime, prefetch) for runtime in ("threads", "asyncio", "trio") for prefetch in (0, 8)
]


@define
class Soak:
    """What all workers share.

    Attributes:
        until: When they stop.
        ends: How streams ended.
        fouls: What was delivered that must not be.
        samples: Seconds, MiB of memory, descriptors, threads.
    """

    server: Server
    until: float
    ends: Counter[str] = field(factory=Counter)
    fouls: list[str] = field(factory=list)
    samples: list[tuple[float, float, int, int]] = field(factory=list)

    @property
    def over(self) -> bool:
        return time.monotonic() > self.until


class _Worker:
    """Opens one stream after the other."""

    def __init__(self, soak: Soak, face: Face, client: shttp.AsyncClient, seed: int) -> None:
        self._soak, self._face, self._client = soak, face, client
        self._rng = Random(seed)
        self._trials = trials()

    async def run(self) -> None:
        while not self._soak.over:
            try:
                end = await self._one()
            except shttp.StreamError as exc:
                end = type(exc).__name__
            except Foul as exc:
                self._soak.fouls.append(f"{self._face}: {exc}")
                end = "foul"
            self._soak.ends[end] += 1
            await self._face.sleep(self._rng.random() / 20)

    async def _one(self) -> str:
        rng, face = self._rng, self._face
        number = rng.randrange(len(self._trials))
        scenario, resource = self._trials[number].scenario, resource_of(self._trials[number])
        options = options_of(scenario, resource, _POLICY) | {"timeout": _CLOCKS}
        url = f"{self._soak.server.url}/{number}"
        stream = self._client.stream(scenario.method, url, **options)
        ways = ["to the end", "to the end", "left", "closed"] + ["cancelled"] * (not face.sync)
        way = rng.choice(ways)
        most = rng.randrange(1, 8) if way == "left" else None
        take = partial(_take, stream, Ledger(resource), most)
        if way == "cancelled":
            with anyio.move_on_after(rng.random() / 2):
                await take()
            return way
        if way != "closed":
            await take()
            return way
        closing = face.spawn(partial(self._close, stream, rng.random() / 2))
        try:
            await take()
        finally:
            await closing.settled()
        return way

    async def _close(self, stream: shttp.AsyncStream[Any], seconds: float) -> None:
        await self._face.sleep(seconds)
        await stream.aclose()


async def _take(stream: shttp.AsyncStream[Any], ledger: Ledger, most: int | None) -> None:
    taken = 0
    async with stream:
        async for item in stream:
            ledger.take(item)
            taken += 1
            if taken == most:
                return


async def _work(soak: Soak, face: Face, seed: int) -> None:
    limits = shttp.Limits(max_item_bytes=_LONGEST_ITEMS)
    async with face.client(limits=limits) as client:
        workers = [_Worker(soak, face, client, seed + number) for number in range(_WORKERS)]
        if face.sync:
            threads = [face.spawn(worker.run) for worker in workers]
            for thread in threads:
                await thread.settled(float("inf"))
            return
        async with anyio.create_task_group() as group:
            for worker in workers:
                group.start_soon(worker.run)


def _sample(soak: Soak, started: float) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    now = time.monotonic() - started
    soak.samples.append((now, memory, count_descriptors(), threading.active_count()))


def main() -> int:
    """Soaks for so long; returns the exit status."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("minutes", nargs="?", type=float, default=30.0)
    given = parser.parse_args()
    started = time.monotonic()
    with Server() as server:
        soak = Soak(server, started + 60 * given.minutes)
        mains: list[Callable[[], None]] = [
            partial(face.run, partial(_work, soak, face, 1000 * number))
            for number, face in enumerate(_FACES)
        ]
        threads = [threading.Thread(target=run) for run in mains]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(_SAMPLE_SECONDS)
            server.refresh()
            if soak.over:
                continue
            _sample(soak, started)
            if len(soak.samples) % 60 == 0:
                _say(f"{soak.samples[-1]} {soak.ends.total()} streams")
    return _report(soak)


def _report(soak: Soak) -> int:
    _say(f"{soak.ends.total():,} streams", *(f"{n:>9,} {end}" for end, n in soak.ends.items()))
    _say(*soak.fouls[:20])
    kept = soak.samples[len(soak.samples) // 5 :]  # behind the start, when caches fill
    minutes = [sample[0] / 60 for sample in kept]
    tenth = max(len(kept) // 10, 1)
    grown = False
    for name, column, allowed in (("MiB", 1, 0.05), ("descriptors", 2, 0.25), ("threads", 3, 0.25)):
        values = [sample[column] for sample in kept]
        first, last = statistics.median(values[:tenth]), statistics.median(values[-tenth:])
        slope = statistics.linear_regression(minutes, values).slope
        _say(f"{name}: {first:.1f} at first, {last:.1f} at last, {slope:+.4f} a minute")
        grown = grown or last > first * (1 + allowed) + 2
    return 1 if soak.fouls or grown else 0


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
