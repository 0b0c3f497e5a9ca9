"""The guard makes a stream that was cut raise, and touches nothing else."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import attrs
import httpx
import pytest
from guard_kit import KINDS, Kind, assert_cut, cause_of, guarded

from streamable_http import (
    ConfigurationError,
    DecodeError,
    LimitExceeded,
    Limits,
    StreamError,
    Terminal,
)
from streamable_http.testing import (
    Cut,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    Stall,
    Until,
    event,
    events,
    gzipped,
    truncated,
)
from streamable_http.transports import Guard

ENDS = [
    pytest.param("[DONE]", event("[DONE]"), id="text"),
    pytest.param(Terminal(event="end"), event("x", event="end"), id="type"),
    pytest.param(lambda one: one.data == "9", event("9"), id="function"),
]


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param  # type: ignore[no-any-return]


# Ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminal", "last"), ENDS)
def test_a_whole_stream_passes_through(kind: Kind, terminal: Any, last: bytes) -> None:
    chunks = [event("1", id=1), b": beat\n\n", event("2", id=2), last]
    read = guarded(kind, events(*chunks), terminal)
    assert (read.chunks, read.error) == (chunks, None)


@pytest.mark.parametrize("end", [StopIteration, StopAsyncIteration])
def test_a_stop_of_the_predicate_is_no_end(kind: Kind, end: type[Exception]) -> None:
    def terminal(_: Any) -> bool:
        raise end

    read = guarded(kind, events(event("1", id=1), event("2", id=2)), terminal)
    assert isinstance(read.error, RuntimeError)


@pytest.mark.parametrize(("terminal", "last"), ENDS)
def test_a_stream_without_its_terminal_raises_behind_its_bytes(
    kind: Kind, terminal: Any, last: bytes
) -> None:
    chunks = [event("1"), event("2")]
    read = guarded(kind, events(*chunks), terminal)
    assert read.chunks == chunks
    assert_cut(kind, read.error)
    assert read.error is not None
    assert "without the terminal" in str(read.error)
    request: Any = read.error.request  # type: ignore[attr-defined]  # the client's, not ours
    assert str(request.url) == "http://testserver/"


@pytest.mark.parametrize(("terminal", "last"), ENDS)
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_it_raises_at_every_cut_but_the_last(terminal: Any, last: bytes, size: int) -> None:
    kind = KINDS[0]
    body = event("1") + event("2") * 60 + last
    passed = []
    for stop in range(len(body) + 1):
        part = body[:stop]
        pieces = [part[start : start + size] for start in range(0, stop, size)]
        read = guarded(kind, events(*pieces), terminal)
        assert b"".join(read.chunks) == part
        if read.error is None:
            passed.append(stop)
    # A text is known to be all there once its line is; of other terminals the blank line ends it.
    whole = len(body)
    complete = [whole - 2, whole - 1, whole] if isinstance(terminal, str) else [whole]
    assert passed == complete


def test_what_comes_behind_the_terminal_is_not_looked_at(kind: Kind) -> None:
    chunks = [event("[DONE]"), b"data: " + b"x" * 5000, b"\xff"]
    read = guarded(kind, events(*chunks), limits=Limits(max_item_bytes=1000))
    assert (read.chunks, read.error) == (chunks, None)


def test_an_empty_stream_raises(kind: Kind) -> None:
    assert_cut(kind, guarded(kind, events()).error)


def test_a_body_that_lasts_until_the_connection_closes(kind: Kind) -> None:
    with ScriptedServer(events("1", framing="close")) as server:
        assert_cut(kind, kind.read(kind.guard("[DONE]"), server.url).error)


def test_a_cut_that_the_client_notices_stays_the_clients(kind: Kind) -> None:
    read = guarded(kind, events("1", then=[Cut()]))
    assert type(read.error) is kind.package.RemoteProtocolError


def test_whoever_asks_again_is_told_again() -> None:
    transport = Guard("[DONE]", transport=ScriptedTransport(events("1")))
    body: Any = transport.handle_request(httpx.Request("GET", "http://testserver/")).stream
    assert next(body) == event("1", id=1)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            next(body)


# Nothing is held back --------------------------------------------------------------------------


def test_a_chunk_is_handed_on_before_the_next_one_comes() -> None:
    gate = threading.Event()
    response = events("1", then=[Until(gate), event("[DONE]")])
    with (
        ScriptedServer(response) as server,
        httpx.Client(transport=Guard("[DONE]")) as client,
        client.stream("GET", server.url) as opened,
    ):
        chunks = opened.iter_raw()
        assert next(chunks) == event("1", id=1)
        gate.set()
        assert list(chunks) == [event("[DONE]")]


def test_closing_early_is_no_error() -> None:
    transport = Guard("[DONE]", transport=ScriptedTransport(events("1", "2")))
    with httpx.Client(transport=transport) as client:
        with client.stream("GET", "http://testserver/") as response:
            assert next(response.iter_raw()) == event("1", id=1)
        assert response.is_closed


# What it leaves alone --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        Response(headers={"Content-Type": "application/json"}, body=b"{}"),
        Response(headers={"Content-Type": "text/event-streams"}, body=b"data: 1\n\n"),
        Response(body=b"data: 1\n\n"),
        attrs.evolve(events("1"), status=500),
        Response(status=204),
    ],
    ids=["json", "another-type", "no-type", "error", "no-content"],
)
def test_what_is_no_stream_of_events_is_left_alone(kind: Kind, response: Response) -> None:
    read = guarded(kind, response)
    body = [step for step in response.body if isinstance(step, bytes)]
    assert (read.chunks, read.error) == (body, None)
    assert read.response.status_code == response.status


def test_the_type_is_read_as_http_reads_it(kind: Kind) -> None:
    response = Response(headers={"Content-Type": "Text/Event-Stream;charset=utf-8"}, body=b"")
    assert_cut(kind, guarded(kind, response).error)


def test_head_and_extensions_stay() -> None:
    response = events("[DONE]", headers=[("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    read = guarded(KINDS[0], response)
    assert read.response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert read.response.http_version == "HTTP/1.1"


# Codings ---------------------------------------------------------------------------------------


def test_a_compressed_body_is_looked_into_and_passes_as_it_is(kind: Kind) -> None:
    response = gzipped(events("1", "[DONE]"))
    read = guarded(kind, response)
    assert read.error is None
    assert read.chunks == [*response.body]
    assert_cut(kind, guarded(kind, gzipped(events("1"))).error)


def test_what_comes_behind_the_terminal_in_the_same_chunk(kind: Kind) -> None:
    whole = gzipped(events("1", "[DONE]", b": " + b"x" * 300_000 + b"\n\n"))
    chunk = b"".join(step for step in whole.body if isinstance(step, bytes))
    read = guarded(kind, attrs.evolve(whole, body=chunk))
    assert (read.chunks, read.error) == ([chunk], None)


def test_a_compressed_body_that_was_cut(kind: Kind) -> None:
    """Which HTTP clients take for a whole one."""
    assert_cut(kind, guarded(kind, truncated(gzipped(events("1", "2")), at=-12, then=[])).error)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate"),
        ("br;q=1.0, GZIP;q=0.8, *;q=0.1", "GZIP;q=0.8"),
        ("br", "identity"),
        ("identity", "identity"),
        ("deflate , gzip", "deflate , gzip"),
    ],
)
def test_no_coding_is_asked_for_that_cannot_be_looked_into(
    kind: Kind, asked: str, sent: str
) -> None:
    inner = kind.scripted(events("[DONE]"))
    kind.read(kind.guard("[DONE]", transport=inner), headers={"Accept-Encoding": asked})
    assert inner.requests[0].headers["accept-encoding"] == sent


def test_a_coding_that_nobody_asked_for_is_refused_and_the_connection_let_go(kind: Kind) -> None:
    response = events("1", then=[Stall()], headers={"Content-Encoding": "br"})
    with ScriptedServer(response) as server:
        read = kind.read(kind.guard("[DONE]"), server.url)
        assert type(read.error) is kind.package.RemoteProtocolError
        assert "'br'" in str(read.error)
        assert server.wait_for(lambda: server.hung_up == 1)


def test_a_corrupt_body_is_the_clients_own_to_find(kind: Kind) -> None:
    coded = {"Content-Encoding": "gzip"}
    read = guarded(kind, events(b"this is no gzip", "[DONE]", headers=coded))
    assert read.chunks == [b"this is no gzip"]
    assert type(read.error) is kind.package.RemoteProtocolError
    assert isinstance(cause_of(read), DecodeError)


# Bounds ----------------------------------------------------------------------------------------


def test_an_event_that_outgrows_the_limit(kind: Kind) -> None:
    chunks = [b"data: " + b"x" * 600, b"x" * 600, b"x" * 600]
    read = guarded(kind, events(*chunks, "[DONE]"), limits=Limits(max_item_bytes=1000))
    assert read.chunks == chunks[:2]
    assert type(read.error) is kind.package.RemoteProtocolError
    assert isinstance(cause_of(read), LimitExceeded)


def test_a_body_that_inflates_without_end(kind: Kind) -> None:
    bomb = gzipped(events(b": " + b"\0" * 20_000_000 + b"\n\n", "[DONE]"))
    read = guarded(kind, bomb)
    assert isinstance(read.error, kind.package.RemoteProtocolError)
    assert isinstance(cause_of(read), LimitExceeded)


def test_a_limit_can_be_lifted() -> None:
    bomb = gzipped(events(b": " + b"\0" * 20_000_000 + b"\n\n", "[DONE]"))
    assert guarded(KINDS[0], bomb, limits=Limits(max_decompressed_ratio=None)).error is None


# Arguments, errors -----------------------------------------------------------------------------


def test_an_error_of_the_callers_function_arrives_unwrapped(kind: Kind) -> None:
    def broken(one: Any) -> bool:
        raise KeyError(one.data)

    error = guarded(kind, events("1"), broken).error
    assert type(error) is KeyError


@pytest.mark.parametrize("terminal", ["", None, 7, b"[DONE]"])
def test_what_ends_no_stream_is_refused(kind: Kind, terminal: Any) -> None:
    with pytest.raises(ConfigurationError, match="terminal="):
        kind.guard(terminal)


def test_a_transport_of_the_other_kind_is_refused(kind: Kind) -> None:
    other: Any = httpx.AsyncHTTPTransport() if kind.sync else httpx.HTTPTransport()
    with pytest.raises(ConfigurationError, match="transport= of type"):
        kind.guard("[DONE]", transport=other)


def test_limits_of_somebody_else_are_refused(kind: Kind) -> None:
    with pytest.raises(ConfigurationError, match="limits="):
        kind.guard("[DONE]", limits=httpx.Limits())


def test_the_error_survives_pickle(kind: Kind) -> None:
    error = guarded(kind, events("1")).error
    copy = pickle.loads(pickle.dumps(error))
    assert_cut(kind, copy)
    assert str(copy) == str(error)
    assert isinstance(copy, StreamError)


def test_each_response_has_a_watch_of_its_own(kind: Kind) -> None:
    script = Script(events("1"), events("[DONE]"), events("2"))
    guard = kind.guard("[DONE]", transport=kind.scripted(script))
    errors = [kind.read(guard).error for _ in range(3)]
    assert [error is None for error in errors] == [False, True, False]
