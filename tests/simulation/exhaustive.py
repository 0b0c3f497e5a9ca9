"""Small scope, and all of it: every two cuts of every small stream, by every way to go on."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from attrs import evolve

from .consumers import CONSUMERS
from .scenario import Fault, Scenario
from .truth import make_resource

__all__ = ["cases"]

_MOST_ITEMS = 4

_BY_ID = Scenario(tries=4)
_BY_BYTE = Scenario(form="ndjson", server="range", ids="none", tries=4)
_BY_ITEM = Scenario(form="ndjson", server="query", resume="item", tries=4)
_LOOPS = tuple(CONSUMERS)

WAYS = (
    _BY_ID,
    evolve(_BY_ID, form="sse-text", ids="some", seed=1),
    evolve(_BY_ID, form="sse-text", ids="some", seed=1, manner="remembers"),
    evolve(_BY_ID, form="sse-data", terminal="text", framing="close"),
    evolve(_BY_ID, ids="some", seed=2, repeats=True),
    evolve(_BY_ID, resume="off"),
    _BY_BYTE,
    evolve(_BY_BYTE, form="lines", terminal="text", framing="close"),
    evolve(_BY_BYTE, form="raw", framing="length"),
    evolve(_BY_BYTE, form="sse", resume="range"),
    evolve(_BY_BYTE, form="csv"),
    evolve(_BY_BYTE, form="multipart", framing="close"),
    evolve(_BY_BYTE, form="frames"),
    evolve(_BY_BYTE, manner="piecemeal"),
    evolve(_BY_BYTE, manner="changed"),
    _BY_ITEM,
    evolve(_BY_ITEM, server="body", method="POST", terminal="text"),
    evolve(_BY_ITEM, resume="key", manner="inclusive"),
    evolve(_BY_ITEM, manner="inclusive"),
    Scenario(form="ndjson", server="none", tries=4),
)


def cases() -> Iterator[Scenario]:
    """All of them, always in the same order.

    A process that fails is started again, where the way says so (`tries=1`): then each cut is one
    between two processes.
    """
    for way in WAYS:
        for count in range(_MOST_ITEMS + 1):
            yield from _cuts(evolve(way, count=count))
            yield from _cuts(evolve(way, count=count, tries=1, insist=True), step=3)
        for consumer in _LOOPS:
            yield from _stops(evolve(way, count=_MOST_ITEMS, consumer=consumer))


def _cuts(way: Scenario, step: int = 1) -> Iterator[Scenario]:
    """Every two places to cut the first and the second connection at."""
    size = _size(way)
    for first in range(size + 1):
        for second in range(0, size + 1, step):
            yield evolve(way, plan=(Fault("cut", first), Fault("cut", second)))


def _stops(way: Scenario) -> Iterator[Scenario]:
    """Every place to cut the first connection at, and every two items to stop the program at."""
    for cut in range(_size(way) + 1):
        for first in range(1, way.count + 1):
            for second in range(1, way.count + 1 - first):
                yield evolve(way, plan=(Fault("cut", cut),), stops=(first, second))


def _size(way: Scenario) -> int:
    resource = make_resource(way, Random(way.seed))
    return len(resource.body())
