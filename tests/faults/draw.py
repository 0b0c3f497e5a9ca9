"""Trials by chance."""

from __future__ import annotations

from random import Random

from attrs import evolve
from driver import Face
from simulation import draw as simulated
from simulation.judge import exclusion
from simulation.scenario import Fault, Scenario

from .kinds import KINDS
from .trial import Trial
from .visit import FLOWS

__all__ = ["draw", "weighed"]

_RETRY_AFTER = (None, None, 0.0, 3600.0)
_PERMANENT = ("400", "401", "403", "404", "410", "501", "204", "web page", "redirect loop")
_CONTENT = (
    "failure inside",
    "garbage",
    "gzip corrupt",
    "gzip bomb",
    "gzip checksum wrong",
    "gzip with bytes behind",
    "endless item",
    "endless comment",
)
_PASSING = ("408", "425", "429", "500", "502", "503", "504")
_WEIGHTS = dict.fromkeys(KINDS, 1.0) | {
    "cut": 8.0,
    "reset": 5.0,
    "stall": 2.0,
    "early end": 3.0,
    "refused": 3.0,
    "gzip cut": 3.0,
    **dict.fromkeys(_PERMANENT, 0.2),
    **dict.fromkeys(_CONTENT, 0.4),
}
# Only a Content-Length contradicts bytes that are labelled as others.
_IN_CHUNKS = ("chunk", "endless")
_NOT_BETWEEN_TWINS = frozenset(
    {"cut behind a pair", "refused", "no head", "slow head", "cut in the head", *_PASSING}
)


def draw(seed: int) -> Trial:
    """The trial of a seed, none of those that no client can get right."""
    rng = Random(seed)
    while True:
        trial = _drawn(seed, rng)
        if not exclusion(trial.model):
            return trial


def _drawn(seed: int, rng: Random) -> Trial:
    scenario = simulated.draw(rng.randrange(2**32))
    if scenario.manner == "remembers":  # over sockets no server knows what arrived
        scenario = evolve(scenario, manner="honest")
    twins = _may_have_twins(scenario) and rng.random() < 0.15
    if twins:
        scenario = evolve(scenario, stops=(), noise=False, terminal="none", insist=False)
    kinds = [
        kind
        for kind in KINDS
        if (kind in _NOT_BETWEEN_TWINS if twins else KINDS[kind].fits(scenario))
        and not (scenario.manner == "over-long" and kind.startswith(_IN_CHUNKS))
    ]
    plan = tuple(weighed(kinds, rng) for _ in scenario.plan)
    forever = weighed(kinds, rng) if rng.random() < 0.08 and not scenario.follow else None
    slow = forever is not None and KINDS[forever.kind].slow
    scenario = evolve(
        scenario,
        gzip=scenario.server != "range" and rng.random() < 0.3,
        plan=plan,
        forever=forever,
        tries=min(scenario.tries, 2) if slow else scenario.tries,
        insist=scenario.insist and forever is None,
        total=rng.choice((0.3, 60.0)) if rng.random() < 0.05 else None,
    )
    return Trial(
        seed=seed,
        scenario=scenario,
        face=Face(rng.choice(("threads", "asyncio", "trio")), rng.choice((0, 8))),
        consumer=rng.choice(("loop", "loop", *FLOWS)),
        twins=twins,
    )


def _may_have_twins(scenario: Scenario) -> bool:
    known = scenario.server == "last-event-id" and scenario.manner == "honest"
    return known and scenario.ids == "all" and not scenario.follow


def weighed(kinds: list[str], rng: Random) -> Fault:
    """One fault of these kinds, the usual ones more often."""
    kind = rng.choices(kinds, [_WEIGHTS[kind] for kind in kinds])[0]
    value = rng.choice(_RETRY_AFTER) if kind in _PASSING else None
    return Fault(kind, rng.randrange(10**6), value)
