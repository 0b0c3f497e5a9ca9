"""The same for httpx2: transports, and guards for its clients in the OpenAI and Anthropic SDKs.

This module needs the package `httpx2`.
"""

from __future__ import annotations

from typing import ClassVar

import httpx2

from .._errors import StreamTruncated
from .._values import Limits
from ._guarding import AsyncGuarding, AsyncWatchedBody, Flavour, Guarding, WatchedBody
from ._httpx2 import AsyncHTTPTransport, HTTPTransport
from ._watched import EventTerminal

__all__ = ["AsyncGuard", "AsyncHTTPTransport", "Guard", "HTTPTransport"]


# Its `request` is httpx2's, as is whoever expects the error.
class _Truncated(httpx2.RemoteProtocolError, StreamTruncated):  # type: ignore[misc]
    """What httpx2 raises for a cut body, and what we raise for it."""


class _Body(WatchedBody, httpx2.SyncByteStream):
    pass


class _AsyncBody(AsyncWatchedBody, httpx2.AsyncByteStream):
    pass


class Guard(Guarding, httpx2.BaseTransport):
    """`streamable_http.transports.Guard` for an `httpx2.Client`, with errors of httpx2."""

    _flavour: ClassVar[Flavour] = Flavour(httpx2, _Body, _Truncated)

    def __init__(
        self,
        terminal: EventTerminal,
        *,
        transport: httpx2.BaseTransport | None = None,
        limits: Limits | None = None,
    ) -> None:
        """A guard in front of another transport: see `streamable_http.transports.Guard`."""
        super().__init__(terminal, transport or httpx2.HTTPTransport(), limits)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request; of an event stream the body is watched."""
        response: httpx2.Response = self._handle(request)
        return response


class AsyncGuard(AsyncGuarding, httpx2.AsyncBaseTransport):
    """The same for an `httpx2.AsyncClient`."""

    _flavour: ClassVar[Flavour] = Flavour(httpx2, _AsyncBody, _Truncated)

    def __init__(
        self,
        terminal: EventTerminal,
        *,
        transport: httpx2.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
    ) -> None:
        """A guard in front of another transport: see `streamable_http.transports.Guard`."""
        super().__init__(terminal, transport or httpx2.AsyncHTTPTransport(), limits)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request; of an event stream the body is watched."""
        response: httpx2.Response = await self._handle(request)
        return response
