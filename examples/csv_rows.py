"""Reads a table of CSV into typed rows as they come, and sums them up.

Quoted cells may hold line ends; what does not fit its column is told, and passed over.
Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime
from decimal import Decimal

import msgspec

import streamable_http as shttp


class Event(msgspec.Struct):
    """The columns that are wanted; the others are passed over."""

    time: datetime
    kind: str
    amount: Decimal


def main(base_url: str) -> None:
    counts: Counter[str] = Counter()
    total, last = Decimal(0), None
    with (
        shttp.Client(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/events",
            headers={"Accept": "text/csv"},
            decoder=shttp.CSV(Event, rename={"event": "kind"}),
            on_bad_item=odd,
        ) as events,
    ):
        for event in events:
            counts[event.kind] += 1
            total += event.amount
            last = event.time
    for kind, count in counts.most_common():
        print(f"{kind}: {count}")
    print(f"{total:,} until {last:%d %B, %H:%M}; complete: proved by {events.stats.ended}")


def odd(error: shttp.DecodeError) -> None:
    print(f"row {error.index}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
