"""Merges 200 feeds in one loop, each with its own position; the slowest holds up nobody.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any

import streamable_http as shttp

FEEDS = 200
RECORDS = 25


async def main(base_url: str) -> None:
    requests = [
        shttp.Request(
            "GET",
            f"/stream/numbers?limit={RECORDS}&label=feed-{number}",
            key=number,
            decoder=shttp.SSEData(dict[str, Any]),
            terminal="[DONE]",
        )
        for number in range(FEEDS)
    ]
    counts: Counter[int] = Counter()
    async with (
        shttp.AsyncClient(base_url=base_url) as client,
        client.merge(requests) as merged,
    ):
        async for feed, _record in merged:
            counts[feed] += 1
    print(f"{len(counts)} feeds, {counts.total():,} records, {min(counts.values())} each at least")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["http://127.0.0.1:3001"])))
