"""`python -m faults [RUNS] [--first SEED] [--seed SEED] [--processes COUNT]`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from simulation.judge import BAD, EXCLUDED

from .campaign import campaign
from .draw import draw
from .leaks import listen
from .play import play

_SHOWN = 30
_MOST_MEMORY = 300
_EXCLUDED = {
    **EXCLUDED,
    "bytes changed on their way": (
        "a compressed body that still inflates: the checksum at its end shows it, behind items "
        "that were delivered as they came"
    ),
    "twins torn apart": (
        "a cut between two events that share an id: the server takes the id for both"
    ),
}


def main() -> int:
    """Plays what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("runs", nargs="?", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="play one run, and tell about it")
    parser.add_argument("--processes", type=int, default=4 * (os.cpu_count() or 1))
    given = parser.parse_args()
    if given.seed is not None:
        return _tell(given.seed)
    started = time.monotonic()
    outcome = campaign(given.runs, given.first, processes=given.processes)
    table = outcome.table
    _say(*table.lines(), *table.failures[:_SHOWN])
    _say("What no client can notice is not among them:")
    _say(*(f"{name}: {why}." for name, why in _EXCLUDED.items()))
    seconds, seed = outcome.slowest
    _say("", f"the slowest run: {seconds:.1f} s (--seed {seed})")
    _say(f"the largest process: {outcome.most_memory:.0f} MiB")
    _say(f"{time.monotonic() - started:.0f} s; bad runs: {table.bad}; hung: {outcome.hung}")
    return 1 if table.bad or outcome.hung or outcome.most_memory > _MOST_MEMORY else 0


def _tell(seed: int) -> int:
    listen()
    trial = draw(seed)
    _say(trial)
    run = play(trial)
    life, verdict = run.life, run.verdict
    _say(f"met: {run.met}", f"requests: {life.network.opens}", f"processes: {life.processes}")
    _say(f"error: {life.error!r}", f"ended: {life.ended}", f"body: {life.resource.body()!r}")
    _say(f"{run.seconds:.2f} s", f"{verdict.word}: {verdict.why}")
    return 1 if verdict.word in BAD else 0


def _say(*lines: object) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
