"""Async peers: httpx-sse, the loops over aiohttp that people write, and httpx over aiohttp."""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from .contender import Target, asynchronous

Read = Callable[[Target], AsyncIterator[Any]]
AIOHTTP, HTTPX_SSE = ("aiohttp",), ("httpx_sse",)


async def events(found: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in found:
        yield event


async def loads(found: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for event in found:
        if event.data == "[DONE]":
            break
        yield json.loads(event.data)


def httpx_sse(*, parse: bool = False, over_aiohttp: bool = False) -> Read:
    async def read(target: Target) -> AsyncIterator[Any]:
        import httpx
        import httpx_sse

        more = {}
        if over_aiohttp:
            from httpx_aiohttp import AiohttpTransport

            more["transport"] = AiohttpTransport()
        async with (
            httpx.AsyncClient(verify=target.verify, timeout=60, **more) as client,
            httpx_sse.aconnect_sse(client, "GET", target.url) as source,
        ):
            found = source.aiter_sse()
            yield loads(found) if parse else found

    return read


def aiohttp_lines(each: Callable[[Any], AsyncIterator[Any]]) -> Read:
    async def read(target: Target) -> AsyncIterator[Any]:
        import aiohttp

        async with aiohttp.ClientSession() as session, session.get(target.url) as response:
            yield each(response.content)

    return read


async def data_lines(lines: Any) -> AsyncIterator[str]:
    """The loop found in many programs: right as long as the server writes events this one way."""
    async for raw in lines:
        line = raw.decode().strip()
        if line.startswith("data: "):
            yield line[6:]


async def data_lines_loads(lines: Any) -> AsyncIterator[Any]:
    async for text in data_lines(lines):
        if text == "[DONE]":
            break
        yield json.loads(text)


async def json_lines(lines: Any) -> AsyncIterator[Any]:
    async for raw in lines:
        if line := raw.strip():
            yield json.loads(line)


def httpx_lines(each: Callable[[Any], AsyncIterator[Any]]) -> Read:
    async def read(target: Target) -> AsyncIterator[Any]:
        import httpx

        async with (
            httpx.AsyncClient(timeout=60) as client,
            client.stream("GET", target.url) as response,
        ):
            yield each(response)

    return read


async def loaded_lines(response: Any) -> AsyncIterator[Any]:
    async for line in response.aiter_lines():
        yield json.loads(line)


async def csv_lines(response: Any) -> AsyncIterator[list[str]]:
    """`csv.reader` takes no async lines, so each is a reader's own: quoted line ends break it."""
    lines = response.aiter_lines()
    await anext(lines)
    async for line in lines:
        yield next(csv.reader((line,)))


async def aiohttp_bytes(target: Target) -> AsyncIterator[Any]:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(target.url) as response:
        yield response.content.iter_any()


SSE = asynchronous("httpx-sse async", "event", httpx_sse(), needs=HTTPX_SSE, quick=True)
SSE_LOADS = asynchronous(
    "httpx-sse async, json.loads", "record", httpx_sse(parse=True), needs=HTTPX_SSE, quick=True
)
SSE_OVER_AIOHTTP = asynchronous(
    "httpx-sse over httpx-aiohttp", "event", httpx_sse(over_aiohttp=True),
    needs=("httpx_sse", "httpx_aiohttp"),
)  # fmt: skip
NAIVE = asynchronous("aiohttp loop", "text", aiohttp_lines(data_lines), needs=AIOHTTP)
NAIVE_LOADS = asynchronous(
    "aiohttp loop, json.loads", "chunk", aiohttp_lines(data_lines_loads), needs=AIOHTTP
)
NAIVE_NDJSON = asynchronous(
    "aiohttp loop, json.loads", "record", aiohttp_lines(json_lines), needs=AIOHTTP
)
LINES = asynchronous(
    "httpx aiter_lines, json.loads", "record", httpx_lines(loaded_lines), quick=True
)
CSV_LINES = asynchronous(
    "httpx aiter_lines, csv.reader", "cells", httpx_lines(csv_lines), quick=True
)
BYTES = asynchronous(
    "httpx aiter_raw", "bytes", httpx_lines(lambda response: response.aiter_raw()), quick=True
)
AIOHTTP_BYTES = asynchronous("aiohttp iter_any", "bytes", aiohttp_bytes, needs=AIOHTTP)
ALL = [SSE, SSE_OVER_AIOHTTP, NAIVE]
