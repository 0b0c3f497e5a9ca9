"""`close()` from another thread or task, in every state; Ctrl-C; nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ctrl_c import press_ctrl_c
from driver import Face
from races import race
from server import Server, delay, events, hold, reply, streamed, unreachable

from streamable_http import (
    AsyncClient,
    AsyncStream,
    Client,
    Connecting,
    Retrying,
    RetryPolicy,
    SSEText,
    StreamClosed,
)

HERE = Path(__file__).parent
PATIENT = RetryPolicy(wait=lambda _: 30.0)
AT_ONCE = 2.0


class Reader:
    """Opens a stream and reads it to its end in another thread or task."""

    def __init__(self, face: Face, client: AsyncClient, url: str, **options: Any) -> None:
        self.items: list[str] = []
        self.stream: AsyncStream[str] = client.stream("GET", url, decoder=SSEText(), **options)
        self._face = face
        self._running = face.spawn(self._read)

    async def _read(self) -> None:
        await self.stream.open()
        async for item in self.stream:
            self.items.append(item)

    async def closed_at_once(self) -> None:
        """Closing returns at once, the reader learns of it at once, and closing again is idle."""
        started = time.monotonic()
        await self.stream.aclose()
        with pytest.raises(StreamClosed):
            await self._running
        assert time.monotonic() - started < AT_ONCE
        await self.stream.aclose()
        with pytest.raises(StreamClosed):
            await anext(self.stream)


async def test_while_connecting(own: Face) -> None:
    told: list[Any] = []
    with unreachable() as url:
        async with own.client(on_event=told.append) as client:
            reader = Reader(own, client, url)
            await own.until(lambda: isinstance(told[-1:] and told[-1], Connecting))
            await own.sleep(0.01)
            await reader.closed_at_once()


async def test_while_shaking_hands(own: Face) -> None:
    with Server() as silent:
        silent.serve("/", [hold()])
        async with own.client() as client:
            reader = Reader(own, client, silent.url.replace("http:", "https:") + "/")
            await own.until(lambda: silent.accepted > 0)
            await own.sleep(0.01)
            await reader.closed_at_once()
            assert silent.wait_for(lambda: silent.hung_up == 1)


async def test_while_waiting_for_the_head(own: Face, server: Server) -> None:
    url = server.serve("/", [hold()])
    async with own.client() as client:
        reader = Reader(own, client, url)
        await own.until(lambda: bool(server.requests))
        await reader.closed_at_once()
        assert server.wait_for(lambda: server.hung_up == 1)
    assert len(server.requests) == 1


async def test_while_reading(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2), hold()))
    async with face.client() as client:
        reader = Reader(face, client, url)
        await face.until(lambda: reader.items == ["1", "2"])
        await face.sleep(0.01)
        await reader.closed_at_once()
        assert server.wait_for(lambda: server.hung_up == 1)
    assert len(server.requests) == 1


async def test_while_reading_over_tls(own: Face, tls_server: Server, trusting: Any) -> None:
    url = tls_server.serve("/", streamed(events(1, 2), hold()))
    async with own.client(verify=trusting) as client:
        reader = Reader(own, client, url)
        await own.until(lambda: reader.items == ["1", "2"])
        await own.sleep(0.01)
        await reader.closed_at_once()
        assert tls_server.wait_for(lambda: tls_server.hung_up == 1)


@pytest.mark.parametrize("script", [reply(status=503), streamed(events(1), delay(0.0))])
async def test_while_waiting_to_try_again(face: Face, server: Server, script: Any) -> None:
    told: list[Any] = []
    url = server.serve("/", script)
    async with face.client(retry=PATIENT, on_event=told.append) as client:
        reader = Reader(face, client, url, follow=True)
        await face.until(lambda: any(isinstance(event, Retrying) for event in told))
        await reader.closed_at_once()
    assert len(server.requests) == 1


async def test_while_the_consumer_is_elsewhere(own: Face, server: Server) -> None:
    """With prefetch the queue is full, and who fills it waits for room."""
    url = server.serve("/", streamed(*[events(number) for number in range(1, 200)], hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await stream.open()
        assert await anext(stream) == "1"
        await own.sleep(0.02)
        started = time.monotonic()
        await own.spawn(stream.aclose)
        assert time.monotonic() - started < AT_ONCE
        with pytest.raises(StreamClosed):
            await anext(stream)
        assert server.wait_for(lambda: server.hung_up == 1)


async def test_while_workers_of_a_map_are_at_work(own: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(events(*range(1, 20)), hold()))
    at_work: list[int] = []

    async def work(item: int) -> int:
        at_work.append(item)
        await own.until(gate.is_set)
        return item

    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await stream.open()
        mapped = stream.map(own.fn(work), 8)

        async def read() -> Any:
            return await anext(mapped)

        reader = own.spawn(read)
        await own.until(lambda: len(at_work) == 8)
        closing = own.spawn(stream.aclose)
        with pytest.raises(StreamClosed):
            await reader
        # A thread at work in the user's function is waited for; a task is cancelled.
        gate.set()
        await closing
        assert server.wait_for(lambda: server.hung_up == 1)
    assert len(at_work) == 8


async def test_while_merging(own: Face, server: Server) -> None:
    from streamable_http import Request

    urls = [server.serve(f"/{number}", streamed(events(1), hold())) for number in range(3)]
    requests = [Request("GET", url, decoder=SSEText()) for url in urls]
    items: list[Any] = []
    async with own.client() as client, client.merge(requests) as merged:

        async def read() -> None:
            async for item in merged:
                items.append(item)

        reader = own.spawn(read)
        await own.until(lambda: len(items) == 3)
        started = time.monotonic()
        await merged.aclose()
        with pytest.raises(StreamClosed):
            await reader
        assert time.monotonic() - started < AT_ONCE
        assert server.wait_for(lambda: server.hung_up == 3)


async def test_at_random_moments(own: Face, server: Server) -> None:
    longest = await race(own, server, 49)
    assert longest < 1.0


# In processes of their own ---------------------------------------------------------------------


def test_nothing_warns_and_nothing_is_left() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(HERE / "races.py"), "14"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.count("longest") == 6


SYNC = """
import signal, sys, threading
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have told us to ignore it
from streamable_http import Client, SSEText

with Client(trust_env=False, verify=False, prefetch=int(sys.argv[2])) as client:
    try:
        with client.stream("GET", sys.argv[1], decoder=SSEText()) as stream:
            for item in stream:
                print(item, flush=True)
    except KeyboardInterrupt:
        print("interrupted", threading.active_count(), flush=True)
"""

ASYNC = """
import asyncio, logging, signal, sys, threading
import {library}
logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine makes for slow steps
signal.signal(signal.SIGINT, signal.default_int_handler)
from streamable_http import AsyncClient, SSEText

async def main():
    async with AsyncClient(trust_env=False, verify=False, prefetch=int(sys.argv[2])) as client:
        async with client.stream("GET", sys.argv[1], decoder=SSEText()) as stream:
            async for item in stream:
                print(item, flush=True)

try:
    {library}.run({argument})
except KeyboardInterrupt:
    print("interrupted", threading.active_count(), flush=True)
"""

PROGRAMS = {
    "threads": SYNC,
    "asyncio": ASYNC.format(library="asyncio", argument="main()"),
    "trio": ASYNC.format(library="trio", argument="main"),
}


@pytest.mark.parametrize("prefetch", ["0", "8"])
@pytest.mark.parametrize("runtime", PROGRAMS)
def test_ctrl_c_leaves_nothing(server: Server, runtime: str, prefetch: str) -> None:
    url = server.serve("/", streamed(events(1), hold()))
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAMS[runtime], url, prefetch]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        press_ctrl_c(child)
        output, errors = child.communicate(timeout=10)
    assert output == "interrupted 1\n"
    assert errors == ""
    assert child.returncode == 0
    assert server.wait_for(lambda: server.hung_up == 1)


def test_a_loop_over_what_came_at_once_ends_where_it_was_closed(server: Server) -> None:
    """The loop runs in C from one list of items to the next: closing empties the list in hand."""
    url = server.serve("/", reply(b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(1, 9))))
    seen: list[str] = []
    with Client(trust_env=False) as client:
        stream = client.stream("GET", url, decoder=SSEText()).open()
        with pytest.raises(StreamClosed):
            for text in stream:
                seen.append(text)
                if text == "3":
                    stream.close()
        assert seen == ["1", "2", "3"]
        assert stream.cursor is not None
        assert (stream.cursor.value, stream.stats.items) == ("2", 3)


def test_loops_and_next_share_one_place(server: Server) -> None:
    url = server.serve("/", reply(b"".join(b"data: %d\n\n" % n for n in range(1, 9))))
    with Client(trust_env=False) as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert next(stream) == "1"
        for text in stream:
            if text == "3":
                break
        assert next(stream) == "4"
        assert [*stream] == ["5", "6", "7", "8"]
        assert [*stream] == []
