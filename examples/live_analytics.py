"""Running figures over a live stream: what was seen so far, told now and then.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
from collections import defaultdict

import msgspec

import streamable_http as shttp


class Visit(msgspec.Struct):
    page: str
    visitors: int
    bounce_rate: float


def main(base_url: str) -> None:
    visitors: defaultdict[str, int] = defaultdict(int)
    stayed = 0.0
    with (
        shttp.Client(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/analytics?delay=0.001",
            decoder=shttp.SSEData(Visit),
            terminal="[DONE]",
        ) as visits,
    ):
        # A list every quarter of a second, or as soon as there are 100.
        for batch in visits.batches(size=100, seconds=0.25):
            for visit in batch:
                visitors[visit.page] += visit.visitors
                stayed += visit.visitors * (1 - visit.bounce_rate)
            page = max(visitors, key=visitors.__getitem__)
            print(f"{visits.stats.items} so far, most on {page}: {visitors[page]:,}")
    print(f"{stayed / sum(visitors.values()):.1%} stayed")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
