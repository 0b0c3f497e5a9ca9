"""What is behind a guard is closed with it, and its details stay."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from guard_kit import KINDS, Kind

from streamable_http.testing import event
from streamable_http.transports import Guard


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport that tells what is closed."""

    def __init__(self, coding: str = "identity") -> None:
        self.closed: list[str] = []
        self._headers = {"Content-Type": "text/event-stream", "Content-Encoding": coding}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        extensions = {"http_version": b"HTTP/2"}
        return httpx.Response(
            200, headers=self._headers, stream=InnerBody(self), extensions=extensions
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def close(self) -> None:
        self.closed.append("transport")

    async def aclose(self) -> None:
        self.close()


class InnerBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    def __init__(self, transport: Inner) -> None:
        self._transport = transport

    def __iter__(self) -> Iterator[bytes]:
        yield event("1")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield event("1")

    def close(self) -> None:
        self._transport.closed.append("body")

    async def aclose(self) -> None:
        self.close()


@pytest.mark.parametrize("kind", [one for one in KINDS if one.package is httpx], ids=str)
@pytest.mark.parametrize("coding", ["identity", "br"])
def test_body_and_transport_are_closed(kind: Kind, coding: str) -> None:
    inner = Inner(coding)
    read = kind.read(kind.guard("[DONE]", transport=inner))
    assert isinstance(read.error, httpx.RemoteProtocolError)
    assert inner.closed[0] == "body"
    assert inner.closed[-1] == "transport"


def test_the_connections_details_stay() -> None:
    guard = Guard("[DONE]", transport=Inner())
    with httpx.Client(transport=guard) as client:
        response = client.send(client.build_request("GET", "http://testserver/"), stream=True)
        assert response.http_version == "HTTP/2"
        response.close()
