"""Scenarios by chance."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from .consumers import CONSUMERS
from .faults import FAULTS
from .judge import exclusion
from .scenario import Fault, Scenario
from .server import MANNERS

__all__ = ["draw", "draw_excluded"]

_RETRY_AFTER = (None, None, 0.0, 3.0, 20.0, 3600.0)
_COUNTS = (0, 1, 2, 3, 4, 5, 8, 13, 40)
_LINES = ("ndjson", "lines", "json-seq", "csv", "multipart", "frames")
_ARRAY = "json-array"
_EVENTS = ("sse", "sse-text", "sse-data")
_CODES = frozenset({"408", "425", "429", "500", "502", "503", "504"})


def draw(seed: int) -> Scenario:
    """The scenario of a seed, none of those that no client can get right."""
    rng = Random(seed)
    while True:
        scenario = _drawn(seed, rng)
        if not exclusion(scenario):
            return scenario


def draw_excluded(seed: int) -> Scenario:
    """The scenario of a seed among those that no client can get right."""
    rng = Random(seed)
    while True:
        scenario = _drawn(seed, rng)
        if exclusion(scenario):
            return scenario


def _drawn(seed: int, rng: Random) -> Scenario:
    server = rng.choice(
        ("last-event-id",) * 3 + ("range",) * 3 + ("query", "body", "header", "none")
    )
    form = _form(server, rng)
    resume = _resume(server, rng)
    terminal = _terminal(form, rng)
    plan = tuple(_fault(form, server, rng) for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8))))
    follow = server == "last-event-id" and terminal == "none" and rng.random() < 0.15
    if follow:
        resume = "last-event-id"
    stops = tuple(rng.randrange(1, 8) for _ in range(rng.choice((0, 0, 1, 2, 4))))
    if form == _ARRAY and server == "range":
        stops = ()  # a new process cannot begin inside of an array
    ids = "all" if follow else _ids(server, rng)
    manner = _manner(server, rng)
    if form == "csv" and manner == "gone-inside":
        manner = "gone"  # a row has no place to say it
    return Scenario(
        seed=seed,
        form=form,
        # More than are remembered of items without ids, or few.
        count=rng.choice((8, 300)) if ids == "first" else rng.choice(_COUNTS),
        ids=ids,
        noise=rng.random() < 0.6,
        repeats=terminal != "predicate" and rng.random() < 0.2 and resume != "key",
        terminal=terminal,
        framing="chunked" if follow else rng.choice(("chunked", "chunked", "length", "close")),
        gzip=server != "range" and rng.random() < 0.15,
        server=server,
        manner=manner,
        resume=resume,
        method=_method(server, resume, rng),
        follow=follow,
        plan=plan,
        forever=_fault(form, server, rng) if rng.random() < 0.05 and not follow else None,
        tries=rng.choice((1, 2, 3, len(plan) + 2, len(plan) + 2, len(plan) + 2)),
        total=rng.choice((1.0, 30.0, 600.0)) if rng.random() < 0.1 else None,
        chunks="random" if ids == "first" else rng.choice(("whole", "bytes", "random")),
        consumer=rng.choice(("loop", "loop", *CONSUMERS)),
        stops=stops,
        insist=rng.random() < 0.4,
    )


def _form(server: str, rng: Random) -> str:
    if server == "last-event-id":
        return rng.choice(_EVENTS)
    if server == "range":
        return rng.choice((*_LINES, *_LINES, _ARRAY, "raw", "raw", *_EVENTS))
    if server == "none":
        return rng.choice((*_EVENTS, *_LINES, _ARRAY, "raw"))
    return rng.choice(("ndjson", "ndjson", "json-seq", "csv", _ARRAY, "lines", "sse-data", "sse"))


def _resume(server: str, rng: Random) -> str:
    if rng.random() < 0.05:
        return "off"
    if server == "last-event-id":
        return rng.choice(("default", "default", "last-event-id"))
    if server == "range":
        return rng.choice(("default", "range"))
    return "default" if server == "none" else rng.choice(("item", "key"))


def _terminal(form: str, rng: Random) -> str:
    choices: Sequence[str] = ("none", "text", "text", "predicate")
    if form == "raw":
        choices = ("none",)
    elif form in {_ARRAY, "multipart", "frames"}:
        choices = ("none", "predicate")
    elif form == "sse":
        choices = (*choices, "event")
    return rng.choice(choices)


def _ids(server: str, rng: Random) -> str:
    if server == "last-event-id":
        return rng.choice(
            ("all",) * 6 + ("some", "some", "first", "none", "reset", "odd", "unicode")
        )
    if server in {"query", "body", "header"}:
        return rng.choice(("all", "all", "all", "some"))
    return "none"


def _manner(server: str, rng: Random) -> str:
    if rng.random() < 0.6:
        return "honest"
    return rng.choice(MANNERS["item" if server in {"query", "body", "header"} else server])


def _method(server: str, resume: str, rng: Random) -> str:
    if server == "body":
        return rng.choice(("POST", "PUT"))
    if server == "range":
        return "GET"
    return rng.choice(("GET", "GET", "GET", "POST"))


def _fault(form: str, server: str, rng: Random) -> Fault:
    weights: dict[str, Any] = dict.fromkeys(FAULTS, 1)
    weights |= {"cut": 12, "reset": 3, "stall": 4, "early end": 3, "refused": 2}
    weights |= dict.fromkeys(
        ("400", "401", "403", "404", "410", "501", "204", "web page", "redirect loop"), 0.2
    )
    weights |= dict.fromkeys(("failure inside", "garbage", "gzip corrupt"), 0.4)
    kind = rng.choices(list(weights), list(weights.values()))[0]
    value = rng.choice(_RETRY_AFTER) if kind in _CODES else None
    return Fault(kind, rng.randrange(10**6), value)
