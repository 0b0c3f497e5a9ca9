"""Many streams in one process: `python -m benchmarks.suite.many WHO STREAMS TICKS URL`.

Memory is how much the process grew from before the first stream to when all of them wait for
their first event, for each stream. CPU is that from the first event to the last.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

AT_ONCE = 50
# A pool of connections looks at all of them for each request: ten small ones open much faster.
FOR_EACH_CLIENT = 1_000
Open = Callable[[str], AbstractAsyncContextManager[AsyncIterator[Any]]]


@asynccontextmanager
async def ours() -> AsyncIterator[Open]:
    import streamable_http as shttp

    async with shttp.AsyncClient() as client:
        yield lambda url: client.stream("GET", url, decoder=shttp.SSE())


@asynccontextmanager
async def plain_httpx() -> AsyncIterator[Any]:
    import httpx

    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(limits=limits, timeout=120) as client:
        yield client


@asynccontextmanager
async def httpx_sse() -> AsyncIterator[Open]:
    from httpx_sse import aconnect_sse

    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Any]:
        async with aconnect_sse(client, "GET", url) as source:
            yield source.aiter_sse()

    async with plain_httpx() as client:
        yield connect


@asynccontextmanager
async def httpx_raw() -> AsyncIterator[Open]:
    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Any]:
        async with client.stream("GET", url) as response:
            yield response.aiter_raw()

    async with plain_httpx() as client:
        yield connect


WAYS = {"ours async": ours, "httpx-sse async": httpx_sse, "httpx aiter_raw": httpx_raw}


def resident() -> int:
    """KiB of this process in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


async def opened(who: str, url: str, count: int, stack: AsyncExitStack) -> list[Any]:
    streams: list[Any] = []
    for at in range(0, count, AT_ONCE):
        if at % FOR_EACH_CLIENT == 0:
            connect = await stack.enter_async_context(WAYS[who]())
        some = range(min(AT_ONCE, count - at))
        streams += await asyncio.gather(*(stack.enter_async_context(connect(url)) for _ in some))
    return streams


class Tally:
    """How many events came to all streams, and when the last of them had come."""

    def __init__(self, expected: int) -> None:
        self.events = 0
        self.expected = expected
        self.cpu = 0.0

    async def read(self, items: AsyncIterator[Any]) -> None:
        async for _ in items:
            self.events += 1
            if self.events == self.expected:
                self.cpu = time.process_time()


async def read(who: str, count: int, ticks: int, url: str) -> dict[str, Any]:
    async with AsyncExitStack() as stack:
        async with AsyncExitStack() as warm:
            (first,) = await opened(who, f"{url}/", 1, warm)
            tell(url)
            await Tally(1).read(first)
        before = resident()
        streams = await opened(who, f"{url}/", count, stack)
        tally = Tally(count * ticks)
        readers = [asyncio.create_task(tally.read(one)) for one in streams]
        await asyncio.sleep(0.2)
        memory = (resident() - before) / count
        if not ticks:
            for reader in readers:
                reader.cancel()
            await asyncio.gather(*readers, return_exceptions=True)
            return {"KiB": memory}
        start = time.process_time()
        tell(url)
        await asyncio.gather(*readers)
        assert tally.events == tally.expected, f"{who}: {tally.events} of {tally.expected}"
    return {"KiB": memory, "cpu": tally.cpu - start, "items": tally.events}


def tell(url: str) -> None:
    """Lets the server begin."""
    to = urlsplit(url)
    with socket.create_connection((to.hostname, to.port)) as wire:
        wire.sendall(b"GET /go HTTP/1.1\r\n\r\n")
        wire.recv(1)


if __name__ == "__main__":
    _, who, count, ticks, url = sys.argv
    print(json.dumps(asyncio.run(read(who, int(count), int(ticks), url))))
