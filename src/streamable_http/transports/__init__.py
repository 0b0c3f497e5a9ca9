"""Transports for `httpx.Client` and `httpx.AsyncClient` that keep a stream's promises.

`Client` and `AsyncClient` use them by themselves. They are public for whoever builds a transport
with other settings, such as a Unix domain socket: `Client(transport=HTTPTransport(uds=path))`.
"""

from ._httpx import AsyncHTTPTransport, HTTPTransport

__all__ = ["AsyncHTTPTransport", "HTTPTransport"]
