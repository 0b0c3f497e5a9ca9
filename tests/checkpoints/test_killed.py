"""Killed at any instant, a reader loses nothing and does at most `every` items twice.

By hand, with many more kills and figures: CHECKPOINT_KILLS=200 pytest -s tests/checkpoints
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import reader
from server import Received, Script, Server, chunk, reply, streamed

TOTAL = 10_000
EVERY = 100
KILLS = int(os.environ.get("CHECKPOINT_KILLS", "6"))
PAUSE = 0.001 if KILLS > 50 else 0.00005  # each item takes that long, and some
SECONDS = TOTAL * (PAUSE + 0.00005)  # what an undisturbed run takes, about

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that are forked")

EVENTS = [b"id: %d\ndata: %d\n\n" % (number, number) for number in range(1, TOTAL + 1)]


def rest(request: Received) -> Script:
    """All that is left, in one chunk."""
    had = int(request.headers.get("last-event-id", "0"))
    data = b"".join(EVENTS[had:])
    return streamed(chunk(data)) if data else reply()


def processes() -> Any:
    """Where new processes come from: quickly, and from one that has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["streamable_http"])
    return context


def asked_again(server: Server, known: int) -> bool:
    return server.wait_for(lambda: len(server.requests) > known, 30)


def run_and_kill(mode: str, server: Server, directory: Path, seed: int) -> int:
    """Starts a reader again and again, kills it at random, and lets it end at last."""
    chance = random.Random(seed)
    url = server.serve("/", rest)
    kills: int = 0
    for attempt in range(20 * KILLS):
        known = len(server.requests)
        process = processes().Process(target=reader.read, args=(mode, url, directory, EVERY, PAUSE))
        process.start()
        if attempt < KILLS:
            if chance.random() < 0.9:
                assert asked_again(server, known)
                time.sleep(chance.uniform(0, 1.6 * SECONDS / KILLS))
            else:
                time.sleep(chance.uniform(0, 0.05))
            process.kill()
        process.join(60)
        assert process.exitcode in {0, -signal.SIGKILL}
        kills += process.exitcode != 0
        if process.exitcode == 0:
            return kills
    raise AssertionError("it never comes to an end")


def noted(directory: Path) -> list[dict[str, list[str]]]:
    """What each run got, and what it was done with."""
    runs: list[dict[str, list[str]]] = []
    for line in (directory / "log").read_text().splitlines():
        what, _, item = line.partition(" ")
        if what == "run":
            runs.append({"got": [], "done": []})
        else:
            runs[-1][what].append(item)
    return runs


def repeated(runs: list[dict[str, list[str]]]) -> list[Counter[str]]:
    """For each run and source, how many items an earlier run had got already."""
    known: set[str] = set()
    counts: list[Counter[str]] = []
    for run in runs:
        counts.append(Counter(item.rpartition("-")[0] for item in run["got"] if item in known))
        known.update(run["got"])
    return counts


def tell(figures: str) -> None:
    sys.stdout.write(f"\n{figures}\n")


@pytest.mark.parametrize("mode", [mode for mode in reader.MODES if mode != "exactly_once"])
def test_nothing_is_lost_and_little_done_twice(mode: str, server: Server, tmp_path: Path) -> None:
    kills = run_and_kill(mode, server, tmp_path, seed=sum(map(ord, mode)))

    runs = noted(tmp_path)
    sources = ["a-", "b-"] if mode == "merged" else [""]
    expected = {f"{source}{number}" for source in sources for number in range(1, TOTAL + 1)}
    lost = expected - {item for run in runs for item in run["done"]}
    counts = repeated(runs)
    worst = max(max(count.values(), default=0) for count in counts)
    total = sum(sum(count.values()) for count in counts)
    tell(f"{mode}: {kills} kills, lost {len(lost)}, repeated {total}, at most {worst} a kill")
    assert not lost
    assert all(len(run["got"]) == len({*run["got"]}) for run in runs)
    assert worst <= EVERY
    assert kills >= KILLS // 2


def test_exactly_once(server: Server, tmp_path: Path) -> None:
    kills = run_and_kill("exactly_once", server, tmp_path, seed=7)

    database = sqlite3.connect(tmp_path / "rows.db")
    numbers = [number for (number,) in database.execute("SELECT number FROM rows ORDER BY rowid")]
    database.close()
    repeats = len(numbers) - len({*numbers})
    tell(f"exactly_once: {kills} kills, lost {TOTAL - len({*numbers})}, repeated {repeats}")
    assert numbers == [*range(1, TOTAL + 1)]
    assert kills >= KILLS // 2
