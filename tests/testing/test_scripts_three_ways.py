"""One script, played as a transport of httpx, of httpx2, and on sockets: the same comes of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any, NamedTuple, cast

import httpx2
import pytest
from driver import FAST, Face, _AwaitedClient

from streamable_http import AsyncClient, Client, RetryPolicy, ServerSentEvent, StreamError, Timeouts
from streamable_http.testing import (
    Answer,
    Cut,
    RecordedRequest,
    Reset,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    Stall,
    Until,
    event,
    events,
    gzipped,
    ndjson,
    redirect,
    retry_after,
    truncated,
)
from streamable_http.testing.httpx2 import ScriptedTransport as ScriptedTransport2

ONCE = RetryPolicy(stop=1)
WAYS = ("httpx", "httpx2", "server")
FACES = [Face("threads"), Face("asyncio"), Face("trio", 8)]
SSE = {"Content-Type": "text/event-stream"}


class Played(NamedTuple):
    client: AsyncClient
    url: str
    requests: list[RecordedRequest]


@contextlib.asynccontextmanager
async def played(face: Face, way: str, script: Any, **options: Any) -> AsyncIterator[Played]:
    """A client of the face that meets the script."""
    options = {"prefetch": face.prefetch, "retry": FAST, **options}
    with contextlib.ExitStack() as stack:
        url = "http://script.test"
        requests: list[RecordedRequest]
        if way == "server":
            server = stack.enter_context(ScriptedServer(script))
            url, requests, options["trust_env"] = server.url, server.requests, False
        elif way == "httpx":
            options["transport"] = transport = ScriptedTransport(script)
            requests = transport.requests
        else:
            transport2 = ScriptedTransport2(script)
            kind: Any = httpx2.Client if face.sync else httpx2.AsyncClient
            options["http"] = kind(transport=transport2, trust_env=False)
            requests = transport2.requests
        if face.sync:
            client = stack.enter_context(Client(**options))
            yield Played(cast("AsyncClient", _AwaitedClient(client)), url, requests)
        else:
            async with AsyncClient(**options) as async_client:
                yield Played(async_client, url, requests)


class Outcome(NamedTuple):
    """What came of it, in words."""

    items: list[Any]
    ended: str | None
    asked_from: list[str | None]


async def outcome(face: Face, way: str, script: Any, retry: RetryPolicy) -> Outcome:
    items: list[Any] = []
    async with played(face, way, script, retry=retry) as (client, url, requests):
        stream = client.stream("GET", url + "/feed")
        ended: str | None
        try:
            async with stream:
                async for item in stream:
                    items.append(item.data if isinstance(item, ServerSentEvent) else item)
            ended = stream.stats.ended
        except StreamError as exc:
            ended = type(exc).__name__
        return Outcome(items, ended, [one.headers.get("last-event-id") for one in requests])


AB = events("a", "b")
CASES: dict[str, tuple[Script, RetryPolicy, Outcome]] = {
    "whole": (Script(AB), ONCE, Outcome(["a", "b"], "framing", [None])),
    "json data": (Script(events({"n": 1})), ONCE, Outcome(['{"n":1}'], "framing", [None])),
    "cut, once": (
        Script(events("a", then=[Cut()])),
        ONCE,
        Outcome(["a"], "ConnectionLost", [None]),
    ),
    "reset, once": (
        Script(events("a", then=[Reset()])),
        ONCE,
        Outcome(["a"], "ConnectionLost", [None]),
    ),
    "cut by length": (
        Script(events("a", then=[Cut(), b"more"], framing="length")),
        ONCE,
        Outcome(["a"], "ConnectionLost", [None]),
    ),
    "cut and resumed": (
        Script(
            events("a", then=[Cut()]), events("b", start=2, then=[Reset()]), events("c", start=3)
        ),
        FAST,
        Outcome(["a", "b", "c"], "framing", [None, "1", "2"]),
    ),
    "an event that is cut": (
        Script(truncated(AB, -1), events("b", start=2)),
        FAST,
        Outcome(["a", "b"], "framing", [None, "1"]),
    ),
    "until the connection closes": (
        Script(events("a", framing="close")),
        ONCE,
        Outcome(["a"], "closed", [None]),
    ),
    "a cut that nothing shows": (
        Script(events("a", then=[Cut(), event("b")], framing="close")),
        ONCE,
        Outcome(["a"], "closed", [None]),
    ),
    "no head, cut": (
        Script(Response(before=[Cut()])),
        ONCE,
        Outcome([], "ConnectionLost", [None]),
    ),
    "no head, reset": (
        Script(Response(before=[Reset()]), AB),
        FAST,
        Outcome(["a", "b"], "framing", [None, None]),
    ),
    "json lines": (Script(ndjson(1, {"a": 2})), ONCE, Outcome([1, {"a": 2}], "framing", [None])),
    "gzip": (Script(gzipped(AB)), ONCE, Outcome(["a", "b"], "framing", [None])),
    "gzip that is cut": (
        Script(gzipped(events("a", then=[Cut()])), events("b", start=2)),
        FAST,
        Outcome(["a", "b"], "framing", [None, "1"]),
    ),
    "gzip without its end": (
        Script(truncated(gzipped(ndjson(1, 2)), -4, then=[])),
        ONCE,
        Outcome([1, 2], "StreamTruncated", [None]),
    ),
    "nothing": (Script(Response(status=204)), ONCE, Outcome([], "framing", [None])),
    "refused": (Script(Response(status=404)), FAST, Outcome([], "StatusError", [None])),
    "not now": (
        Script(retry_after(0), retry_after(0, status=503), AB),
        FAST,
        Outcome(["a", "b"], "framing", [None] * 3),
    ),
    "elsewhere": (
        Script(redirect("/there"), AB),
        ONCE,
        Outcome(["a", "b"], "framing", [None] * 2),
    ),
    "cut again and again": (
        Script(events("a", then=[Cut()]), events(then=[Cut()])),
        FAST,
        Outcome(["a"], "RetriesExhausted", [None, *["1"] * 4]),
    ),
}


@pytest.mark.parametrize("face", FACES, ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", CASES)
async def test_the_same_comes_of_a_script(face: Face, way: str, case: str) -> None:
    script, retry, expected = CASES[case]
    assert await outcome(face, way, script, retry) == expected


@pytest.mark.parametrize("face", FACES, ids=str)
@pytest.mark.parametrize("way", WAYS)
async def test_requests_are_recorded(face: Face, way: str) -> None:
    def echoed(request: RecordedRequest) -> Response:
        return ndjson(request.json())

    async with played(face, way, {"POST /echo": echoed, "*": AB}) as (client, url, requests):
        body = {"q": [1]}
        stream = client.stream("POST", url + "/echo?a=1", json=body, headers={"X-Team": "data"})
        async with stream:
            assert await stream.collect() == [body]
        async with client.stream("GET", url + "/else") as other:
            assert len(await other.collect()) == 2
    first, second = requests
    assert (first.method, first.url) == ("POST", url + "/echo?a=1")
    assert (first.path, first.target) == ("/echo", "/echo?a=1")
    assert first.headers["x-TEAM"] == "data"
    assert first.json() == body
    assert (second.method, second.target, second.body) == ("GET", "/else", b"")
    assert first.at <= second.at


@pytest.mark.parametrize("face", FACES, ids=str)
@pytest.mark.parametrize("way", WAYS)
async def test_the_test_and_the_script_take_turns(face: Face, way: str) -> None:
    gate = threading.Event()
    script = Response(headers=SSE, body=[event("a"), Until(gate), event("b")])
    async with (
        played(face, way, script, retry=ONCE, timeout=5) as (client, url, _),
        client.stream("GET", url) as stream,
    ):
        assert (await anext(stream)).data == "a"
        reader = face.spawn(stream.collect)
        await face.sleep(0.01)
        assert not reader.done
        gate.set()
        assert [one.data for one in await reader] == ["b"]


@pytest.mark.parametrize("face", FACES, ids=str)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [Stall(), Until(threading.Event())], ids=["stall", "until"])
async def test_closing_ends_what_no_clock_bounds(face: Face, way: str, step: Any) -> None:
    for_ever = Timeouts(connect=None, first_byte=None, idle=None)
    async with played(face, way, events("a", then=[step]), timeout=for_ever) as (client, url, _):
        stream = client.stream("GET", url)
        await stream.open()
        assert (await anext(stream)).data == "a"
        reader = face.spawn(stream.collect)
        await face.sleep(0.01)
        await stream.aclose()
        await reader.settled()


@pytest.mark.parametrize("face", FACES, ids=str)
@pytest.mark.parametrize("way", WAYS)
async def test_silence_trips_the_idle_clock(face: Face, way: str) -> None:
    script = events("a", then=[Stall()])
    async with (
        played(face, way, script, retry=ONCE, timeout=0.05) as (client, url, _),
        client.stream("GET", url) as stream,
    ):
        assert (await anext(stream)).data == "a"
        with pytest.raises(StreamError, match=r"Timeouts\(idle=0.05\)"):
            await anext(stream)


def test_an_answer_may_be_chosen_by_the_request() -> None:
    def by_position(request: RecordedRequest) -> Response:
        seen = int(request.headers.get("last-event-id", "0"))
        return events("x", start=seen + 1, then=[Cut()] if seen < 3 else [])

    answer: Answer = by_position
    transport = ScriptedTransport(answer)
    with (
        Client(transport=transport, retry=FAST) as client,
        client.stream("GET", "http://script.test/") as stream,
    ):
        assert [item.id for item in stream] == ["1", "2", "3", "4"]
