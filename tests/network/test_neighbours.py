"""Mocks and instrumentation made for httpx see our requests, and other HTTP clients carry them."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest
import respx
from driver import Face
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_httpx import HTTPXMock, IteratorStream
from server import Server, cut, events, reply, streamed, unreachable

import streamable_http as shttp

URL = "http://mocked/feed"
SSE = {"Content-Type": "text/event-stream"}
BODY = b"id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n"


async def data(face: Face, url: str = URL, **settings: Any) -> list[str]:
    async with face.client(**settings) as client, client.stream("GET", url) as stream:
        return [event.data async for event in stream]


# respx ---------------------------------------------------------------------------------------


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which may break off."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            await anyio.lowlevel.checkpoint()
            yield piece


async def test_respx_with_a_body_at_once(pulled: Face) -> None:
    with respx.mock:
        route = respx.get(URL).respond(200, headers=SSE, content=BODY)
        assert await data(pulled) == ["1", "2"]
        assert route.calls.last.request.headers["accept"].startswith("text/event-stream")


async def test_respx_with_a_coded_body(pulled: Face) -> None:
    with respx.mock:
        headers = {**SSE, "Content-Encoding": "gzip"}
        respx.get(URL).respond(200, headers=headers, content=gzip.compress(BODY))
        assert await data(pulled, compress=True) == ["1", "2"]


async def test_respx_with_a_stream_that_breaks_off(pulled: Face) -> None:
    """The event is cut in two; the mock is asked again, for what comes after the first one."""
    with respx.mock:
        broken = Body(BODY[:5], BODY[5:20], httpx.ReadError("reset"))
        whole = Body(BODY[len(BODY) // 2 :])
        route = respx.get(URL)
        route.side_effect = [
            httpx.Response(200, headers={**SSE, "Transfer-Encoding": "chunked"}, stream=body)
            for body in (broken, whole)
        ]
        assert await data(pulled) == ["1", "2"]
    assert [call.request.headers.get("last-event-id") for call in route.calls] == [None, "1"]


async def test_respx_errors_are_ours(pulled: Face) -> None:
    once = shttp.RetryPolicy(stop=1)
    with respx.mock:
        for error, ours in (
            (httpx.ConnectError, shttp.ConnectError),
            (httpx.ReadTimeout, shttp.TimeoutExceeded),
            (httpx.ConnectTimeout, shttp.TimeoutExceeded),
        ):
            respx.get(URL).mock(side_effect=error)
            with pytest.raises(ours):
                await data(pulled, retry=once)


# pytest-httpx --------------------------------------------------------------------------------


async def test_pytest_httpx(pulled: Face, httpx_mock: HTTPXMock) -> None:
    httpx_mock.add_response(url=URL, headers=SSE, content=BODY)
    assert await data(pulled) == ["1", "2"]
    httpx_mock.add_response(url=URL, headers=SSE, stream=IteratorStream([BODY[:7], BODY[7:]]))
    assert await data(pulled) == ["1", "2"]
    httpx_mock.add_exception(httpx.ReadError("reset"))
    httpx_mock.add_response(url=URL, status_code=404, json={"detail": "no"})
    with pytest.raises(shttp.StatusError) as caught:
        await data(pulled)
    assert caught.value.json() == {"detail": "no"}
    requests = httpx_mock.get_requests()
    assert len(requests) == 4
    assert {request.extensions["timeout"]["connect"] for request in requests} == {10.0}


# OpenTelemetry -------------------------------------------------------------------------------


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = HTTPXClientInstrumentor()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        instrumentor.instrument(tracer_provider=provider)
        yield exporter
        instrumentor.uninstrument()
    provider.shutdown()


async def test_opentelemetry(pulled: Face, server: Server, spans: InMemorySpanExporter) -> None:
    url = server.serve("/feed", streamed(events(1), cut()), streamed(events(2)))
    assert await data(pulled, url) == ["1", "2"]
    found = spans.get_finished_spans()
    assert len(found) == 2
    for span, request in zip(found, server.requests, strict=True):
        attributes = dict(span.attributes or {})
        assert url in {attributes.get("http.url"), attributes.get("url.full")}
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" in request.headers["traceparent"]


# Other clients -------------------------------------------------------------------------------


DEFAULTS: dict[str, Any] = {"verify": True, "trust_env": True}
"""What must be left at its default beside `http=`."""


def own_client(library: Any, face: Face, **settings: Any) -> Any:
    return (library.Client if face.sync else library.AsyncClient)(trust_env=False, **settings)


async def closed(client: Any, face: Face) -> None:
    if face.sync:
        client.close()
    else:
        await client.aclose()


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_ones_own_client(pulled: Face, server: Server, library: Any) -> None:
    server.serve("/v1/feed", streamed(events(1, 2), cut()), streamed(events(3)))
    http = own_client(
        library, pulled, base_url=f"{server.url}/v1/", headers={"X-Own": "1"}, auth=("a", "b")
    )
    seen: list[Any] = []
    settings: dict[str, Any] = {"headers": {"X-Ours": "2"}, "on_event": seen.append, **DEFAULTS}
    assert await data(pulled, "feed", http=http, **settings) == ["1", "2", "3"]
    assert not http.is_closed
    for request in server.requests:
        assert request.headers["x-own"] == "1"
        assert request.headers["x-ours"] == "2"
        assert request.headers["authorization"] == "Basic YTpi"
    assert {event.request for event in seen} == {f"GET {server.url}/v1/feed"}
    await closed(http, pulled)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
async def test_the_errors_of_ones_own_client_are_ours(
    pulled: Face, server: Server, library: Any
) -> None:
    http = own_client(library, pulled)
    once = shttp.RetryPolicy(stop=1)
    url = server.serve("/feed", streamed(events(1), cut()), reply(b"no", status=500))
    async with pulled.client(http=http, retry=once, **DEFAULTS) as client:
        with pytest.raises(shttp.ConnectionLost):
            async with client.stream("GET", url) as stream:
                [event async for event in stream]
        with pytest.raises(shttp.StatusError):
            await client.stream("GET", url).open()
        with pytest.raises(shttp.ConnectError):
            await client.stream("GET", "http://127.0.0.1:1/feed").open()
        with unreachable() as nowhere:
            timeouts = shttp.Timeouts(connect=0.1)
            with pytest.raises(shttp.TimeoutExceeded) as caught:
                await client.stream("GET", nowhere, timeout=timeouts).open()
    assert caught.value.kind == "connect"
    await closed(http, pulled)


async def test_httpx_transport_by_name(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1, 2), cut()), streamed(events(3)))
    assert await data(pulled, url, transport="httpx") == ["1", "2", "3"]
