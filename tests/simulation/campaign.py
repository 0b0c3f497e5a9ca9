"""Many runs, on all cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from .draw import draw, draw_excluded
from .exhaustive import cases
from .judge import BAD, exclusion, judge
from .life import live
from .scenario import Scenario
from .table import Table

__all__ = ["run_cases", "run_excluded", "run_seeds"]

_SHARE = 500
_SHOWN = 5


def run_seeds(count: int, first: int = 0, *, processes: int | None = None) -> Table:
    """Plays the seeds from `first` on."""
    return _all(_seeds, _shares(first, count), processes)


def run_cases(*, every: int = 1, processes: int | None = None) -> Table:
    """Plays the exhaustive cases, or one of each `every`."""
    parts = 8 if every == 1 else 1
    return _all(_cases, [(part * every, parts * every) for part in range(parts)], processes)


def run_excluded(count: int, *, processes: int | None = None) -> Table:
    """Plays what no client can get right, to see what comes of it."""
    return _all(_excluded, _shares(0, count), processes)


def _shares(first: int, count: int) -> list[tuple[int, int]]:
    stop = first + count
    return [(start, min(start + _SHARE, stop)) for start in range(first, stop, _SHARE)]


def _cases(first: int, step: int) -> Table:
    table = Table()
    for number, scenario in islice(enumerate(cases()), first, None, step):
        _play(table, f"--case {number}", scenario)
    return table


def _seeds(first: int, stop: int) -> Table:
    table = Table()
    for seed in range(first, stop):
        _play(table, f"--seed {seed}", draw(seed))
    return table


def _excluded(first: int, stop: int) -> Table:
    table = Table()
    for seed in range(first, stop):
        scenario = draw_excluded(seed)
        table.count("no client can notice", exclusion(scenario), judge(live(scenario)).word)
    return table


def _play(table: Table, name: str, scenario: Scenario) -> None:
    life = live(scenario)
    verdict = judge(life)
    word = verdict.word
    going_on = f"{scenario.server}, {scenario.manner}"
    table.count("all", "runs", word)
    table.count("format", scenario.form, word)
    table.count("server goes on with, manner", going_on, word)
    table.count("consumer", scenario.consumer, word)
    for kind in sorted({*life.network.met}) or ["none"]:
        table.count("fault", kind, word)
    if word in BAD and len(table.failures) < _SHOWN:
        table.failures.append(f"{name}: {word}: {verdict.why}")


def _all(
    work: Callable[[int, int], Table], shares: Iterable[tuple[int, int]], processes: int | None
) -> Table:
    whole = Table()
    for table in _results(work, shares, processes or os.cpu_count() or 1):
        whole.add(table)
    return whole


def _results(
    work: Callable[[int, int], Table], shares: Iterable[tuple[int, int]], processes: int
) -> Iterator[Table]:
    if processes == 1:
        yield from (work(*share) for share in shares)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        yield from (job.get() for job in [pool.apply_async(work, share) for share in shares])
