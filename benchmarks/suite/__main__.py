"""`python -m benchmarks.suite [quick] [report] [--rounds N] [--scale F] [WORKLOAD ...]`.

Without arguments it measures everything, writes RESULTS.md and the documentation's figures and
plots, and keeps what it measured in `build/benchmarks.json`, from which `report` writes them anew.
With the name of a workload, or `quick`, it only prints.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from . import machine, plots, report
from .bars import judged_all
from .contenders import CONTENDERS
from .everything import Everything, idle_streams, many_streams, open_files, starts
from .rounds import ROOT, Result, measure
from .start import imports

# A stream for each question that a change may answer otherwise; the others take their time.
QUICK = ("a", "b", "b-tls", "c", "d", "e", "f", "g", "array")
QUICK_SCALE = 0.15
SELECTED = ("quick", "report", *CONTENDERS)
FILES_FOR_IDLE = 10_100


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def each(names: list[str], rounds: int, scale: float, *, quick: bool) -> dict[str, Result]:
    found = {}
    for name in names:
        start = time.monotonic()
        # Paced by the clock: a small share of it would be all beginning.
        found[name] = measure(name, rounds, max(scale, 0.25) if name == "g" else scale, quick=quick)
        say(f"{name}: {time.monotonic() - start:.0f} s")
    return found


def gateway() -> str:
    command = [sys.executable, "benchmarks/gateway.py", "--rounds=3", "--events=50000"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        say(done.stderr)
    return done.stdout if done.returncode == 0 else ""


def everything(rounds: int, scale: float) -> Everything:
    """Measures all of it, and keeps what there is after each part: it takes long."""
    files = open_files()
    results = each([*CONTENDERS], rounds, scale, quick=False)
    found = Everything(results, {}, {}, {}, {}, "", machine.described(), [])
    found.save()
    say("many streams")
    found = found._replace(many=many_streams(3, round(20_000 * scale)))
    found.save()
    say("beginning, imports, gateway")
    found = found._replace(start=starts(3), imports=imports(7), gateway=gateway())
    if not found.gateway:
        found.notes.append("`benchmarks/gateway.py` did not run: is the extra `demo` installed?")
    found.save()
    lots = files >= FILES_FOR_IDLE
    if not lots:
        found.notes.append(f"10,000 idle streams need more files than the {files} allowed here.")
    say("idle streams")
    return found._replace(idle=idle_streams(3, (1_000, 10_000) if lots else (1_000,)))


def quick(names: list[str], rounds: int, scale: float) -> None:
    results = each(names, rounds, scale, quick=True)
    found = Everything(results, {}, {}, {}, imports(3), "", [], [])
    for result in results.values():
        print(f"\n## {result.name}\n\n{report.compared(result)}")
    print(f"\n{report.bars(judged_all(found))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[2])
    parser.add_argument("selected", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--rounds", type=int, help="rounds, of which medians are taken")
    parser.add_argument("--scale", type=float, help="share of the items")
    options = parser.parse_args()
    if unknown := set(options.selected) - set(SELECTED):
        parser.error(f"no workload: {', '.join(sorted(unknown))}; there are {', '.join(SELECTED)}")
    names = [one for one in options.selected if one in CONTENDERS]
    if "report" in options.selected:
        found = Everything.load()
    elif "quick" in options.selected:
        quick(names or [*QUICK], options.rounds or 2, options.scale or QUICK_SCALE)
        return
    elif names:
        for result in each(names, options.rounds or 5, options.scale or 1, quick=False).values():
            print(f"\n{report.printed(result)}")
        return
    else:
        found = everything(options.rounds or 5, options.scale or 1)
        found.save()
    report.write(found)
    plots.draw(found)


if __name__ == "__main__":
    main()
