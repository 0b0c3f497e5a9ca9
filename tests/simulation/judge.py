"""The verdict on a run: every item once and in order, or a documented error behind all of them."""

from __future__ import annotations

from attrs import frozen

from streamable_http import (
    ConnectionLost,
    DecodeError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamTruncated,
    TimeoutExceeded,
)

from .consumers import Foul
from .faults import FAULTS
from .life import Life
from .scenario import Scenario
from .server import HONEST

__all__ = ["BAD", "EXCLUDED", "VERDICTS", "Verdict", "exclusion", "judge"]

VERDICTS = ("complete", "refused", "unproven", "lost", "repeated", "silent", "broken")
BAD = frozenset({"lost", "repeated", "silent", "broken"})

EXCLUDED = {
    "ids ignored": (
        "a server that goes back behind Last-Event-ID, but not to the first event; or that takes "
        "no notice of it, after a restart of the program, which remembers no event, or in a stream "
        "that begins with events without ids: what an id means is the server's own, so a client "
        "cannot tell an old event from a new one"
    ),
    "event sent again": (
        "a server that sends the event with the last id again, after a restart of the program, or "
        "where an id without an event came behind it: two events may share an id"
    ),
    "position ignored": (
        "the same with positions in items, after a restart of the program, which remembers no "
        "first item, or where an item without a position comes first: they need not grow, so an "
        "old item looks like a new one"
    ),
    "items without positions": (
        "items that tell no position, behind one that does, on a server that sends them again, "
        "without key=: there is nothing to know them by"
    ),
    "other bytes": (
        "a 206 that holds other bytes than its Content-Range says, without a Content-Length to "
        "contradict it"
    ),
    "204 too early": (
        "a server that says 204 in the midst of a stream without terminal=: that is how a server "
        "says that there is no more"
    ),
    "end too early": (
        "a server, or a gateway, that ends a body in good order in the midst of a stream without "
        "terminal=, or of lines just before the last line end: HTTP's framing says that it is "
        "complete"
    ),
    "same text": (
        "items without ids that look alike, on a server that does not send them again: whether "
        "one is a repeat is in nothing that is sent"
    ),
}
"""What no client can notice, and why."""


@frozen
class Verdict:
    """What a run came to.

    Attributes:
        word: One of `VERDICTS`.
        why: For people.
    """

    word: str
    why: str = ""


def exclusion(scenario: Scenario) -> str:
    """The key of `EXCLUDED` that a scenario belongs to, or ""."""
    kinds = {fault.kind for fault in (*scenario.plan, scenario.forever) if fault is not None}
    restarts = bool(scenario.stops) or scenario.insist
    if scenario.terminal == "none":
        if "204" in kinds or scenario.manner == "empty":
            return "204 too early"
        if "early end" in kinds and not scenario.follow:
            return "end too early"
    if scenario.form == "lines" and scenario.terminal == "predicate" and "early end" in kinds:
        return "end too early"
    if scenario.server == "last-event-id":
        if scenario.manner == "rewinds":
            return "ids ignored"
        if scenario.manner == "ignores" and (restarts or scenario.ids in {"some", "reset"}):
            return "ids ignored"
        ids_alone = scenario.noise and scenario.ids in {"all", "some"}
        if scenario.manner == "inclusive" and (restarts or ids_alone):
            return "event sent again"
    if scenario.manner == "over-long" and (scenario.framing != "length" or "early end" in kinds):
        return "other bytes"
    if scenario.manner == "remembers" and scenario.repeats:
        return "same text"
    if scenario.server in {"query", "body", "header"} and scenario.resume in {"item", "key"}:
        if scenario.manner == "ignores" and (restarts or scenario.ids == "some"):
            return "position ignored"
        if scenario.ids == "some" and scenario.resume == "item":
            return "items without positions"
    return ""


def judge(life: Life) -> Verdict:
    """The verdict."""
    scenario, ledger = life.scenario, life.ledger
    if isinstance(life.foul, Foul):
        word = life.foul.kind if life.foul.kind in BAD else "broken"
        if word == "broken" and _is_half_a_line(life):
            return Verdict("unproven", str(life.foul))
        return Verdict(word, str(life.foul))
    if life.foul is not None:
        return Verdict("broken", f"{type(life.foul).__name__}: {life.foul}")
    most = len(scenario.plan) + life.processes * (scenario.tries + 23)
    if life.network.opens > most:
        return Verdict("broken", f"{life.network.opens} requests, and {most} are enough")
    if ledger.done == len(life.resource.items):
        return Verdict("complete")
    where = f"{ledger.done} of {len(life.resource.items)} items"
    if life.error is None:
        if life.ended == "closed":
            return Verdict("unproven", where)
        return Verdict("silent", f"{where}, ended by {life.ended}")
    error = f"{where}, then {life.error!r:.200}"
    refused = isinstance(life.error, ResumeError)  # what came then is not of this stream
    if ledger.done < life.network.reached and not refused and scenario.manner in HONEST:
        return Verdict("lost", f"{error}; the client had {life.network.reached}")
    if not isinstance(life.error, documented(life)):
        return Verdict("broken", f"undocumented: {error}")
    if entitled(scenario):
        return Verdict("broken", f"no need to give up: {error}")
    return Verdict("refused", error)


def _is_half_a_line(life: Life) -> bool:
    """A body without length, cut in a line of text: the half is a line, and nothing is proved."""
    scenario = life.scenario
    return scenario.form == "lines" and scenario.framing == "close" and scenario.terminal == "none"


def documented(life: Life) -> tuple[type[BaseException], ...]:
    """The errors that a run may end with."""
    scenario, met = life.scenario, life.network.met
    errors = [error for kind in met for error in FAULTS[kind].errors]
    if scenario.framing == "close" or scenario.terminal != "none":
        errors.append(StreamTruncated)
    if sum(FAULTS[kind].passes for kind in met) >= 2 or "empty" in scenario.manner:
        errors.append(RetriesExhausted)
    if scenario.total is not None:
        errors.append(TimeoutExceeded)
    if scenario.manner not in HONEST or scenario.ids in {"odd", "reset", "some", "first"}:
        errors += [ResumeError, RetriesExhausted, StreamTruncated]
    if _miscounts(scenario):
        errors.append(ResumeError)
    if scenario.resume == "range" or {"204", "404", "410"} & {*met}:
        errors.append(ResumeError)
    if scenario.server == "range" and any(kind.startswith("gzip") for kind in met):
        errors.append(ResumeError)
    if scenario.server in {"body", "range"} and any(kind.startswith("redirect") for kind in met):
        # It may make a GET of it, without the body that says where; or lead to another resource.
        errors.append(ResumeError)
    if scenario.manner == "missing":
        errors.append(StatusError)
    if scenario.manner == "piecemeal":
        errors += [RetriesExhausted, StreamTruncated]
    if scenario.manner == "coded":
        errors.append(DecodeError)
    if scenario.manner == "over-long":
        errors.append(ConnectionLost)
    return tuple(errors)


def _miscounts(scenario: Scenario) -> bool:
    """Whether a part may come whose Content-Length is less than its Content-Range says."""
    plan = (*scenario.plan, scenario.forever)
    early = any(fault is not None and fault.kind == "early end" for fault in plan)
    return early and scenario.server == "range" and scenario.framing == "length"


def entitled(scenario: Scenario) -> bool:
    """Whether nothing may keep the stream from its end."""
    plan = (*scenario.plan, *([scenario.forever] if scenario.forever else []))
    kinds = {fault.kind for fault in plan}
    if scenario.forever is not None or not all(FAULTS[kind].passes for kind in kinds):
        return False
    if any(fault.value is not None and fault.value > 30 for fault in plan):
        return False
    if scenario.tries <= len(plan) or scenario.total is not None or scenario.manner not in HONEST:
        return False
    if _miscounts(scenario):
        return False
    if scenario.manner == "piecemeal":
        return False  # parts without a whole item use the budget up
    if scenario.method == "POST" and scenario.resume in {"default", "off"}:
        return False
    if scenario.framing == "close" and scenario.terminal == "none":
        return False
    if "redirect elsewhere" in kinds and (scenario.method != "GET" or scenario.server == "header"):
        return False
    redirects = any(kind.startswith("redirect") for kind in kinds)
    if redirects and (scenario.method != "GET" or scenario.server == "range"):
        return False
    return (not plan and scenario.ids != "odd") or _resumable(scenario, kinds)


def _resumable(scenario: Scenario, kinds: set[str]) -> bool:
    """Whether there is a position behind every item."""
    events = scenario.form.startswith("sse")
    match scenario.server:
        case "last-event-id":
            chosen = scenario.resume in {"default", "last-event-id"}
            return events and chosen and scenario.ids in {"all", "unicode"}
        case "range":
            plain = not scenario.gzip and not any(kind.startswith("gzip") for kind in kinds)
            by_default = scenario.resume == "default" and not events
            return plain and (by_default or scenario.resume == "range")
        case "query" | "body" | "header":
            return scenario.resume in {"item", "key"} and scenario.ids == "all"
    return False
