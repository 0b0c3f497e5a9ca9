"""Reads a stream from async code, while other tasks go on.

Start the demo service first: streamable-http serve
"""

from __future__ import annotations

import asyncio
import sys
from typing import TypedDict

import streamable_http as shttp


class Log(TypedDict):
    id: int
    level: str
    message: str


async def main(base_url: str) -> None:
    done = asyncio.Event()
    clock = asyncio.create_task(tick(done))
    async with (
        shttp.AsyncClient(base_url=base_url) as client,
        client.stream(
            "GET",
            "/stream/logs?limit=20&delay=0.01",
            decoder=shttp.SSEData(Log),
            terminal="[DONE]",
        ) as logs,
    ):
        async for log in logs:
            print(f"{log['id']:>4}  {log['level']:<7}  {log['message']}")
    done.set()
    print(f"complete; the other task ticked {await clock} times meanwhile")


async def tick(done: asyncio.Event) -> int:
    ticks = 0
    while not done.is_set():
        ticks += 1
        await asyncio.sleep(0.01)
    return ticks


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["http://127.0.0.1:3001"])))
