"""Many runs, in several processes: a run is mostly waiting."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import resource
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from attrs import define
from simulation.judge import BAD
from simulation.table import Table

from .draw import draw
from .leaks import listen
from .play import Run, play
from .trial import LONGEST_SECONDS

__all__ = ["Outcome", "campaign", "count", "play_seeds"]

_SHARE = 25
_SHOWN = 5


@define
class Outcome:
    """What some runs came to.

    Attributes:
        table: The verdicts.
        slowest: Seconds of the slowest run, and its seed.
        most_memory: The most memory that a process had, in MiB.
        hung: Whether a run had to be killed.
    """

    table: Table
    slowest: tuple[float, int] = (0.0, -1)
    most_memory: float = 0.0
    hung: bool = False

    def add(self, other: Outcome) -> None:
        self.table.add(other.table)
        self.slowest = max(self.slowest, other.slowest)
        self.most_memory = max(self.most_memory, other.most_memory)
        self.hung = self.hung or other.hung


def campaign(runs: int, first: int = 0, *, processes: int) -> Outcome:
    """Plays the seeds from `first` on."""
    whole = Outcome(Table())
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_prepare) as pool:
        jobs = [pool.submit(play_seeds, *share) for share in _shares(first, runs)]
        for job in as_completed(jobs):
            try:
                whole.add(job.result())
            except BrokenProcessPool:
                whole.hung = True
    return whole


def play_seeds(first: int, stop: int) -> Outcome:
    """Plays the seeds from `first` on and before `stop`, one after the other."""
    outcome = Outcome(Table())
    for seed in range(first, stop):
        with _watchdog(seed):
            run = play(draw(seed))
        count(outcome.table, run)
        outcome.slowest = max(outcome.slowest, (run.seconds, seed))
    outcome.most_memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return outcome


def count(table: Table, run: Run) -> None:
    """Enters a run into the table."""
    trial, verdict = run.trial, run.verdict
    scenario, word = trial.scenario, verdict.word
    table.count("all", "runs", word)
    table.count("face", f"{trial.face.runtime}, prefetch {trial.face.prefetch}", word)
    table.count("format", scenario.form + (", gzip" if scenario.gzip else ""), word)
    ids = ", ids of two" if trial.twins else ""
    table.count("server goes on with", f"{scenario.server}{ids}, {scenario.manner}", word)
    table.count("consumer", trial.consumer, word)
    for kind in sorted({*run.met}) or ["none"]:
        table.count("fault", kind, word)
    if word in BAD and len(table.failures) < _SHOWN:
        table.failures.append(f"--seed {trial.seed}: {word}: {verdict.why}")


def _shares(first: int, runs: int) -> Iterator[tuple[int, int]]:
    stop = first + runs
    return ((start, min(start + _SHARE, stop)) for start in range(first, stop, _SHARE))


def _prepare() -> None:
    listen()
    _watchdog.start()


class _Watchdog:
    """Kills the process whose run never ends, and says which run that is."""

    def __init__(self) -> None:
        self._seed = -1
        self._until = float("inf")

    def start(self) -> None:
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def __call__(self, seed: int) -> _Watchdog:
        self._seed, self._until = seed, time.monotonic() + LONGEST_SECONDS
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        self._until = float("inf")

    def _watch(self) -> None:
        while time.monotonic() < self._until:
            time.sleep(1)
        sys.stderr.write(f"--seed {self._seed} hangs\n")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(1)


_watchdog = _Watchdog()
