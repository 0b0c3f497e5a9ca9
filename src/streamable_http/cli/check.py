"""`check`: what a stream is, and what can be promised for it, for people or as JSON."""

from __future__ import annotations

import json
from typing import Any

from attrs import asdict

from streamable_http import ConfigurationError

from .exits import Exit
from .observe import Findings, observe
from .promises import promises
from .request import Target

__all__ = ["run_check"]


def run_check(target: Target, *, seconds: float, as_json: bool) -> Exit:
    """Watches a stream, and prints what was found.

    Raises:
        StreamError: There was no response to watch.
    """
    if not seconds > 0:
        raise ConfigurationError(f"--seconds {seconds} is not a time above 0")
    findings = observe(target, seconds)
    facts = _facts(findings)
    if as_json:
        allowed = [asdict(promise) for promise in promises(findings)]
        print(json.dumps({**facts, "promises": allowed}, ensure_ascii=False, indent=2))
    else:
        for name, text in _told(findings):
            print(f"{name:<12} {text}")
        print()
        for promise in promises(findings):
            print(f"{promise.name:<12} {promise.holds:<8} {promise.why}")
    return Exit.COMPLETE


def _facts(findings: Findings) -> dict[str, Any]:
    arrivals, resumption = findings.arrivals, findings.resumption
    return {
        "url": findings.url,
        "status": findings.status,
        "http_version": findings.http_version,
        "content_type": findings.content_type,
        "framing": findings.framing,
        "compression": findings.compression,
        "etag": findings.etag,
        "ranges": findings.ranges,
        "head_seconds": round(findings.head_seconds, 3),
        "watched_seconds": round(findings.watched_seconds, 3),
        "items": arrivals.items,
        "bytes": arrivals.size,
        "events_with_id": arrivals.events_with_id,
        "heartbeats": arrivals.heartbeats,
        "bursts": arrivals.bursts,
        "largest_burst": arrivals.largest_burst,
        "longest_silence": round(arrivals.longest_silence, 3),
        "terminal": findings.terminal,
        "ended": findings.ended,
        "error": findings.error,
        "resumption": None if resumption is None else asdict(resumption),
    }


def _told(findings: Findings) -> list[tuple[str, str]]:
    arrivals = findings.arrivals
    items = "" if arrivals.items is None else f"{arrivals.items:,} items, "
    coding = {None: "not asked", "": "none, though gzip is accepted"}
    end = findings.error or f"ended, proved by {findings.ended}"
    if not findings.error and findings.ended is None:
        end = "still running"
    return [
        ("status", f"{findings.status}, {findings.http_version}"),
        ("head after", f"{findings.head_seconds:.3f} s"),
        ("type", findings.content_type or "none"),
        ("framing", findings.framing),
        ("compression", coding.get(findings.compression, str(findings.compression))),
        ("ranges", "yes" if findings.ranges else "no"),
        ("etag", findings.etag or "none"),
        ("watched", f"{findings.watched_seconds:.1f} s: {end}"),
        ("arrived", f"{items}{arrivals.size:,} bytes; bursts: {arrivals.bursts:,}"),
        ("event ids", f"{arrivals.events_with_id:,}"),
        ("heartbeats", f"{arrivals.heartbeats:,}"),
        ("silence", f"at most {arrivals.longest_silence:.3f} s"),
    ]
