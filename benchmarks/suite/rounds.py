"""Rounds: all contenders of a workload in turn, each in a process of its own; then the ratios."""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from . import node
from .contender import Contender
from .contenders import CONTENDERS
from .workloads import WORKLOADS

ROOT = Path(__file__).parent.parent.parent
Round = dict[str, dict[str, Any]]
"""What each contender took, by its name."""


class Result(NamedTuple):
    """A workload, measured.

    Attributes:
        name: Of the workload.
        rounds: Each with every contender's figures.
        left_out: Contenders that did not run, and why.
    """

    name: str
    rounds: list[Round]
    left_out: dict[str, str]

    def median(self, contender: str, figure: str) -> float:
        return statistics.median(one[contender][figure] for one in self.rounds)

    def per_item(self, contender: str) -> float:
        """CPU microseconds for each item."""
        return statistics.median(cost(one[contender]) for one in self.rounds)

    def ratio(self, base: str, contender: str, figure: str = "cpu") -> float:
        """How many times as much the base takes: the median of the ratios inside the rounds."""
        return statistics.median(one[base][figure] / one[contender][figure] for one in self.rounds)


def cost(figures: dict[str, Any]) -> float:
    return float(figures["cpu"]) / int(figures["items"]) * 1e6


@contextlib.contextmanager
def certificates() -> Iterator[tuple[str, str]]:
    """An authority and a certificate of it, as files."""
    import trustme

    with tempfile.TemporaryDirectory() as folder:
        authority, certificate = Path(folder) / "authority.pem", Path(folder) / "server.pem"
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(authority)
        issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        yield str(authority), str(certificate)


@contextlib.contextmanager
def server(module: str, *arguments: str) -> Iterator[int]:
    """A server in a process of its own; yields its port."""
    command = [sys.executable, "-m", f"benchmarks.suite.{module}", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def child(module: str, *arguments: str) -> dict[str, Any]:
    """The figures that a process prints."""
    command = [sys.executable, "-m", f"benchmarks.suite.{module}", *arguments]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(f"failed: {' '.join(command)}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def present(name: str, *, quick: bool) -> tuple[list[Contender], dict[str, str]]:
    """Who takes part, and who does not, with the reason."""
    run: list[Contender] = []
    left_out: dict[str, str] = {}
    for one in CONTENDERS[name]:
        absent = node.missing() if one.script else one.missing()
        if absent:
            left_out[one.name] = f"not installed: {', '.join(absent)}"
        elif one.quick or not quick:
            run.append(one)
    return run, left_out


def measure(name: str, rounds: int, scale: float, *, quick: bool = False) -> Result:
    load = WORKLOADS[name]
    run, left_out = present(name, quick=quick)
    done: list[Round] = []
    with certificates() as (authority, certificate):
        tls = [authority] if load.tls else []
        with server("server", name, str(scale), *([certificate] if load.tls else [])) as port:
            url = f"{'https' if load.tls else 'http'}://127.0.0.1:{port}"
            for _ in range(rounds):
                figures: Round = {}
                for one in random.sample(run, len(run)):  # nobody is always behind the same one
                    if one.script:
                        want = load.expected(load.sizes(scale)[1], scale)
                        figures[one.name] = node.run(url, want)
                    else:
                        figures[one.name] = child("child", name, str(scale), one.name, url, *tls)
                done.append(figures)
    return Result(name, done, left_out)
