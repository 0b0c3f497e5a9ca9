"""`get`, in this process, against the demo service."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, reply
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from streamable_http.cli.app import run
from streamable_http.cli.exits import Exit
from streamable_http.demo.records import ENDPOINTS
from streamable_http.demo.server import running

Capture = pytest.CaptureFixture[bytes]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base:
        yield base


def users(count: int) -> list[Any]:
    return [ENDPOINTS["users"].record(number) for number in range(1, count + 1)]


def got(capture: Capture) -> list[Any]:
    return [json.loads(line) for line in capture.readouterr().out.splitlines()]


def test_events_as_json_lines(url: str, capsysbinary: Capture) -> None:
    assert run(["get", f"{url}/stream/users?limit=2"]) == Exit.COMPLETE
    *events, last = got(capsysbinary)
    assert [json.loads(event["data"]) for event in events] == users(2)
    assert [event["id"] for event in events] == ["1", "2"]
    assert last == {"event": "message", "data": "[DONE]", "id": "2", "retry": None}


@pytest.mark.parametrize(
    ("accept", "decoder"),
    [
        ("text/event-stream", "sse-data"),
        ("application/x-ndjson", "ndjson"),
        ("application/x-ndjson", "auto"),
        ("application/json-seq", "json-seq"),
        ("application/json-seq", "auto"),
        ("application/json", "json"),
        ("application/json", "auto"),
        ("application/octet-stream", "length-prefixed"),
    ],
)
def test_every_item_once(url: str, capsysbinary: Capture, accept: str, decoder: str) -> None:
    arguments = ["get", f"{url}/stream/users", "--decoder", decoder, "-H", f"Accept: {accept}"]
    if decoder == "sse-data":
        arguments += ["--terminal", "[DONE]"]
    assert run(arguments) == Exit.COMPLETE
    assert got(capsysbinary) == users(1000)


@pytest.mark.parametrize("decoder", ["csv", "auto"])
def test_rows_of_a_table(url: str, capsysbinary: Capture, decoder: str) -> None:
    arguments = ["--decoder", decoder, "-H", "Accept: text/csv"]
    assert run(["get", f"{url}/stream/users?limit=3", *arguments]) == Exit.COMPLETE
    rows = [{name: str(value) for name, value in user.items()} for user in users(3)]
    assert got(capsysbinary) == rows


@pytest.mark.parametrize("decoder", ["multipart", "auto"])
def test_parts_with_their_headers(url: str, capsysbinary: Capture, decoder: str) -> None:
    arguments = ["--decoder", decoder, "-H", "Accept: multipart/mixed"]
    assert run(["get", f"{url}/stream/users?limit=3", *arguments]) == Exit.COMPLETE
    parts = got(capsysbinary)
    assert [part["headers"] for part in parts] == [{"content-type": "application/json"}] * 3
    assert [json.loads(part["body"]) for part in parts] == users(3)


def test_a_part_that_is_no_text(server: Server, capsysbinary: Capture) -> None:
    body = b"--b\r\n\r\n\xff\r\n--b--"
    url = server.serve("/", reply(body, content_type="multipart/mixed; boundary=b"))
    assert run(["get", url]) == Exit.COMPLETE
    assert got(capsysbinary) == [{"headers": {}, "base64": "/w=="}]


def test_a_body_makes_it_a_post(url: str, capsysbinary: Capture) -> None:
    arguments = ["--decoder", "sse-text", "--terminal", "[DONE]", "--json", '{"limit": 3}']
    assert run(["get", f"{url}/stream/users", *arguments]) == Exit.COMPLETE
    assert [json.loads(text) for text in got(capsysbinary)] == users(3)


def test_another_method(url: str, capsysbinary: Capture) -> None:
    assert run(["get", f"{url}/stream/users", "--method", "put"]) == Exit.STATUS
    assert b"405" in capsysbinary.readouterr().err


def test_raw_bytes(url: str, capsysbinary: Capture) -> None:
    arguments = ["--decoder", "raw", "-H", "Accept: text/csv"]
    assert run(["get", f"{url}/stream/logs?limit=1", *arguments]) == Exit.COMPLETE
    record = ENDPOINTS["logs"].record(1)
    table = [",".join(map(str, row)) for row in (record, record.values())]
    assert capsysbinary.readouterr().out == ("\r\n".join(table) + "\r\n").encode()


def test_into_a_file(url: str, capsysbinary: Capture, tmp_path: Path) -> None:
    path = tmp_path / "users.jsonl"
    arguments = ["--decoder", "ndjson", "-H", "Accept: application/x-ndjson", "-o", str(path)]
    assert run(["get", f"{url}/stream/users", *arguments]) == Exit.COMPLETE
    assert [json.loads(line) for line in path.read_text("utf-8").splitlines()] == users(1000)
    assert capsysbinary.readouterr().out == b""


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "/nothing"])
def test_where_nothing_comes_the_file_stays(url: str, tmp_path: Path, address: str) -> None:
    path = tmp_path / "kept"
    path.write_text("precious")
    address = url + address if address[0] == "/" else address
    assert run(["get", address, "-o", str(path), "--method", "POST"]) != Exit.COMPLETE
    assert path.read_text() == "precious"


def test_a_timeout_bounds_the_wait_for_the_head(capsysbinary: Capture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        code = run(["get", address, "--timeout", "0.05", "--method", "POST"])
    assert code == Exit.TIMEOUT
    assert b"Timeouts(first_byte=0.05)" in capsysbinary.readouterr().err


def test_progress_shows_no_secrets(url: str, capsysbinary: Capture) -> None:
    secret = url.replace("://", "://user:canary@")
    arguments = ["--progress", "--terminal", "[DONE]"]
    assert run(["get", f"{secret}/stream/users?limit=1&label=canary", *arguments]) == Exit.COMPLETE
    assert b"canary" not in capsysbinary.readouterr().err


@pytest.mark.parametrize("count", [1, 256, 300, 1000])
def test_no_more_than_asked_for(url: str, capsysbinary: Capture, count: int) -> None:
    arguments = ["--decoder", "ndjson", "-H", "Accept: application/x-ndjson"]
    arguments += ["--max-items", str(count)]
    assert run(["get", f"{url}/stream/users", *arguments]) == Exit.COMPLETE
    assert got(capsysbinary) == users(count)


def test_stops_at_once_when_it_has_enough(url: str, capsysbinary: Capture) -> None:
    arguments = ["--max-items", "1", "--timeout", "5"]
    assert run(["get", f"{url}/stream/users?delay=60", *arguments]) == Exit.COMPLETE
    assert len(got(capsysbinary)) == 1


def test_a_cut_stream_goes_on(url: str, capsysbinary: Capture) -> None:
    arguments = ["--decoder", "sse-data", "--terminal", "[DONE]"]
    query = "cut_after=400&cuts=1"
    assert run(["get", f"{url}/stream/users?{query}", *arguments]) == Exit.COMPLETE
    captured = capsysbinary.readouterr()
    assert [json.loads(line) for line in captured.out.splitlines()] == users(1000)
    assert captured.err.startswith(b"the connection was lost")
    assert b"; again in 0." in captured.err


def test_follows_a_feed(url: str, capsysbinary: Capture) -> None:
    arguments = ["--decoder", "sse-text", "--follow", "--max-items", "12"]
    assert run(["get", f"{url}/stream/numbers?cut_after=5", *arguments]) == Exit.COMPLETE
    assert got(capsysbinary) == [f'{{"n":{number}}}' for number in range(1, 13)]


def test_a_gap_in_a_feed_is_told(capsysbinary: Capture) -> None:
    async def feed(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(b"data: x\n\n", media_type="text/event-stream")(scope, receive, send)

    with running(feed) as base:
        assert run(["get", base, "--follow", "--max-items", "2"]) == Exit.COMPLETE
    captured = capsysbinary.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert b"the stream ended; again in " in captured.err
    assert b"items sent meanwhile are missed" in captured.err


def test_progress_goes_to_stderr_without_the_query(url: str, capsysbinary: Capture) -> None:
    arguments = ["--terminal", "[DONE]", "--progress"]
    assert run(["get", f"{url}/stream/users?label=secret", *arguments]) == Exit.COMPLETE
    captured = capsysbinary.readouterr()
    assert len(captured.out.splitlines()) == 1000
    assert b"/stream/users: 1,000 of 1,000 items" in captured.err
    assert b"secret" not in captured.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["users?limit=2", "--decoder", "nope"], Exit.USAGE, "--decoder"),
        (["users", "--max-items", "x"], Exit.USAGE, "--max-items"),
        (["users", "--max-items", "0"], Exit.USAGE, "--max-items 0 is not a number from 1 up"),
        (["users", "--header", "nonsense"], Exit.USAGE, "'nonsense' is not one"),
        (["users", "--json", "{"], Exit.USAGE, "the body '{' is not JSON"),
        (["users", "--timeout", "-1"], Exit.USAGE, "-1"),
        (["users", "-o", "/no/such/place"], Exit.USAGE, "--output /no/such/place: No such file"),
        (["users", "--unknown"], Exit.USAGE, "--unknown"),
        (
            ["users", "--failure-path", "error", "--failure-event", "error"],
            Exit.USAGE,
            "names no failure: pass",
        ),
        (["users", "--decoder", "ndjson", "-H", "Accept: text/csv"], Exit.FAILED, "DecodeError"),
        (
            ["users?fail_after=3", "--failure-event", "error"],
            Exit.FAILED,
            "StreamFailed",
        ),
        (
            ["users?fail_after=3", "--decoder", "sse-data", "--failure-path", "error"],
            Exit.FAILED,
            "the source failed after record 3",
        ),
        (
            ["users", "--json", '{"cut_after": 3}', "--decoder", "sse"],
            Exit.TRUNCATED,
            "ConnectionLost",
        ),
        (["users", "--terminal", "never"], Exit.TRUNCATED, "the terminal 'never'"),
        (["nope"], Exit.STATUS, "404"),
        (["users?limt=1"], Exit.STATUS, "unknown parameter"),
        (["users", "--json", '{"delay": 30}', "--timeout", "0.2"], Exit.TIMEOUT, "idle=0.2"),
    ],
)
def test_exit_codes(
    url: str,
    capsysbinary: Capture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: Exit,
    message: str,
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits between tries
    path, *options = arguments
    assert run(["get", f"{url}/stream/{path}", *options]) == code
    assert message in capsysbinary.readouterr().err.decode()


def test_nobody_listens(capsysbinary: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)
    with running() as base:
        pass
    assert run(["get", base]) == Exit.UNREACHABLE
    assert b"refused" in capsysbinary.readouterr().err


def test_no_url_and_no_such_command(capsysbinary: Capture) -> None:
    assert run(["get"]) == Exit.USAGE
    assert run(["take"]) == Exit.USAGE
    assert run(["get", "users"]) == Exit.USAGE
    assert b"not an http or https URL" in capsysbinary.readouterr().err


def test_help_names_every_exit_code(capsysbinary: Capture) -> None:
    assert run(["--help"]) == Exit.COMPLETE
    told = capsysbinary.readouterr().out.decode()
    for code in Exit:
        assert f"{code:>4}  {code.meaning}" in told


def test_the_documentation_is_complete(capsysbinary: Capture) -> None:
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    for code in Exit:
        assert f"| {code:d} | {code.meaning}".replace("`", "") in page.replace("`", "")
    for command in ("get", "check", "serve", "demo"):
        assert run([command, "--help"]) == Exit.COMPLETE
        options = re.findall(r"--[a-z]+(?:-[a-z]+)*", capsysbinary.readouterr().out.decode())
        assert options
        for option in options:
            assert f"`{option}" in page, f"{command} {option}"
