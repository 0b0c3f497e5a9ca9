"""Checkpoints through `map`, `batches`, `process`, `merge` and `gather`."""

from __future__ import annotations

import pytest
from checkpoint_kit import NUMBERS, OPERATORS, Recorder, at_once, by_count, through
from driver import Face
from server import Server

from streamable_http import Cursor, Request


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("how", OPERATORS)
async def test_operators_save_the_low_water_mark(
    own: Face, server: Server, how: str, early: bool
) -> None:
    async def work(item: int) -> int:
        return item

    url = server.serve("/", at_once(200))
    store = Recorder()
    store.put("k", Cursor(kind="last-event-id", value="40", count=40))
    taken: list[int] = []
    worst = 0
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store, 20))
        if early:
            flow = through(stream, how, own.fn(work))
        async with stream:
            if not early:
                flow = through(stream, how, own.fn(work))
            assert flow.cursor is not None
            assert flow.cursor.count == 40
            async for result in flow:
                taken += result if isinstance(result, list) else [result]
                worst = max(worst, sum(item > store.values[-1] for item in taken))
    assert sorted(taken) == [*range(41, 201)]
    assert worst <= (39 if how == "unordered" else 20)
    assert worst >= 8  # it is not saved at each item either
    assert store.values[-1] == 200
    assert store.values == sorted(store.values)


async def test_process_saves_at_the_end(own: Face, server: Server) -> None:
    async def work(item: int) -> None:
        pass

    url = server.serve("/", at_once(50))
    store = Recorder()
    async with (
        own.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(store, 20)) as stream,
    ):
        summary = await stream.process(own.fn(work), 4)
    assert summary.items == 50
    assert store.values[-1] == 50


async def test_a_crowd_goes_on_once_the_slow_one_is_done(own: Face, server: Server) -> None:
    async def work(item: int) -> int:
        await own.sleep(0.005 if item % 2 else 0.0)
        return item

    url = server.serve("/", at_once(40))
    async with (
        own.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(Recorder(), 2)) as stream,
    ):
        done: list[int] = []
        async for item in stream.map(own.fn(work), 2, ordered=False):
            await own.sleep(0.001)  # the workers find the crowd as it is before this one is done
            done.append(item)
    assert sorted(done) == [*range(1, 41)]


async def test_an_overtaken_item_bounds_what_is_done_twice(own: Face, server: Server) -> None:
    done: list[int] = []

    async def work(item: int) -> int:
        while item == 1 and len(done) < 19:
            await own.sleep(0.001)
        return item

    url = server.serve("/", at_once(60))
    async with (
        own.client() as client,
        client.stream("GET", url, decoder=NUMBERS, checkpoint=by_count(Recorder(), 20)) as stream,
    ):
        async for item in stream.map(own.fn(work), 4, ordered=False):
            if 1 not in done:
                assert item <= 20
            done.append(item)
    assert sorted(done) == [*range(1, 61)]


async def test_each_source_of_a_merge_has_its_own(own: Face, server: Server) -> None:
    store = Recorder()
    requests = [
        Request(
            "GET",
            server.serve(f"/{name}", at_once(50)),
            key=name,
            decoder=NUMBERS,
            checkpoint=by_count(store, 20, name),
        )
        for name in ("a", "b")
    ]
    taken: dict[str, list[int]] = {"a": [], "b": []}
    async with own.client() as client:
        async with client.merge(requests) as merged:
            async for key, item in merged:
                taken[key].append(item)
                assert item - max((v for k, v in store.puts if k == key), default=0) <= 20
                if len(taken["a"]) + len(taken["b"]) == 70:
                    break
        async with client.merge(requests) as merged:
            async for key, item in merged:
                taken[key].append(item)
    for numbers in taken.values():
        assert {*numbers} == {*range(1, 51)}
        assert len(numbers) <= 51  # the item in hand
    assert len(taken["a"]) + len(taken["b"]) == 101
    assert store.get("a") is not None
    assert {key: max(v for k, v in store.puts if k == key) for key in "ab"} == {"a": 50, "b": 50}


async def test_gather_saves_too(pulled: Face, server: Server) -> None:
    store = Recorder()
    url = server.serve("/", at_once(50))
    request = Request("GET", url, key="a", decoder=NUMBERS, checkpoint=by_count(store, 20))
    async with pulled.client() as client:
        first = await client.gather([request], max_items=30)
        assert first["a"].items == [*range(1, 31)]
        assert store.values == [20, 29]
        second = await client.gather([request])
        assert second["a"].items == [*range(30, 51)]
