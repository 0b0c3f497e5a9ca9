"""`checkpoint=`: a run goes on where the last one was saved; and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from checkpoint_kit import NUMBERS, ONCE, Recorder, at_once, by_count
from driver import Face
from server import Received, Script, Server, chunk, cut, events, hold, reply, streamed

from streamable_http import (
    NDJSON,
    Checkpoint,
    ConfigurationError,
    ConnectionLost,
    Cursor,
    ItemCursor,
    LastEventID,
    MemoryStore,
    SQLiteStore,
    SSEText,
    StreamClosed,
)


async def test_a_run_goes_on_where_the_last_one_broke_off(face: Face, server: Server) -> None:
    url = server.serve("/", at_once(100))
    store = Recorder()
    async with face.client() as client:
        options: dict[str, Any] = {"decoder": NUMBERS, "checkpoint": by_count(store)}
        async with client.stream("GET", url, **options) as stream:
            first = [await anext(stream) for _ in range(37)]
        # 37 is in hand and not done; closing saves what is.
        assert store.values == [10, 20, 30, 36]
        async with client.stream("GET", url, **options) as stream:
            assert stream.cursor is not None
            assert (stream.cursor.value, stream.cursor.count) == ("36", 36)
            second = [item async for item in stream]
            assert stream.stats.items == 64
        assert store.puts[-1] == ("k", 100)
        assert (first, second) == ([*range(1, 38)], [*range(37, 101)])
        # A run behind the end finds nothing, and saves nothing.
        saved = len(store.puts)
        async with client.stream("GET", url, **options) as stream:
            assert await stream.collect() == []
        assert len(store.puts) == saved


async def test_one_large_chunk_is_saved_in_steps(face: Face, server: Server) -> None:
    url = server.serve("/", at_once(1000))
    store = Recorder()
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store, 70)) as stream,
    ):
        async for item in stream:
            # What a crash would repeat now.
            assert item - (store.values[-1] if store.values else 0) <= 70
    assert store.values == [*range(70, 1000, 70), 1000]


async def test_seconds_are_kept_by_a_slow_consumer(pulled: Face, server: Server) -> None:
    url = server.serve("/", at_once(60))
    store = Recorder()
    checkpoint = Checkpoint(store, "k", every=1000, seconds=0.1)
    async with (
        pulled.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream,
    ):
        async for _ in stream:
            await pulled.sleep(0.01)
    # 0.6 s of work in one chunk, and nothing but the time asks for a saving.
    assert len(store.puts) >= 3


async def test_a_path_is_enough(face: Face, server: Server, tmp_path: Path) -> None:
    url = server.serve("/", at_once(30))
    path = tmp_path / "cursors.db"
    async with face.client() as client:
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=path) as one:
            assert [await anext(one) for _ in range(3)] == [1, 2, 3]
            one.ack()
        saved = SQLiteStore(path).get(f"GET {url}")
        assert saved is not None
        assert (saved.value, saved.count) == ("3", 3)
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=str(path)) as two:
            assert await anext(two) == 4


async def test_start_wins(pulled: Face, server: Server) -> None:
    url = server.serve("/", at_once(20))
    store = Recorder()
    store.put("k", Cursor(kind="last-event-id", value="15", count=15))
    async with pulled.client() as client:
        options: dict[str, Any] = {"decoder": NUMBERS, "checkpoint": by_count(store)}
        async with client.stream("GET", url, start="5", **options) as stream:
            assert await anext(stream) == 6
        assert store.values == [15]
        async with client.stream("GET", url, start="5", **options) as stream:
            assert [item async for item in stream] == [*range(6, 21)]
        assert store.values == [15, 15, 20]


async def test_manual_only_loads(face: Face, server: Server) -> None:
    url = server.serve("/", at_once(20))
    store = Recorder()
    store.put("k", Cursor(kind="last-event-id", value="5", count=5))
    checkpoint = Checkpoint(store, "k", every=1, manual=True)
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream,
    ):
        assert await stream.collect() == [*range(6, 21)]
    assert store.values == [5]


async def test_an_exception_of_the_consumer_saves_what_was_done(face: Face, server: Server) -> None:
    url = server.serve("/", at_once(20))
    store = Recorder()
    async with face.client() as client:
        with pytest.raises(ZeroDivisionError):
            async with client.stream(
                "GET", url, decoder=NUMBERS, checkpoint=by_count(store)
            ) as stream:
                async for item in stream:
                    if item == 4:
                        raise ZeroDivisionError
    assert store.values == [3]


async def test_a_lost_stream_saves_what_was_done(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), cut()))
    store = Recorder()
    async with face.client(retry=ONCE) as client:
        with pytest.raises(ConnectionLost):
            async with client.stream(
                "GET", url, decoder=NUMBERS, checkpoint=by_count(store)
            ) as stream:
                await stream.collect()
    assert store.values == [3]


async def test_closing_from_elsewhere_saves_what_was_done(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), hold()))
    store = Recorder()
    got: list[int] = []

    async def read(stream: Any) -> None:
        async for item in stream:
            got.append(item)

    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store))
        await stream.open()
        reader = own.spawn(read, stream)
        await own.until(lambda: len(got) == 3)
        await own.sleep(0.05)  # the reader asks for the fourth, which never comes
        await stream.aclose()
        with pytest.raises(StreamClosed):
            await reader
    assert store.values == [3]


async def test_nothing_is_asked_of_the_store_before_the_stream_is_opened(
    pulled: Face, server: Server
) -> None:
    class Untouchable(MemoryStore):
        def get(self, key: str, /) -> Cursor | None:
            raise LookupError(key)

    url = server.serve("/", at_once(5))
    async with pulled.client() as client:
        stream = client.stream("GET", url, checkpoint=Checkpoint(Untouchable()))
        with pytest.raises(LookupError, match="GET http"):
            await stream.open()
        with pytest.raises(StreamClosed):
            await stream.open()
        await stream.aclose()
    assert server.requests == []


async def test_another_requests_cursor_is_refused(pulled: Face, server: Server) -> None:
    url = server.serve("/", at_once(5))
    store = MemoryStore()
    store.put("k", Cursor(kind="last-event-id", value="2", request="GET http://other/"))
    async with pulled.client() as client:
        for _ in range(2):  # and the key is let go
            with pytest.raises(ConfigurationError, match="'k': start= is a cursor of 'GET http://"):
                await client.stream("GET", url, checkpoint=by_count(store)).open()
    assert server.requests == []


@pytest.mark.parametrize("pulled", [Face("threads"), Face("asyncio")], ids=str)
async def test_an_abandoned_stream_lets_its_key_go(pulled: Face, server: Server) -> None:
    url = server.serve("/", at_once(50))
    checkpoint = by_count(MemoryStore())
    async with pulled.client() as client:
        streams = [await client.stream("GET", url, checkpoint=checkpoint).open()]
        await anext(streams[0])
        with pytest.warns(ResourceWarning):
            streams.clear()
        async with client.stream("GET", url, checkpoint=checkpoint) as after:
            await anext(after)


ROWS = [b'{"n":%d}\n' % number for number in range(1, 101)]


def behind_query(request: Received) -> Script:
    had = int(parse_qs(urlsplit(request.target).query).get("after", ["0"])[0])
    return reply(b"".join(ROWS[had:]), content_type="application/x-ndjson")


def behind_range(request: Received) -> Script:
    body, kind = b"".join(ROWS), "application/x-ndjson"
    start = int(request.headers.get("range", "bytes=0-")[6:-1])
    if start == len(body):
        return reply(status=416, content_range=f"bytes */{len(body)}")
    if not start:
        return reply(body, content_type=kind, etag='"1"', accept_ranges="bytes")
    covered = f"bytes {start}-{len(body) - 1}/{len(body)}"
    return reply(body[start:], status=206, content_type=kind, etag='"1"', content_range=covered)


@pytest.mark.parametrize(
    ("answer", "resume"), [(behind_query, ItemCursor("n", "after")), (behind_range, None)]
)
async def test_every_kind_of_position_is_saved(
    own: Face, server: Server, tmp_path: Path, answer: Any, resume: Any
) -> None:
    url = server.serve("/", answer)
    checkpoint = by_count(tmp_path / "cursors.db")
    got: list[int] = []
    async with own.client() as client:
        for stop in (25, 60, None, None):
            async with client.stream(
                "GET", url, decoder=NDJSON(dict), resume=resume, checkpoint=checkpoint
            ) as stream:
                async for row in stream:
                    if row["n"] == stop:
                        break
                    got.append(row["n"])
    assert got == [*range(1, 101)]


# What is refused -------------------------------------------------------------------------------


async def test_two_readers_of_one_key_are_refused(
    face: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", at_once(5))
    memory = MemoryStore()
    async with face.client() as client:
        for one, two in ((memory, memory), (tmp_path / "a.db", tmp_path / "a.db")):
            async with client.stream("GET", url, checkpoint=Checkpoint(one, "k")):
                with pytest.raises(ConfigurationError, match=r"the key 'k' of (Memory|SQLite)Sto"):
                    await client.stream("GET", url, checkpoint=Checkpoint(two, "k")).open()
                async with client.stream("GET", url, checkpoint=Checkpoint(two, "l")) as other:
                    assert len(await other.collect()) == 5
            async with client.stream("GET", url, checkpoint=Checkpoint(two, "k")) as after:
                assert len(await after.collect()) == 5


async def test_a_stream_that_fails_to_open_lets_its_key_go(pulled: Face, server: Server) -> None:
    url = server.serve("/", reply(status=404), at_once(5))
    checkpoint = by_count(MemoryStore())
    async with pulled.client() as client:
        stream = client.stream("GET", url, checkpoint=checkpoint)
        with pytest.raises(Exception, match="404"):
            await stream.open()
        async with client.stream("GET", url, checkpoint=checkpoint) as stream:
            with pytest.raises(StreamClosed, match="opened once"):
                await stream.open()
            with pytest.raises(ConfigurationError, match="another stream"):
                await client.stream("GET", url, checkpoint=checkpoint).open()


@pytest.mark.parametrize("every", [10, 1000])
async def test_a_stream_without_positions_is_refused(
    face: Face, server: Server, every: int
) -> None:
    body = b"".join(b"%d\n" % n for n in range(40))
    url = server.serve("/", reply(body, content_type="application/x-ndjson"))
    got: list[int] = []
    async with (
        face.client() as client,
        client.stream(
            "GET", url, decoder=NDJSON(int), checkpoint=by_count(MemoryStore(), every)
        ) as stream,
    ):
        with pytest.raises(ConfigurationError, match=f"nothing to save after {min(every, 40)} it"):
            async for item in stream:
                got.append(item)
    assert len(got) == min(every, 40)


async def test_positions_may_begin_late(pulled: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"data: 1\n\ndata: 2\n\n"), events(3, 4)))
    store = Recorder()
    async with (
        pulled.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store, 3)) as stream,
    ):
        assert [item async for item in stream] == [1, 2, 3, 4]
    assert store.values == [3, 4]


async def test_requests_that_differ_in_query_or_body_do_not_share_a_cursor(
    pulled: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1, 2)))
    store = MemoryStore()
    asked: list[dict[str, Any]] = [
        {},
        {"params": {"q": "a"}},
        {"params": {"q": "b"}},
        {"url": f"{url}?q=a"},
        {"method": "POST", "json": {"q": "a"}, "resume": LastEventID()},
        {"method": "POST", "json": {"q": "b"}, "resume": LastEventID()},
    ]
    async with pulled.client() as client:
        for options in asked * 2:
            given = {"method": "GET", "url": url, "decoder": SSEText(), **options}
            async with client.stream(**given, checkpoint=Checkpoint(store)) as stream:
                [_ async for _ in stream]
    ids = [request.headers.get("last-event-id") for request in server.requests]
    assert ids == [None] * len(asked) + ["2"] * len(asked)
