"""Operators when calls are cancelled, closed or interrupted: nothing lost, no hang, no false end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import httpx
import pytest
from driver import Face
from server import Server, events, hold, reply, stall, streamed

from streamable_http import AsyncClient, Failed, Request, SSEData, StreamClosed

NUMBERS = SSEData(int)
TASKS = [Face("asyncio"), Face("asyncio", 8), Face("trio"), Face("trio", 8)]
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


def test_ack_passes_only_what_was_handed_out_before_an_interrupt(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    "timed batches": lambda stream, fn: stream.map(fn).batches(100, seconds=0.05),
    "batches of a concurrent map": lambda stream, fn: stream.map(fn, 4).batches(2),
}


@pytest.mark.parametrize("prefetch", [0, 8])
@pytest.mark.parametrize("operator", OPERATORS)
async def test_a_cancellation_out_of_a_function_reaches_the_consumer(
    server: Server, operator: str, prefetch: int, face: Face = Face("asyncio")
) -> None:
    raise NotImplementedError
