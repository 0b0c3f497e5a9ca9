"""A pipeline: look something up for each item, eight at a time, and store the results in batches.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
import time
from typing import Any

import streamable_http as shttp


def main(base_url: str) -> None:
    stored: list[str] = []
    with (
        shttp.Client(base_url=base_url, prefetch=64) as client,
        client.stream(
            "GET",
            "/stream/users?limit=200",
            decoder=shttp.SSEData(dict[str, Any]),
            terminal="[DONE]",
        ) as users,
    ):
        batches = users.map(look_up, max_concurrent=8).batches(size=25)
        summary = batches.process(stored.extend, on_progress=show, progress_every=2)
    at = summary.cursor.value if summary.cursor else "the start"
    print(f"{len(stored)} users in {summary.items} batches; a restart would go on after {at}")


def look_up(user: dict[str, Any]) -> str:
    time.sleep(0.005)  # a database, say
    return f"{user['name']} <{user['email']}>"


def show(progress: shttp.Progress) -> None:
    print(f"{progress.items} batches, {progress.bytes:,} bytes, {progress.elapsed:.2f} s")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
