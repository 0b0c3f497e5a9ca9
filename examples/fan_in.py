"""Reads several streams at once; one that fails does not harm the others.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

import streamable_http as shttp

ENDPOINTS = ("logs", "metrics", "events", "nonsense")


def main(base_url: str) -> None:
    counts: Counter[str] = Counter()
    requests = [
        shttp.Request(
            "GET",
            f"/stream/{name}",
            key=name,
            decoder=shttp.SSEData(dict[str, Any]),
            terminal="[DONE]",
        )
        for name in ENDPOINTS
    ]
    with (
        shttp.Client(base_url=base_url) as client,
        client.merge(requests, on_failure=lost) as merged,
    ):
        for name, _record in merged:
            counts[name] += 1
    for name, count in sorted(counts.items()):
        print(f"{name:<8} {count:>5} items")


def lost(failed: shttp.Failed[Any]) -> None:
    print(f"{failed.key} failed: {type(failed.error).__name__}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
