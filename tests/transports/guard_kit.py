"""A guard, a client in front of it, and what the client had of a response."""

from __future__ import annotations

from typing import Any

import anyio
import attrs
import httpx
import httpx2

from streamable_http import StreamTruncated
from streamable_http.testing import Response, ScriptedTransport
from streamable_http.testing import httpx2 as testing_httpx2
from streamable_http.transports import AsyncGuard, Guard
from streamable_http.transports import httpx2 as transports_httpx2

__all__ = ["KINDS", "Kind", "Read", "assert_cut", "cause_of", "guarded"]


@attrs.frozen
class Kind:
    """A client that a guard is for."""

    package: Any
    runtime: str

    def __str__(self) -> str:
        return f"{self.package.__name__}-{self.runtime}"

    @property
    def sync(self) -> bool:
        return self.runtime == "threads"

    def guard(self, terminal: Any, **settings: Any) -> Any:
        if self.package is httpx:
            return (Guard if self.sync else AsyncGuard)(terminal, **settings)
        both = transports_httpx2
        return (both.Guard if self.sync else both.AsyncGuard)(terminal, **settings)

    def scripted(self, script: Any) -> Any:
        own = ScriptedTransport if self.package is httpx else testing_httpx2.ScriptedTransport
        return own(script)

    def read(self, transport: Any, url: str = "http://testserver/", **options: Any) -> Read:
        """Reads a response's raw bytes to the end, or to an exception."""
        if self.sync:
            return self._read_sync(transport, url, options)
        backend = "trio" if self.runtime == "trio" else "asyncio"
        return anyio.run(self._read_async, transport, url, options, backend=backend)

    def _read_sync(self, transport: Any, url: str, options: dict[str, Any]) -> Read:
        read = Read()
        with self.package.Client(transport=transport) as client:
            try:
                with client.stream("GET", url, **options) as response:
                    read.response = response
                    for chunk in response.iter_raw():
                        read.chunks.append(chunk)
            except Exception as exc:
                read.error = exc
        return read

    async def _read_async(self, transport: Any, url: str, options: dict[str, Any]) -> Read:
        read = Read()
        async with self.package.AsyncClient(transport=transport) as client:
            try:
                async with client.stream("GET", url, **options) as response:
                    read.response = response
                    async for chunk in response.aiter_raw():
                        read.chunks.append(chunk)
            except Exception as exc:
                read.error = exc
        return read


@attrs.define
class Read:
    """What a client had of a response."""

    chunks: list[bytes] = attrs.Factory(list)
    error: Exception | None = None
    response: Any = None


RUNTIMES = ("threads", "asyncio", "trio")
KINDS = [Kind(package, runtime) for package in (httpx, httpx2) for runtime in RUNTIMES]


def guarded(kind: Kind, response: Response, terminal: Any = "[DONE]", **settings: Any) -> Read:
    return kind.read(kind.guard(terminal, transport=kind.scripted(response), **settings))


def assert_cut(kind: Kind, error: Exception | None) -> None:
    assert isinstance(error, kind.package.RemoteProtocolError)
    assert isinstance(error, StreamTruncated)


def cause_of(read: Read) -> BaseException | None:
    return None if read.error is None else read.error.__cause__
