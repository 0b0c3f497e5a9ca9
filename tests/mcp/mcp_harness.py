"""A real MCP server over loopback, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from streamable_http import AsyncClient, AsyncStreamService
from streamable_http.mcp import run_http
from streamable_http.toolkit import StreamToolkit, ToolLimits

__all__ = ["served"]


@contextlib.contextmanager
def served(
    upstream: str,
    endpoints: list[str] | None = None,
    *,
    limits: ToolLimits | None = None,
    client: dict[str, Any] | None = None,
    **app: Any,
) -> Iterator[str]:
    """An MCP server for the data service at `upstream`; yields its URL."""
    ready = threading.Event()
    urls: list[str] = []
    stop: list[Callable[[], object]] = []

    async def main() -> None:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(stopping.set))

        def on_ready(url: str) -> None:
            urls.append(url)
            ready.set()

        async with AsyncClient(trust_env=False, **(client or {})) as http:
            service = AsyncStreamService(upstream, client=http)
            toolkit = StreamToolkit(service, endpoints, limits=limits)
            serving = asyncio.create_task(run_http(toolkit, port=0, on_ready=on_ready, **app))
            await asyncio.wait(
                [serving, waiting := asyncio.create_task(stopping.wait())],
                return_when=asyncio.FIRST_COMPLETED,
            )
            waiting.cancel()
            serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await serving

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="mcp-server")
    thread.start()
    try:
        assert ready.wait(10)
        yield urls[0]
    finally:
        stop[0]()
        thread.join(10)
        assert not thread.is_alive()
