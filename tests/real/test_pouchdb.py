"""PouchDB's server, as CouchDB: an endless feed of changes that goes on by a query parameter."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest
from cutting import Cut, CuttingProxy, every
from driver import Face
from real_harness import HERE, free_port, listening, node_packages, node_program, running

from streamable_http import (
    NDJSON,
    ContentTypeError,
    Cursor,
    ItemCursor,
    NoResume,
    StreamTruncated,
    TimeoutExceeded,
    Timeouts,
)

COUNT = 60
BY_SEQUENCE = ItemCursor(get="seq", apply="since")
_names = itertools.count()


class Database:
    """One database of the server."""

    def __init__(self, port: int, name: str) -> None:
        self.port, self.path = port, f"/{name}"
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)
        self._http.put(self.path).raise_for_status()

    def put(self, *numbers: int) -> None:
        for n in numbers:
            document = {"n": n}
            self._http.put(f"{self.path}/doc{n}", json=document).raise_for_status()

    def changes(self, port: int, heartbeat: int = 10_000) -> str:
        query = f"feed=continuous&since=0&heartbeat={heartbeat}"
        return f"http://127.0.0.1:{port}{self.path}/_changes?{query}"

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, packages = free_port(), node_packages("express-pouchdb")
    where = {"PORT": str(port), "NODE_PACKAGES": str(packages), "NODE_NO_WARNINGS": "1"}
    command = [node_program(), HERE / "pouchdb.cjs"]
    folder = tmp_path_factory.mktemp("pouchdb")
    with running(*command, folder=folder, ready=listening(port), env=where):
        yield port


@pytest.fixture
def database(port: int) -> Iterator[Database]:
    database = Database(port, f"numbers{next(_names)}")
    database.put(*range(COUNT))
    yield database
    database.close()


def ids(items: Sequence[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


NAMES = [f"doc{n}" for n in range(COUNT)]


def is_last(item: dict[str, Any]) -> bool:
    return bool(item["id"] == NAMES[-1])


async def test_a_cut_feed_goes_on_by_its_sequence(own: Face, database: Database) -> None:
    with CuttingProxy(database.port, *every(400, 1000, 777, 90)) as proxy:
        async with (
            own.client() as client,
            client.stream(
                "GET",
                database.changes(proxy.port),
                decoder=NDJSON(),
                resume=BY_SEQUENCE,
                terminal=is_last,
            ) as stream,
        ):
            items = await stream.collect()
    assert ids(items) == NAMES
    assert proxy.made == 4
    assert (len(proxy.requests), stream.stats.ended) == (5, "terminal")


async def test_an_endless_feed_brings_what_is_written_meanwhile(
    own: Face, database: Database
) -> None:
    async with (
        own.client() as client,
        client.stream(
            "GET", database.changes(database.port), decoder=NDJSON(), resume=BY_SEQUENCE
        ) as stream,
    ):
        seen: list[str] = []
        async for item in stream:
            seen.append(item["id"])
            if len(seen) == COUNT:
                database.put(COUNT, COUNT + 1)
            if len(seen) == COUNT + 2:
                break
    assert seen == [*NAMES, f"doc{COUNT}", f"doc{COUNT + 1}"]


async def test_blank_lines_are_bytes_and_no_items(pulled: Face, database: Database) -> None:
    url = database.changes(database.port, heartbeat=200)
    clocks = Timeouts(idle=1.0, between_items=2.0)
    async with pulled.client(timeout=clocks) as client:
        with pytest.raises(TimeoutExceeded) as caught:
            async with client.stream("GET", url, decoder=NDJSON(), resume=NoResume()) as stream:
                await stream.collect()
    assert caught.value.kind == "between_items"
    assert ids(caught.value.items) == NAMES


async def test_a_cut_feed_without_a_position_is_an_error(pulled: Face, database: Database) -> None:
    with CuttingProxy(database.port, Cut(1000)) as proxy:
        async with pulled.client() as client:
            with pytest.raises(StreamTruncated) as caught:
                async with client.stream(
                    "GET", database.changes(proxy.port), decoder=NDJSON()
                ) as stream:
                    await stream.collect()
    assert ids(caught.value.items) == NAMES[: len(caught.value.items)]
    assert len(proxy.requests) == 1


async def test_the_type_depends_on_what_is_accepted(pulled: Face, database: Database) -> None:
    """JSON for whoever takes it; and asked for events, the server sends a document as text."""
    events = database.changes(database.port).replace("continuous", "eventsource")
    async with pulled.client(timeout=Timeouts(total=5)) as client:
        url = database.changes(database.port)
        async with client.stream("GET", url, terminal=is_last) as stream:
            assert ids(await stream.collect()) == NAMES
        assert stream.response.media_type == "application/json"
        with pytest.raises(ContentTypeError, match="text/plain"):
            async with client.stream("GET", events, headers={"Accept": "text/event-stream"}) as one:
                await one.collect()


async def test_a_restarted_program_goes_on_from_its_cursor(own: Face, database: Database) -> None:
    async with own.client() as client:
        options: dict[str, Any] = {
            "decoder": NDJSON(),
            "resume": BY_SEQUENCE,
            "terminal": is_last,
        }
        url = database.changes(database.port)
        first: list[dict[str, Any]] = []
        async with client.stream("GET", url, **options) as stream:
            async for item in stream:
                if len(first) == 23:
                    break  # not done with
                first.append(item)
            cursor = stream.cursor
        assert cursor is not None
        stored = Cursor.from_json(cursor.to_json())
        async with client.stream("GET", url, start=stored, **options) as stream:
            rest = await stream.collect()
    assert ids(first + rest) == NAMES
