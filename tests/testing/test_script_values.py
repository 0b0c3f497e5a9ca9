"""Scripts as values: what is refused, what the ready-made responses are, and what servers add."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
from typing import Any

import httpx
import msgspec
import pytest

import streamable_http as shttp
from streamable_http import testing
from streamable_http.testing import (
    Chunk,
    Cut,
    Delay,
    Refuse,
    Reset,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    ScriptExhausted,
    Stall,
    Step,
    Until,
    VirtualClock,
    Wire,
    dripped,
    event,
    events,
    gzipped,
    ndjson,
    redirect,
    retry_after,
    truncated,
)
from streamable_http.testing.fixtures import scripted_server, virtual_clock

__all__ = ["scripted_server", "virtual_clock"]

URL = "http://script.test/feed"


def fetched(script: Any) -> httpx.Response:
    with httpx.Client(transport=ScriptedTransport(script), trust_env=False) as client:
        return client.get(URL)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Chunk("text"), "not bytes: encode it"),  # type: ignore[arg-type]
        (lambda: Delay(-1), "not a number of seconds: pass 0 or more"),
        (lambda: Delay(True), "not a number of seconds"),
        (lambda: Until(threading.Lock()), "pass a threading.Event"),  # type: ignore[arg-type]
        (lambda: Response(body="text"), "no step of a script: pass bytes, Chunk"),
        (lambda: Response(body=[5]), "5 is no step"),  # type: ignore[list-item]
        (lambda: Response(body=[[b"a", {}]]), "{} is no step"),
        (lambda: Response(status=700), "pass 200 to 599"),
        (lambda: Response(framing="none"), "pass 'chunked', 'length' or 'close'"),  # type: ignore[arg-type]
        (lambda: Response(before=[b"x"]), "the head comes first"),
        (lambda: Response(headers={"Content-Length": "9"}), r"choose framing=, or .* Wire"),
        (lambda: Script(), "pass one or more"),
        (
            lambda: Script(Response),  # type: ignore[arg-type]
            "is no answer: pass Response",
        ),
        (lambda: Script(b"x"), "is no answer: pass Response"),  # type: ignore[arg-type]
        (lambda: ScriptedTransport({"feed": events("a")}), "is no route: pass a path"),
        (lambda: ScriptedTransport({5: events("a")}), "is no route"),  # type: ignore[dict-item]
        (lambda: ScriptedTransport(Wire([b"x"])), "by a ScriptedServer only"),
        (lambda: ScriptedServer(Refuse()), "by a ScriptedTransport only"),
        (lambda: retry_after(-1), "pass 0 or more, or a date as text"),
        (lambda: retry_after(float("inf")), "no number of seconds"),
        (lambda: retry_after(float("nan")), "no number of seconds"),
        (lambda: retry_after(True), "no number of seconds"),
        (lambda: truncated(events("a"), 1000), "outside the body of 15 bytes"),
        (lambda: truncated(events("a"), -1000), "outside the body of 15 bytes"),
    ],
)
def test_what_cannot_be_played_is_refused(make: Any, told: str) -> None:
    with pytest.raises(shttp.ConfigurationError, match=told):
        make()


def test_an_answer_is_checked_when_a_function_gives_it() -> None:
    for made, told in ((Wire([]), "ScriptedServer only"), ("text", "returned 'text': return")):
        with pytest.raises(shttp.ConfigurationError, match=told):
            fetched(lambda _, made=made: made)


def test_one_event() -> None:
    assert event("a\nb", id=7, event="tick", retry=50) == (
        b"event: tick\nid: 7\nretry: 50\ndata: a\ndata: b\n\n"
    )
    assert event({"n": [1]}) == b'data: {"n":[1]}\n\n'


def test_events() -> None:
    own = shttp.ServerSentEvent(event="tick", data="b", id="x", retry=5)
    response = fetched(events("a", own, b": hello\n\n", 4, start=7, headers={"X-Team": "data"}))
    assert response.text == (
        "id: 7\ndata: a\n\nevent: tick\nid: x\nretry: 5\ndata: b\n\n: hello\n\nid: 10\ndata: 4\n\n"
    )
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-team"] == "data"
    assert response.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize(
    "sent",
    [
        shttp.ServerSentEvent("tick", "a\rb\r\nc\nd", "1", 0),
        shttp.ServerSentEvent("", "a comment\rof two lines"),
        shttp.ServerSentEvent(data="e"),
    ],
    ids=["lines", "comment", "plain"],
)
def test_events_are_read_as_they_were_given(sent: shttp.ServerSentEvent) -> None:
    spec = shttp.SSE(comments=True)
    read = list(shttp.decode([fetched(events(sent)).content], spec))
    assert read == list(shttp.decode([sent.encode()], spec))
    assert "\n".join(one.data for one in read) == re.sub("\r\n?", "\n", sent.data)
    assert {one.event for one in read} == {sent.event}


def test_text_may_have_line_ends_of_any_kind() -> None:
    (read,) = shttp.decode([event("a\rb\r\nc")], shttp.SSEText())
    assert read == "a\nb\nc"


def test_an_empty_id_and_an_empty_type_are_written() -> None:
    body = [event("a", id=1), event("b"), event("c", id="", event=""), event("d")]
    read = [(one.event, one.data, one.id) for one in shttp.decode(body, shttp.SSE())]
    assert read == [
        ("message", "a", "1"),
        ("message", "b", "1"),
        ("message", "c", ""),
        ("message", "d", ""),
    ]


@pytest.mark.parametrize(
    "make",
    [
        lambda: event("x", id="1\ndata: injected"),
        lambda: event("x", event="a\rdata: injected"),
        lambda: event("x", retry=-1),
        lambda: event("x", retry=1.5),  # type: ignore[arg-type]
        lambda: events(shttp.ServerSentEvent(id="1\0")),
        lambda: events("\ud800"),
    ],
)
def test_what_no_event_can_say_is_refused(make: Any) -> None:
    with pytest.raises(shttp.ConfigurationError):
        make()


def test_ndjson_with_a_length() -> None:
    response = fetched(ndjson({"a": 1}, [2], b"not json\n", framing="length"))
    assert response.text == '{"a":1}\n[2]\nnot json\n'
    assert response.headers["content-length"] == str(len(response.content))


def test_gzip_is_whole_and_comes_in_pieces() -> None:
    whole = gzipped(ndjson(1, 2, then=[Delay(5), Chunk(b"3\n")]))
    pieces: Any = whole.body
    data = b"".join(step for step in pieces if isinstance(step, bytes))
    assert gzip.decompress(data) == b"1\n2\n3\n"
    assert Delay(5) in pieces
    with pytest.raises(EOFError):
        gzip.decompress(data[:-8])


def test_truncated_counts_from_both_ends() -> None:
    assert fetched(truncated(ndjson(1, 2), 2, then=[])).text == "1\n"
    assert fetched(truncated(ndjson(1, 2), -1, then=[])).text == "1\n2"
    with pytest.raises(httpx.RemoteProtocolError):
        fetched(truncated(ndjson(1, 2), -1))


def test_truncated_by_length_keeps_the_length() -> None:
    short = truncated(ndjson(1, 2, framing="length"), 1)
    assert dict(short.fields)["Content-Length"] == "4"
    with (
        ScriptedServer(short) as server,
        pytest.raises(httpx.RemoteProtocolError),
        httpx.Client(trust_env=False) as client,
    ):
        client.get(server.url)


def test_the_small_ones() -> None:
    for seconds, sent in ((0, "0"), (1.5, "2"), (1e6, "1000000"), ("1.5", "1.5")):
        assert fetched(retry_after(seconds)).headers["retry-after"] == sent
    assert fetched(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", status=503)).status_code == 503
    assert fetched(redirect("/x", status=302)).headers["location"] == "/x"
    assert dripped(b"abc", 0.5, size=2) == (b"ab", Delay(0.5), b"c", Delay(0.5))


def test_a_strict_script_names_the_request_that_is_too_much() -> None:
    transport = ScriptedTransport(Script(events("a"), strict=True))
    with httpx.Client(transport=transport) as client:
        client.get(URL)
        with pytest.raises(ScriptExhausted, match=r"GET /feed is request 2 to a script of 1"):
            client.get(URL)


def test_a_stream_lets_the_complaint_through() -> None:
    transport = ScriptedTransport(Script(events("a", then=[Cut()]), strict=True))
    with shttp.Client(transport=transport, clock=VirtualClock()) as client:
        stream = client.stream("GET", URL)
        with pytest.raises(ScriptExhausted), stream:
            list(stream)


def test_no_route() -> None:
    with pytest.raises(ScriptExhausted, match="no route for GET /feed"):
        fetched({"/other": events("a")})


def test_a_server_complains_when_it_stops() -> None:
    with (
        pytest.raises(ScriptExhausted, match=r"no route for GET /x\?q=1"),
        ScriptedServer({"/feed": events("a")}) as server,
        httpx.Client(trust_env=False) as client,
    ):
        response = client.get(server.url + "/x?q=1")
        assert (response.status_code, "no route" in response.text) == (501, True)


def test_a_servers_complaint_hides_no_other_error() -> None:
    with pytest.raises(ZeroDivisionError), ScriptedServer() as server:
        httpx.get(server.url, trust_env=False)
        raise ZeroDivisionError


def test_routes_by_method_and_path_and_anew() -> None:
    transport = ScriptedTransport({"/a": ndjson(1), "post /a": ndjson(2), "*": ndjson(3)})
    with httpx.Client(transport=transport, base_url="http://script.test") as client:
        assert [client.get("/a").text, client.post("/a").text] == ["1\n", "2\n"]
        assert client.get("/b").text == "3\n"
        transport.serve("/a", Script(ndjson(4), ndjson(5)))
        assert [client.get("/a").text for _ in range(3)] == ["4\n", "5\n", "5\n"]
    assert len(transport.requests) == 6


def test_bytes_on_the_wire_as_they_are() -> None:
    bad = Wire([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Cut()])
    with ScriptedServer(bad) as server, httpx.Client(trust_env=False) as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.url)
        server.serve("/slow", Wire(dripped(b"HTTP/1.1 204 No Content\r\n\r\n", 0.0001)))
        assert client.get(server.url + "/slow").status_code == 204
        assert server.sent > 50


def test_a_cut_is_a_fin_and_a_reset_is_a_rst() -> None:
    with ScriptedServer({"/fin": Wire([Cut()]), "/rst": Wire([Reset()])}) as server:
        for path in (b"/fin", b"/rst"):
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"GET %b HTTP/1.1\r\n\r\n" % path)
                if path == b"/fin":
                    assert client.recv(100) == b""
                else:
                    with pytest.raises(ConnectionResetError):
                        client.recv(100)


def test_a_server_that_stalls_stops_all_the_same() -> None:
    gates: list[Step] = [Stall(), Until(threading.Event()), Delay(600)]
    with ScriptedServer(
        {f"/{n}": ndjson(1, then=[gate]) for n, gate in enumerate(gates)}
    ) as server:
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in gates]
        for n, client in enumerate(clients):
            client.sendall(b"GET /%d HTTP/1.1\r\nHost: here\r\n\r\n" % n)
        assert server.wait_for(lambda: len(server.requests) == len(gates))
        assert (server.accepted, server.open, server.hung_up) == (3, 3, 0)
        assert server.requests[0].url.startswith("http://here/")
    for client in clients:
        client.close()


def test_fixtures(scripted_server: ScriptedServer, virtual_clock: VirtualClock) -> None:
    url = scripted_server.serve("/feed", ndjson(1))
    assert httpx.get(url, trust_env=False).text == "1\n"
    assert scripted_server.wait_for(lambda: scripted_server.hung_up == 1)
    assert virtual_clock.now() == 0.0


def test_nothing_loads_by_itself() -> None:
    code = """
import sys, json, streamable_http
before = sorted(sys.modules)
import streamable_http.testing
print(json.dumps([before, sorted(sys.modules)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    before, after = json.loads(done.stdout)
    assert not [name for name in before if name.startswith("streamable_http.testing")]
    assert not {"pytest", "httpx2"} & {*after}


def test_all_names_are_there() -> None:
    assert testing.__all__ == sorted(testing.__all__, key=_isort)
    assert all(hasattr(testing, name) for name in testing.__all__)


def _isort(name: str) -> tuple[bool, str]:
    return (not name[0].isupper(), name)


def test_a_body_may_be_endless() -> None:
    script = Script(Response(body=itertools.repeat([b"x", Chunk(b"y")])))
    assert repr(script).startswith("Script(Response(status=200, headers=(), body=repeat(")
    with (
        httpx.Client(transport=ScriptedTransport(script)) as client,
        client.stream("GET", URL) as response,
    ):
        assert [*itertools.islice(response.iter_raw(), 5)] == [b"x", b"y", b"x", b"y", b"x"]


def test_a_status_without_a_name() -> None:
    with ScriptedServer(Response(status=299, framing="close")) as server:
        assert httpx.get(server.url, trust_env=False).status_code == 299


def test_a_recorded_body_is_json() -> None:
    transport = ScriptedTransport(ndjson(1))
    with httpx.Client(transport=transport) as client:
        client.post(URL, json={"a": [1]})
        client.post(URL, content=b"{")
    first, second = transport.requests
    assert first.json() == {"a": [1]}
    with pytest.raises(msgspec.DecodeError):
        second.json()
