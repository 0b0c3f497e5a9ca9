"""What can be promised for a stream, by what was seen of it."""

from __future__ import annotations

from typing import Literal

from attrs import frozen

from .observe import Findings

__all__ = ["Promise", "promises"]

_HEARTBEATS_A_CLOCK = 3
_FEW = 2


@frozen
class Promise:
    """One promise.

    Attributes:
        name: What would be promised.
        holds: "yes", "no", or "unknown" where too little was seen.
        why: The evidence, and what to do with it.
    """

    name: str
    holds: Literal["yes", "no", "unknown"]
    why: str


def promises(findings: Findings) -> list[Promise]:
    """The four promises: no silent cut, going on after a loss, no dead stream, items at once."""
    return [
        _completeness(findings),
        _resume(findings),
        _idle_clock(findings),
        _promptness(findings),
    ]


def _completeness(findings: Findings) -> Promise:
    name = "completeness"
    if findings.terminal:
        return Promise(
            name, "yes", f"the stream says when it ends: pass terminal={findings.terminal!r}"
        )
    if findings.framing == "close":
        why = "the body ends when the connection closes: a cut looks like the end; see terminal="
        return Promise(name, "no", why)
    return Promise(name, "yes", f"HTTP marks the end of the body ({findings.framing})")


def _resume(findings: Findings) -> Promise:
    name = "resume"
    ids, tried = findings.arrivals.ids, findings.resumption
    if tried is not None and tried.faithful:
        why = f"asked to go on after event {tried.after!r}, it went on with {tried.expected!r}"
        return Promise(name, "yes", why)
    if tried is not None:
        seen = tried.error or f"{tried.received!r} came"
        why = f"after event {tried.after!r} came {tried.expected!r}, but when asked again: {seen}"
        return Promise(name, "no", why)
    if ids:
        why = f"{findings.arrivals.events_with_id:,} events have IDs, but a resume was not tried"
        return Promise(name, "unknown", why)
    if findings.ranges and findings.etag and not findings.etag.startswith("W/"):
        return Promise(name, "yes", "by byte ranges: the server offers them, with a strong ETag")
    return Promise(name, "no", "no event IDs, and no byte ranges with a strong ETag")


def _idle_clock(findings: Findings) -> Promise:
    name = "idle clock"
    arrivals = findings.arrivals
    if arrivals.pulses > 1:
        gap = findings.watched_seconds / arrivals.pulses
        idle = max(1, round(_HEARTBEATS_A_CLOCK * max(gap, arrivals.longest_silence)))
        why = f"a heartbeat every {_span(gap)} or so: Timeouts(idle={idle}) finds a dead stream"
        return Promise(name, "yes", why)
    why = (
        f"no heartbeats in the pauses of {_span(findings.watched_seconds)}: Timeouts(idle=…) must "
        f"exceed the longest pause between items ({_span(arrivals.longest_silence)} seen)"
    )
    return Promise(name, "unknown", why)


def _promptness(findings: Findings) -> Promise:
    name = "promptness"
    arrivals = findings.arrivals
    if arrivals.bursts <= _FEW:
        return Promise(name, "unknown", "too little came to tell")
    if arrivals.items is None:
        return Promise(name, "unknown", f"bytes came in {arrivals.bursts:,} bursts")
    if arrivals.largest_burst <= _FEW:
        return Promise(name, "yes", f"{arrivals.items:,} items came in {arrivals.bursts:,} bursts")
    why = (
        f"up to {arrivals.largest_burst:,} items came at once, with up to "
        f"{_span(arrivals.longest_silence)} of silence between: made so, or buffered on the way"
    )
    return Promise(name, "no", why)


def _span(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
