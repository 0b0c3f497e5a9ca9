"""What is handed on is complete or visibly cut, and nothing goes on for a client that has left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from gateway_kit import SERVERS, client, gateway
from server import Server, chunk, cut, events, flood, head, hold, reply, streamed

import streamable_http as shttp
from streamable_http import NDJSON, SSE, ConnectionLost, Lines, NoResume, Raw, ServerSentEvent

PIECE = b"data: " + b"x" * 10_000 + b"\n\n"


@pytest.fixture(scope="module")
def upstream() -> Iterator[Server]:
    with Server(send_buffer=32 * 1024) as running:
        yield running


@pytest.fixture(scope="module", params=SERVERS)
def url(
    request: pytest.FixtureRequest, upstream: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    log = tmp_path_factory.mktemp(request.param) / "log"
    with gateway(request.param, upstream.url, log) as base:
        yield f"{base}/relay"


@pytest.fixture
def reader() -> Iterator[shttp.Client]:
    with shttp.Client(trust_env=False, retry=shttp.RetryPolicy(stop=1)) as one:
        yield one


def test_events_arrive_as_they_were_sent(url: str, upstream: Server, reader: shttp.Client) -> None:
    sent = [
        ServerSentEvent("tick", "é\n two ", "1"),
        ServerSentEvent("message", "", "2", retry=10),
        ServerSentEvent("message", "no id from here on"),
    ]
    upstream.serve("/kinds", streamed(*[chunk(b"id\n" + one.encode()) for one in sent]))

    with reader.stream("GET", f"{url}/kinds", decoder=SSE()) as stream:
        assert stream.collect() == sent
    assert stream.stats.ended == "framing"
    assert stream.response.headers["cache-control"] == "no-store"
    assert stream.response.headers["x-accel-buffering"] == "no"
    assert stream.response.media_type == "text/event-stream"


def test_the_head_does_not_wait_for_an_event(
    url: str, upstream: Server, reader: shttp.Client
) -> None:
    upstream.serve("/silent", streamed(hold()))

    with reader.stream("GET", f"{url}/silent", timeout=shttp.Timeouts(first_byte=5)) as stream:
        assert stream.response.status_code == 200


@pytest.mark.parametrize(
    ("status", "expected"),
    [(404, 404), (429, 429), (503, 503), (500, 502), (401, 502)],
)
def test_a_refusal_is_still_a_status(
    url: str, upstream: Server, status: int, expected: int
) -> None:
    upstream.serve(f"/no/{status}", reply(b"secret", status=status, retry_after="0"))

    answer = httpx.get(f"{url}/no/{status}", trust_env=False)

    assert answer.status_code == expected
    assert b"secret" not in answer.content
    assert answer.headers["retry-after"] == "0"


def test_an_upstream_too_slow_to_answer_is_a_gateway_timeout(url: str, upstream: Server) -> None:
    upstream.serve("/slow", [hold()])

    answer = httpx.get(f"{url}/slow?first_byte=0.2&once", trust_env=False)

    assert answer.status_code == 504


def test_no_content_ends_a_feed(url: str, upstream: Server) -> None:
    upstream.serve("/none", [head(204, None)])

    answer = httpx.get(f"{url}/none", trust_env=False)

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("place", ["relay", "wrapped"])
def test_a_cut_upstream_is_a_cut_response(
    url: str, upstream: Server, reader: shttp.Client, place: str
) -> None:
    """Behind a middleware, too, that would end the body properly."""
    url = url.replace("relay", place)
    broken = [head(transfer_encoding="chunked"), events(1, 2), chunk(b"data: half"), cut()]
    upstream.serve("/cut", broken)

    with (
        pytest.raises(ConnectionLost) as caught,
        reader.stream("GET", f"{url}/cut?once", decoder=SSE(), resume=NoResume()) as stream,
    ):
        stream.collect()
    assert [event.id for event in caught.value.items] == ["1", "2"]


def test_the_client_can_be_told_before_the_cut(
    url: str, upstream: Server, reader: shttp.Client
) -> None:
    upstream.serve("/told", [head(transfer_encoding="chunked"), events(1), cut()])

    with (
        pytest.raises(ConnectionLost) as caught,
        reader.stream("GET", f"{url}/told?once&failure=error", resume=NoResume()) as stream,
    ):
        stream.collect()
    assert [event.event for event in caught.value.items] == ["message", "error"]
    assert caught.value.items[1].json() == {"type": "ConnectionLost"}


def test_a_reader_goes_on_behind_a_cut(url: str, upstream: Server) -> None:
    """The client's `Last-Event-ID` reaches the upstream, which has the rest."""
    upstream.serve(
        "/rest",
        [head(transfer_encoding="chunked"), events(1, 2), cut()],
        streamed(events(3, 4), chunk(b"data: [DONE]\n\n")),
    )
    with (
        shttp.Client(trust_env=False) as patient,
        patient.stream(
            "GET", f"{url}/rest?once&ends=[DONE]", decoder=SSE(), terminal="[DONE]"
        ) as stream,
    ):
        assert [event.id for event in stream] == ["1", "2", "3", "4"]
    assert (stream.stats.connects, stream.stats.ended) == (2, "terminal")
    asked = [one for one in upstream.requests if one.path == "/rest"][-2:]
    assert [one.headers.get("last-event-id") for one in asked] == [None, "2"]


def test_what_the_gateway_resumes_the_client_does_not_notice(
    url: str, upstream: Server, reader: shttp.Client
) -> None:
    upstream.serve(
        "/mended", [head(transfer_encoding="chunked"), events(1, 2), cut()], streamed(events(3))
    )

    with reader.stream("GET", f"{url}/mended", decoder=SSE()) as stream:
        assert [event.id for event in stream] == ["1", "2", "3"]
    assert (stream.stats.connects, stream.stats.ended) == (1, "framing")


def test_silence_is_filled_with_heartbeats(
    url: str, upstream: Server, reader: shttp.Client
) -> None:
    upstream.serve("/quiet", streamed(events(1), hold()))
    with reader.stream("GET", f"{url}/quiet?heartbeat=0.1", decoder=SSE(comments=True)) as stream:
        kinds = [event.event for event in stream.collect(4)]

    assert kinds == ["message", "", "", ""]


@pytest.mark.parametrize(
    ("name", "body", "media_type", "decoder", "items"),
    [
        ("ndjson", b'{"a": 1}\n[2]\n', "application/x-ndjson", NDJSON(), [{"a": 1}, [2]]),
        ("lines", "é\nb".encode(), "text/plain", Lines(), ["é", "b"]),
        ("raw", bytes(range(256)), "image/png", Raw(), [bytes(range(256))]),
    ],
)
def test_other_formats(
    url: str,
    upstream: Server,
    reader: shttp.Client,
    name: str,
    body: bytes,
    media_type: str,
    decoder: shttp.DecoderFactory[object],
    items: list[object],
) -> None:
    upstream.serve(f"/other/{name}", reply(body, content_type=media_type))

    target = f"{url}/other/{name}?decoder={name}"
    with reader.stream("GET", target, decoder=decoder) as stream:
        assert stream.collect() == items
    assert (stream.response.media_type, stream.stats.ended) == (media_type, "framing")


def leaves(upstream: Server, before: int) -> Callable[[], bool]:
    return lambda: upstream.hung_up > before


@pytest.mark.parametrize(
    ("path", "then", "says"),
    [("head", "read", "asked"), ("quiet", "read", "receives"), ("flood", "read", "receives"),
     ("flood", "pause", "receives")],
)  # fmt: skip
def test_the_upstream_is_left_within_a_second_of_the_clients_death(
    url: str, upstream: Server, path: str, then: str, says: str
) -> None:
    scripts = {
        "head": [hold()],
        "quiet": streamed(events(1), hold()),
        "flood": streamed(flood(PIECE, 1_000_000)),
    }
    upstream.serve(f"/{path}/{then}", scripts[path])
    asked, before = len(upstream.requests), upstream.hung_up
    with client(f"{url}/{path}/{then}", then) as process:
        assert process.stdout is not None
        while process.stdout.readline() != f"{says}\n":
            pass
        assert upstream.wait_for(lambda: len(upstream.requests) > asked)
        if then == "pause":
            standstill(upstream)
        process.kill()
        assert upstream.wait_for(leaves(upstream, before), seconds=1.0)


def test_a_paused_client_stops_the_upstream(
    url: str, upstream: Server, reader: shttp.Client
) -> None:
    times = 3000
    upstream.serve("/bulk", streamed(flood(PIECE, times)))
    before = upstream.sent
    with reader.stream("GET", f"{url}/bulk", decoder=shttp.SSEText()) as stream:
        next(stream)
        held = standstill(upstream) - before
        # Buffers of the kernel, twice, and a chunk or two in the gateway.
        assert held < 12 * 1024 * 1024 < times * len(PIECE) / 2
        assert 1 + sum(1 for _ in stream) == times
    assert upstream.sent - before > times * len(PIECE)


def standstill(upstream: Server) -> int:
    """What the upstream has sent, once it cannot send any more."""
    last = -1
    while upstream.sent != last:
        last = upstream.sent
        time.sleep(0.2)
    return last
