"""The response itself, driven by hand as an ASGI server would."""

from __future__ import annotations

from typing import Any

import anyio
import msgspec
import pydantic
import pytest
from driver import Face
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message

import streamable_http as shttp
from streamable_http import ServerSentEvent
from streamable_http.starlette import relay
from streamable_http.starlette._formats import format_of
from streamable_http.testing import (
    Cut,
    Delay,
    Response,
    ScriptedTransport,
    Stall,
    events,
    ndjson,
)

ONCE = shttp.RetryPolicy(stop=1)


@pytest.fixture(params=[Face("asyncio"), Face("trio")], ids=str)
def loop(request: pytest.FixtureRequest) -> Face:
    return request.param  # type: ignore[no-any-return]


class Exchange:
    """One request to an app, and what the app sent."""

    def __init__(self, *, method: str = "GET", gone_at: int | None = None) -> None:
        self.method = method
        self.sent: list[Message] = []
        self.left = anyio.Event()
        self._gone_at = gone_at

    async def run(self, app: ASGIApp) -> Exchange:
        scope = {"type": "http", "method": self.method, "path": "/", "headers": []}
        requests = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            for message in requests:
                return message
            await self.left.wait()
            return {"type": "http.disconnect"}

        await app(scope, receive, self._send)
        return self

    async def _send(self, message: Message) -> None:
        if len(self.sent) == self._gone_at:
            raise OSError("the client has left")
        message.get("body")  # as servers do
        self.sent.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def complete(self) -> bool:
        return self.sent[-1].get("more_body") is False

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])


def upstream(answer: Response, **options: Any) -> shttp.AsyncStream[Any]:
    client = shttp.AsyncClient(transport=ScriptedTransport(answer), retry=ONCE)
    return client.stream("GET", "http://upstream/", **options)


def slowly(*pieces: bytes, kind: str = "text/event-stream") -> Response:
    body = [step for piece in pieces for step in (Delay(0.1), piece)]
    return Response(headers={"Content-Type": kind}, body=body)


class Point(msgspec.Struct):
    x: int


class Model(pydantic.BaseModel):
    x: int


@pytest.mark.parametrize(
    ("answer", "options", "settings", "media_type", "body"),
    [
        (events("a"), {}, {}, "text/event-stream", b"id: 1\ndata: a\n\n"),
        (
            events(b"id: 1\ndata: a\n\nid\ndata: b\n\n"),
            {},
            {},
            "text/event-stream",
            b"id: 1\ndata: a\n\nid\ndata: b\n\n",
        ),
        (events("a"), {"decoder": shttp.SSEText()}, {}, "text/event-stream", b"data: a\n\n"),
        (
            events({"x": 1}),
            {"decoder": shttp.SSEData(Point)},
            {},
            "text/event-stream",
            b'data: {"x":1}\n\n',
        ),
        (
            events({"x": 1}),
            {"decoder": shttp.SSEData(Model)},
            {"terminal": "[DONE]"},
            "text/event-stream",
            b'data: {"x":1}\n\ndata: [DONE]\n\n',
        ),
        (
            events(b": hello\n\ndata: a\n\n"),
            {"decoder": shttp.SSE(comments=True)},
            {},
            "text/event-stream",
            b": hello\n\ndata: a\n\n",
        ),
        (
            events(b"data: a\r\n\r\ndata: b", b"\r\n\r\n"),
            {"decoder": shttp.Raw()},
            {},
            "text/event-stream",
            b"data: a\r\n\r\ndata: b\r\n\r\n",
        ),
        (
            events("a", "b"),
            {"decoder": shttp.SSE()},
            {"media_type": "application/x-ndjson", "convert": lambda event: {event.id: event.data}},
            "application/x-ndjson",
            b'{"1":"a"}\n{"2":"b"}\n',
        ),
        (
            events("1", "2", "3"),
            {"decoder": shttp.SSEData(int)},
            {"convert": lambda n: n * 10 if n % 2 else None},
            "text/event-stream",
            b"data: 10\n\ndata: 30\n\n",
        ),
        (ndjson({"x": 1}, [2]), {}, {}, "application/x-ndjson", b'{"x":1}\n[2]\n'),
        (
            ndjson(1, 2, 3),
            {},
            {"convert": lambda n: None if n < 3 else {"n": n}, "terminal": "[DONE]"},
            "application/x-ndjson",
            b'{"n":3}\n[DONE]\n',
        ),
        (ndjson("a"), {}, {"media_type": "application/json-seq"}, "application/json-seq", b'"a"\n'),
        (ndjson("a"), {"decoder": shttp.Lines()}, {}, "text/plain; charset=utf-8", b'"a"\n'),
        (ndjson("a"), {"decoder": shttp.Raw()}, {}, "application/x-ndjson", b'"a"\n'),
        (ndjson(), {}, {}, "application/x-ndjson", b""),
        (
            ndjson("a"),
            {},
            {"media_type": "text/event-stream"},
            "text/event-stream",
            b"data: a\n\n",
        ),
    ],
)
async def test_items_are_written_in_the_format_of_the_response(
    loop: Face,
    answer: Response,
    options: dict[str, Any],
    settings: dict[str, Any],
    media_type: str,
    body: bytes,
) -> None:
    exchange = await Exchange().run(relay(upstream(answer, **options), **settings))

    assert exchange.complete
    assert exchange.body == body
    assert exchange.headers[b"content-type"] == media_type.encode()


@pytest.mark.parametrize(
    ("pieces", "between"),
    [
        ([b"data: a\n", b"\n"], True),
        ([b"data: a\r\n\r", b"\n"], True),
        ([b"data: a\r\r"], True),
        ([b"\xef\xbb\xbf"], True),
        ([b"data: a\n"], False),
        ([b"data: a\n\n", b"data"], False),
        ([b"\r"], False),
    ],
)
def test_raw_events_are_whole_where_a_blank_line_ends(pieces: list[bytes], between: bool) -> None:
    form = format_of("text/event-stream")
    written = b"".join(form.encode([piece]) for piece in pieces)

    assert written == b"".join(pieces).removeprefix(b"\xef\xbb\xbf")
    assert form.between_items == between
    assert form.terminal("[DONE]") == (b"data: [DONE]\n\n" if between else b"")


@pytest.mark.parametrize(("piece", "start"), [(b"a\n", b""), (b"a", b"\n")])
def test_a_terminal_is_a_line_of_its_own(piece: bytes, start: bytes) -> None:
    form = format_of("text/plain")
    assert form.encode([piece]) == piece
    assert form.terminal("END") == start + b"END\n"


async def test_a_stop_of_a_function_is_no_end(loop: Face) -> None:
    def convert(item: int) -> int:
        if item == 2:
            raise StopIteration
        return item

    stream = upstream(ndjson(1, 2, 3), decoder=shttp.NDJSON())
    exchange = Exchange()
    with pytest.raises(RuntimeError, match="StopIteration"):
        await exchange.run(relay(stream, convert=convert, terminal="[DONE]"))
    assert not exchange.complete


async def test_only_what_has_no_place_in_json_is_refused(loop: Face) -> None:
    stream = upstream(ndjson(1), decoder=shttp.NDJSON())

    with pytest.raises(NotImplementedError, match="class object"):
        await Exchange().run(relay(stream, convert=lambda _: object()))
    with pytest.raises(shttp.StreamClosed):  # closed
        await anext(stream)


async def test_what_is_sent_together_came_together(loop: Face) -> None:
    body = b"".join(ServerSentEvent(data=str(n)).encode() for n in range(1000))

    exchange = await Exchange().run(relay(upstream(events(body))))

    assert exchange.body == body
    assert len(exchange.sent) == 3  # head, all events, end


async def test_a_failure_breaks_the_body_off(loop: Face) -> None:
    exchange = Exchange()

    with pytest.raises(shttp.StreamTruncated):
        await exchange.run(relay(upstream(events("a", then=[Cut()]))))
    assert exchange.body == b"id: 1\ndata: a\n\n"
    assert not exchange.complete


@pytest.mark.parametrize(
    ("answer", "options", "told"),
    [
        (
            events("a", then=[Cut()]),
            {},
            b'id: 1\ndata: a\n\nevent: oops\ndata: {"type":"ConnectionLost"}\n\n',
        ),
        (ndjson(1, then=[Cut()]), {}, b'1\n{"oops":{"type":"ConnectionLost"}}\n'),
        (ndjson(1, b"{", then=[Cut()]), {"decoder": shttp.Raw()}, b"1\n{"),
        (events(b"data: a\n\ndata", then=[Cut()]), {"decoder": shttp.Raw()}, b"data: a\n\ndata"),
        (ndjson("a", then=[Cut()]), {"decoder": shttp.Lines()}, b'"a"\n'),
    ],
)
async def test_the_client_is_told_of_it_where_the_format_has_words(
    loop: Face, answer: Response, options: dict[str, Any], told: bytes
) -> None:
    exchange = Exchange()

    with pytest.raises(shttp.ConnectionLost):
        await exchange.run(relay(upstream(answer, **options), failure="oops"))
    assert exchange.body == told
    assert not exchange.complete


async def test_an_upstream_that_fails_before_its_first_record_is_a_refusal(loop: Face) -> None:
    exchange = Exchange()

    with pytest.raises(HTTPException) as caught:
        await exchange.run(relay(upstream(ndjson(then=[Cut()]))))
    assert caught.value.status_code == 502
    assert isinstance(caught.value.__cause__, shttp.ConnectionLost)
    assert exchange.sent == []


async def test_a_refusal_can_be_worded_by_the_app(loop: Face) -> None:
    def refuse(error: shttp.StreamError) -> Exception:
        return LookupError(error.request)

    stream = upstream(Response(status=404, framing="length"))
    with pytest.raises(LookupError, match="GET http://upstream/"):
        await Exchange().run(relay(stream, refuse=refuse))


async def test_the_gateways_own_mistakes_are_no_refusal(loop: Face) -> None:
    stream = upstream(events("a"))
    await Exchange().run(relay(stream))

    with pytest.raises(shttp.StreamClosed):
        await Exchange().run(relay(stream))


async def test_a_head_request_gets_the_head_alone(loop: Face) -> None:
    stream = upstream(events("a", then=[Stall()]))

    exchange = await Exchange(method="HEAD").run(relay(stream))

    assert [message.get("body") for message in exchange.sent] == [None, b""]
    assert exchange.headers[b"content-type"] == b"text/event-stream"
    with pytest.raises(shttp.StreamClosed):
        await anext(stream)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_no_content_has_no_type(loop: Face, method: str) -> None:
    exchange = await Exchange(method=method).run(relay(upstream(Response(status=204))))

    assert exchange.sent[0]["status"] == 204
    assert b"content-type" not in exchange.headers
    assert exchange.body == b""
    assert exchange.complete


async def test_a_client_that_leaves_ends_everything(loop: Face) -> None:
    stream = upstream(events("a", then=[Stall()]))
    exchange = Exchange()
    running = loop.spawn(exchange.run, relay(stream))
    await loop.until(lambda: len(exchange.sent) == 2)

    exchange.left.set()

    assert await running is exchange
    assert not exchange.complete
    with pytest.raises(shttp.StreamClosed):
        await anext(stream)


@pytest.mark.parametrize("gone_at", [0, 1, 2])
async def test_a_server_may_also_say_so_by_an_error(loop: Face, gone_at: int) -> None:
    stream = upstream(events("a", "b", "c", then=[Stall()]))

    exchange = await Exchange(gone_at=gone_at).run(relay(stream))

    assert len(exchange.sent) == gone_at
    with pytest.raises(shttp.StreamClosed):
        await anext(stream)


async def test_the_cursor_passes_what_was_sent(loop: Face) -> None:
    stream = upstream(events("a", "b", "c"))

    await Exchange(gone_at=3).run(relay(stream))

    assert stream.cursor is not None
    assert stream.cursor.value == "2"


async def test_heartbeats_never_cut_an_event_in_two(loop: Face) -> None:
    stream = upstream(
        slowly(b"data: a\n\n", b"data: ", b"b\n\n", b""),
        decoder=shttp.Raw(),
    )

    exchange = await Exchange().run(relay(stream, heartbeat=0.05))

    pieces = exchange.body.replace(b":\n\n", b"|")
    assert pieces.replace(b"|", b"") == b"data: a\n\ndata: b\n\n"
    assert b"data: b" in pieces
    assert b"data: a\n\n|" in pieces
    assert pieces.endswith(b"|")


@pytest.mark.parametrize("heartbeat", [None, 0.01])
async def test_formats_without_comments_have_no_heartbeats(
    loop: Face, heartbeat: float | None
) -> None:
    kind = "application/x-ndjson" if heartbeat else "text/event-stream"
    stream = upstream(slowly(b"1\n", b"2\n", kind=kind), decoder=shttp.Raw())

    exchange = await Exchange().run(relay(stream, heartbeat=heartbeat))

    assert b":\n\n" not in exchange.body
    assert exchange.complete


async def test_background_tasks_run_after_a_whole_response(loop: Face) -> None:
    done: list[str] = []
    whole = relay(upstream(events("a")))
    whole.background = BackgroundTask(done.append, "whole")
    broken = relay(upstream(events("a", then=[Cut()])))
    broken.background = BackgroundTask(done.append, "broken")

    if loop.runtime == "asyncio":  # Starlette runs it in a thread of anyio's
        await Exchange().run(whole)
        with pytest.raises(shttp.StreamError):
            await Exchange().run(broken)
        assert done == ["whole"]


@pytest.mark.parametrize(
    "face", [Face("asyncio")], ids=str
)  # on trio, older ones warn of a generator
async def test_a_cut_stays_one_behind_middleware(face: Face) -> None:
    async def endpoint(request: Request) -> StreamingResponse:
        return relay(upstream(events("a", then=[Cut()])))

    async def dispatch(request: Request, call_next: Any) -> Any:
        return await call_next(request)

    app = Starlette(
        routes=[Route("/", endpoint)],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)],
    )
    exchange = Exchange()
    with pytest.raises(shttp.ConnectionLost):
        await exchange.run(app)
    assert exchange.body == b"id: 1\ndata: a\n\n"
    assert not exchange.complete


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"heartbeat": 0}, "heartbeat=0"),
        ({"heartbeat": float("nan")}, "heartbeat=nan"),
        ({"heartbeat": "15"}, "heartbeat='15'"),
        ({"stream": [b"data"]}, "class list"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(shttp.ConfigurationError, match=named):
        relay(**{"stream": upstream(events()), **arguments})
