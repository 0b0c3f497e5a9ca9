"""The demo data service on its own, over real sockets, by a plain HTTP client."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from streamable_http.demo.formats import choose_format
from streamable_http.demo.records import ENDPOINTS
from streamable_http.demo.server import running, serve

T = TypeVar("T")

FORMATS = [
    "text/event-stream", "application/x-ndjson", "text/csv", "application/octet-stream",
    "application/json-seq", "application/json", "multipart/mixed",
]  # fmt: skip
TELL_NO_FAILURE = ["text/csv", "application/octet-stream", "application/json", "multipart/mixed"]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base:
        yield base


def events(text: str) -> tuple[list[tuple[int, Any]], list[str]]:
    """(id, data) of each block that has an id, and the data of the others."""
    blocks = text.split("\n\n")
    assert blocks.pop() == "", "the last event is not finished"
    pairs: list[tuple[int, Any]] = []
    rest: list[str] = []
    for block in blocks:
        match = re.fullmatch(r"id: (\d+)\ndata: (.*)", block)
        if match:
            pairs.append((int(match[1]), json.loads(match[2])))
        else:
            rest.append(block)
    return pairs, rest


def unpacked(body: bytes) -> list[Any]:
    records: list[Any] = []
    while body:
        size = int.from_bytes(body[:4], "big")
        records.append(json.loads(body[4 : 4 + size]))
        body = body[4 + size :]
    return records


def refusal(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    return response.json()["error"]


@pytest.mark.parametrize(
    ("endpoint", "total"),
    [("users", 1000), ("analytics", 500), ("logs", 250), ("metrics", 150), ("events", 300)],
)
def test_totals_and_ids(url: str, endpoint: str, total: int) -> None:
    assert httpx.get(f"{url}/info/{endpoint}").json()["total"] == total
    response = httpx.post(f"{url}/stream/{endpoint}")
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-total-count"] == str(total)
    pairs, rest = events(response.text)
    assert [number for number, _ in pairs] == list(range(1, total + 1))
    assert [record["id"] for _, record in pairs] == list(range(1, total + 1))
    assert rest == ["data: [DONE]"]
    assert len({json.dumps(record) for _, record in pairs}) == total


def test_health_names_the_endpoints(url: str) -> None:
    assert httpx.get(f"{url}/health").json() == {"status": "ok", "endpoints": list(ENDPOINTS)}


def test_info_describes_what_the_stream_will_be(url: str) -> None:
    info = httpx.get(f"{url}/info/events", params={"timeframe": "7d"}).json()
    assert info["name"] == "events"
    assert info["formats"] == FORMATS
    assert info["parameters"]["timeframe"]["enum"] == ["1h", "24h", "7d", "30d"]
    pairs, _ = events(httpx.get(f"{url}/stream/events", params={"timeframe": "7d"}).text)
    assert info["total"] == len(pairs) == 2100


@pytest.mark.parametrize("limit", [0, 1, 255, 256, 257])
def test_every_format_holds_the_same_records(url: str, limit: int) -> None:
    def get(media_type: str) -> httpx.Response:
        return httpx.post(
            f"{url}/stream/logs", json={"limit": limit}, headers={"Accept": media_type}
        )

    expected = [ENDPOINTS["logs"].record(number) for number in range(1, limit + 1)]
    assert [record for _, record in events(get(FORMATS[0]).text)[0]] == expected
    assert [json.loads(line) for line in get(FORMATS[1]).text.splitlines()] == expected
    table = csv.reader(io.StringIO(get(FORMATS[2]).text, newline=""))
    assert next(table) == list(ENDPOINTS["logs"].record(1))
    assert list(table) == [[str(value) for value in record.values()] for record in expected]
    binary = get(FORMATS[3])
    assert unpacked(binary.content) == expected
    assert binary.headers["content-length"] == str(len(binary.content))
    assert [json.loads(text) for text in get(FORMATS[4]).text.split("\x1e")[1:]] == expected
    assert get(FORMATS[5]).json() == expected
    parts = get(FORMATS[6]).text.split("--record")
    assert (parts[0], parts[-1]) == ("", "--\r\n")
    assert [json.loads(part.partition("\r\n\r\n")[2]) for part in parts[1:-1]] == expected


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "text/event-stream"),
        ("*/*", "text/event-stream"),
        ("text/*", "text/event-stream"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
        ("text/event-stream;q=0.5, application/x-ndjson", "application/x-ndjson"),
        ("text/event-stream;q=0, */*;q=0.1", "application/x-ndjson"),
        ("application/*", "application/x-ndjson"),
        ("image/png, text/csv;q=0.2", "text/csv"),
        ("image/png", None),
        ("text/csv;q=nonsense", None),
    ],
)
def test_the_format_is_what_accept_asks_for(accept: str, media_type: str | None) -> None:
    form = choose_format(accept)
    assert (form and form.media_type) == media_type


def test_goes_on_after_the_last_event_id(url: str) -> None:
    def after(last: str) -> httpx.Response:
        return httpx.post(f"{url}/stream/users", headers={"Last-Event-ID": last})

    pairs, _ = events(after("997").text)
    assert [number for number, _ in pairs] == [998, 999, 1000]
    assert pairs[0][1] == ENDPOINTS["users"].record(998)
    assert after("1000").text == "data: [DONE]\n\n"


@pytest.mark.parametrize("last", ["0", "1001", "-1", "x", "1.0", "٣", "9" * 5000])
def test_refuses_an_id_that_is_no_record(url: str, last: str) -> None:
    headers = {b"Last-Event-ID": last.encode()}
    error = refusal(httpx.post(f"{url}/stream/users", headers=headers), 422)
    assert "1 to 1,000" in error["parameters"]["Last-Event-ID"]


def test_refuses_an_id_where_the_format_has_none(url: str) -> None:
    headers = {"Last-Event-ID": "5", "Accept": "text/csv"}
    error = refusal(httpx.post(f"{url}/stream/users", headers=headers), 422)
    assert error["parameters"]["Last-Event-ID"] == "text/csv has no event IDs"


@pytest.mark.parametrize(
    ("endpoint", "parameters", "wrong"),
    [
        ("users", {"limt": 1}, {"limt"}),
        ("users", {"period": "day"}, {"period"}),
        ("users", {"limit": -1}, {"limit"}),
        ("users", {"limit": 10**9 + 1}, {"limit"}),
        ("users", {"limit": 1.5}, {"limit"}),
        ("users", {"limit": True}, {"limit"}),
        ("users", {"limit": "7", "delay": -1, "x": 1}, {"limit", "delay", "x"}),
        ("events", {"timeframe": "2h"}, {"timeframe"}),
        ("events", {"timeframe": ["1h"]}, {"timeframe"}),
        ("numbers", {"delay": 61, "cut_after": 0}, {"delay", "cut_after"}),
        ("numbers", {"label": "x" * 101}, {"label"}),
    ],
)
def test_names_every_wrong_parameter(
    url: str, endpoint: str, parameters: dict[str, Any], wrong: set[str]
) -> None:
    error = refusal(httpx.post(f"{url}/stream/{endpoint}", json=parameters), 422)
    assert set(error["parameters"]) == wrong
    assert all(name in error["message"] for name in wrong)


@pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": "1.5"}, {"delay": "nan"}, {"y": "1"}])
def test_a_query_is_checked_like_a_body(url: str, query: dict[str, str]) -> None:
    for path in ("stream", "info"):
        error = refusal(httpx.get(f"{url}/{path}/users", params=query), 422)
        assert set(error["parameters"]) == set(query)


def test_null_stands_for_the_default(url: str) -> None:
    response = httpx.post(f"{url}/stream/metrics", json={"limit": None, "cuts": None})
    assert len(events(response.text)[0]) == 150


def test_refuses_what_it_does_not_have(url: str) -> None:
    assert "no endpoint 'nope'" in refusal(httpx.get(f"{url}/info/nope"), 404)["message"]
    assert "users" in refusal(httpx.post(f"{url}/stream/nope"), 404)["message"]
    refusal(httpx.get(f"{url}/nothing"), 404)
    refusal(httpx.put(f"{url}/stream/users"), 405)
    wrong_type = httpx.post(f"{url}/stream/users", headers={"Accept": "image/png"})
    assert "text/csv" in refusal(wrong_type, 406)["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"{", 400), (b"\xff", 400), (b"[" * 60_000, 400), (b"[1]", 422), (b" " * 70_000, 413)],
)
def test_refuses_a_body_that_is_no_object(url: str, body: bytes, status: int) -> None:
    refusal(httpx.post(f"{url}/stream/users", content=body), status)


def test_head_makes_no_records(url: str) -> None:
    with httpx.Client() as client:
        response = client.head(f"{url}/stream/numbers?limit=1000000000&label=head")
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert not streams(url, "head")


def received_until_cut(
    url: str, *, accept: str = "text/event-stream", last: str = "", **parameters: Any
) -> bytes:
    headers = {"Accept": accept} | ({"Last-Event-ID": last} if last else {})
    body = b""
    with (
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("POST", f"{url}/stream/users", json=parameters, headers=headers) as response,
    ):
        for chunk in response.iter_raw():
            body += chunk
    return body


def test_a_cut_is_visible_and_keeps_what_came_before(url: str) -> None:
    pairs, rest = events(received_until_cut(url, cut_after=300).decode())
    assert [number for number, _ in pairs] == list(range(1, 301))
    assert rest == []


def test_a_cut_falls_short_of_the_content_length(url: str) -> None:
    body = received_until_cut(url, accept="application/octet-stream", cut_after=300)
    assert len(unpacked(body)) == 300


def test_a_resumed_connection_is_cut_again_as_often_as_asked(url: str) -> None:
    parameters: dict[str, Any] = {"limit": 1000, "cut_after": 300, "cuts": 2}
    for last, first, final in [("", 1, 300), ("300", 301, 600)]:
        pairs, _ = events(received_until_cut(url, last=last, **parameters).decode())
        assert [number for number, _ in pairs] == list(range(first, final + 1))
    response = httpx.post(f"{url}/stream/users", json=parameters, headers={"Last-Event-ID": "600"})
    pairs, rest = events(response.text)
    assert [number for number, _ in pairs] == list(range(601, 1001))
    assert rest == ["data: [DONE]"]


def test_a_cut_after_the_last_record_leaves_out_the_end(url: str) -> None:
    pairs, rest = events(received_until_cut(url, limit=10, cut_after=10).decode())
    assert len(pairs) == 10
    assert rest == []
    assert httpx.post(f"{url}/stream/users", json={"limit": 10, "cut_after": 11}).is_success


def test_a_failure_is_told_inside_the_stream(url: str) -> None:
    pairs, rest = events(httpx.post(f"{url}/stream/users", json={"fail_after": 20}).text)
    assert len(pairs) == 20
    assert len(rest) == 1
    name, _, data = rest[0].partition("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))["error"]
    assert error == {"type": "failed", "message": "the source failed after record 20"}
    lines = httpx.get(
        f"{url}/stream/users?fail_after=20", headers={"Accept": "application/x-ndjson"}
    ).text.splitlines()
    assert len(lines) == 21
    assert json.loads(lines[-1]) == {"error": error}


def test_a_client_past_the_failure_still_meets_it(url: str) -> None:
    response = httpx.post(
        f"{url}/stream/users", json={"fail_after": 20}, headers={"Last-Event-ID": "30"}
    )
    pairs, rest = events(response.text)
    assert pairs == []
    assert rest[0].startswith("event: error")


@pytest.mark.parametrize("media_type", TELL_NO_FAILURE)
def test_refuses_a_failure_that_the_format_cannot_tell(url: str, media_type: str) -> None:
    response = httpx.post(
        f"{url}/stream/users", json={"fail_after": 1}, headers={"Accept": media_type}
    )
    assert set(refusal(response, 422)["parameters"]) == {"fail_after"}


def test_a_delay_sends_records_one_by_one_with_heartbeats_between(url: str) -> None:
    parameters = {"limit": 3, "delay": 0.2, "heartbeat": 0.06}
    started = time.monotonic()
    with httpx.stream("POST", f"{url}/stream/numbers", json=parameters) as response:
        pieces = list(response.iter_text())
    assert time.monotonic() - started > 0.38
    text = "".join(pieces)
    assert max(piece.count("id: ") for piece in pieces) == 1
    assert text.count(": still here\n\n") == 6
    pairs, _ = events(text.replace(": still here\n\n", ""))
    assert [number for number, _ in pairs] == [1, 2, 3]


def streams(url: str, label: str) -> list[dict[str, Any]]:
    running_now = httpx.get(f"{url}/pressure").json()["streams"]
    return [stream for stream in running_now if stream["label"] == label]


def wait_for(condition: Callable[[], T], seconds: float = 10) -> T:
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return answer


def test_a_slow_client_stops_the_service(url: str) -> None:
    parameters = {"limit": 5_000_000, "label": "slow"}

    def blocked() -> dict[str, Any] | None:
        stream = streams(url, "slow")[0]
        return stream if (stream["blocked_for"] or 0) > 0.2 else None

    with httpx.stream("POST", f"{url}/stream/numbers", json=parameters) as response:
        body = response.iter_raw()
        next(body)
        first = wait_for(blocked)
        assert first is not None
        assert first["total"] == 5_000_000
        assert 0 < first["bytes"] < 2_000_000
        later = streams(url, "slow")[0]
        assert later["sent"] == first["sent"]
        assert later["blocked_for"] >= first["blocked_for"]
        received = 0
        while received < first["bytes"]:
            received += len(next(body))
        assert wait_for(lambda: streams(url, "slow")[0]["sent"] > first["sent"])
    assert wait_for(lambda: not streams(url, "slow"))


def test_a_client_that_leaves_ends_its_stream(url: str) -> None:
    parameters = {"limit": 100, "delay": 30, "label": "leaves"}
    with httpx.stream("POST", f"{url}/stream/numbers", json=parameters) as response:
        body = response.iter_raw()
        next(body)
        assert streams(url, "leaves")[0]["blocked_for"] is None
    assert wait_for(lambda: not streams(url, "leaves"))


def test_a_fast_stream_lets_others_through(url: str) -> None:
    parameters = {"limit": 1_000_000_000, "label": "fast"}
    reading = threading.Event()
    enough = threading.Event()

    def read() -> None:
        with httpx.stream("POST", f"{url}/stream/numbers", json=parameters) as response:
            for _ in response.iter_raw():
                reading.set()
                if enough.is_set():
                    return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        assert reading.wait(10)
        assert len(events(httpx.post(f"{url}/stream/users").text)[0]) == 1000
    finally:
        enough.set()
        thread.join()


def test_stopping_ends_a_blocked_stream_and_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    with running() as base:
        client = httpx.Client()
        request = client.build_request("GET", f"{base}/stream/numbers?limit=1000000000")
        response = client.send(request, stream=True)
        wait_for(lambda: (httpx.get(f"{base}/pressure").json()["streams"] or [{}])[0].get("sent"))
        started = time.monotonic()
    assert time.monotonic() - started < 5
    assert set(threading.enumerate()) == before
    with pytest.raises(httpx.TransportError):
        for _ in response.iter_raw():
            pass
    client.close()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{base}/health")


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{port}: .* in use"),
            running(port=port),
        ):
            pass
        with pytest.raises(OSError, match=f"127.0.0.1:{port}"):
            serve(port=port)


def test_cuts_are_not_logged_as_errors(caplog: pytest.LogCaptureFixture) -> None:
    with running() as base:
        received_until_cut(base, cut_after=1)
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


def test_faults_of_the_application_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("out of order")

    with running(broken) as base:
        assert httpx.get(base).status_code == 500
    assert any("Exception in ASGI" in record.getMessage() for record in caplog.records)
