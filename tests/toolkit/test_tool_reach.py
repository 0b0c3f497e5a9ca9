"""The tools ask the operator's service and nobody else, whatever a model or that service says."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from server import Received, Script, Server, cut, reply, streamed
from toolkit_harness import BACKENDS, DONE, call, record, records

from streamable_http.toolkit._positions import _belonging

LOGS = {"endpoint": "logs"}
CALLS: list[tuple[str, Any]] = [
    ("stream_data", LOGS),
    ("get_stream_info", LOGS),
    ("batch_stream", {"endpoints": ["logs"]}),
]
ELSEWHERE = {
    "code": "redirect",
    "message": "The data service points somewhere else; that is not followed.",
}


def problem(structured: Any) -> Any:
    return structured.get("error") or structured["streams"][0]["error"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(("tool", "arguments"), CALLS, ids=[tool for tool, _ in CALLS])
def test_no_tool_follows_a_redirect(
    server: Server, backend: str, status: int, tool: str, arguments: Any
) -> None:
    with Server() as other:
        other.serve("/x", records("secret"))
        for where in (f"{other.url}/x", "/x"):
            for path in ("/stream/logs", "/info/logs"):
                server.serve(path, reply(b"secret", status=status, location=where))

            answer = call(backend, server, tool, arguments)

            assert answer.is_error
            assert problem(answer.structured) == {**ELSEWHERE, "status": status}
            assert "secret" not in answer.text
            assert other.url not in answer.text
        assert other.requests == []
    assert {request.target for request in server.requests} <= {"/stream/logs", "/info/logs"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_resumed_stream_is_led_away(server: Server, backend: str) -> None:
    with Server() as other:

        def answer(request: Received) -> Script:
            if "last-event-id" in request.headers:
                return reply(status=307, location=f"{other.url}/stream/logs")
            return streamed(record(1, "first"), cut())

        server.serve("/stream/logs", answer)

        reached = call(backend, server, "stream_data", LOGS).structured

        assert reached["records"] == ["first"]
        assert reached["error"]["code"] == "redirect"
        assert other.requests == []


ADDRESSES = [
    "http://169.254.169.254/latest/meta-data",
    "//169.254.169.254/x",
    "127.0.0.1:1",
    "../../admin",
    "@127.0.0.1",
    "localhost\r\nHost: localhost",
]


@pytest.mark.parametrize("text", ADDRESSES)
def test_parameters_are_only_ever_the_body(server: Server, text: str) -> None:
    params = {"url": text, "host": text, "base_url": text, "headers": {"Host": text}, text: text}
    server.serve("/stream/logs", records(1))

    answer = call("asyncio", server, "stream_data", {**LOGS, "params": params})

    assert answer.structured["records"] == [1]
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/stream/logs")
    assert f"http://{request.headers['host']}" == server.url
    assert json.loads(request.body) == params


def forged(kind: str, value: str, etag: str | None, endpoint: str = "logs") -> str:
    """A cursor as a model could make it: there is no secret in one."""
    fields: list[Any] = [_belonging(endpoint, {}), kind, value, etag, 3, []]
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


KINDS = ["last-event-id", "item", "byte-range", "location", "http://127.0.0.1:1/", ""]


@pytest.mark.parametrize("text", [*ADDRESSES, '"http://127.0.0.1:1/"', "7", "1\0", "é" * 50])
@pytest.mark.parametrize("etag", [None, '"x"', "http://127.0.0.1:1/"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_cursor_leads_anywhere_else(
    server: Server, kind: str, etag: str | None, text: str
) -> None:
    server.serve("/stream/logs", streamed(record(9, 9), DONE))

    answer = call("asyncio", server, "stream_data", {**LOGS, "cursor": forged(kind, text, etag)})

    if answer.is_error:
        assert answer.structured["error"]["code"] == "invalid_cursor"
        assert server.requests == []
        return
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("POST", "/stream/logs", b"{}")
    assert f"http://{request.headers['host']}" == server.url
    assert request.headers["last-event-id"].encode("latin-1").decode() == text
    assert {"range", "if-range"}.isdisjoint(request.headers)
