"""`check`: what it sees of services of all kinds, and what it allows them."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from attrs import evolve
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from streamable_http import Headers, ResponseInfo, ServerSentEvent
from streamable_http.cli.app import run
from streamable_http.cli.arrivals import Arrivals
from streamable_http.cli.exits import Exit
from streamable_http.cli.observe import Findings, Resumption, framing_of
from streamable_http.cli.promises import promises
from streamable_http.demo.server import running

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base:
        yield base


def checked(capsys: Capture, url: str, *arguments: str) -> dict[str, Any]:
    assert run(["check", url, "--json", *arguments]) == Exit.COMPLETE
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    found["promises"] = {each["name"]: each for each in found["promises"]}
    return found


def served(handler: Callable[[Request], Any]) -> Starlette:
    return Starlette(routes=[Route("/", handler, methods=["GET", "POST"])])


def test_a_finished_stream(url: str, capsys: Capture) -> None:
    found = checked(capsys, f"{url}/stream/users")
    expected = {
        "status": 200,
        "http_version": "HTTP/1.1",
        "content_type": "text/event-stream",
        "framing": "chunked",
        "compression": "",
        "ranges": False,
        "items": 1001,
        "events_with_id": 1000,
        "terminal": "[DONE]",
        "ended": "framing",
        "error": "",
        "resumption": {"after": "1", "expected": "2", "received": "2", "error": ""},
    }
    assert expected.items() <= found.items()
    assert found["promises"]["completeness"]["holds"] == "yes"
    assert "terminal='[DONE]'" in found["promises"]["completeness"]["why"]
    assert found["promises"]["resume"]["holds"] == "yes"


def test_a_running_stream_with_heartbeats(url: str, capsys: Capture) -> None:
    query = "delay=0.25&heartbeat=0.1"
    found = checked(capsys, f"{url}/stream/numbers?{query}", "--seconds", "1.2")
    assert found["ended"] is None
    assert found["error"] == ""
    # The lower bounds leave a busy machine half of the time; what is exact is told to `Arrivals`.
    assert 1.1 < found["watched_seconds"] < 3
    assert 2 <= found["items"] <= 5
    assert 3 <= found["heartbeats"] <= 9
    assert found["bursts"] >= 4
    assert 0.05 < found["longest_silence"] < 3
    assert "Timeouts(idle=" in found["promises"]["idle clock"]["why"]
    assert found["promises"]["promptness"]["holds"] == "yes"


def test_a_stream_that_falls_silent(url: str, capsys: Capture) -> None:
    found = checked(capsys, f"{url}/stream/numbers?delay=60", "--seconds", "0.5")
    assert found["items"] == 1
    assert 0.3 < found["longest_silence"] < 1


def test_lines_and_blank_lines(url: str, capsys: Capture) -> None:
    query = "delay=0.25&heartbeat=0.1&limit=3"
    found = checked(capsys, f"{url}/stream/numbers?{query}", "-H", "Accept: application/x-ndjson")
    assert (found["items"], found["heartbeats"], found["ended"]) == (3, 4, "framing")
    assert found["promises"]["resume"]["holds"] == "no"


def test_a_body_of_known_length(url: str, capsys: Capture) -> None:
    found = checked(capsys, f"{url}/stream/users", "-H", "Accept: application/octet-stream")
    assert (found["framing"], found["items"], found["bytes"]) == ("content-length", None, 111_623)


def test_what_is_not_a_get_is_sent_once(capsys: Capture) -> None:
    seen: list[Any] = []

    async def handler(request: Request) -> Response:
        seen.append((request.method, await request.json()))
        return Response(b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", media_type="text/event-stream")

    with running(served(handler)) as base:
        found = checked(capsys, base, "--body", '{"limit": 1}')
    assert seen == [("POST", {"limit": 1})]
    assert (found["compression"], found["resumption"]) == (None, None)
    assert found["promises"]["resume"]["holds"] == "unknown"


def test_compression_ranges_and_etag(capsys: Capture) -> None:
    async def handler(request: Request) -> Response:
        headers = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(b"{}\n")
            return Response(body, headers={**headers, "Content-Encoding": "gzip"})
        return Response(b"{}\n", headers=headers)

    with running(served(handler)) as base:
        found = checked(capsys, base)
    assert (found["compression"], found["ranges"], found["etag"]) == ("gzip", True, '"v1"')
    assert found["promises"]["resume"]["why"].startswith("by byte ranges")


def test_a_question_that_fails_spoils_nothing(capsys: Capture) -> None:
    async def handler(request: Request) -> Response:
        asked = "gzip" in request.headers.get("accept-encoding", "")
        return Response(b"{}\n", status_code=500 if asked else 200, media_type="application/jsonl")

    with running(served(handler)) as base:
        found = checked(capsys, base)
    assert (found["status"], found["items"], found["compression"]) == (200, 1, None)


@pytest.mark.parametrize(
    ("version", "headers", "framing"),
    [
        ("HTTP/2", (), "frames"),
        ("HTTP/1.1", (("Transfer-Encoding", "chunked"),), "chunked"),
        ("HTTP/1.1", (("Content-Length", "5"),), "content-length"),
        ("HTTP/1.0", (), "close"),
    ],
)
def test_framing(version: str, headers: tuple[tuple[str, str], ...], framing: str) -> None:
    assert framing_of(ResponseInfo(200, Headers(headers), "http://x", version)) == framing


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"id: 3\ndata: c\n\n", "'3' came"),
        (b"id: 1\ndata: a\n\n", "'1' came"),
        (b"id: 1\ndata: a\n\nid: 2\ndata: b\n\n", "'1' came"),
        (b"", "None came"),
        (None, "StatusError"),
    ],
)
def test_a_resume_that_is_not_faithful(capsys: Capture, answer: bytes | None, why: str) -> None:
    async def handler(request: Request) -> Response:
        body: bytes | None = b"id: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\ndata: c\n\n"
        if "last-event-id" in request.headers:
            body = answer
        status = 500 if body is None else 200
        return Response(body, status_code=status, media_type="text/event-stream")

    with running(served(handler)) as base:
        found = checked(capsys, base)
    assert found["promises"]["resume"]["holds"] == "no"
    assert why in found["promises"]["resume"]["why"]


def test_events_that_come_in_bursts(capsys: Capture) -> None:
    async def body() -> Any:
        for _ in range(3):
            yield b"data: x\n\n" * 20
            await asyncio.sleep(0.3)

    async def handler(request: Request) -> Response:
        return StreamingResponse(body(), media_type="text/event-stream")

    with running(served(handler)) as base:
        found = checked(capsys, base)
    assert (found["bursts"], found["largest_burst"]) == (3, 20)
    promptness = found["promises"]["promptness"]
    assert promptness["holds"] == "no"
    assert promptness["why"].startswith("up to 20 items came at once")


def test_a_stream_that_breaks(url: str, capsys: Capture) -> None:
    found = checked(capsys, f"{url}/stream/users?cut_after=10")
    assert found["error"].startswith("ConnectionLost: ")
    assert found["items"] == 10


def test_no_stream_at_all(url: str, capsys: Capture) -> None:
    assert run(["check", f"{url}/nothing"]) == Exit.STATUS
    assert run(["check", f"{url}/stream/users", "--seconds", "0"]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "--seconds 0.0 is not a time above 0" in captured.err


def test_for_people(url: str, capsys: Capture) -> None:
    assert run(["check", f"{url}/stream/users"]) == Exit.COMPLETE
    told = capsys.readouterr().out
    assert "status       200, HTTP/1.1\n" in told
    assert "compression  none, though gzip is accepted\n" in told
    assert ": ended, proved by framing\n" in told
    assert "arrived      1,001 items, 123,530 bytes; bursts: " in told
    assert "resume       yes      asked to go on after event '1', it went on with '2'\n" in told


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("text/event-stream", b": connected\n\n: padding\n\ndata: 1\n\n"),
        ("application/x-ndjson", b'{"a": 1}\n\n{"a": 2}\n\n{"a": 3}\n\n'),
    ],
)
def test_heartbeats_beside_items_show_no_pulse(media_type: str, body: bytes) -> None:
    arrivals = Arrivals(media_type=media_type, start=0.0)
    arrivals.add(0.5, body)
    arrivals.add(1.0, body)
    assert (arrivals.heartbeats > 2, arrivals.pulses) == (True, 0)
    (clock,) = [each for each in promises(findings(arrivals=arrivals)) if each.name == "idle clock"]
    assert clock.holds == "unknown"


def test_the_lines_of_an_array_are_no_items() -> None:
    arrivals = Arrivals(media_type="application/json", start=0.0)
    arrivals.add(0.5, b'[\n {"a": 1,\n')
    arrivals.add(1.0, b' "b": 2}\n]\n')
    assert (arrivals.items, arrivals.heartbeats, arrivals.bursts) == (None, 0, 2)


def test_secrets_of_the_url_are_not_shown(capsys: Capture) -> None:
    async def handler(request: Request) -> Response:
        return Response(b"data: 1\n\n", media_type="text/event-stream")

    with running(served(handler)) as base:
        secret = base.replace("://", "://user:canary@")
        assert checked(capsys, f"{secret}/?token=canary")["url"] == f"{base}/"


def test_ranges_are_for_a_get(capsys: Capture) -> None:
    async def handler(request: Request) -> Response:
        headers = {"ETag": '"v1"', "Accept-Ranges": "bytes"}
        return Response(b"data: 1\n\n", headers=headers, media_type="text/event-stream")

    with running(served(handler)) as base:
        found = checked(capsys, base, "--method", "POST")
    assert found["ranges"] is False
    assert found["promises"]["resume"]["holds"] == "no"


def findings(**changes: Any) -> Findings:
    arrivals = Arrivals(media_type="text/event-stream", start=0.0)
    known = Findings(
        url="http://x",
        status=200,
        http_version="HTTP/1.1",
        content_type="text/event-stream",
        framing="chunked",
        etag="",
        ranges=False,
        head_seconds=0.1,
        arrivals=arrivals,
    )
    return evolve(known, **changes)


@pytest.mark.parametrize(
    ("changes", "name", "holds", "why"),
    [
        ({"framing": "close"}, "completeness", "no", "a cut looks like the end"),
        ({"framing": "frames"}, "completeness", "yes", "HTTP marks the end of the body (frames)"),
        ({}, "resume", "no", "no event IDs"),
        ({"ranges": True, "etag": 'W/"1"'}, "resume", "no", "strong ETag"),
        (
            {"resumption": Resumption(after="1", expected="2", error="why not")},
            "resume",
            "no",
            "why not",
        ),
        ({"watched_seconds": 5.0}, "idle clock", "unknown", "no heartbeats in the pauses of 5.0 s"),
        ({}, "promptness", "unknown", "too little came"),
    ],
)
def test_promises(changes: dict[str, Any], name: str, holds: str, why: str) -> None:
    (promise,) = [each for each in promises(findings(**changes)) if each.name == name]
    assert (promise.holds, why in promise.why) == (holds, True)


def test_bytes_without_items_tell_little() -> None:
    arrivals = Arrivals(media_type="audio/mpeg", start=0.0)
    for second in range(4):
        arrivals.add(float(second), b"\xff")
    (promise,) = [
        each for each in promises(findings(arrivals=arrivals)) if each.name == "promptness"
    ]
    assert (promise.holds, promise.why) == ("unknown", "bytes came in 4 bursts")


def test_silence_is_measured_to_the_last_look() -> None:
    arrivals = Arrivals(media_type="text/event-stream", start=10.0)
    arrivals.add(10.5, b"data: a\n")
    arrivals.add(10.51, b"\n: x\n\n")
    assert (arrivals.items, arrivals.bursts, arrivals.heartbeats) == (1, 1, 1)
    arrivals.silence_until(13.51)
    assert arrivals.longest_silence == pytest.approx(3.0)
    arrivals.saw_event(ServerSentEvent(data="b", id="7"))
    arrivals.saw_event(ServerSentEvent(data="c", id="7"))
    assert (arrivals.ids, arrivals.events_with_id) == (["7"], 1)
