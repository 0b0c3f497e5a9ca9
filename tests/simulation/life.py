"""One run: a stream's lives in as many processes as it takes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from attrs import define

import streamable_http as shttp

from .consumers import CONSUMERS, Foul, Ledger, Visit
from .faults import CLOCKS
from .network import HTTP, BrokenRule, Network, VirtualTime
from .scenario import Scenario
from .server import ModelServer
from .truth import DECODERS, Resource, make_resource, values_of

__all__ = ["URL", "Life", "live"]

URL = "http://host/feed"
_MOST_LIVES = 12


@define
class Life:
    """What became of a run.

    Attributes:
        network: What befell it.
        ledger: What the consumer had.
        processes: How often the program was started.
        error: What the last process ended with, or None.
        ended: `stats.ended` of the last process.
        foul: What was delivered that must not be, or the rule that was broken.
        from_start: Whether a later process had no cursor and began at the start.
    """

    scenario: Scenario
    resource: Resource
    network: Network
    ledger: Ledger
    processes: int = 0
    error: BaseException | None = None
    ended: str | None = None
    foul: BaseException | None = None
    from_start: bool = False


def live(scenario: Scenario) -> Life:
    """Plays a scenario to its end."""
    rng = Random(scenario.seed)
    resource = make_resource(scenario, rng)
    policy = shttp.RetryPolicy(stop=scenario.tries)
    network = Network(
        scenario,
        ModelServer(resource, scenario.server, scenario.manner),
        VirtualTime(rng),
        rng,
        policy,
        plan=list(scenario.plan),
    )
    life = Life(scenario, resource, network, Ledger(resource))
    client = shttp.Client(http=HTTP, clock=network.clock)
    options = options_of(scenario, resource, policy)
    cursor: shttp.Cursor | None = None
    stops: list[int | None] = [*scenario.stops]
    try:
        while life.processes < _MOST_LIVES:
            stop = stops.pop(0) if stops else None
            cursor, again = _process(life, client, options, cursor, stop, rng)
            if not again:
                break
            if cursor is None:
                life.from_start = life.ledger.done > 0
                life.ledger = Ledger(resource)
            else:
                cursor = shttp.Cursor.from_json(cursor.to_json())
    except (Foul, BrokenRule, AssertionError) as exc:
        life.foul = exc
    return life


def _process(
    life: Life,
    client: shttp.Client,
    options: dict[str, Any],
    cursor: shttp.Cursor | None,
    stop: int | None,
    rng: Random,
) -> tuple[shttp.Cursor | None, bool]:
    """One process. Returns its last cursor, and whether there is another process behind it."""
    scenario = life.scenario
    life.processes += 1
    life.error = life.ended = None
    life.network.reached = life.ledger.done
    stream = client.stream(scenario.method, URL, start=cursor, **options)
    life.network.attach(stream)
    visit = Visit(stream, life.ledger, rng, stop, cursor)
    try:
        with stream:
            CONSUMERS[scenario.consumer](visit)
    except shttp.StreamError as exc:
        life.error = exc
        if life.ledger.hand:
            raise Foul("lost", "items in hand were not accounted for") from exc
        again = scenario.insist and life.processes < _MOST_LIVES
        return visit.cursor, again
    life.ended = stream.stats.ended
    return visit.cursor, visit.stop is not None


def options_of(scenario: Scenario, resource: Resource, policy: shttp.RetryPolicy) -> dict[str, Any]:
    """What the client is told."""
    options: dict[str, Any] = {
        "decoder": DECODERS[scenario.form],
        "retry": policy,
        "timeout": shttp.Timeouts(
            connect=CLOCKS.connect,
            first_byte=CLOCKS.first_byte,
            idle=CLOCKS.idle,
            between_items=CLOCKS.between_items,
            total=scenario.total,
        ),
        "follow": scenario.follow,
        "resume": _resume(scenario),
        "terminal": _terminal(scenario, resource),
    }
    if resource.is_events:
        options["failure"] = shttp.Failure(event="error")
    elif "json" in scenario.form:
        options["failure"] = shttp.Failure(path="error")
    if scenario.server == "body":
        options["json"] = {"kept": 1}
    return options


def _resume(scenario: Scenario) -> Any:
    match scenario.resume:
        case "off":
            return shttp.NoResume()
        case "last-event-id":
            return shttp.LastEventID()
        case "range":
            return shttp.ByteRange()
        case "item" | "key":
            key = "n" if scenario.resume == "key" else None
            return shttp.ItemCursor(get="p", apply=_apply(scenario), key=key, gone=_is_gone)
    return None


def _apply(scenario: Scenario) -> str | Callable[[Any], Any]:
    if scenario.server == "header":
        return lambda value: {"headers": {"X-Since": str(value)}}
    if scenario.server == "body":
        return lambda value: {"json": {"since": value}}
    return "since"


def _is_gone(item: Any) -> bool:
    value = getattr(item, "data", item)
    return value.startswith('{"gone":true') if isinstance(value, str) else "gone" in value


def _terminal(scenario: Scenario, resource: Resource) -> Any:
    match scenario.terminal:
        case "text":
            return "[DONE]"
        case "event":
            return shttp.Terminal("end")
        case "predicate":
            last = resource.items[-1:]
            return lambda item: tuple(values_of(scenario.form, item)) == last
    return None
