"""Transports for `httpx.Client` and `httpx.AsyncClient` that keep a stream's promises.

`Client` and `AsyncClient` use them by themselves. They are public for whoever builds a transport
with other settings, such as a Unix domain socket: `Client(transport=HTTPTransport(uds=path))`.

`Guard` and `AsyncGuard` are for the clients of others: they raise where a stream was cut.
`streamable_http.transports.httpx2` has the same for httpx2.
"""

from ._guard import AsyncGuard, Guard
from ._httpx import AsyncHTTPTransport, HTTPTransport

__all__ = ["AsyncGuard", "AsyncHTTPTransport", "Guard", "HTTPTransport"]
