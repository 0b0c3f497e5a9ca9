"""`compat.httpx_sse` is used as httpx-sse is, gives the same events, and notices a cut body."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import attrs
import httpx
import httpx2
import httpx_sse as original
import pytest
import stamina
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from streamable_http import StreamTruncated
from streamable_http.compat import httpx_sse as compat
from streamable_http.compat.httpx_sse import (
    EventSource,
    ServerSentEvent,
    SSEError,
    aconnect_sse,
    connect_sse,
)
from streamable_http.testing import (
    Cut,
    Reset,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    event,
    events,
    gzipped,
    truncated,
)

URL = "http://testserver/sse"


@attrs.define
class Read:
    """What a reader had of a response."""

    events: list[Any] = attrs.Factory(list)
    error: Exception | None = None


Reader = Callable[[Any, Any], Read]


def read_sync(transport: Any, package: Any = compat, url: str = URL) -> Read:
    read = Read()
    with httpx.Client(transport=transport) as client:
        try:
            with package.connect_sse(client, "GET", url) as source:
                for one in source.iter_sse():
                    read.events.append(one)
        except Exception as exc:
            read.error = exc
    return read


async def _read_async(transport: Any, package: Any, url: str) -> Read:
    read = Read()
    async with httpx.AsyncClient(transport=transport) as client:
        try:
            async with package.aconnect_sse(client, "GET", url) as source:
                async for one in source.aiter_sse():
                    read.events.append(one)
        except Exception as exc:
            read.error = exc
    return read


def read_asyncio(transport: Any, package: Any = compat, url: str = URL) -> Read:
    return anyio.run(_read_async, transport, package, url, backend="asyncio")


def read_trio(transport: Any, package: Any = compat, url: str = URL) -> Read:
    return anyio.run(_read_async, transport, package, url, backend="trio")


@pytest.fixture(params=[read_sync, read_asyncio, read_trio], ids=["threads", "asyncio", "trio"])
def reader(request: pytest.FixtureRequest) -> Any:
    return request.param


def as_tuples(read: Read) -> list[tuple[Any, ...]]:
    return [(one.event, one.data, one.id, one.retry) for one in read.events]


# As documented there ---------------------------------------------------------------------------


def test_events_one_after_another() -> None:
    seen = []
    blocks = [event("1", id=1), event("2", event="tick", retry=50), event("a\nb", id="x")]
    with ScriptedServer(events(*blocks)) as server, httpx.Client() as client:
        with connect_sse(client, "GET", server.url + "/sse") as event_source:
            for sse in event_source.iter_sse():
                seen.append((sse.event, sse.data, sse.id, sse.retry))
        (request,) = server.requests
    assert seen == [
        ("message", "1", "1", None),
        ("tick", "2", "1", 50),
        ("message", "a\nb", "x", None),
    ]
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["cache-control"] == "no-store"


async def _login(request: Request) -> StreamingResponse:
    async def body() -> AsyncIterator[bytes]:
        yield event({"user_id": "4135"}, event="login")

    return StreamingResponse(body(), media_type="text/event-stream")


def test_an_application_that_is_called_without_a_network() -> None:
    app = Starlette(routes=[Route("/sse/auth/", endpoint=_login)])

    async def main() -> list[ServerSentEvent]:
        async with (
            httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client,
            aconnect_sse(client, "GET", "http://localhost:8000/sse/auth/") as event_source,
        ):
            return [sse async for sse in event_source.aiter_sse()]

    (sse,) = asyncio.run(main())
    assert sse.event == "login"
    assert sse.json() == {"user_id": "4135"}


def retrying(client: httpx.Client, method: str, url: str) -> Iterator[ServerSentEvent]:
    """Reconnects as httpx-sse suggests: by `ReadError`, the last ID and the server's pause."""
    last_id, pauses = "", []

    @stamina.retry(on=httpx.ReadError, wait_initial=0.001, wait_jitter=0.001)
    def attempt() -> Iterator[ServerSentEvent]:
        nonlocal last_id
        headers = {"Accept": "text/event-stream"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        with connect_sse(client, method, url, headers=headers) as event_source:
            for sse in event_source.iter_sse():
                last_id = sse.id
                if sse.retry is not None:
                    pauses.append(sse.retry / 1000)
                yield sse

    yield from attempt()


@pytest.mark.parametrize(
    "broken",
    [
        events("1", "2", then=[Cut()]),
        events("1", "2", then=[Reset()]),
        events("1", "2", b"data: 3"),
        truncated(gzipped(events("1", "2")), at=-4, then=[]),
    ],
    ids=["cut", "reset", "open-event", "open-gzip"],
)
def test_the_reconnection_that_is_suggested_there_reconnects(broken: Response) -> None:
    with ScriptedServer(Script(broken, events("3", "4", start=3))) as server:
        with httpx.Client() as client:
            assert [one.data for one in retrying(client, "GET", server.url)] == ["1", "2", "3", "4"]
        first, second = server.requests
    assert "last-event-id" not in first.headers
    assert second.headers["last-event-id"] == "2"


def test_the_status_can_be_looked_at_first() -> None:
    transport = ScriptedTransport(attrs.evolve(events("1"), status=503))
    with httpx.Client(transport=transport) as client, connect_sse(client, "GET", URL) as source:
        assert isinstance(source.response, httpx.Response)
        with pytest.raises(httpx.HTTPStatusError, match="503"):
            source.response.raise_for_status()


def test_another_content_type_is_an_sse_error_when_events_are_asked_for(reader: Reader) -> None:
    json_response = Response(headers={"Content-Type": "application/json"}, body=b"{}")
    for transport in (ScriptedTransport(json_response), ScriptedTransport(Response(body=b"x"))):
        error = reader(transport, compat).error
        theirs = reader(transport, original).error
        assert isinstance(error, SSEError)
        assert isinstance(error, httpx.TransportError)
        assert str(error) == str(theirs)
        assert str(error.request.url) == URL


def test_a_response_that_was_made_by_hand() -> None:
    response = httpx.Response(200, headers={"Content-Type": "text/event-stream"}, content=event(1))
    assert [one.data for one in EventSource(response).iter_sse()] == ["1"]
    with pytest.raises(SSEError):
        next(iter(EventSource(httpx.Response(200)).iter_sse()))


# Signatures ------------------------------------------------------------------------------------


def test_it_exports_what_httpx_sse_exports() -> None:
    theirs = set(original.__all__) - {"__version__"}
    assert theirs == set(compat.__all__)
    assert issubclass(SSEError, httpx.TransportError)


def test_the_event_has_their_defaults_and_json() -> None:
    ours, theirs = ServerSentEvent(), original.ServerSentEvent()
    for name in ("event", "data", "id", "retry"):
        assert getattr(ours, name) == getattr(theirs, name)
    with pytest.raises(json.JSONDecodeError):
        ServerSentEvent(data="{").json()


@pytest.mark.parametrize(
    "headers",
    [{"x-a": "1", "accept": "*/*"}, [("x-a", "1")], httpx.Headers({"X-A": "1"}), None],
    ids=["dict", "pairs", "headers", "none"],
)
def test_headers_go_along_and_are_not_changed(headers: Any) -> None:
    before = None if headers is None else type(headers)(headers)
    transport = ScriptedTransport(events("1"))
    with (
        httpx.Client(transport=transport) as client,
        connect_sse(client, "POST", URL, headers=headers, json={"a": 1}, params={"q": "2"}) as one,
    ):
        assert len([*one.iter_sse()]) == 1
    (request,) = transport.requests
    assert (request.method, request.target, request.json()) == ("POST", "/sse?q=2", {"a": 1})
    assert request.headers.get("x-a") == (None if headers is None else "1")
    assert request.headers["accept"] == "text/event-stream"
    assert request.headers["accept-encoding"] == "identity"
    assert headers == before


def test_compression_can_be_asked_for() -> None:
    transport = ScriptedTransport(gzipped(events("1")))
    given = {"Accept-Encoding": "gzip"}
    with (
        httpx.Client(transport=transport) as client,
        connect_sse(client, "GET", URL, headers=given) as source,
    ):
        assert [one.data for one in source.iter_sse()] == ["1"]
    assert transport.requests[0].headers["accept-encoding"] == "gzip"


# The same events -------------------------------------------------------------------------------

PLAIN = [
    b"data: 1\n\n",
    b"id: 1\nevent: a\ndata: x\ndata: y\n\ndata: z\n\n",
    b": comment\n\nevent: a\ndata: x\n\n",
    b"data:1\r\n\r\nretry: 20\r\ndata: 2\r\n\r\n",
    b"data\n\n",
    "data: grüße 🚀\n\n".encode(),
    b"data: " + b"x" * 1000 + b"\n\n" + b"data: 2\n\n" * 100,
]


@pytest.mark.parametrize("body", PLAIN)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_events_are_theirs(body: bytes, size: int) -> None:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    ours = read_sync(ScriptedTransport(events(*pieces)))
    theirs = read_sync(ScriptedTransport(events(*pieces)), original)
    assert as_tuples(ours) == as_tuples(theirs)
    assert ours.error is None


def test_where_they_differ_the_standard_is_kept(reader: Reader) -> None:
    body = b"\xef\xbb\xbfdata: 1\n\nid: 7\n\nevent: ping\n\ndata: \xff\n\n"
    response = Response(headers={"Content-Type": "text/event-stream; charset=ascii"}, body=body)
    read = reader(ScriptedTransport(response), compat)
    assert [(one.data, one.id) for one in read.events] == [("1", ""), ("\ufffd", "7")]


def test_a_mock_whose_content_is_there_already(reader: Reader) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, content=event("1") + event("2"))

    read = reader(httpx.MockTransport(answer), compat)
    assert [one.data for one in read.events] == ["1", "2"]


def test_a_client_of_httpx2() -> None:
    with ScriptedServer(events("1", "2")) as server, httpx2.Client() as client:
        other: Any = client
        with connect_sse(other, "GET", server.url) as source:
            assert [one.data for one in source.iter_sse()] == ["1", "2"]


# Cut bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        events("1", then=[Cut()]),
        events("1", then=[Reset()]),
        events("1", b"data: 2"),
        events("1", b"data: 2\n"),
        truncated(gzipped(events("1")), at=-4, then=[]),
    ],
    ids=["framing", "reset", "line", "event", "gzip"],
)
def test_a_cut_body_raises_behind_its_events(reader: Reader, response: Response) -> None:
    read = reader(ScriptedTransport(response), compat)
    assert [one.data for one in read.events] == ["1"]
    for kind in (httpx.ReadError, httpx.RemoteProtocolError, StreamTruncated, EOFError):
        assert isinstance(read.error, kind)
    assert not isinstance(read.error, SSEError)


def test_an_event_that_is_too_large(reader: Reader) -> None:
    blocks = [b"data: " + b"x" * (1 << 20), *[b"x" * (1 << 20)] * 16]
    read = reader(ScriptedTransport(events("1", *blocks)), compat)
    assert len(read.events) == 1
    assert isinstance(read.error, SSEError)
    assert "max_item_bytes" in str(read.error)


def test_a_corrupt_coding(reader: Reader) -> None:
    response = events(b"no gzip", headers={"Content-Encoding": "gzip"})
    assert isinstance(reader(ScriptedTransport(response), compat).error, httpx.DecodingError)


def test_other_errors_of_the_client_stay_as_they_are(reader: Reader) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    assert type(reader(httpx.MockTransport(refuse), compat).error) is httpx.ConnectError


@pytest.mark.parametrize("codings", ["gzip, gzip, x", "gzip, gzip, br", "gzip, " * 4 + "gzip"])
def test_a_coding_that_is_not_read_does_not_unlock_the_others(reader: Reader, codings: str) -> None:
    """httpx passes over a name that it does not know, and inflates what is left without a bound."""
    bomb = event("x" * (1 << 20))
    for _ in range(codings.count("gzip")):
        bomb = gzip.compress(bomb)
    response = events(bomb, headers={"Content-Encoding": codings})
    read = reader(ScriptedTransport(response), compat)
    assert read.events == []
    assert isinstance(read.error, SSEError)
    assert "content coding" in str(read.error)
    assert str(read.error.request.url) == URL


@pytest.mark.parametrize("codings", ["identity", "", "Identity, identity"])
def test_a_coding_that_does_nothing(reader: Reader, codings: str) -> None:
    response = events("1", headers={"Content-Encoding": codings})
    assert [one.data for one in reader(ScriptedTransport(response), compat).events] == ["1"]


def test_nothing_comes_behind_an_error() -> None:
    async def main() -> list[ServerSentEvent]:
        transport = ScriptedTransport(events("1", b"data: 2", then=[Cut()]))
        async with (
            httpx.AsyncClient(transport=transport) as client,
            aconnect_sse(client, "GET", URL) as source,
        ):
            happenings = source.aiter_sse()
            with pytest.raises(httpx.ReadError):
                [one async for one in happenings]
            return [one async for one in happenings]

    assert asyncio.run(main()) == []


# Leaving early ---------------------------------------------------------------------------------


# On asyncio only: httpx leaves async generators of its own behind, of which trio warns.


def test_leaving_a_loop_closes_the_response() -> None:
    async def main() -> None:
        with ScriptedServer(events(event("1") + b"data: 2", b"\n\n")) as server:
            async with httpx.AsyncClient() as client:
                async with aconnect_sse(client, "GET", server.url) as source:
                    happenings = source.aiter_sse()
                    async for one in happenings:
                        assert one.data == "1"
                        break
                    await happenings.aclose()
                    assert [one async for one in happenings] == []
                assert source.response.is_closed

    asyncio.run(main())


def test_leaving_it_without_a_word() -> None:
    async def main() -> None:
        with ScriptedServer(events("1", "2", "3")) as server:
            async with httpx.AsyncClient() as client:
                async with aconnect_sse(client, "GET", server.url) as source:
                    async for _ in source.aiter_sse():
                        break
                assert source.response.is_closed

    asyncio.run(main())
