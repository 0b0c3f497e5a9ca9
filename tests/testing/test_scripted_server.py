"""What a scripted server does as a server: heads alone, handshakes, and errors that nobody sees."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from typing import Any

import httpx
import pytest
import trustme

import streamable_http as shttp
from streamable_http.testing import (
    Cut,
    RecordedRequest,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    Wire,
    events,
    ndjson,
)

FRAMINGS: list[Any] = ["chunked", "length", "close"]


def talked(server: ScriptedServer, sent: bytes) -> bytes:
    """All that comes back before the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


# Heads alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", FRAMINGS)
def test_the_answer_to_a_head_is_a_head(framing: Any) -> None:
    with ScriptedServer(ndjson(1, 2, framing=framing)) as server:
        answered = talked(server, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    head, body = answered.split(b"\r\n\r\n", 1)
    assert body == b""
    told = {"chunked": b"Transfer-Encoding: chunked", "length": b"Content-Length: 4"}
    assert told.get(framing, b"Connection: close") in head


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
@pytest.mark.parametrize("way", ["server", "transport"])
def test_a_connection_can_be_used_again_behind_a_head(
    way: str, method: str, status: int, framing: Any
) -> None:
    first = Response(status=status, body=[b"body", Cut()], framing=framing)
    script = Script(first, ndjson("next"))
    if way == "transport":
        transport = ScriptedTransport(script)
        with httpx.Client(transport=transport, base_url="http://script.test") as client:
            one, two = client.request(method, "/"), client.get("/")
    else:
        with (
            ScriptedServer(script) as server,
            httpx.Client(base_url=server.url, trust_env=False) as client,
        ):
            one, two = client.request(method, "/"), client.get("/")
            kept = framing != "close" or status != 200
            assert server.accepted == (1 if kept else 2)
    assert (one.status_code, one.content, two.text) == (status, b"", '"next"\n')


# Requests --------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "gzip, CHUNKED"])
@pytest.mark.parametrize(
    "body",
    [
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        b'3;a=b\r\nabc\r\n2 ; c="d"\r\nde\r\n0;e\r\n\r\n',
        b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n",
    ],
    ids=["plain", "extensions", "trailers"],
)
def test_a_request_in_chunks(coding: str, body: bytes) -> None:
    head = f"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n".encode()
    with ScriptedServer(ndjson(1, framing="length")) as server:
        talked(server, head + body + b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
        assert [(one.path, one.body) for one in server.requests] == [
            ("/", b"abcde"),
            ("/next", b""),
        ]


# Handshakes ------------------------------------------------------------------------------------


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"], ids=["nothing", "a little"])
def test_a_server_stops_before_a_handshake(tls: ssl.SSLContext, said: bytes) -> None:
    with ScriptedServer(events("a"), tls=tls) as server:
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(said)
        while server.accepted == 0:
            time.sleep(0.001)
        assert server.open == 1
        time.sleep(0.05)  # for the handshake to be waited for
    client.close()
    assert (server.open, server.hung_up) == (0, 0)


def test_a_client_may_leave_before_a_handshake(tls: ssl.SSLContext) -> None:
    with ScriptedServer(events("a"), tls=tls) as server:
        socket.create_connection(("127.0.0.1", server.port)).close()
        assert server.wait_for(lambda: server.hung_up == 1)
        with contextlib.suppress(ConnectionResetError):
            talked(server, b"GET / HTTP/1.1\r\n\r\n")  # without TLS
        assert server.wait_for(lambda: server.hung_up == 2)


# Errors ----------------------------------------------------------------------------------------


class Oops(BaseException):
    """No Exception, as what `pytest.fail` raises."""


@pytest.mark.parametrize("error", [AssertionError("wrong body"), OSError("no file"), Oops("left")])
def test_what_a_function_raises_is_raised_at_the_end(error: BaseException) -> None:
    def answer(request: RecordedRequest) -> Response:
        raise error

    with (
        pytest.raises(type(error), match=str(error)) as caught,
        ScriptedServer({"/bad": answer, "*": ndjson(1)}) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        told = client.get("/bad")
        assert (told.status_code, str(error) in told.text) == (500, True)
        assert client.get("/").text == "1\n"
        assert (server.accepted, server.open) == (1, 1)
        client.close()
        assert server.wait_for(lambda: server.hung_up == 1)
        assert server.open == 0
    assert caught.value is error


def test_the_first_error_is_raised() -> None:
    def answer(request: RecordedRequest) -> Response:
        raise ValueError(request.path)

    with pytest.raises(ValueError, match="/1"), ScriptedServer(answer) as server:
        for path in ("/1", "/2"):
            httpx.get(server.url + path, trust_env=False)


def test_a_function_that_answers_nothing() -> None:
    answer: Any = lambda request: None  # noqa: E731
    with (
        pytest.raises(shttp.ConfigurationError, match="returned None: return Response"),
        ScriptedServer(answer) as server,
    ):
        assert httpx.get(server.url, trust_env=False).status_code == 500


def test_steps_that_fail_end_the_connection() -> None:
    def steps() -> Any:
        yield b"HTTP/1.1 200 OK\r\n"
        raise OSError("no file")

    with pytest.raises(OSError, match="no file"), ScriptedServer(lambda _: Wire(steps())) as server:
        assert talked(server, b"GET / HTTP/1.1\r\n\r\n") == b"HTTP/1.1 200 OK\r\n"
        assert server.wait_for(lambda: server.open == 0)
        assert server.hung_up == 0


def test_what_is_no_request_is_told_too() -> None:
    with pytest.raises(ValueError, match="no request"), ScriptedServer(ndjson(1)) as server:
        assert talked(server, b"nonsense\r\n\r\n") == b""
        assert talked(server, b"GET / HTTP/1.1\r\nnonsense\r\n\r\n") == b""


def test_a_server_starts_once() -> None:
    server = ScriptedServer(ndjson(1))
    with server:
        httpx.get(server.url, trust_env=False)
    with pytest.raises(shttp.ConfigurationError, match="make another"), server:
        pass
    with ScriptedServer(ndjson(2), port=server.port) as again:
        assert httpx.get(again.url, trust_env=False).text == "2\n"
