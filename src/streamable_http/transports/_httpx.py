"""httpx's own transports on our network: mocks, instrumentation, errors all stay httpx's."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.request import getproxies

import httpx

from ._async import LeasedBackend
from ._blocking import BlockingBackend, SocketOption
from ._direct import AsyncDirectBody, DirectBody, can_be_direct

__all__ = ["AsyncHTTPTransport", "HTTPTransport", "environment_proxies"]

# Streams stay open, so a limit on connections would be a limit on streams: there is none.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=5.0)


class _Body(DirectBody, httpx.SyncByteStream):
    pass


class _AsyncBody(AsyncDirectBody, httpx.AsyncByteStream):
    pass


class HTTPTransport(httpx.HTTPTransport):
    """`httpx.HTTPTransport` whose waits obey the stream's clocks and its `close()`.

    It takes the same arguments, but for `http2` and `retries`: over HTTP/2 one stream's stall
    would break its neighbours' clocks, and retries are the stream's.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: Any = None,
        trust_env: bool = True,
        limits: httpx.Limits = _LIMITS,
        proxy: httpx.Proxy | httpx.URL | str | None = None,
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
        self._pool._network_backend = BlockingBackend()  # see the test of this line

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request. The body of the response comes from the connection, where it can."""
        response = super().handle_request(request)
        if wire := can_be_direct(request, response):
            response.stream = _Body(response.stream, wire, request, httpx)
        return response


class AsyncHTTPTransport(httpx.AsyncHTTPTransport):
    """`httpx.AsyncHTTPTransport` whose waits obey the stream's clocks and its `aclose()`.

    It takes the same arguments, but for `retries`, which are the stream's. With `http2=True`
    streams that share a connection also share its stalls: clocks are exact over HTTP/1.1 only.
    """

    def __init__(
        self,
        verify: ssl.SSLContext | str | bool = True,
        cert: Any = None,
        trust_env: bool = True,
        http1: bool = True,
        http2: bool = False,
        limits: httpx.Limits = _LIMITS,
        proxy: httpx.Proxy | httpx.URL | str | None = None,
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
        self._pool._network_backend = LeasedBackend()  # see the test of this line

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request. The body of the response comes from the connection, where it can."""
        response = await super().handle_async_request(request)
        if wire := can_be_direct(request, response):
            response.stream = _AsyncBody(response.stream, wire, request, httpx)
        return response


def environment_proxies() -> dict[str, str | None]:
    """The proxies that the environment asks for, as httpx's mount patterns; None means none.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are read as plain httpx reads them,
    which does so only for a client that has no transport of its own.
    """
    wanted = getproxies()
    exempt = [host.strip() for host in wanted.get("no", "").split(",") if host.strip()]
    if "*" in exempt:
        return {}
    mounts: dict[str, str | None] = {}
    for scheme in ("http", "https", "all"):
        if proxy := wanted.get(scheme):
            mounts[f"{scheme}://"] = proxy if "://" in proxy else f"http://{proxy}"
    for host in exempt:
        mounts[_pattern(host)] = None
    return mounts


def _pattern(host: str) -> str:
    if "://" in host:
        return host
    try:
        version = ipaddress.ip_address(host.partition("/")[0]).version
    except ValueError:
        return f"all://{host}" if host.lower() == "localhost" else f"all://*{host}"
    # httpx takes a network for its first address; one of IPv6 it would refuse altogether.
    return f"all://[{host.partition('/')[0]}]" if version == 6 else f"all://{host}"
