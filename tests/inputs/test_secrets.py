"""Nothing that is secret in a request gets into logs, reprs, messages or events."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any

import httpx
import pytest

import streamable_http as shttp
from streamable_http._values import without_secrets

SECRET = "canary"
URL = f"http://{SECRET}:{SECRET}@host/feed?key={SECRET}#{SECRET}"
HEADERS = {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "Cookie": f"a={SECRET}"}
ANSWER = {"Set-Cookie": f"session={SECRET}", "WWW-Authenticate": f'X nonce="{SECRET}"'}
EVENTS = {**ANSWER, "Content-Type": "text/event-stream"}
QUICK = shttp.RetryPolicy(stop=3, min_delay=0, wait=lambda _: 0)


class Server:
    """Answers from a list; an exception in it is raised."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert SECRET in str(request.url)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def events(body: bytes) -> httpx.Response:
    return httpx.Response(200, headers=EVENTS, content=body)


LOST = httpx.ReadError("reset")
A = b"id: 1\ndata: 1\n\n"
SCENES: dict[str, tuple[Callable[[], list[Any]], dict[str, Any]]] = {
    "all is well": (lambda: [events(A)], {}),
    "a status": (lambda: [httpx.Response(401, headers=ANSWER, content=b"no")], {}),
    "retries run out": (lambda: [LOST, LOST, LOST], {}),
    "no connection": (lambda: [httpx.ConnectError("refused")] * 3, {}),
    "a clock": (lambda: [httpx.ReadTimeout("slow")] * 3, {}),
    "a bad item": (lambda: [events(b"data: x\n\n")], {"decoder": shttp.SSEData(int)}),
    "a cut": (lambda: [events(A + b"data: 2")], {"retry": shttp.RetryPolicy(stop=1)}),
    "a html page": (
        lambda: [httpx.Response(200, headers=ANSWER, html="x")],
        {"decoder": shttp.SSE()},
    ),
    "a redirect": (
        lambda: [httpx.Response(307, headers={"Location": f"http://{SECRET}@other/?k={SECRET}"})],
        {"method": "POST", "json": {"password": SECRET}},
    ),
    "a redirect to nowhere": (
        lambda: [httpx.Response(302, headers={"Location": f"x:{SECRET}"})],
        {},
    ),
    "a redirect to nonsense": (
        lambda: [httpx.Response(302, headers={"Location": f"http://[bad?key={SECRET}"})],
        {},
    ),
    "two bodies": (list, {"json": {"password": SECRET}, "content": SECRET}),
    "a bad header": (list, {"headers": {"X-Api-Key": f"{SECRET}\n"}}),
}


class Witness:
    """Keeps everything that was said in a scene."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def hear(self, *values: object) -> None:
        for value in values:
            self.said += [str(value), repr(value)]

    def catch(self, error: BaseException) -> None:
        self.hear(error, error.args, *traceback.format_exception(error))
        if isinstance(error, shttp.StreamError):
            self.hear(error.stats, error.cursor, error.response, error.request)


def play_sync(server: Server, options: dict[str, Any], witness: Witness) -> None:
    with shttp.Client(
        transport=httpx.MockTransport(server), retry=QUICK, on_event=witness.hear
    ) as client:
        witness.hear(client, shttp.Request(options["method"], URL))
        stream: Any = None
        try:
            stream = client.stream(url=URL, **options)
            with stream:
                witness.hear(*stream, stream.response, stream.response.headers)
        except shttp.StreamError as exc:
            witness.catch(exc)
        if stream is not None:
            witness.hear(stream, stream.stats, stream.cursor)


async def play_async(server: Server, options: dict[str, Any], witness: Witness) -> None:
    async with shttp.AsyncClient(
        transport=httpx.MockTransport(server), retry=QUICK, on_event=witness.hear
    ) as client:
        witness.hear(client, shttp.Request(options["method"], URL))
        stream: Any = None
        try:
            stream = client.stream(url=URL, **options)
            async with stream:
                witness.hear(*[item async for item in stream], stream.response)
        except shttp.StreamError as exc:
            witness.catch(exc)
        if stream is not None:
            witness.hear(stream, stream.stats, stream.cursor)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_no_secret_is_told(scene: str, is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    answers, options = SCENES[scene]
    options = {"method": "GET", "headers": HEADERS, **options}
    witness, server = Witness(), Server(*answers())
    with caplog.at_level(logging.DEBUG, "streamable_http"):
        if is_async:
            asyncio.run(play_async(server, options, witness))
        else:
            play_sync(server, options, witness)
    assert server.answers == []
    ours = [record for record in caplog.records if record.name.startswith("streamable_http")]
    assert bool(ours) is bool(answers())
    witness.hear(*[record.getMessage() for record in ours])
    assert [said for said in witness.said if SECRET in said] == []
    assert [said for said in witness.said if "http://host/feed" in said]


def test_no_secret_is_told_of_many() -> None:
    server = Server(*[httpx.Response(401)] * 2)
    requests = [shttp.Request("GET", f"{URL}&n={n}") for n in range(2)]
    with (
        shttp.Client(transport=httpx.MockTransport(server)) as client,
        client.merge(requests) as merged,
        pytest.raises(shttp.StreamsFailed) as caught,
    ):
        list(merged)
    assert SECRET not in str(caught.value)
    assert set(caught.value.failures) == {request.key for request in requests}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://host/a?b#c", "http://host/a"),
        ("http://user:pw@host:80/a@b", "http://host:80/a@b"),
        ("http://us@er@host/a", "http://host/a"),
        ("//user@host/a", "//host/a"),
        ("user:pw@host/a", "host/a"),
        ("host:80/a@b", "host:80/a@b"),
        ("/a/b@c?d", "/a/b@c"),
        ("http:user:pw@host", "host"),
        ("", ""),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_the_query_does_not_tell_requests_apart_for_a_cursor() -> None:
    """A signed query changes with every run; the cursor still fits."""
    make: Callable[[str], Any] = lambda url: shttp.Cursor(  # noqa: E731
        kind="last-event-id", value="1", request=f"GET {url}"
    )
    with shttp.Client(transport=httpx.MockTransport(Server(events(A)))) as client:
        stream = client.stream("GET", URL, start=make("http://host/feed"))
        with stream:
            assert len(list(stream)) == 1
