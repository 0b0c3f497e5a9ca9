"""Guards for clients of httpx."""

from __future__ import annotations

from typing import ClassVar

import httpx

from .._errors import StreamTruncated
from .._values import Limits
from ._guarding import AsyncGuarding, AsyncWatchedBody, Flavour, Guarding, WatchedBody
from ._watched import EventTerminal

__all__ = ["AsyncGuard", "Guard"]


# Its `request` is httpx's, as is whoever expects the error.
class _Truncated(httpx.RemoteProtocolError, StreamTruncated):  # type: ignore[misc]
    """What httpx raises for a cut body, and what we raise for it."""


class _Body(WatchedBody, httpx.SyncByteStream):
    pass


class _AsyncBody(AsyncWatchedBody, httpx.AsyncByteStream):
    pass


class Guard(Guarding, httpx.BaseTransport):
    """A transport that makes others' code notice a stream of events that was cut.

    An event stream whose body ends before its terminal raises, where a client that does not know
    of terminals would take what came for the whole. The error is an `httpx.RemoteProtocolError`
    and a `StreamTruncated`. Bytes pass through as they come, each chunk at once; other responses,
    error statuses and errors inside the stream are left alone.

    For clients of httpx2 there is `streamable_http.transports.httpx2.Guard`.
    """

    _flavour: ClassVar[Flavour] = Flavour(httpx, _Body, _Truncated)

    def __init__(
        self,
        terminal: EventTerminal,
        *,
        transport: httpx.BaseTransport | None = None,
        limits: Limits | None = None,
    ) -> None:
        """A guard in front of another transport.

        Args:
            terminal: What ends every event stream of the client: text such as "[DONE]", which is
                an event's data; `Terminal(event=…)`; or a function of a `ServerSentEvent`.
            transport: What makes the requests. Default: an `httpx.HTTPTransport()`. httpx applies
                its `verify`, `limits`, `http2` and proxy settings to transports of its own only:
                pass one that has them, if you need them.
            limits: Bounds on what is looked at: `max_item_bytes`, `max_decompressed_ratio`.
                What exceeds them raises an `httpx.RemoteProtocolError`.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        super().__init__(terminal, transport or httpx.HTTPTransport(), limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; of an event stream the body is watched."""
        response: httpx.Response = self._handle(request)
        return response


class AsyncGuard(AsyncGuarding, httpx.AsyncBaseTransport):
    """`Guard` for an `httpx.AsyncClient`."""

    _flavour: ClassVar[Flavour] = Flavour(httpx, _AsyncBody, _Truncated)

    def __init__(
        self,
        terminal: EventTerminal,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        limits: Limits | None = None,
    ) -> None:
        """A guard in front of another transport: see `Guard`."""
        super().__init__(terminal, transport or httpx.AsyncHTTPTransport(), limits)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; of an event stream the body is watched."""
        response: httpx.Response = await self._handle(request)
        return response
