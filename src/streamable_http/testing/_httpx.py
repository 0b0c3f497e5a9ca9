"""Scripts as a transport of httpx."""

from __future__ import annotations

import httpx

from ._body import Played
from ._transport import Transport

__all__ = ["ScriptedTransport"]


class _Body(Played, httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that httpx takes, sync and async."""


class ScriptedTransport(Transport, httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for httpx that plays scripts, sync and async, without a socket.

    Pass it as `transport=` to a `Client` or `AsyncClient` of ours or of httpx's.
    `streamable_http.testing.httpx2` has the same for httpx2.
    """

    _flavour = httpx
    _body = _Body

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answers a request of a sync client."""
        response: httpx.Response = self._respond(request)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answers a request of an async client."""
        response: httpx.Response = await self._respond_async(request)
        return response
