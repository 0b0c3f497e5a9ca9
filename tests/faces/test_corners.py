"""Corners where two rules meet: shared connections, closing, ends that must not be mistaken."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from driver import FAST, Face
from server import Server, chunk, cut, events, hold, reply, stall, streamed

from streamable_http import (
    NDJSON,
    AsyncClient,
    AsyncStream,
    AsyncStreamService,
    Client,
    ConfigurationError,
    ConnectionLost,
    DecodeError,
    LastEventID,
    Request,
    ResumeError,
    RetriesExhausted,
    RetryPolicy,
    SSEData,
    SSEText,
    Stream,
    StreamClosed,
    StreamService,
)

RUNTIMES: Any = ("threads", "asyncio", "trio")
FOREIGN = [Face(runtime, 0, http) for runtime in RUNTIMES for http in ("httpx", "httpx2")]
ONCE = RetryPolicy(stop=1)
AT_ONCE = 2.0
NOTHING_MORE = reply(status=204)


# Connections that are used again ---------------------------------------------------------------


@pytest.mark.parametrize("follow", [False, True], ids=["busy", "followed"])
async def test_close_wakes_a_reader_on_a_connection_used_before(
    own: Face, server: Server, follow: bool
) -> None:
    silent = streamed(hold()) if follow else [hold()]
    url = server.serve("/", streamed(events(1)) if follow else reply(status=503), silent)

    async def read(stream: AsyncStream[str]) -> None:
        await stream.open()
        async for _ in stream:
            pass

    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText(), follow=follow)
        reader = own.spawn(read, stream)
        await own.until(lambda: len(server.requests) == 2)
        assert server.accepted == 1
        await own.sleep(0.05)  # the second request is out: now its answer is waited for
        await stream.aclose()
        await reader.settled(AT_ONCE)
        with pytest.raises(StreamClosed):
            await reader
        assert server.wait_for(lambda: server.hung_up == 1)


@pytest.mark.parametrize("face", FOREIGN, ids=str)
async def test_closing_a_stream_that_was_read_leaves_its_connection_to_the_next(
    face: Face, server: Server
) -> None:
    gate = threading.Event()
    first = server.serve("/1", reply(b"1\n2", content_type="application/x-ndjson"))
    second = server.serve(
        "/2",
        streamed(chunk(b"1\n"), stall(gate), chunk(b"2\n"), content_type="application/x-ndjson"),
    )
    async with face.client(retry=ONCE) as client:
        read = client.stream("GET", first, decoder=NDJSON(int))
        await read.open()
        assert [await anext(read), await anext(read)] == [1, 2]  # the body is over, not the stream
        async with client.stream("GET", second, decoder=NDJSON(int)) as stream:
            assert await anext(stream) == 1
            assert server.accepted == 1
            await read.aclose()
            gate.set()
            assert await stream.collect() == [2]


async def test_an_error_without_a_head_shows_no_earlier_one(pulled: Face, server: Server) -> None:
    url = server.serve("/", reply(status=503), [cut()])
    async with pulled.client(retry=RetryPolicy(stop=2, min_delay=0.0)) as client:
        with pytest.raises(RetriesExhausted) as caught:
            await client.stream("GET", url).open()
    assert caught.value.response is None
    last = caught.value.last_error
    assert last is not None
    assert last.response is None


# Followed streams ------------------------------------------------------------------------------


async def test_a_body_that_can_be_read_once_cannot_be_followed(
    pulled: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1)), NOTHING_MORE)

    async def later() -> AsyncIterator[bytes]:
        yield b"query"

    content = iter([b"query"]) if pulled.sync else later()
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match="content= can be read only once: pass bytes"):
            await client.stream(
                "POST", url, content=content, resume=LastEventID(), follow=True
            ).open()
    assert server.requests == []


async def test_too_many_items_since_the_last_id_are_never_followed_by_repeats(
    own: Face, server: Server
) -> None:
    tail = chunk(b"".join(b"data: n%d\n\n" % number for number in range(300)))
    again = streamed(tail, chunk(b"id: 2\ndata: end\n\n"))
    url = server.serve("/", streamed(events(1), tail), again, NOTHING_MORE)
    items: list[str] = []
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText(), follow=True)
        with pytest.raises(ResumeError, match="too many items"):
            async with stream:
                async for item in stream:
                    items.append(item)
    assert items == ["1", *(f"n{number}" for number in range(300))]
    assert len(server.requests) == 1


# Ends and closes -------------------------------------------------------------------------------


async def test_a_close_between_two_steps_of_a_read_is_no_end(
    own: Face, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/", streamed(events(1), hold()))
    load: Any = (Stream if own.sync else AsyncStream)._load

    def closed_from_a_thread(stream: Any) -> None:
        load(stream)
        closer = threading.Thread(target=stream.close)
        closer.start()
        closer.join()

    async def closed_from_a_task(stream: Any) -> None:
        await load(stream)
        await own.spawn(stream.aclose)

    items: list[str] = []
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await stream.open()
        if own.sync:
            monkeypatch.setattr(Stream, "_load", closed_from_a_thread)
        else:
            monkeypatch.setattr(AsyncStream, "_load", closed_from_a_task)
        with pytest.raises(StreamClosed):
            async for item in stream:
                items.append(item)
    assert items in ([], ["1"])
    assert stream.stats.ended is None


async def test_after_its_end_a_closed_stream_is_still_at_its_end(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1)))
    async with own.client() as client:
        async with client.stream("GET", url, decoder=SSEText()) as stream:
            assert await stream.collect() == ["1"]
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)


async def test_what_was_not_read_is_no_end_after_a_close(own: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: 1\n\n"))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await stream.open()
        assert await anext(stream) == "1"
        await stream.aclose()
        for _ in range(2):
            with pytest.raises(StreamClosed):
                await anext(stream)


async def test_a_merge_that_somebody_closed_has_not_ended(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), hold()))
    request = Request("GET", url, key=1, decoder=SSEText())
    items: list[Any] = []
    async with own.client() as client:
        merged = client.merge([request])

        async def read() -> None:
            async for item in merged:
                items.append(item)

        reader = own.spawn(read)
        await own.until(lambda: bool(items))
        await merged.aclose()
        await reader.settled(AT_ONCE)
        with pytest.raises(StreamClosed):
            await reader
        with pytest.raises(StreamClosed):
            await anext(merged)
        with pytest.raises(StreamClosed, match="again for others"):
            merged.add(Request("GET", url, key=2, decoder=SSEText()))
    assert items == [(1, "1")]
    assert len(server.requests) == 1


async def test_a_merge_that_has_ended_stays_ended(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1)))
    request = Request("GET", url, key=1, decoder=SSEText())
    async with own.client() as client:
        async with client.merge([request]) as merged:
            assert [item async for item in merged] == [(1, "1")]
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(merged)


async def test_the_key_of_a_source_that_has_ended_is_free_again(own: Face, server: Server) -> None:
    gate = threading.Event()
    short = server.serve("/short", streamed(events(1)))
    long = server.serve("/long", streamed(events(1), stall(gate)))
    request = Request("GET", short, key="short", decoder=SSEText())
    seen: list[Any] = []
    async with (
        own.client() as client,
        client.merge([Request("GET", long, key="long", decoder=SSEText())]) as merged,
    ):
        merged.add(request)
        with pytest.raises(ConfigurationError, match="two sources have the key 'short'"):
            merged.add(request)

        async def read() -> None:
            async for item in merged:
                seen.append(item)

        reader = own.spawn(read)

        def added() -> bool:
            with contextlib.suppress(ConfigurationError):
                merged.add(request)
                return True
            return False

        await own.until(added)
        await own.until(lambda: seen.count(("short", "1")) == 2)
        gate.set()
        await reader
    assert sorted(seen) == [("long", "1"), ("short", "1"), ("short", "1")]


# The event loop ends ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["prefetch", "map", "batches", "merge"])
def test_a_loop_that_shuts_down_before_a_task_began_does_not_hang(
    server: Server, kind: str
) -> None:
    url = server.serve("/", streamed(events(1), hold()))
    main_task: Any = None

    async def begin(client: AsyncClient) -> None:
        if kind == "merge":
            async with client.merge([Request("GET", url, key=1)]) as merged:
                merged.add(Request("GET", url, key=2))
                await cancelled()
        async with client.stream("GET", url, prefetch=5 if kind == "prefetch" else 0) as stream:
            if kind != "prefetch":
                derived: Any = stream.map(str, 2) if kind == "map" else stream.batches(2, 1.0)
                asking = derived.__anext__()
                asking.send(None)  # its tasks are made, and none has taken a step
                asking.close()
            await cancelled()

    async def cancelled() -> None:
        """What `asyncio.run` does to all other tasks at its end."""
        for task in asyncio.all_tasks() - {main_task}:
            task.cancel()
        await asyncio.sleep(99)

    async def main() -> None:
        nonlocal main_task
        main_task = asyncio.current_task()
        async with AsyncClient(trust_env=False, verify=False) as client:
            worker = asyncio.create_task(begin(client))
            done, _ = await asyncio.wait([worker], timeout=3)
            assert done, "closing hangs"
            assert worker.cancelled()

    asyncio.run(main())
    assert server.wait_for(lambda: server.open == 0)


# Services --------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", [Face("threads"), Face("asyncio")], ids=str)
async def test_health_never_raises_however_deep_the_answer(face: Face, server: Server) -> None:
    deep = b'{"a":' * 200_000
    server.serve("/health", reply(deep, content_type="application/json"))
    if face.sync:
        with Client(trust_env=False, retry=FAST) as client:
            health = StreamService(server.url, client=client).health()
    else:
        async with AsyncClient(trust_env=False, retry=FAST) as asynchronous:
            health = await AsyncStreamService(server.url, client=asynchronous).health()
    assert not health.ok
    assert isinstance(health.error, DecodeError)


# Operators made early --------------------------------------------------------------------------


async def same(item: int) -> int:
    return item


EARLY: dict[str, Callable[[Any, Any], Any]] = {
    "map": lambda stream, fn: stream.map(fn),
    "concurrent map": lambda stream, fn: stream.map(fn, 4),
    "batches": lambda stream, fn: stream.batches(1),
    "timed batches": lambda stream, fn: stream.batches(1, seconds=30),
}


@pytest.mark.parametrize("operator", EARLY)
async def test_an_operator_may_be_made_before_its_stream_is_open(
    own: Face, server: Server, operator: str
) -> None:
    url = server.serve("/", streamed(events(*range(1, 21))))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEData(int))
        derived = EARLY[operator](stream, own.fn(same))
        await own.sleep(0.01)  # whatever runs by itself has begun
        async with stream:
            items = [item async for item in derived]
    assert items == [item if "map" in operator else [item] for item in range(1, 21)]


async def test_a_body_that_is_cut_while_it_is_sent_leaves_no_generator(own: Face) -> None:
    """On trio a generator that is left half-way makes a warning, and here a failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reset() -> None:
            connection, _ = listener.accept()
            connection.recv(10)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        resetting = threading.Thread(target=reset)
        resetting.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        async with own.client(retry=RetryPolicy(stop=1)) as client:
            with pytest.raises(ConnectionLost):
                await client.stream("PUT", url, content=b"x" * 20_000_000).open()
        resetting.join()
    gc.collect()
