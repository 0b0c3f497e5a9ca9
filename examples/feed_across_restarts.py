"""Follows a feed for ever, and goes on where it was after whatever ended the program.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys

import streamable_http as shttp


def main(base_url: str, most: str = "0") -> None:
    """`most` items a run, as if the program were killed then; 0 means for ever."""
    with (
        shttp.Client(base_url=base_url, on_event=tell) as client,
        client.stream(
            "GET",
            "/stream/events?cut_after=20",  # this feed loses its connection all the time
            decoder=shttp.SSE(),
            terminal="[DONE]",
            follow=True,
            checkpoint=shttp.Checkpoint(shttp.SQLiteStore("feed.db"), "events", every=1),
        ) as feed,
    ):
        for taken, event in enumerate(feed, start=1):
            print(event.id, event.json()["event"])
            if taken == int(most):
                feed.ack()
                break


def tell(event: shttp.StreamEvent) -> None:
    if isinstance(event, shttp.Retrying):
        print(f"the connection is gone; again in {event.delay:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
