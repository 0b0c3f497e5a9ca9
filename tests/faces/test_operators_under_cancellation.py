"""Operators whose calls are cancelled, closed or interrupted: no loss, no hang, no false end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from ctrl_c import press_ctrl_c
from driver import Face
from server import Server, cut, events, hold, reply, streamed

from streamable_http import Client, Request, SSEData, SSEText, StreamClosed, _pipeline
from streamable_http._threads import start

NUMBERS = SSEData(int)
TASKS = [Face("asyncio"), Face("asyncio", 8), Face("trio"), Face("trio", 8)]
ON_ASYNCIO = [Face("asyncio"), Face("asyncio", 8)]
AHEAD = [Face("asyncio", 50), Face("trio", 50)]
AT_ONCE = 2.0


async def same(item: int) -> int:
    return item


def value(flow: Any) -> str | None:
    return None if flow.cursor is None else str(flow.cursor.value)


# The cursor behind what was handed out ---------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 4])
async def test_the_cursor_stands_before_an_item_whose_work_failed(
    own: Face, server: Server, workers: int
) -> None:
    async def work(item: int) -> int:
        if item == 5:
            raise ValueError("work on 5 failed")
        return item

    url = server.serve("/", streamed(events(*range(1, 9))))
    async with own.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.map(own.fn(work), workers).batches(10)
        assert await anext(batched) == [1, 2, 3, 4]
        assert value(stream) is None
        with pytest.raises(ValueError, match="work on 5 failed"):
            await anext(batched)
        assert value(stream) == value(batched) == "4"


@pytest.mark.parametrize("seconds", [None, 30.0])
@pytest.mark.parametrize("face", AHEAD, ids=str)
async def test_ack_passes_only_what_was_handed_out(
    face: Face, server: Server, seconds: float | None
) -> None:
    url = server.serve("/", streamed(events(*range(1, 15)), hold()))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        batched = stream.batches(10, seconds)
        assert await anext(batched) == [*range(1, 11)]
        with anyio.move_on_after(0.1) as scope:
            await anext(batched)
        assert scope.cancelled_caught
        batched.ack()
        assert value(stream) == "10"


def test_ack_passes_only_what_was_handed_out_before_an_interrupt(server: Server) -> None:
    """An interrupt in the middle of a list keeps what was gathered for the next call."""
    url = server.serve("/", streamed(events(*range(1, 7))))
    interrupts = [5]

    def work(item: int) -> int:
        if item in interrupts:
            interrupts.remove(item)
            raise KeyboardInterrupt
        return item

    face = Face("threads")

    async def main() -> None:
        async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
            batched = stream.map(work).batches(3)
            assert await anext(batched) == [1, 2, 3]
            with pytest.raises(KeyboardInterrupt):
                await anext(batched)
            batched.ack()
            assert value(stream) == "3"
            assert await anext(batched) == [4, 5, 6]

    face.run(main)


# Cancelled calls -------------------------------------------------------------------------------


@pytest.mark.parametrize("face", TASKS, ids=str)
async def test_a_cancelled_call_of_a_map_keeps_its_item(face: Face, server: Server) -> None:
    started: list[int] = []

    async def work(item: int) -> int:
        started.append(item)
        if started.count(2) == 1 and item == 2:
            await anyio.sleep_forever()
        return item

    url = server.serve("/", streamed(events(1, 2, 3)))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
        mapped = stream.map(work)
        assert await anext(mapped) == 1

        async def ask() -> int:
            return await anext(mapped)

        asking = face.spawn(ask)
        await face.until(lambda: started == [1, 2])
        asking.cancel()
        await asking.settled()
        assert value(stream) == "1"
        assert [item async for item in mapped] == [2, 3]
        assert value(stream) == "3"
    assert started == [1, 2, 2, 3]


def test_an_interrupted_call_of_a_map_keeps_its_item(server: Server) -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        if started == [1, 2]:
            raise KeyboardInterrupt
        return item

    face = Face("threads")
    url = server.serve("/", streamed(events(1, 2, 3)))

    async def main() -> None:
        async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
            mapped = stream.map(work)
            assert await anext(mapped) == 1
            with pytest.raises(KeyboardInterrupt):
                await anext(mapped)
            assert value(stream) == "1"
            assert [item async for item in mapped] == [2, 3]

    face.run(main)
    assert started == [1, 2, 2, 3]


async def leak() -> None:
    """Awaits a task that somebody else cancelled."""
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


class LeakingAuth(httpx.Auth):
    """Leaks a cancellation from its second request on."""

    def __init__(self, fine: int) -> None:
        self._fine = fine

    async def async_auth_flow(self, request: httpx.Request) -> AsyncIterator[Any]:  # type: ignore[override]  # httpx's own is a generator
        self._fine -= 1
        if self._fine < 0:
            await leak()
        yield request


async def outcome(reading: Any) -> BaseException | None:
    """What a task ended with; it must end by itself."""
    task = asyncio.ensure_future(reading)
    done, _ = await asyncio.wait([task], timeout=AT_ONCE)
    if not done:
        task.cancel()
        pytest.fail("the consumer hangs")
    return asyncio.CancelledError() if task.cancelled() else task.exception()


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "map": lambda stream, fn: stream.map(fn),
    "concurrent map": lambda stream, fn: stream.map(fn, 4),
    "timed batches": lambda stream, fn: stream.map(fn).batches(1, seconds=0.05),
    "timed batches of a concurrent map": lambda stream, fn: stream.map(fn, 4).batches(1, 0.05),
}


@pytest.mark.parametrize("face", ON_ASYNCIO, ids=str)
@pytest.mark.parametrize("operator", OPERATORS)
async def test_a_cancellation_out_of_a_function_reaches_the_consumer(
    face: Face, server: Server, operator: str
) -> None:
    async def work(item: int) -> int:
        if item == 3:
            await leak()
        return item

    items: list[Any] = []
    url = server.serve("/", streamed(events(*range(1, 9))))
    async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:

        async def read() -> None:
            async for item in OPERATORS[operator](stream, work):
                items.append(item)

        assert isinstance(await outcome(read()), asyncio.CancelledError)
        assert stream.stats.ended is None
    assert items in ([1, 2], [[1], [2]])


@pytest.mark.parametrize("face", ON_ASYNCIO, ids=str)
async def test_a_cancellation_out_of_a_callback_reaches_the_reader(
    face: Face, server: Server
) -> None:
    """With prefetch it comes from the task that reads ahead."""
    items: list[int] = []
    url = server.serve("/", streamed(events(1, 2), cut()), streamed(events(3)))
    async with (
        face.client(auth=LeakingAuth(1)) as client,
        client.stream("GET", url, decoder=NUMBERS) as stream,
    ):

        async def read() -> None:
            async for item in stream:
                items.append(item)

        assert isinstance(await outcome(read()), asyncio.CancelledError)
        assert stream.stats.ended is None
    assert items == [1, 2]
    assert len(server.requests) == 1


@pytest.mark.parametrize("face", ON_ASYNCIO, ids=str)
@pytest.mark.parametrize("many", ["merge", "gather"])
async def test_a_cancellation_out_of_one_of_many_is_never_silent(
    face: Face, server: Server, many: str
) -> None:
    urls = [server.serve(f"/{number}", streamed(events(1, 2))) for number in range(2)]
    requests = [
        Request("GET", urls[0], key=0, decoder=NUMBERS),
        Request("GET", urls[1], key=1, decoder=NUMBERS, auth=LeakingAuth(0)),
    ]
    async with face.client() as client:

        async def read() -> None:
            if many == "gather":
                await client.gather(requests)
                return
            async with client.merge(requests) as merged:
                async for _ in merged:
                    pass

        assert isinstance(await outcome(read()), asyncio.CancelledError)


# Closed from elsewhere, and from within --------------------------------------------------------


async def test_closing_from_within_a_function_of_a_concurrent_map(
    own: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(*range(1, 9)), hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS)
        await stream.open()

        async def work(item: int) -> int:
            if item == 3:
                await stream.aclose()
            return item

        async def read() -> None:
            async for _ in stream.map(own.fn(work), 2):
                pass

        reader = own.spawn(read)
        await reader.settled(AT_ONCE)
        with pytest.raises(StreamClosed):
            await reader
        again = own.spawn(stream.aclose)
        await again.settled(AT_ONCE)
        assert server.wait_for(lambda: server.hung_up == 1)


async def test_closing_while_a_list_is_gathered_is_no_end(own: Face, server: Server) -> None:
    lists: list[list[int]] = []
    url = server.serve("/", streamed(events(1), hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS)
        await stream.open()
        batched = stream.batches(10, seconds=30)

        async def read() -> None:
            async for batch in batched:
                lists.append(batch)

        reader = own.spawn(read)
        await own.until(lambda: stream.stats.items == 1)
        await own.sleep(0.01)  # the item is in; the rest of the list is waited for
        await stream.aclose()
        await reader.settled(AT_ONCE)
        with pytest.raises(StreamClosed):
            await reader
        assert lists == []
        with pytest.raises(StreamClosed):
            await anext(batched)


async def test_closing_does_not_wait_for_each_busy_worker(server: Server, busy: Face) -> None:
    at_work: list[int] = []
    gate = threading.Event()

    def work(item: int) -> int:
        at_work.append(item)
        gate.wait(20)
        return item

    url = server.serve("/", streamed(events(*range(1, 20)), hold()))
    async with busy.client() as client:
        stream = client.stream("GET", url, decoder=NUMBERS)
        await stream.open()
        mapped = stream.map(work, 8)

        async def read() -> Any:
            return await anext(mapped)

        reader = busy.spawn(read)
        await busy.until(lambda: len(at_work) == 8)
        started = time.monotonic()
        await stream.aclose()
        took = time.monotonic() - started
        gate.set()
        with pytest.raises(StreamClosed):
            await reader
    assert took < AT_ONCE
    await busy.until(lambda: not any("-map" in one.name for one in threading.enumerate()))


@pytest.fixture
def busy() -> Face:
    """Threads: work in a task is cancelled instead."""
    return Face("threads")


CTRL_C = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
from streamable_http import Client, SSEText

with Client(trust_env=False, verify=False) as client:
    with client.stream("GET", sys.argv[1], decoder=SSEText()) as stream:
        batched = stream.map(lambda item: print(item, flush=True)).batches(10)
        try:
            print("returned", next(batched), flush=True)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
"""


def test_ctrl_c_while_a_list_is_gathered_is_raised_at_once(server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), hold()))
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", CTRL_C, url]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert [child.stdout.readline() for _ in range(3)] == ["1\n", "2\n", "3\n"]
        press_ctrl_c(child)  # it waits for the fourth
        output, errors = child.communicate(timeout=10)
    assert (output, errors) == ("interrupted\n", "")


def test_closing_while_threads_are_being_started_waits_for_them(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, done, gate = threading.Event(), threading.Event(), threading.Event()
    made: list[threading.Thread] = []

    def slowly(run: Callable[[], object], name: str) -> threading.Thread:
        made.append(start(run, name))
        if len(made) == 4:
            began.set()
            done.wait(0.3)  # closing must not be done before all threads are known
        return made[-1]

    monkeypatch.setattr(_pipeline, "start", slowly)
    url = server.serve("/", streamed(events(*range(9)), hold()))
    with Client(trust_env=False, verify=False) as client:
        stream = client.stream("GET", url, decoder=SSEText()).open()
        mapped = stream.map(lambda _: gate.wait(0.5), max_concurrent=4)

        def close() -> None:
            began.wait()
            stream.close()
            done.set()

        closing = threading.Thread(target=close)
        closing.start()
        with pytest.raises(StreamClosed):
            next(mapped)
        done.wait()
        assert not [one for one in made if one.is_alive()]
        closing.join()


# Threads that race -----------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False])
def test_batches_of_a_concurrent_map_keep_up_with_its_threads(
    server: Server, ordered: bool
) -> None:
    total = 20_000
    body = b"".join(b"id: %d\ndata: %d\n\n" % (one, one) for one in range(1, total + 1))
    url = server.serve("/", reply(body))
    face = Face("threads")
    interval = sys.getswitchinterval()

    async def main() -> None:
        async with face.client() as client, client.stream("GET", url, decoder=NUMBERS) as stream:
            items: list[int] = []
            async for batch in stream.map(face.fn(same), 32, ordered=ordered).batches(2):
                items += batch
            assert sorted(items) == [*range(1, total + 1)]
            assert value(stream) == str(total)

    sys.setswitchinterval(1e-6)
    try:
        face.run(main)
    finally:
        sys.setswitchinterval(interval)
