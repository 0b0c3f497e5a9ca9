"""Copies a service's users into a database, each exactly once, however often it is killed.

Rows and cursor go into one transaction: both are written, or none.
Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import sqlite3
import sys

import msgspec

import streamable_http as shttp


class User(msgspec.Struct):
    id: int
    name: str
    email: str
    country: str


def main(base_url: str, fail_at: str = "0") -> None:
    """`fail_at`: the user before whom this run dies, as if the power had failed."""
    database = sqlite3.connect("users.db")
    database.execute(
        "CREATE TABLE IF NOT EXISTS user (id INTEGER, name TEXT, email TEXT, country TEXT)"
    )
    store = shttp.SQLiteStore(database)
    with (
        shttp.Client(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/users",
            decoder=shttp.SSEData(User),
            terminal="[DONE]",
            checkpoint=shttp.Checkpoint(store, "users", manual=True),
        ) as users,
    ):
        for batch in users.batches(size=50):
            with database:
                for user in batch:
                    if user.id == int(fail_at):
                        raise SystemExit("killed in the middle of a batch")
                    database.execute(
                        "INSERT INTO user VALUES (?, ?, ?, ?)", msgspec.structs.astuple(user)
                    )
                users.ack()
                if users.cursor is not None:
                    store.put("users", users.cursor)
    count = "SELECT count(*), count(DISTINCT id) FROM user"
    print("{} rows, {} users".format(*database.execute(count).fetchone()))
    database.close()


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["http://127.0.0.1:3001"]))
