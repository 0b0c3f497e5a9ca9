"""Checkpoints where the store fails or hangs, or the reader is cancelled."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from checkpoint_kit import NUMBERS, OPERATORS, Recorder, at_once, by_count, through
from driver import Face
from server import Server, events, hold, reply, streamed

from streamable_http import NDJSON, ConfigurationError, Cursor, Request, StreamClosed, StreamsFailed


@pytest.mark.parametrize("how", ["plain", *OPERATORS])
async def test_a_failing_store_is_told_at_the_next_item(
    own: Face, server: Server, how: str
) -> None:
    async def work(item: int) -> int:
        return item

    url = server.serve("/", at_once(100))
    store = Recorder()
    got: list[int] = []
    async with (
        own.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store, 14)) as stream,
    ):
        flow = stream if how == "plain" else through(stream, how, own.fn(work))

        async def read() -> None:
            async for result in flow:
                got.extend(result if isinstance(result, list) else [result])

        store.broken = True
        with pytest.raises(OSError, match="the disk is full"):
            await read()
        assert len(got) <= (27 if how == "unordered" else 14)
        with pytest.raises(OSError, match="the disk is full"):
            await read()
        store.broken = False
        await read()  # and nothing was lost by it
        assert sorted(got) == [*range(1, 101)]
    assert store.values[-1] == 100


async def test_closing_tells_of_a_failing_store(face: Face, server: Server) -> None:
    url = server.serve("/", at_once(100))
    store = Recorder()
    async with face.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store))
        await stream.open()
        await anext(stream)
        await anext(stream)
        store.broken = True
        with pytest.raises(OSError, match="the disk is full"):
            await stream.aclose()
        await stream.aclose()
        store.broken = False
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store)) as again:
            assert await anext(again) == 1


@pytest.mark.parametrize("how", ["stream", "merge"])
async def test_a_failing_store_does_not_hide_the_consumers_exception(
    face: Face, server: Server, how: str
) -> None:
    url = server.serve("/", at_once(100))
    store = Recorder()
    options: dict[str, Any] = {"decoder": NUMBERS, "checkpoint": by_count(store)}
    async with face.client() as client:
        if how == "stream":
            opened: Any = client.stream("GET", url, **options)
        else:
            opened = client.merge([Request("GET", url, **options)])
        with pytest.raises(ZeroDivisionError) as caught:
            async with opened as stream:
                async for item in stream:
                    store.broken = item in {3, (url, 3)}
                    if store.broken:
                        raise ZeroDivisionError
    assert "the disk is full" in caught.value.__notes__[0]


async def test_a_failing_store_ends_a_merge(own: Face, server: Server) -> None:
    store = Recorder()
    store.broken = True
    requests = [
        Request("GET", server.serve(f"/{key}", at_once(50)), key=key, decoder=NUMBERS)
        for key in ("a", "b")
    ]
    requests[0].options["checkpoint"] = by_count(store, 20)
    taken: dict[str, list[int]] = {"a": [], "b": []}
    async with own.client() as client:
        with pytest.raises(OSError, match="the disk is full"):
            async with client.merge(requests) as merged:
                async for key, item in merged:
                    taken[key].append(item)
        assert len(taken["a"]) == 20


async def test_a_source_without_positions_fails_by_itself(own: Face, server: Server) -> None:
    body = b"".join(b"%d\n" % n for n in range(40))
    plain = server.serve("/b", reply(body, content_type="application/x-ndjson"))
    store = Recorder()
    requests: list[Request[int]] = [
        Request(
            "GET",
            server.serve("/a", at_once(50)),
            key="a",
            decoder=NUMBERS,
            checkpoint=by_count(store, 20, "a"),
        ),
        Request("GET", plain, key="b", decoder=NDJSON(int), checkpoint=by_count(store, 20, "b")),
    ]
    taken: list[Any] = []
    async with own.client() as client, client.merge(requests) as merged:
        with pytest.raises(StreamsFailed, match="there is nothing to save after 20 items"):
            async for one in merged:
                taken.append(one)
    assert len(taken) == 70
    assert store.values[-1] == 50


async def test_a_store_is_never_called_on_the_event_loop(own: Face, server: Server) -> None:
    url = server.serve("/", at_once(50))
    store = Recorder()
    here = threading.current_thread().name
    async with (
        own.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store)) as stream,
    ):
        await stream.collect()
    if own.sync:
        assert store.threads == {here}
    else:
        assert here not in store.threads


class Hanging(Recorder):
    """Hangs in `put` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()

    def put(self, key: str, cursor: Cursor, /) -> None:
        self.entered.set()
        assert self.gate.wait(5)
        super().put(key, cursor)


async def test_close_does_not_wait_for_a_store_that_hangs(own: Face, server: Server) -> None:
    url = server.serve("/", at_once(50), streamed(hold()))
    store = Hanging()
    checkpoint = by_count(store, 5)

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint)
        await stream.open()
        reader = own.spawn(read, stream)
        await own.until(store.entered.is_set)
        await stream.aclose()
        # The key is still in use: what is being saved would overwrite a successor's cursor.
        with pytest.raises(ConfigurationError, match="another stream"):
            await client.stream("GET", url, checkpoint=checkpoint).open()
        store.gate.set()
        with pytest.raises(StreamClosed):
            await reader
        assert store.values == [5]
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as after:
            assert after.cursor is not None
            assert after.cursor.value == "5"


@pytest.mark.parametrize("own", [Face("asyncio"), Face("trio")], ids=str)
async def test_a_cancelled_reader_saves_what_was_done(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), hold()))
    store = Recorder()
    got: list[int] = []

    async with own.client() as client:

        async def read() -> None:
            async with client.stream(
                "GET", url, decoder=NUMBERS, checkpoint=by_count(store)
            ) as stream:
                async for item in stream:
                    got.append(item)

        reader = own.spawn(read)
        await own.until(lambda: len(got) == 3)
        await own.sleep(0.05)
        reader.cancel()
        await reader.settled()
    assert store.values == [3]
