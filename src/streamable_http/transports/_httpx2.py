"""httpx2's own transports on our network."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any

import httpx2

from ._blocking import SocketOption
from ._direct import AsyncDirectBody, DirectBody, can_be_direct
from ._translated import AsyncTranslatedBackend, TranslatedBackend

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]

# As for httpx: a limit on connections would be a limit on streams.
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=5.0)


class _Body(DirectBody, httpx2.SyncByteStream):
    pass


class _AsyncBody(AsyncDirectBody, httpx2.AsyncByteStream):
    pass


class HTTPTransport(httpx2.HTTPTransport):
    """`httpx2.HTTPTransport` whose waits obey the stream's clocks and its `close()`.

    For `Client(http=httpx2.Client(transport=HTTPTransport()))`: see
    `streamable_http.transports.HTTPTransport`.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: Any = None,
        trust_env: bool = True,
        limits: httpx2.Limits = _LIMITS,
        proxy: httpx2.Proxy | httpx2.URL | str | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> None:
        super().__init__(
            verify=verify,
            cert=cert,
            trust_env=trust_env,
            limits=limits,
            proxy=proxy,
            uds=uds,
            local_address=local_address,
            socket_options=socket_options,
        )
        self._pool._network_backend = TranslatedBackend()  # see the test of this line

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request. The body of the response comes from the connection, where it can."""
        response = super().handle_request(request)
        if wire := can_be_direct(request, response):
            response.stream = _Body(response.stream, wire, request, httpx2)
        return response


class AsyncHTTPTransport(httpx2.AsyncHTTPTransport):
    """`httpx2.AsyncHTTPTransport` whose waits obey the stream's clocks and its `aclose()`.

    For `AsyncClient(http=httpx2.AsyncClient(transport=AsyncHTTPTransport()))`: see
    `streamable_http.transports.AsyncHTTPTransport`.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: Any = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: httpx2.Limits = _LIMITS,
        proxy: httpx2.Proxy | httpx2.URL | str | None = None,
        uds: str | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> None:
        super().__init__(
            verify=verify,
            cert=cert,
            trust_env=trust_env,
            http1=http1,
            http2=http2,
            limits=limits,
            proxy=proxy,
            uds=uds,
            local_address=local_address,
            socket_options=socket_options,
        )
        self._pool._network_backend = AsyncTranslatedBackend()  # see the test of this line

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends a request. The body of the response comes from the connection, where it can."""
        response = await super().handle_async_request(request)
        if wire := can_be_direct(request, response):
            response.stream = _AsyncBody(response.stream, wire, request, httpx2)
        return response
