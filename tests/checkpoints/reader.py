"""What the processes run that are killed: read a stream, and note each item that is done."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import streamable_http as shttp

KEY = "numbers"
NUMBERS = shttp.SSEData(int)
ALONE: dict[str, Any] = {"trust_env": False, "verify": ssl.create_default_context()}


class Log:
    """What the loop got, and what it is done with, a line each; a kill takes none back."""

    def __init__(self, directory: Path) -> None:
        self._file = os.open(directory / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._note("run", [""])

    def got(self, *items: object) -> None:
        self._note("got", items)

    def done(self, *items: object) -> None:
        self._note("done", items)

    def _note(self, what: str, items: Iterable[object]) -> None:
        os.write(self._file, "".join([f"{what} {item}\n" for item in items]).encode())


def checkpoint(directory: Path, every: int, key: str = KEY) -> shttp.Checkpoint:
    return shttp.Checkpoint(directory / "cursors.db", key, every=every, seconds=None)


@contextlib.contextmanager
def opened(url: str, directory: Path, every: int) -> Iterator[shttp.Stream[int]]:
    saving = checkpoint(directory, every)
    with (
        shttp.Client(**ALONE) as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=saving) as stream,
    ):
        yield stream


def plain(url: str, directory: Path, every: int, pause: float) -> None:
    log = Log(directory)
    with opened(url, directory, every) as stream:
        for item in stream:
            log.got(item)
            time.sleep(pause)
            log.done(item)


def tasks(url: str, directory: Path, every: int, pause: float) -> None:
    log = Log(directory)

    async def main() -> None:
        saving = checkpoint(directory, every)
        async with (
            shttp.AsyncClient(**ALONE) as client,
            client.stream("GET", url, decoder=NUMBERS, checkpoint=saving, prefetch=500) as stream,
        ):
            async for item in stream:
                log.got(item)
                if item % 20 == 0:
                    await asyncio.sleep(20 * pause)
                log.done(item)

    asyncio.run(main())


def mapped(url: str, directory: Path, every: int, pause: float) -> None:
    log = Log(directory)

    def work(item: int) -> int:
        time.sleep(pause * (1 + item % 16))
        return item

    with opened(url, directory, every) as stream:
        for item in stream.map(work, max_concurrent=8):
            log.got(item)
            log.done(item)


def batches(url: str, directory: Path, every: int, pause: float) -> None:
    log = Log(directory)
    with opened(url, directory, every) as stream:
        for items in stream.batches(100):
            log.got(*items)
            time.sleep(pause * len(items))
            log.done(*items)


def merged(url: str, directory: Path, every: int, pause: float) -> None:
    log = Log(directory)
    requests = [
        shttp.Request(
            "GET", url, key=key, decoder=NUMBERS, checkpoint=checkpoint(directory, every, key)
        )
        for key in ("a", "b")
    ]
    with shttp.Client(**ALONE) as client, client.merge(requests) as both:
        for key, item in both:
            log.got(f"{key}-{item}")
            time.sleep(pause / 2)
            log.done(f"{key}-{item}")


def exactly_once(url: str, directory: Path, every: int, pause: float) -> None:
    database = sqlite3.connect(directory / "rows.db")
    # Whoever is killed loses nothing that the kernel has: only a power cut needs more.
    database.execute("PRAGMA synchronous = OFF")
    database.execute("CREATE TABLE IF NOT EXISTS rows (number INTEGER)")
    store = shttp.SQLiteStore(database)
    saved = shttp.Checkpoint(store, KEY, manual=True)
    with (
        contextlib.closing(database),
        shttp.Client(**ALONE) as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=saved) as stream,
    ):
        for item in stream:
            time.sleep(pause)
            with database:  # one transaction for the row and the cursor
                database.execute("INSERT INTO rows VALUES (?)", (item,))
                stream.ack()
                assert stream.cursor is not None
                store.put(KEY, stream.cursor)


MODES: dict[str, Callable[[str, Path, int, float], None]] = {
    function.__name__: function
    for function in (plain, tasks, mapped, batches, merged, exactly_once)
}


def read(mode: str, url: str, directory: Path, every: int, pause: float) -> None:
    MODES[mode](url, directory, every, pause)


def hold(path: Path, ready: Any) -> None:
    """Takes a key and keeps it until the process is killed."""
    from streamable_http._claims import claim

    release = claim(shttp.SQLiteStore(path), KEY)
    ready.set()
    time.sleep(60)
    release()


def race(path: Path, name: str, rounds: int, start: Any, results: Any) -> None:
    """Who is first, again and again?"""
    store = shttp.SQLiteStore(path)
    start.wait()
    mine = shttp.Cursor(kind="last-event-id", value=name)
    results.put([store.put_if_absent(f"{n}", mine).value for n in range(rounds)])
