"""Looks at every log line, handles the serious ones eight at a time, and shows how far it is.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Literal

import msgspec

import streamable_http as shttp


class Log(msgspec.Struct):
    id: int
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"]
    service: str
    message: str


def main(base_url: str) -> None:
    handled: Counter[str] = Counter()

    def handle(log: Log) -> None:
        if log.level == "ERROR":
            time.sleep(0.002)  # a ticket, say
            handled[log.service] += 1

    with (
        shttp.Client(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/logs",
            headers={"Accept": "application/x-ndjson"},
            decoder=shttp.NDJSON(Log),
            on_bad_item=odd,
        ) as logs,
    ):
        summary = shttp.track(logs, "logs").process(handle, max_concurrent=8)
    told = ", ".join(f"{service} {count}" for service, count in sorted(handled.items()))
    print(f"{summary.items} lines, {logs.stats.skipped} of them odd; errors: {told}")


def odd(error: shttp.DecodeError) -> None:
    """Lines that are not as expected are told, and passed over."""
    print(f"line {error.index}: {error.excerpt!r}", file=sys.stderr)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
