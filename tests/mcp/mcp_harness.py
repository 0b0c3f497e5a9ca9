"""A real MCP server over loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from streamable_http import AsyncClient, AsyncStreamService
from streamable_http.mcp import running
from streamable_http.toolkit import StreamToolkit, ToolLimits

__all__ = ["served"]


@contextlib.contextmanager
def served(
    upstream: str,
    endpoints: list[str] | None = None,
    *,
    limits: ToolLimits | None = None,
    client: dict[str, Any] | None = None,
    kind: type[StreamToolkit] = StreamToolkit,
    **app: Any,
) -> Iterator[str]:
    """An MCP server for the data service at `upstream`; yields its URL."""
    ready = threading.Event()
    urls: list[str] = []
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
        async with AsyncClient(trust_env=False, **(client or {})) as http:
            service = AsyncStreamService(upstream, client=http)
            async with running(kind(service, endpoints, limits=limits), **app) as url:
                urls.append(url)
                ready.set()
                await stopping.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="mcp-server")
    thread.start()
    try:
        assert ready.wait(10)
        yield urls[0]
    finally:
        stop[0]()
        thread.join(10)
        assert not thread.is_alive()
