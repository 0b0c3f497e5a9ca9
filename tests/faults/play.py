"""One run over real sockets, in as many processes as it takes, and the verdict on it."""

from __future__ import annotations

import time
from functools import partial
from random import Random

from simulation.consumers import Foul, Ledger
from simulation.judge import Verdict, judge
from simulation.life import Life, options_of
from simulation.network import Network, VirtualTime
from simulation.server import ModelServer
from simulation.truth import Resource, make_resource

import streamable_http as shttp

from .host import Host
from .kinds import KINDS
from .leaks import watching
from .trial import Trial
from .twins import TwinsLedger, with_twins
from .visit import Visit

__all__ = ["Run", "life_of", "play"]

_MOST_LIVES = 6
_MOST_ITEM_BYTES = 64 * 1024
_LONGEST_WAIT = 0.03


class Run:
    """A run that is over.

    Attributes:
        life: What became of it, as the simulation's judge reads it.
        met: The faults that befell it.
        seconds: How long it took.
        verdict: What it came to.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.life = life_of(trial)
        self.met: list[str] = []
        self.seconds = 0.0
        self.left: list[str] = []

    @property
    def verdict(self) -> Verdict:
        error = self.life.error
        if isinstance(error, shttp.TimeoutExceeded) and error.kind == "total":
            self.life.network.reached = 0  # what was under way then did not arrive
        verdict = judge(self.life)
        if self.left:
            return Verdict("broken", f"left behind: {'; '.join(self.left)}")
        also = tuple(error for kind in self.met for error in KINDS[kind].also)
        if verdict.word == "broken" and isinstance(error, also):
            return Verdict("refused", verdict.why)
        return verdict


def play(trial: Trial) -> Run:
    """Plays a trial to its end."""
    run = Run(trial)
    started = time.monotonic()
    with watching() as left:
        with Host(trial, run.life) as host:
            try:
                trial.face.run(partial(_live, trial, run.life, host))
            except (Foul, AssertionError) as exc:
                run.life.foul = exc
            if not host.hung_up():
                left.append("open connections")
        run.life.foul = run.life.foul or host.broken
    run.seconds = time.monotonic() - started
    run.met, run.left = host.met, left
    return run


def life_of(trial: Trial) -> Life:
    """The truth of a trial, before anything has happened."""
    scenario = trial.model
    rng = Random(scenario.seed)
    resource = make_resource(scenario, rng)
    if trial.twins:
        resource = with_twins(resource)
    server = ModelServer(resource, scenario.server, scenario.manner)
    network = Network(scenario, server, VirtualTime(rng), rng, _policy(trial))
    return Life(scenario, resource, network, _ledger(trial, resource))


def _ledger(trial: Trial, resource: Resource) -> Ledger:
    return TwinsLedger(resource) if trial.twins else Ledger(resource)


def _policy(trial: Trial) -> shttp.RetryPolicy:
    return shttp.RetryPolicy(
        stop=trial.scenario.tries, min_delay=0.0, max_delay=_LONGEST_WAIT, wait=lambda _: 0.0
    )


async def _live(trial: Trial, life: Life, host: Host) -> None:
    rng = Random(trial.seed)
    options = options_of(trial.scenario, life.resource, _policy(trial))
    options["timeout"] = trial.clocks
    limits = shttp.Limits(max_item_bytes=_MOST_ITEM_BYTES)
    cursor: shttp.Cursor | None = None
    stops: list[int | None] = [*trial.scenario.stops]
    async with trial.face.client(limits=limits, on_event=host.hook) as client:
        while True:
            stop = stops.pop(0) if stops else None
            host.begin()
            stream = client.stream(trial.scenario.method, host.url, start=cursor, **options)
            visit = Visit(trial.face, stream, life.ledger, rng, stop, cursor)
            again = await _process(trial, life, visit)
            cursor = visit.cursor
            if not again or life.processes == _MOST_LIVES:
                break
            if cursor is None:
                life.from_start = life.ledger.done > 0
                life.ledger = _ledger(trial, life.resource)
            else:
                cursor = shttp.Cursor.from_json(cursor.to_json())


async def _process(trial: Trial, life: Life, visit: Visit) -> bool:
    """One process. Returns whether there is another behind it."""
    life.error = life.ended = None
    try:
        async with visit.stream:
            await visit.run(trial.consumer)
    except shttp.StreamError as exc:
        life.error = exc
        if life.ledger.hand:
            raise Foul("lost", "items in hand were not accounted for") from exc
        return trial.scenario.insist
    life.ended = visit.stream.stats.ended
    return visit.stop is not None
