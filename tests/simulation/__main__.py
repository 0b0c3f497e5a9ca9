"""`python -m simulation [RUNS] [--first SEED] [--seed SEED | --case NUMBER]`."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice

from .campaign import run_cases, run_excluded, run_seeds
from .draw import draw
from .exhaustive import cases
from .judge import BAD, EXCLUDED, judge
from .life import live
from .scenario import Scenario

_SHOWN = 20


def main() -> int:
    """Plays what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=50_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="play one run, and tell about it")
    parser.add_argument("--case", type=int, help="play one case of the exhaustive part")
    parser.add_argument("--processes", type=int, help="how many work at once")
    given = parser.parse_args()
    if given.seed is not None:
        return _tell(draw(given.seed))
    if given.case is not None:
        return _tell(next(islice(cases(), given.case, None)))
    return _campaign(given.runs, given.first, given.processes)


def _campaign(runs: int, first: int, processes: int | None) -> int:
    started = time.monotonic()
    bad = 0
    by_chance = run_seeds(runs, first, processes=processes)
    exhaustive = run_cases(processes=processes)
    for title, table in (("By chance", by_chance), ("Every small case", exhaustive)):
        _say("", title, "=" * len(title), *table.lines(), *table.failures[:_SHOWN])
        bad += table.bad
    excluded = run_excluded(max(runs // 20, 100), processes=processes)
    _say("What no client can notice is not among them", *excluded.lines())
    _say(*(f"{name}: {why}." for name, why in EXCLUDED.items()))
    _say("", f"{time.monotonic() - started:.0f} s; bad runs: {bad}")
    return 1 if bad else 0


def _tell(scenario: Scenario) -> int:
    life = live(scenario)
    verdict = judge(life)
    _say(scenario, f"met: {life.network.met}", f"requests: {life.network.opens}")
    _say(f"processes: {life.processes}", f"error: {life.error!r}", f"ended: {life.ended}")
    _say(f"body: {life.resource.body()!r}", f"{verdict.word}: {verdict.why}")
    return 1 if verdict.word in BAD else 0


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
