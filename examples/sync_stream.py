"""Reads a stream of typed items, and says what proved its end.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sys

import msgspec

import streamable_http as shttp


class User(msgspec.Struct):
    id: int
    name: str
    country: str


def main(base_url: str) -> None:
    with (
        shttp.Client(base_url=base_url, timeout=shttp.Timeouts(idle=30, total=300)) as client,
        client.stream(
            "GET",
            "/stream/users",
            params={"limit": 20},
            decoder=shttp.SSEData(User),
            terminal="[DONE]",
        ) as users,
    ):
        for user in users:
            print(f"{user.id:>4}  {user.country}  {user.name}")
        print(f"{users.stats.items} users, complete: proved by {users.stats.ended}")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
