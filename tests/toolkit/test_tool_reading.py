"""What a call reads, where it stops, and how it goes on."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from server import (
    Server,
    chunk,
    delay,
    drip,
    flood,
    head,
    hold,
    reply,
    reset,
    send,
    streamed,
    unreachable,
)
from toolkit_harness import BACKENDS, DONE, call, conduct, record, records

from streamable_http.toolkit import StreamToolkit, ToolLimits
from streamable_http.toolkit._values import encode

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

LOGS = {"endpoint": "logs"}
KEYS = ["endpoint", "stop_reason", "truncated", "received", "returned"]


def resuming(values: list[Any]) -> Any:
    """A server that goes on behind the event that it is asked for."""

    def answer(request: Any) -> Any:
        after = int(request.headers.get("last-event-id", 0))
        steps = [record(n, value) for n, value in enumerate(values, 1) if n > after]
        return streamed(*steps, DONE)

    return answer


def test_a_whole_stream(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records({"a": 1}, {"a": 2}))

    answer = call(backend, server, "stream_data", {**LOGS, "params": {"x": [1]}})

    assert answer.text == (
        '{"endpoint":"logs","stop_reason":"end","truncated":false,"received":2,"returned":2,'
        '"records":[{"a":1},{"a":2}]}'
    )
    assert not answer.is_error
    assert json.loads(server.requests[0].body) == {"x": [1]}


@pytest.mark.parametrize("most", [1, 3, 5, 7])
def test_cursors_lead_through_the_stream(server: Server, backend: str, most: int) -> None:
    server.serve("/stream/logs", resuming([*range(10)]))
    seen: list[int] = []
    arguments: dict[str, Any] = {**LOGS, "max_records": most}
    while True:
        answer = call(backend, server, "stream_data", arguments)
        seen += answer.structured["records"]
        if not answer.structured["truncated"]:
            break
        assert list(answer.structured) == [*KEYS, "cursor", "records"]
        arguments["cursor"] = answer.structured["cursor"]

    assert seen == [*range(10)]
    assert "127.0.0.1" not in answer.text


def test_exactly_as_many_as_wanted_is_the_end(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records(1, 2))

    answer = call(backend, server, "stream_data", {**LOGS, "max_records": 2})

    assert (answer.structured["stop_reason"], answer.structured["truncated"]) == ("end", False)


def test_nobody_waits_for_a_record_that_is_not_wanted(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(record(1, 1), hold()))

    answer = call(backend, server, "stream_data", {**LOGS, "max_records": 1})

    assert answer.structured["stop_reason"] == "max_records"
    assert answer.structured["truncated"] is True
    assert server.wait_for(lambda: server.hung_up == 1)


def test_a_cursor_of_another_stream_is_refused(server: Server, backend: str) -> None:
    server.serve("/stream/logs", resuming([1, 2, 3]))
    first = call(backend, server, "stream_data", {**LOGS, "max_records": 1}).structured

    for other in ({"endpoint": "users"}, {**LOGS, "params": {"x": 1}}):
        answer = call(backend, server, "stream_data", {**other, "cursor": first["cursor"]})
        assert answer.structured["error"]["code"] == "invalid_cursor"
    assert len(server.requests) == 1


def test_bytes_are_bounded_and_the_next_answer_goes_on(server: Server, backend: str) -> None:
    values = ["x" * 30] * 10
    server.serve("/stream/logs", resuming(values))
    limits = ToolLimits(max_bytes=100, max_record_bytes=50)

    first = call(backend, server, "stream_data", LOGS, limits=limits).structured
    again = {**LOGS, "cursor": first["cursor"]}
    second = call(backend, server, "stream_data", again, limits=limits).structured

    assert first["stop_reason"] == second["stop_reason"] == "max_bytes"
    assert first["records"] == second["records"] == values[:3]
    assert server.requests[1].headers["last-event-id"] == "3"


def test_a_record_that_is_too_large_is_left_out_and_counted(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records(1, "x" * 100, 3))
    limits = ToolLimits(max_record_bytes=50)

    answer = call(backend, server, "stream_data", LOGS, limits=limits).structured

    assert answer["records"] == [1, 3]
    assert (answer["stop_reason"], answer["truncated"]) == ("end", True)
    assert (answer["received"], answer["returned"]) == (3, 2)


def test_a_record_beyond_all_measure_ends_the_stream(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(record(1, 1), flood(b"data: " + b"x" * 65536, 1000)))

    answer = call(backend, server, "stream_data", LOGS)

    assert answer.structured["error"]["code"] == "too_large"
    assert answer.structured["records"] == [1]
    assert server.sent < 16 * 1024 * 1024


def test_an_endless_stream_is_left(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(flood(b'data: {"x":1}\n\n' * 100, 10**9)))

    answer = call(backend, server, "stream_data", LOGS)

    assert answer.structured["returned"] == 100
    assert server.wait_for(lambda: server.hung_up == 1)


def test_the_deadline_keeps_what_was_read(server: Server, backend: str) -> None:
    body = b'id: 1\ndata: "a"\n\n'
    server.serve("/stream/logs", [head(content_length="999"), send(body), drip(b":" * 900, 0.02)])

    answer = call(backend, server, "stream_data", LOGS, limits=ToolLimits(timeout=0.3))

    assert not answer.is_error
    assert answer.structured["stop_reason"] == "timeout"
    assert answer.structured["records"] == ["a"]
    assert answer.structured["cursor"]
    assert server.wait_for(lambda: server.hung_up == 1)


def test_a_deadline_without_a_record_is_an_error(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(hold()))
    server.serve("/info/logs", [hold()])

    for tool in ("stream_data", "get_stream_info"):
        answer = call(backend, server, tool, LOGS, limits=ToolLimits(timeout=0.2))
        assert answer.is_error
        assert answer.structured["error"]["code"] == "timeout"
    assert server.wait_for(lambda: server.hung_up == 2)


FAULTS: list[tuple[Any, str]] = [
    (reply(b"secret", status=500, content_type="text/plain"), "http_status"),
    (reply(b"secret", status=401, content_type="text/plain"), "http_status"),
    (streamed(record(1, 1)), "stream_incomplete"),
    (streamed(record(1, 1), chunk(b"data: secret\n\n"), DONE), "bad_data"),
    (streamed(record(1, 1), chunk(b"data: NaN\n\n"), DONE), "bad_data"),
    (streamed(record(1, 1), chunk(b'event: error\ndata: "secret"\n\n')), "stream_failed"),
    (reply(b"<p>secret</p>", content_type="text/html"), "bad_data"),
    (streamed(record(1, 1), reset()), "stream_incomplete"),
]


@pytest.mark.parametrize(("script", "code"), FAULTS, ids=[code for _, code in FAULTS])
def test_faults_have_codes_and_keep_the_records(
    server: Server, backend: str, script: Any, code: str
) -> None:
    later = streamed(reset()) if code == "stream_incomplete" else script
    server.serve("/stream/logs", script, later)

    answer = call(backend, server, "stream_data", LOGS)

    assert answer.is_error
    assert answer.structured["stop_reason"] == "error"
    assert answer.structured["error"]["code"] == code
    assert answer.structured["records"] in ([], [1])
    assert len(answer.structured["records"]) == answer.structured["returned"]
    assert "secret" not in answer.text


def test_no_service(backend: str) -> None:
    with Server() as gone:
        url = gone.url
    for tool in ("stream_data", "get_stream_info"):
        answer = call(backend, url, tool, LOGS)
        assert answer.structured["error"]["code"] == "connection"
        assert "127.0.0.1" not in answer.text


def test_no_connection_in_time(backend: str) -> None:
    with unreachable() as url:
        answer = call(backend, url.rstrip("/"), "stream_data", LOGS, limits=ToolLimits(timeout=0.2))
    assert answer.structured["error"]["code"] == "timeout"


def test_a_batch_keeps_what_each_stream_gave(server: Server, backend: str) -> None:
    server.serve("/stream/logs", resuming([1, 2, 3]))
    server.serve("/stream/users", reply(b"", status=404))
    server.serve("/stream/slow", streamed(record(1, 1), hold()))
    server.serve("/stream/short", records(7))
    arguments = {
        "endpoints": ["logs", "users", "slow", "short"],
        "max_records": 2,
        "params_by_endpoint": {"logs": {"x": 1}},
    }

    answer = call(backend, server, "batch_stream", arguments, limits=ToolLimits(timeout=0.5))

    assert not answer.is_error
    structured = answer.structured
    assert list(structured) == [*KEYS[1:], "streams", "records"]
    assert structured["stop_reason"] == "mixed"
    assert structured["records"] == {"logs": [1, 2], "users": [], "slow": [1], "short": [7]}
    reasons = [stream["stop_reason"] for stream in structured["streams"]]
    assert reasons == ["max_records", "error", "timeout", "end"]
    bodies = {request.target: request.body for request in server.requests}
    assert json.loads(bodies["/stream/logs"]) == {"x": 1}

    cursors = {"logs": structured["streams"][0]["cursor"]}
    again = {**arguments, "endpoints": ["logs"], "cursors_by_endpoint": cursors}
    assert call(backend, server, "batch_stream", again).structured["records"] == {"logs": [3]}


def test_a_batch_of_failures_is_an_error(server: Server, backend: str) -> None:
    answer = call(backend, server, "batch_stream", {"endpoints": ["a", "b"]})

    assert answer.is_error
    assert answer.structured["stop_reason"] == "error"


def test_a_batch_opens_a_few_streams_at_a_time(server: Server, backend: str) -> None:
    names = [f"s{number}" for number in range(6)]
    for name in names:
        server.serve(f"/stream/{name}", streamed(delay(0.05), record(1, 1), DONE))
    limits = ToolLimits(max_concurrency=2)

    answer = call(backend, server, "batch_stream", {"endpoints": names}, limits=limits)

    assert answer.structured["returned"] == 6
    assert server.accepted <= 2, "a finished stream's connection is used again"


def test_the_bytes_of_a_batch_are_shared_out(server: Server, backend: str) -> None:
    for name in "abcd":
        server.serve(f"/stream/{name}", records(*["x" * 20] * 100))
    limits = ToolLimits(max_bytes=400, max_record_bytes=100)

    answer = call(backend, server, "batch_stream", {"endpoints": [*"abcd"]}, limits=limits)

    assert answer.structured["stop_reason"] == "max_bytes"
    assert len(encode(answer.structured["records"])) <= 400 + 4 * len('"a":[],') + 2


def test_a_record_that_no_share_of_a_batch_holds_is_left_out(server: Server, backend: str) -> None:
    for name in "abcd":
        server.serve(f"/stream/{name}", records("x" * 120, 2))
    limits = ToolLimits(max_bytes=400, max_record_bytes=200)

    answer = call(backend, server, "batch_stream", {"endpoints": [*"abcd"]}, limits=limits)

    assert answer.structured["records"] == {name: [2] for name in "abcd"}
    assert {each["received"] for each in answer.structured["streams"]} == {2}


def test_a_record_as_large_as_the_answer_fits_none(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records("x" * 98, "y" * 97))
    limits = ToolLimits(max_bytes=100, max_record_bytes=100)

    answer = call(backend, server, "stream_data", LOGS, limits=limits).structured

    assert answer["records"] == ["y" * 97]
    assert (answer["stop_reason"], answer["received"], answer["truncated"]) == ("end", 2, True)


def test_a_record_that_is_nested_too_deep_is_left_out(server: Server, backend: str) -> None:
    """Encoders of messages fail on it, and take the whole answer with them."""
    records = [b"[" * depth + b"]" * depth for depth in (60, 70, 200)]
    steps = [chunk(b"id: 1\ndata: %b\n\n" % text) for text in records]
    server.serve("/stream/logs", streamed(*steps, DONE))
    info = b'{"total": 2, "x": %b}' % records[2]
    server.serve("/info/logs", reply(info, content_type="application/json"))

    answer = call(backend, server, "stream_data", LOGS).structured
    told = call(backend, server, "get_stream_info", LOGS).structured

    assert (answer["received"], answer["returned"], answer["truncated"]) == (3, 1, True)
    assert (told["info"], told["total"], told["truncated"]) == ({}, 2, True)


def test_information(server: Server, backend: str) -> None:
    server.serve("/info/logs", reply(b'{"total": 7, "x": 1}', content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS)

    assert answer.structured["total"] == 7
    assert answer.structured["info"] == {"total": 7, "x": 1}


def test_information_is_bounded(server: Server, backend: str) -> None:
    body = json.dumps({"total": 7, "x": "y" * 10_000}).encode()
    server.serve("/info/logs", reply(body, content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS).structured

    assert (answer["truncated"], answer["total"], answer["info"]) == (True, 7, {})


@pytest.mark.parametrize("info", [rb'{"note": "\ud800"}', b'{"total": NaN}', b'{"total": 1e999}'])
def test_information_that_is_no_json_is_bad_data(server: Server, backend: str, info: bytes) -> None:
    server.serve("/info/logs", reply(info, content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS)

    assert answer.structured["error"]["code"] == "bad_data"


@pytest.mark.parametrize("total", [b"true", b"1.5", b'"7"', b"9" * 17])
def test_a_total_is_a_number_or_not_told(server: Server, backend: str, total: bytes) -> None:
    body = b'{"total": %b}' % total
    server.serve("/info/logs", reply(body, content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS)

    assert not answer.is_error
    assert "total" not in answer.structured


def test_cancelling_closes_the_upstream_at_once(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(record(1, 1), hold()))

    async def main(toolkit: StreamToolkit) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(toolkit.call, "batch_stream", {"endpoints": ["logs"]})
            await anyio.to_thread.run_sync(server.wait_for, lambda: len(server.requests) == 1)
            group.cancel_scope.cancel()

    conduct(backend, server.url, main)

    assert server.wait_for(lambda: server.hung_up == 1, 1.0)


def test_more_calls_than_allowed_are_told_so(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(hold()))

    async def main(toolkit: StreamToolkit) -> None:
        async with anyio.create_task_group() as group:
            for _ in range(2):
                group.start_soon(toolkit.call, "stream_data", LOGS)
            await anyio.to_thread.run_sync(server.wait_for, lambda: len(server.requests) == 2)
            third = await toolkit.call("stream_data", LOGS)
            assert third.structured["error"]["code"] == "busy"
            group.cancel_scope.cancel()
        server.serve("/stream/logs", records(1))
        assert (await toolkit.call("stream_data", LOGS)).structured["records"] == [1]

    conduct(backend, server.url, main, limits=ToolLimits(max_calls=2))
