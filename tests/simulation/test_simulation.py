"""A small part of the simulation; `nox -s simulate` is the whole of it."""

from __future__ import annotations

import pytest
from attrs import evolve

from .campaign import run_cases, run_excluded, run_seeds
from .consumers import Foul, Ledger
from .draw import draw
from .judge import BAD, EXCLUDED, exclusion, judge
from .life import live
from .network import Network
from .scenario import Fault, Scenario
from .table import Table


def test_runs_by_chance() -> None:
    table = run_seeds(500, processes=1)
    assert not table.bad, "\n".join(table.failures)
    (counts,) = [counts for name, counts in table.rows.items() if name == ("all", "runs")]
    assert counts["complete"] > 250
    assert counts["refused"] > 50


def test_one_of_every_400_small_cases() -> None:
    table = run_cases(every=400, processes=1)
    assert not table.bad, "\n".join(table.failures)


def test_what_no_client_can_notice_is_counted_by_its_reason() -> None:
    rows = run_excluded(400, processes=1).rows
    assert {reason for _, reason in rows} == set(EXCLUDED)


def test_a_seed_plays_the_same_run_again() -> None:
    for seed in range(20):
        lives = [live(draw(seed)) for _ in range(2)]
        first, second = [
            (life.ledger.done, life.network.opens, life.network.slept) for life in lives
        ]
        assert first == second


# What the judge would see of a worse library.


def test_a_loss_and_a_repeat_are_seen() -> None:
    for wrong, kind in ((0, "repeated"), (3, "lost")):
        ledger = Ledger(live(Scenario(form="ndjson", server="none")).resource)
        ledger.take({"n": 0})
        with pytest.raises(Foul) as caught:
            ledger.take({"n": wrong})
        assert caught.value.kind == kind


def test_a_silent_end_is_seen() -> None:
    """A server that ends a body too early, in good order, is what a deaf client would look like."""
    cut = Scenario(form="ndjson", server="none", plan=(Fault("early end", 8),))
    assert exclusion(cut) == "end too early"
    assert judge(live(cut)).word == "silent"


def test_a_server_that_goes_back_behind_the_id_shows_as_repeats() -> None:
    deaf = Scenario(manner="rewinds", plan=(Fault("cut", 80),))
    assert exclusion(deaf) == "ids ignored"
    assert judge(live(deaf)).word == "repeated"


def test_a_server_that_begins_anew_is_refused() -> None:
    for deaf in (
        Scenario(manner="ignores"),
        Scenario(form="ndjson", server="query", resume="key", manner="ignores", count=9),
    ):
        cut = evolve(deaf, plan=(Fault("cut", 80),))
        assert not exclusion(cut)
        life = live(cut)
        assert judge(life).word == "refused"
        assert "began anew" in str(life.error)
        assert exclusion(evolve(cut, stops=(1,)))


def test_the_last_event_sent_again_is_dropped() -> None:
    again = Scenario(manner="inclusive", plan=(Fault("cut", 80),))
    assert not exclusion(again)
    assert judge(live(again)).word == "complete"


def test_giving_up_without_need_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    hopeless = Scenario(plan=(Fault("404"),))
    assert judge(live(hopeless)).word == "refused"
    monkeypatch.setattr(Network, "next_fault", lambda network: Fault("404"))
    assert judge(live(Scenario())).word in BAD


def test_tables_add_up() -> None:
    one, two = Table(), Table()
    one.count("all", "runs", "complete")
    two.count("all", "runs", "lost")
    one.add(two)
    assert one.bad == 1
    assert one.lines()[1].split() == ["runs", "2", "1", "0", "0", "1", "0", "0", "0"]
