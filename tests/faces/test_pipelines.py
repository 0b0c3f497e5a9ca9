"""`map`, `batches`, `process` and friends: order, concurrency, errors, and the low-water mark."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from driver import Face
from server import Received, Script, Server, chunk, cut, events, hold, reply, stall, streamed

from streamable_http import (
    ConfigurationError,
    ConnectionLost,
    Progress,
    RetryPolicy,
    SSEData,
    SSEText,
    StreamClosed,
)

NUMBERS = SSEData(int)


def resumable(total: int) -> Any:
    def answer(request: Received) -> Script:
        first = int(request.headers.get("last-event-id", "0")) + 1
        return streamed(events(*range(first, total + 1)))

    return answer


async def double(item: int) -> int:
    return item * 2


@pytest.mark.parametrize("workers", [1, 4])
async def test_map_gives_every_result_in_order(face: Face, server: Server, workers: int) -> None:
    url = server.serve("/", streamed(events(*range(1, 21))))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        doubled = stream.map(face.fn(double), workers)
        assert [item async for item in doubled] == [*range(2, 42, 2)]
        assert doubled.stats.items == 20
        assert doubled.stats.ended == "framing"
        assert doubled.cursor is not None
        assert doubled.cursor.value == "20"


async def test_a_slow_item_does_not_stop_the_others_when_order_is_free(
    own: Face, server: Server
) -> None:
    done: list[int] = []

    async def work(item: int) -> int:
        while item == 1 and len(done) < 5:
            await own.sleep(0.001)
        return item

    url = server.serve("/", streamed(events(*range(1, 7))))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        async for item in stream.map(own.fn(work), 3, ordered=False):
            done.append(item)
            if len(done) == 5:
                assert 1 not in done
                # Everything is done but the first: the cursor must stand before it.
                assert stream.cursor is None
    assert sorted(done) == [1, 2, 3, 4, 5, 6]
    assert done[-1] == 1


async def test_never_more_items_at_work_than_asked_for(own: Face, server: Server) -> None:
    lock = threading.Lock()
    running: set[int] = set()
    peaks: list[int] = []

    async def work(item: int) -> int:
        with lock:
            running.add(item)
            peaks.append(len(running))
        await own.sleep(0.002)
        with lock:
            running.discard(item)
        return item

    url = server.serve("/", streamed(events(*range(1, 31))))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        results = [item async for item in stream.map(own.fn(work), 4)]
    assert results == [*range(1, 31)]
    assert 2 <= max(peaks) <= 4


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("ordered", [True, False])
async def test_what_fn_raises_arrives_unwrapped_after_the_results_before_it(
    face: Face, server: Server, workers: int, ordered: bool
) -> None:
    async def work(item: int) -> int:
        if item == 4:
            raise LookupError(item)
        return item

    url = server.serve("/", streamed(events(*range(1, 9)), hold()))
    results: list[int] = []
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        mapped = stream.map(face.fn(work), workers, ordered=ordered)
        with pytest.raises(LookupError) as caught:
            async for item in mapped:
                results.append(item)
        assert caught.value.args == (4,)
        assert caught.value.__cause__ is None
        cursor = mapped.cursor
    assert 4 not in results
    if ordered:
        assert results == [1, 2, 3]
        assert cursor is not None
        assert cursor.value == "3"
    elif cursor is not None:
        assert int(cursor.value) <= 3


@pytest.mark.parametrize("workers", [1, 4])
async def test_a_lost_stream_is_told_after_all_results(
    face: Face, server: Server, workers: int
) -> None:
    url = server.serve("/", streamed(events(*range(1, 8)), cut()))
    results: list[int] = []
    async with (
        face.client(retry=RetryPolicy(stop=1)) as client,
        client.stream("GET", url, decoder=NUMBERS) as stream,
    ):
        with pytest.raises(ConnectionLost):
            async for item in stream.map(face.fn(double), workers):
                results.append(item)
    assert results == [*range(2, 16, 2)]


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("stop", range(0, 25, 3))
async def test_killed_anywhere_in_a_map_a_restart_loses_nothing(
    own: Face, server: Server, stop: int, ordered: bool
) -> None:
    total = 24
    handled: list[int] = []

    async def work(item: int) -> int:
        await own.sleep(0.001 * (item * 7 % 3))
        return item

    url = server.serve("/", resumable(total))
    async with own.client() as client:
        async with client.stream("GET", url, decoder=NUMBERS) as stream:
            mapped = stream.map(own.fn(work), 8, ordered=ordered)
            taken = 0
            while taken < stop:
                item = await anext(mapped)
                taken += 1
                if taken < stop:
                    handled.append(item)  # the last one is in hand when all is killed
            cursor = mapped.cursor
            assert stream.cursor == cursor
        async with client.stream("GET", url, decoder=NUMBERS, start=cursor) as stream:
            again = [item async for item in stream.map(own.fn(work), 8, ordered=ordered)]
    assert set(handled) | set(again) == {*range(1, total + 1)}
    repeats = set(handled) & set(again)
    if ordered:  # without an order, any number may overtake a slow one
        assert len(repeats) <= 8
    if ordered:
        assert not repeats


async def test_a_map_of_a_map_keeps_the_low_water_mark(own: Face, server: Server) -> None:
    url = server.serve("/", resumable(12))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        chained = stream.map(own.fn(double), 4).map(own.fn(double), 3).batches(2)
        assert await anext(chained) == [4, 8]
        assert await anext(chained) == [12, 16]
        assert chained.cursor is not None
        assert chained.cursor.value == "2"
        assert stream.cursor == chained.cursor
        assert [batch async for batch in chained] == [[20, 24], [28, 32], [36, 40], [44, 48]]
        assert chained.cursor.value == "12"
        assert stream.cursor == chained.cursor


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_batches_of_a_size(face: Face, server: Server, size: int) -> None:
    url = server.serve("/", streamed(events(*range(1, 8))))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.batches(size)
        lists, cursors = [], []
        async for batch in batched:
            lists.append(batch)
            cursors.append(int(batched.cursor.value) if batched.cursor else 0)
    assert [item for batch in lists for item in batch] == [*range(1, 8)]
    assert all(len(batch) == size for batch in lists[:-1])
    assert cursors == [size * number for number in range(len(lists))]
    assert batched.cursor is not None
    assert batched.cursor.value == "7"


@pytest.mark.parametrize("seconds", [None, 60])
async def test_batches_of_a_weight(own: Face, server: Server, seconds: float | None) -> None:
    url = server.serve("/", streamed(events(5, 1, 1, 9, 2, 2)))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.batches(6, seconds, weigh=lambda number: number)
        assert await anext(batched) == [5, 1]
        assert await anext(batched) == [1, 9]
        assert batched.cursor is not None
        assert batched.cursor.value == "1"
        assert [batch async for batch in batched] == [[2, 2]]
        assert batched.cursor.value == "2"


async def test_batches_as_they_come(own: Face, server: Server) -> None:
    gate = threading.Event()
    first = chunk(b"data: 1\n\ndata: 2\n\ndata: 3\n\n")
    url = server.serve("/", streamed(first, stall(gate), chunk(b"data: 4\n\n")))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.batches()
        assert await anext(batched) == [1, 2, 3]
        gate.set()
        assert [batch async for batch in batched] == [[4]]


async def test_batches_before_a_fault_come_before_its_error(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), cut()))
    async with (
        face.client(retry=RetryPolicy(stop=1)) as client,
        client.stream("GET", url, decoder=NUMBERS) as stream,
    ):
        batched = stream.batches(2)
        assert await anext(batched) == [1, 2]
        assert await anext(batched) == [3]
        with pytest.raises(ConnectionLost):
            await anext(batched)
        assert batched.cursor is not None
        assert batched.cursor.value == "3"


async def test_batches_in_time(own: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(events(1, 2), stall(gate), events(3, 4, 5, 6)))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.batches(3, seconds=0.1)
        started = time.monotonic()
        assert await anext(batched) == [1, 2]
        assert 0.05 < time.monotonic() - started < 2
        assert batched.cursor is None
        gate.set()
        assert await anext(batched) == [3, 4, 5]
        assert batched.cursor is not None
        assert batched.cursor.value == "2"
        assert await anext(batched) == [6]
        with pytest.raises(StopAsyncIteration):
            await anext(batched)
        assert batched.cursor.value == "6"


async def test_a_full_batch_does_not_wait_for_its_time(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3, 4), hold()))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        started = time.monotonic()
        assert await anext(stream.batches(3, seconds=60)) == [1, 2, 3]
        assert time.monotonic() - started < 5


async def test_process_reports_progress(face: Face, server: Server) -> None:
    reports: list[Progress] = []
    body = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(1, 11))
    url = server.serve("/", reply(body, x_total_count="10"))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        summary = await stream.process(
            face.fn(double), 3, on_progress=reports.append, progress_every=4
        )
    assert [report.items for report in reports] == [4, 8, 10]
    assert reports[-1].total_items == 10
    assert reports[-1].fraction == 1.0
    assert reports[-1].total_bytes == reports[-1].bytes == len(body)
    assert reports[0].eta is not None
    assert summary.items == 10
    assert summary.stats.items == 10
    assert summary.stats.ended == "framing"
    assert summary.cursor is not None
    assert summary.cursor.value == "10"


@pytest.mark.filterwarnings("error")
async def test_a_progress_callback_that_raises_changes_nothing(
    face: Face, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def boom(progress: Progress) -> None:
        raise ValueError("no")

    url = server.serve("/", streamed(events(1, 2, 3)))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        summary = await stream.process(face.fn(double), on_progress=boom, progress_every=2)
    assert summary.items == 3
    assert "on_progress raised" in caplog.text


async def test_process_stops_at_the_first_failure(face: Face, server: Server) -> None:
    async def work(item: int) -> None:
        if item == 3:
            raise LookupError(item)

    url = server.serve("/", streamed(events(1, 2, 3, 4), hold()))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        with pytest.raises(LookupError):
            await stream.process(face.fn(work))
        assert stream.cursor is not None
        assert stream.cursor.value == "2"


async def test_collect_takes_as_many_as_asked(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3, 4, 5)))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        assert await stream.collect(2) == [1, 2]
        assert await stream.collect(max_items=1) == [3]
        assert await stream.collect() == [4, 5]


async def test_collect_keeps_what_came_before_a_failure(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"data: 1\n\ndata: 2\n\n"), cut()))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        with pytest.raises(ConnectionLost) as caught:
            await stream.collect()
    assert caught.value.items == [1, 2]


async def test_reduce(face: Face, server: Server) -> None:
    async def add(total: int, item: int) -> int:
        return total + item

    url = server.serve("/", streamed(events(1, 2, 3, 4)))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        assert await stream.reduce(face.fn(add), 100) == 110


@pytest.mark.parametrize(
    "make",
    [
        lambda stream, fn: stream.map(fn, 4),
        lambda stream, fn: stream.batches(3, seconds=60),
        lambda stream, fn: stream.map(fn, 4).batches(3, seconds=60),
    ],
)
async def test_closing_ends_an_operator_that_waits(own: Face, server: Server, make: Any) -> None:
    url = server.serve("/", streamed(hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS)
        await stream.open()
        derived = make(stream, own.fn(double))

        async def read() -> Any:
            return await anext(derived)

        reader = own.spawn(read)
        await own.sleep(0.01)
        started = time.monotonic()
        await derived.aclose()
        assert time.monotonic() - started < 2
        with pytest.raises(StreamClosed):
            await reader
        with pytest.raises(StreamClosed):
            await anext(derived)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda stream: stream.map(3), "fn=3 is not callable"),
        (lambda stream: stream.map(str, 0), "max_concurrent=0"),
        (lambda stream: stream.map(str, True), "max_concurrent=True"),
        (lambda stream: stream.batches(0), "size=0"),
        (lambda stream: stream.batches(None, -1), "seconds=-1"),
        (lambda stream: stream.batches(weigh=len), "pass size="),
        (lambda stream: stream.batches(5, weigh=5), "weigh=5"),
    ],
)
async def test_operators_check_their_arguments(
    pulled: Face, server: Server, wrong: Any, message: str
) -> None:
    url = server.serve("/", streamed(events(1)))
    async with pulled.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        with pytest.raises(ConfigurationError, match=message):
            wrong(stream)
        assert await stream.collect() == ["1"]


@pytest.mark.parametrize("shape", ["batches", "timed", "map"])
async def test_an_error_that_waited_has_the_cursor_of_when_it_is_raised(
    own: Face, server: Server, shape: str
) -> None:
    """Results before the fault were handed out after the fault was there."""
    url = server.serve("/", streamed(events(1, 2, 3), cut()))
    async with (
        own.client(retry=RetryPolicy(stop=1)) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        derived: Any
        if shape == "map":
            derived = stream.map(lambda item: item, max_concurrent=2)
        else:
            derived = stream.batches(2, seconds=None if shape == "batches" else 5)
        with pytest.raises(ConnectionLost) as caught:
            [_ async for _ in derived]
    assert caught.value.cursor is not None
    assert caught.value.cursor.value == "3"
