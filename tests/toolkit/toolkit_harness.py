"""Runs one tool call, or a few, against a scripted server, on either event loop."""

from __future__ import annotations

import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
from server import Script, Server, chunk, streamed

from streamable_http import AsyncClient, AsyncStreamService, RetryPolicy
from streamable_http.toolkit import ProgressHook, StreamToolkit, ToolLimits, ToolReply

__all__ = ["BACKENDS", "DONE", "call", "conduct", "record", "records"]

BACKENDS = ["asyncio", "trio"]
FAST = RetryPolicy(stop=2, wait=lambda _: 0.0, min_delay=0.0)
_PLAIN = ssl.create_default_context()

DONE = chunk(b"data: [DONE]\n\n")


def record(number: int, value: Any) -> Any:
    """A step: one record with its number as the event's id."""
    return chunk(b"id: %d\ndata: %b\n\n" % (number, json.dumps(value).encode()))


def records(*values: Any) -> Script:
    """A whole stream of these."""
    steps = [record(number, value) for number, value in enumerate(values, 1)]
    return streamed(*steps, DONE)


def conduct(
    backend: str,
    url: str,
    main: Callable[[StreamToolkit], Awaitable[None]],
    *,
    endpoints: list[str] | None = None,
    limits: ToolLimits | None = None,
    redact: Callable[[Any], Any] | None = None,
    **client: Any,
) -> None:
    """Runs `main(toolkit)` on a service at `url`."""

    async def run() -> None:
        options = {"retry": FAST, "verify": _PLAIN, "trust_env": False, **client}
        async with AsyncClient(**options) as http:
            service = AsyncStreamService(url, client=http)
            await main(StreamToolkit(service, endpoints, limits=limits, redact=redact))

    anyio.run(run, backend=backend)


def call(
    backend: str,
    server: Server | str,
    name: str,
    arguments: Any,
    *,
    progress: ProgressHook | None = None,
    **options: Any,
) -> ToolReply:
    """One call; its text is seen to be what `structured` holds."""
    replies: list[ToolReply] = []

    async def main(toolkit: StreamToolkit) -> None:
        replies.append(await toolkit.call(name, arguments, progress=progress))

    conduct(backend, server if isinstance(server, str) else server.url, main, **options)
    (reply,) = replies
    assert json.loads(reply.text) == reply.structured
    return reply
