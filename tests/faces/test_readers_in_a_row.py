"""Operators and loops that follow one another on one stream: nothing is lost between them."""

from __future__ import annotations

from typing import Any

import pytest
from checkpoint_kit import NUMBERS, Recorder, at_once, by_count
from driver import Face
from server import Server, events, hold, streamed

from streamable_http import ConfigurationError, StreamClosed


async def same(item: int) -> int:
    return item


def make(stream: Any, how: str, face: Face) -> Any:
    match how:
        case "map":
            return stream.map(face.fn(same), 4)
        case "timed":
            return stream.batches(2, seconds=0.05)
        case "batches of a map":
            return stream.map(face.fn(same), 4).batches(2)
        case "map of timed":
            return stream.batches(2, seconds=0.05).map(lambda items: items)
        case "lists":
            return stream.batches(2)
        case "mapped":
            return stream.map(face.fn(same))
        case _:
            return stream


AHEAD = ("map", "timed", "batches of a map", "map of timed")


@pytest.mark.parametrize("second", [*AHEAD, "lists", "mapped", "loop"])
@pytest.mark.parametrize("first", AHEAD)
async def test_what_was_read_ahead_is_not_left_behind(
    own: Face, server: Server, first: str, second: str
) -> None:
    store = Recorder()
    url = server.serve("/", at_once(10))
    async with own.client() as client:
        checkpoint = by_count(store, 1)
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream:
            reader = make(stream, first, own)
            had = await anext(reader)
            await own.until(lambda: stream.stats.items > 2)
            with pytest.raises(ConfigurationError, match="nobody took"):
                await anext(make(stream, second, own))
            had = [had, *[one async for one in reader]]  # the first reader loses nothing
            assert store.values[-1] == 10
    items = [item for one in had for item in (one if isinstance(one, list) else [one])]
    assert items == [*range(1, 11)]


@pytest.mark.parametrize("first", AHEAD)
async def test_a_restart_brings_what_was_left_behind(own: Face, server: Server, first: str) -> None:
    store = Recorder()
    url = server.serve("/", at_once(10))
    options: dict[str, Any] = {"decoder": NUMBERS, "checkpoint": by_count(store, 1)}
    async with own.client() as client:
        async with client.stream("GET", url, **options) as stream:
            await anext(make(stream, first, own))
            with pytest.raises(ConfigurationError, match="nobody took"):
                [item async for item in stream]
        async with client.stream("GET", url, **options) as stream:
            assert [item async for item in stream] == [*range(1, 11)]


@pytest.mark.parametrize("second", [*AHEAD, "lists", "mapped", "loop"])
@pytest.mark.parametrize("size", [2, None])
async def test_what_holds_nothing_may_be_followed(
    own: Face, server: Server, second: str, size: int | None
) -> None:
    store = Recorder()
    url = server.serve("/", at_once(10))
    checkpoint = by_count(store, 3)
    async with own.client() as client:
        async with client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream:
            had: list[Any] = [await anext(stream.batches(size)), await anext(stream)]
            assert stream.cursor is not None
            assert int(stream.cursor.value) == len(had[0])  # the list is done, and the item not
            had += [one async for one in make(stream, second, own)]
            assert stream.cursor.value == "10"
        assert store.values[-1] == 10
    items = [item for one in had for item in (one if isinstance(one, list) else [one])]
    assert items == [*range(1, 11)]


async def test_readers_may_take_turns(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(*range(1, 14))))
    had: list[Any] = []
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        lists = stream.batches(2)
        async for item in stream:
            had.append(item)
            had += await anext(lists)
            assert (int(stream.cursor.value) if stream.cursor else 0) == item
            if item == 7:
                had += await anext(stream.batches(2))
                break
        mapped = stream.map(face.fn(same), 2)
        had += await anext(mapped.batches(1))
        had += await anext(mapped.batches(1))  # both of them take from the same map
    assert had == [*range(1, 14)]


async def test_making_an_operator_passes_nothing(own: Face, server: Server) -> None:
    url = server.serve("/", at_once(10))
    async with own.client() as client:
        for how in ("map", "timed", "lists", "batches of a map"):
            store = Recorder()
            checkpoint = by_count(store, 1)
            async with client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream:
                assert await anext(stream) == 1
                made = make(stream, how, own)
                assert made.cursor is stream.cursor is None
            assert store.values == []
            async with client.stream("GET", url, decoder=NUMBERS, checkpoint=checkpoint) as stream:
                assert await anext(stream) == 1
                made = make(stream, how, own)
                made.ack()
                assert made.cursor is not None
                assert made.cursor == stream.cursor
            assert store.values == [1]


async def test_a_loop_after_a_stream_was_closed_tells_of_that(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(*range(1, 9)), hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS)
        async with stream:
            await anext(stream.map(own.fn(same), 2))
        with pytest.raises(StreamClosed):
            await anext(stream)
        with pytest.raises(StreamClosed):
            await anext(stream.batches(2))
        with pytest.raises(StreamClosed):
            await anext(stream.map(own.fn(same), 2))
