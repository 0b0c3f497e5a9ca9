"""Works through a stream over several runs: each goes on where the one before stopped.

Each run takes 40 items, as if it were killed then. Run it three times for all 100.
Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import streamable_http as shttp

SAVED = Path("events.cursor.json")


def main(base_url: str) -> None:
    start = shttp.Cursor.from_json(SAVED.read_text()) if SAVED.exists() else None
    with (
        shttp.Client(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/numbers?limit=100",
            decoder=shttp.SSEData(dict[str, Any]),
            terminal="[DONE]",
            start=start,
        ) as numbers,
    ):
        for taken, number in enumerate(numbers, start=1):
            print(number["n"], end=" ")
            if taken == 40:
                numbers.ack()  # this one is done, too, though the next is not asked for
                break
        save(numbers.cursor)
        print("\nall done" if numbers.stats.ended else "\nstopped: run me again")


def save(cursor: shttp.Cursor | None) -> None:
    if cursor is not None:
        part = SAVED.with_suffix(".part")
        part.write_text(cursor.to_json())
        part.replace(SAVED)  # never half a cursor, whenever the run is killed


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
