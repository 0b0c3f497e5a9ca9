"""A few runs of the fault campaign; `nox -s faults` is the whole of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve
from driver import Face
from simulation.scenario import Fault, Scenario
from simulation.table import Table

from streamable_http.testing import Step

from .campaign import count
from .draw import draw
from .kinds import KINDS
from .leaks import watching
from .play import Run, life_of, play
from .trial import Trial
from .wire import Scene

_FACES = [Face("threads", 8), Face("asyncio", 0), Face("trio", 8)]


def _run(*kinds: str, face: Face = _FACES[0], at: int = 40, **changes: Any) -> Run:
    scenario = evolve(Scenario(tries=4), plan=tuple(Fault(kind, at) for kind in kinds), **changes)
    return play(Trial(seed=0, scenario=scenario, face=face))


def test_runs_by_chance() -> None:
    table = Table()
    for seed in range(20):
        count(table, play(draw(seed)))
    assert not table.bad, "\n".join(table.failures)


@pytest.mark.parametrize("face", _FACES, ids=str)
def test_faults_of_the_wire_are_overcome(face: Face) -> None:
    kinds = ("cut", "reset", "refused", "chunk size no number", "head of another protocol")
    run = _run(*kinds, face=face, tries=8)
    assert run.verdict.word == "complete"
    assert run.met == [*kinds]


def test_every_kind_of_fault_is_drawn() -> None:
    trials = [draw(seed) for seed in range(2000)]
    drawn = {fault.kind for trial in trials for fault in trial.faults}
    assert drawn == KINDS.keys()


def test_a_seed_draws_the_same_trial_again() -> None:
    assert [draw(seed) for seed in range(20)] == [draw(seed) for seed in range(20)]


# What the judge would see of a worse library.


def test_a_repeat_is_seen() -> None:
    run = _run("cut", at=80, manner="rewinds")
    assert run.verdict.word == "repeated"


def test_a_silent_end_is_seen() -> None:
    run = _run("early end", form="ndjson", server="none")
    assert run.verdict.word == "silent"


def test_giving_up_without_need_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(scene: Scene) -> Iterator[Step]:
        return KINDS["404"].do(evolve(scene, fault=Fault("404")))

    monkeypatch.setitem(KINDS, "cut", evolve(KINDS["cut"], do=refuse))
    run = _run("cut", form="ndjson", server="range", ids="none")
    assert run.verdict.word == "broken"


def test_items_that_came_and_were_not_delivered_are_seen() -> None:
    run = _run("404")
    assert run.verdict.word == "refused"
    run.life.network.reached = 1
    assert run.verdict.word == "lost"


def test_what_is_left_behind_is_seen() -> None:
    gate = threading.Event()
    with watching() as left:
        one = socket.socket()
        thread = threading.Thread(target=gate.wait, name="left over")
        thread.start()
    one.close()
    gate.set()
    thread.join()
    assert left == ["thread left over", "1 descriptors"]


def test_twins_share_ids_and_are_told_apart_by_their_items() -> None:
    trial = Trial(seed=0, scenario=Scenario(count=3), face=_FACES[0], twins=True)
    life = life_of(trial)
    assert life.resource.ids == ("0", "0", "2")
    assert life.resource.after == {"0": 2, "2": 3}
    assert b"id: 0\n" in life.resource.blocks[1]
    assert play(trial).verdict.word == "complete"
