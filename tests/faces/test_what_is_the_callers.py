"""What is the caller's own: errors of their code, the request they made, bodies that come once."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from driver import Face

import streamable_http as shttp
from streamable_http.testing import (
    Cut,
    Delay,
    Response,
    ScriptedServer,
    ScriptedTransport,
    VirtualClock,
    events,
    gzipped,
    ndjson,
    redirect,
)

URL = "http://host/feed"
LINES: Any = {"Content-Type": "application/x-ndjson", "ETag": '"v"', "Accept-Ranges": "bytes"}
OURS: list[Exception] = [
    shttp.ConnectError("the moderation service is down"),
    shttp.ConnectionLost("the moderation service broke off"),
    shttp.TimeoutExceeded("the moderation service is slow", kind="connect", seconds=1),
    shttp.StatusError("the moderation service answered 503", status_code=503),
    shttp.StreamClosed("another stream was closed"),
]
OTHERS: list[Exception] = [httpx.ConnectError("no route"), ZeroDivisionError()]
ERRORS = pytest.mark.parametrize("error", [*OURS, *OTHERS], ids=lambda each: type(each).__name__)


def sends(pieces: list[bytes], error: Exception) -> Iterator[bytes]:
    yield from pieces
    raise error


async def sends_async(pieces: list[bytes], error: Exception) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    raise error


# Errors of the caller's code -----------------------------------------------------------------


@ERRORS
async def test_of_a_body_that_is_made_while_it_is_sent(pulled: Face, error: Exception) -> None:
    """What was sent of it by then is not sent again, and never the empty rest."""
    content: Any = (sends if pulled.sync else sends_async)([b"part1"], error)
    with ScriptedServer(lambda _: events("ok")) as server:
        async with pulled.client() as client:
            with pytest.raises(type(error)) as caught:
                await client.stream("POST", server.url, content=content).open()
        assert caught.value is error
        assert server.requests == []  # none was whole


def fails(error: Exception) -> Any:
    def fail(_: object) -> Any:
        raise error

    return fail


@ERRORS
@pytest.mark.parametrize("option", ["failure", "terminal", "on_bad_item"])
async def test_of_functions_of_items(pulled: Face, option: str, error: Exception) -> None:
    body = b"bad\n" if option == "on_bad_item" else b"1\n2\n"
    options: dict[str, Any] = {"decoder": shttp.NDJSON(), option: fails(error)}
    await ends_with(pulled, error, body, options)


# Any other exception of a decoder says that the data is bad.
@pytest.mark.parametrize("error", OURS, ids=lambda each: type(each).__name__)
async def test_of_a_decoder(pulled: Face, error: Exception) -> None:
    class Own:
        decode = staticmethod(fails(error))

        def flush(self) -> list[Any]:
            return []

    await ends_with(pulled, error, b"1\n", {"decoder": Own})


async def ends_with(face: Face, error: Exception, body: bytes, options: dict[str, Any]) -> None:
    """The stream ends with this very error, and is not tried again on its account."""
    transport = ScriptedTransport(lambda _: Response(headers=LINES, body=body))
    async with face_client(face, transport) as client:
        stream = client.stream("POST", URL, json={"buy": 1}, **options)
        with pytest.raises(type(error)) as caught:
            await collected(stream)
        assert caught.value is error
    assert len(transport.requests) == 1


async def collected(stream: Any) -> list[Any]:
    async with stream:
        items: list[Any] = await stream.collect()
        return items


def face_client(face: Face, transport: ScriptedTransport, **options: Any) -> Any:
    return face.client(transport=transport, clock=VirtualClock(), **options)


@pytest.mark.parametrize("kind", ["failure", "bad item"])
async def test_no_policy_goes_on_with_a_decoder_that_has_stopped(pulled: Face, kind: str) -> None:
    """It goes on by bytes, and the bytes behind the error were read by nobody."""
    body = b'{"n":0}\n{"n":1}\n{"error":1}\n{"n":3}\n' if kind == "failure" else b"0\n1\nx\n3\n"
    transport = ScriptedTransport(lambda _: Response(headers=LINES, body=body))
    policy = shttp.RetryPolicy(on=lambda _: True)
    async with face_client(pulled, transport, retry=policy) as client:
        failure = shttp.Failure(path="error") if kind == "failure" else None
        stream = client.stream("GET", URL, decoder=shttp.NDJSON(), failure=failure)
        error = shttp.StreamFailed if kind == "failure" else shttp.DecodeError
        with pytest.raises(error) as caught:
            await collected(stream)
    assert len(caught.value.items) == 2
    assert len(transport.requests) == 1


async def test_a_failure_can_be_tried_again_where_a_new_decoder_goes_on(pulled: Face) -> None:
    def answer(request: Any) -> Response:
        if "last-event-id" in request.headers:
            return events("b", start=2)
        return events("a", then=[b"event: error\ndata: overloaded\n\n"])

    policy = shttp.RetryPolicy(on=lambda error: isinstance(error, shttp.StreamFailed) or None)
    async with face_client(pulled, ScriptedTransport(answer), retry=policy) as client:
        failure = shttp.Failure(event="error")
        stream = client.stream("GET", URL, decoder=shttp.SSEText(), failure=failure)
        assert await collected(stream) == ["a", "b"]


# A request that was acted on -----------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["refused", "503", "429", "401"])
@pytest.mark.parametrize("once", [False, True])
async def test_a_post_that_a_redirect_answered_is_not_sent_again(
    pulled: Face, trouble: str, once: bool
) -> None:
    """A 303 says that it was acted on (RFC 9110, section 15.4.4)."""
    status = 200 if trouble == "refused" else int(trouble)
    where = "http://127.0.0.1:9/" if trouble == "refused" else "/result"
    with ScriptedServer(
        {"/orders": redirect(where, status=303), "/result": lambda _: Response(status=status)}
    ) as server:
        content: Any = b"buy 1"
        if once:
            content = iter([b"buy 1"]) if pulled.sync else _later([b"buy 1"])
        headers: Any = dict if trouble == "401" else None
        async with pulled.client() as client:
            stream = client.stream("POST", f"{server.url}/orders", content=content, headers=headers)
            with pytest.raises((shttp.ConnectError, shttp.StatusError)):
                await stream.open()
        posts = [request.body for request in server.requests if request.method == "POST"]
        assert posts == [b"buy 1"]


async def _later(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_what_may_be_sent_again_is_sent_again_behind_a_redirect_too(pulled: Face) -> None:
    answers = iter([Response(status=503), events("a")])
    script: Any = {"/a": redirect("/b", status=307), "/b": lambda _: next(answers)}
    transport = ScriptedTransport(script)
    async with face_client(pulled, transport) as client:
        stream = client.stream("POST", "http://host/a", json={"q": 1}, decoder=shttp.SSEText())
        assert await collected(stream) == ["a"]
    assert [request.path for request in transport.requests] == ["/a", "/b"] * 2


async def test_no_body_is_sent_empty_the_second_time(pulled: Face) -> None:
    content: Any = iter([b"buy 1"]) if pulled.sync else _later([b"buy 1"])
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", algorithm=MD5, qop="auth"'}
    with ScriptedServer(lambda _: Response(status=401, headers=challenge)) as server:
        async with pulled.client(auth=httpx.DigestAuth("user", "password")) as client:
            with pytest.raises(shttp.ConfigurationError, match="can be read only once"):
                await client.stream("POST", server.url, content=content).open()
        assert len(server.requests) == 1


# The request, sent again ---------------------------------------------------------------------


def goes_on(request: Any) -> Response:
    """Two items, then a cut; then the others."""
    if "since=" in request.url or "last-event-id" in request.headers:
        return ndjson({"s": 3}) if "since=" in request.url else events("3", start=3)
    if request.method == "POST":
        return events("1", "2", then=[Cut()])
    return ndjson({"s": 1}, {"s": 2}, then=[Cut()])


async def test_the_query_of_the_caller_stays_as_it_is(pulled: Face) -> None:
    transport = ScriptedTransport(goes_on)
    query = "name=%E9t%E9&flag&q=a%20b&sig=a%2Bb"
    async with face_client(pulled, transport) as client:
        resume = shttp.ItemCursor(get="s", apply="since")
        stream = client.stream("GET", f"{URL}?{query}", resume=resume)
        assert len(await collected(stream)) == 3
    assert transport.requests[1].url == f"{URL}?{query}&since=2"


async def test_a_position_replaces_the_one_that_is_in_the_query(pulled: Face) -> None:
    def answer(request: Any) -> Response:
        return ndjson({"s": 3}) if "since=2" in request.url else ndjson({"s": 2}, then=[Cut()])

    transport = ScriptedTransport(answer)
    async with face_client(pulled, transport) as client:
        resume = shttp.ItemCursor(get="s", apply="since")
        stream = client.stream("GET", f"{URL}?since=0&x=1&since=1", resume=resume)
        assert len(await collected(stream)) == 2
    assert transport.requests[1].url == f"{URL}?x=1&since=2"


async def test_what_becomes_of_arguments_later_changes_no_request(pulled: Face) -> None:
    messages: list[Any] = [{"role": "user"}]
    params = {"topic": "a"}
    transport = ScriptedTransport(goes_on)
    async with face_client(pulled, transport) as client:
        stream = client.stream(
            "POST",
            URL,
            params=params,
            json={"messages": messages},
            resume=shttp.LastEventID(),
            decoder=shttp.SSEText(),
        )
        async with stream:
            async for item in stream:
                messages.append(item)
                messages[0]["role"] = "nobody"
                params["topic"] = "b"
    first, second = transport.requests
    assert (first.url, first.body) == (second.url, second.body)


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_headers_of_a_body_go_with_it(pulled: Face, status: int) -> None:
    """RFC 9110, section 15.4."""
    script: Any = {"/a": redirect("/b", status=status), "/b": events("x")}
    headers = {"Content-Length": "5", "Content-Type": "text/plain", "X-Mine": "1"}
    with ScriptedServer(script) as server:
        async with pulled.client() as client:
            options: Any = {"content": b"hello", "headers": headers, "decoder": shttp.SSEText()}
            stream = client.stream("POST", f"{server.url}/a", **options)
            assert await collected(stream) == ["x"]
        second = server.requests[1].headers
    assert (second.get("content-length"), second.get("content-type")) == (None, None)
    assert second["x-mine"] == "1"


async def test_a_header_of_a_get_without_a_body_is_the_callers(pulled: Face) -> None:
    transport = ScriptedTransport(events("x"))
    async with face_client(pulled, transport) as client:
        headers = {"Content-Type": "application/json"}
        await collected(client.stream("GET", URL, headers=headers, decoder=shttp.SSEText()))
    assert transport.requests[0].headers["content-type"] == "application/json"


async def test_a_body_that_is_not_as_long_as_said(pulled: Face) -> None:
    with ScriptedServer(events("x")) as server:
        async with pulled.client() as client:
            options: Any = {"content": b"hello", "headers": {"Content-Length": "7"}}
            with pytest.raises(shttp.ConfigurationError, match="cannot be sent"):
                await client.stream("POST", server.url, **options).open()


async def test_a_get_takes_its_body_along_or_nowhere(pulled: Face) -> None:
    def answer(request: Any) -> Response:
        if request.headers["host"] == "host":
            return redirect("http://other/feed")
        return ndjson(1)

    transport = ScriptedTransport(answer)
    async with face_client(pulled, transport) as client:
        with pytest.raises(shttp.RedirectError, match="the body of this GET"):
            await client.stream("GET", URL, json={"q": 1}).open()
    assert len(transport.requests) == 1


async def test_another_origin_is_asked_for_no_compression_of_a_part(pulled: Face) -> None:
    body = b"0123456789"

    def answer(request: Any) -> Response:
        if request.headers["host"] == "host":
            return redirect("http://other/feed")
        headers: Any = {"ETag": '"v"', "Accept-Ranges": "bytes"}
        if "range" not in request.headers:
            return Response(headers=headers, body=[body[:4], Cut()])
        headers |= {"Content-Range": "bytes 4-9/10"}
        return Response(status=206, headers=headers, body=[body[4:]])

    transport = ScriptedTransport(answer)
    async with face_client(pulled, transport, compress=True) as client:
        stream = client.stream("GET", URL, decoder=shttp.Raw())
        assert b"".join(await collected(stream)) == body
    assert transport.requests[-1].headers["accept-encoding"] == "identity"


# What a checkpoint and a resume are of -------------------------------------------------------


async def test_clients_that_ask_for_other_things_share_no_checkpoint(pulled: Face) -> None:
    def answer(request: Any) -> Response:
        tenant, after = request.url[-1], int(request.headers.get("last-event-id", "0"))
        return events(*[f"{tenant}{n}" for n in range(after + 1, 4)], start=after + 1)

    store, asked = shttp.MemoryStore(), list[str | None]()
    for tenant in "abab":
        transport = ScriptedTransport(answer)
        async with face_client(pulled, transport, params={"tenant": tenant}) as client:
            checkpoint = shttp.Checkpoint(store)
            stream = client.stream("GET", URL, decoder=shttp.SSEText(), checkpoint=checkpoint)
            await collected(stream)
        asked.append(transport.requests[0].headers.get("last-event-id"))
    assert asked == [None, None, "3", "3"]


async def test_a_stream_never_goes_on_in_another_format(pulled: Face) -> None:
    answers = iter([events("1", "2", then=[Cut()]), ndjson({"error": "session expired"})])
    async with face_client(pulled, ScriptedTransport(lambda _: next(answers))) as client:
        with pytest.raises(shttp.ResumeError, match="is another format") as caught:
            await collected(client.stream("GET", URL))
    assert [event.data for event in caught.value.items] == ["1", "2"]


# A client of the caller's own ----------------------------------------------------------------


def hooked(library: Any, sync: bool, kind: str) -> Any:
    """A client that reads the response before anybody else."""

    async def read(response: Any) -> None:
        await response.aread()

    class Auth(library.Auth):  # type: ignore[misc]
        requires_response_body = True

        def auth_flow(self, request: Any) -> Any:
            yield request

    options: dict[str, Any] = {"trust_env": False}
    if kind == "auth":
        options["auth"] = Auth()
    else:
        hook = (lambda response: response.read()) if sync else read
        options["event_hooks"] = {"response": [hook]}
    return library.Client(**options) if sync else library.AsyncClient(**options)


LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


@LIBRARIES
@pytest.mark.parametrize("kind", ["read", "auth"])
async def test_a_response_that_somebody_has_read_is_all_there(
    pulled: Face, library: Any, kind: str
) -> None:
    http = hooked(library, pulled.sync, kind)
    with ScriptedServer(events("a", "b")) as server:
        client: Any = shttp.Client(http=http) if pulled.sync else shttp.AsyncClient(http=http)
        options: Any = {"decoder": shttp.SSEText(), "timeout": 5}
        if pulled.sync:
            with http, client, client.stream("GET", server.url, **options) as stream:
                assert stream.collect() == ["a", "b"]
        else:
            async with http, client, client.stream("GET", server.url, **options) as stream:
                assert await stream.collect() == ["a", "b"]
        assert stream.stats.ended == "framing"


@LIBRARIES
@pytest.mark.parametrize("kind", ["a part", "coded"])
def test_a_response_whose_bytes_are_gone_is_refused(library: Any, kind: str) -> None:
    def hook(response: Any) -> None:
        next(response.iter_raw()) if kind == "a part" else response.read()

    answer = events("a", "b") if kind == "a part" else gzipped(events("a", "b"))
    with (
        ScriptedServer(answer) as server,
        library.Client(event_hooks={"response": [hook]}, trust_env=False) as http,
        shttp.Client(http=http) as client,
        pytest.raises(shttp.ConfigurationError, match="has read the response"),
    ):
        client.stream("GET", server.url, decoder=shttp.SSEText()).open()


# Event loops ---------------------------------------------------------------------------------


# The connection of a loop that is closed is the collector's.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_is_read_in_the_loop_that_opened_it(backend: str) -> None:
    """The end of a loop ends all that runs in it, and that is no end of the stream."""
    body: Any = [b"1\n", Delay(0.05), b"2\n"]
    answer = Response(headers={"Content-Type": "application/x-ndjson"}, body=body)
    with ScriptedServer(answer) as server:
        client = shttp.AsyncClient(trust_env=False)
        stream = client.stream("GET", server.url, decoder=shttp.NDJSON(int))

        async def begin() -> int:
            await stream.open()
            return await anext(stream)

        async def go_on() -> list[int]:
            return [item async for item in stream]

        assert anyio.run(begin, backend=backend) == 1
        with pytest.raises(shttp.ConfigurationError, match="another event loop"):
            anyio.run(go_on, backend=backend)
        assert stream.stats.ended is None
        anyio.run(stream.aclose, backend=backend)
    gc.collect()
