"""Scripts as a transport of httpx2; this module needs the package `httpx2`."""

from __future__ import annotations

import httpx2

from ._body import Played
from ._transport import Transport

__all__ = ["ScriptedTransport"]


class _Body(Played, httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that httpx2 takes, sync and async."""


class ScriptedTransport(Transport, httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport for httpx2 that plays scripts, sync and async, without a socket.

    Pass it as `transport=` to a `Client` or `AsyncClient` of httpx2's, and that as `http=` to ours.
    `streamable_http.testing` has the same for httpx.
    """

    _flavour = httpx2
    _body = _Body

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answers a request of a sync client."""
        response: httpx2.Response = self._respond(request)
        return response

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answers a request of an async client."""
        response: httpx2.Response = await self._respond_async(request)
        return response
