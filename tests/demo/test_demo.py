"""The demo, against the honest service and against ones that drop, repeat, truncate or forget."""

from __future__ import annotations

import io
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamable_http import ConnectError
from streamable_http.cli.console import QuietConsole
from streamable_http.demo import endurance, memory, show, steps
from streamable_http.demo.server import running, serve
from streamable_http.demo.service import create_app
from streamable_http.demo.show import run_demo
from streamable_http.demo.verify import Mismatch, Tally

USERS = "/stream/users"
EVENT = re.compile(rb"id: (\d+)\ndata: [^\n]*\n\n")


class Altered:
    """The service, but for one path, where `change` has its way with each piece of the body."""

    def __init__(self, path: str, change: Callable[[bytes], bytes]) -> None:
        self.app: ASGIApp = create_app()
        self.path = path
        self.change = change

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def altered(message: Message) -> None:
            if scope["path"] == self.path and message["type"] == "http.response.body":
                message = {**message, "body": self.change(message["body"])}
            elif scope["path"] == self.path:
                kept = [pair for pair in message["headers"] if pair[0] != b"content-length"]
                message = {**message, "headers": kept}
            await send(message)

        await self.app(scope, receive, altered)


class Forgetful:
    """The service, but it never hears of a `Last-Event-ID`."""

    def __init__(self) -> None:
        self.app: ASGIApp = create_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [pair for pair in scope["headers"] if pair[0] != b"last-event-id"]
        await self.app({**scope, "headers": headers}, receive, send)


class Deaf:
    """The service, but it never hears of any parameter."""

    def __init__(self) -> None:
        self.app: ASGIApp = create_app()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def deaf() -> Message:
            message = await receive()
            return {**message, "body": b"{}"} if message.get("body") else message

        await self.app(scope, deaf, send)


def only(wanted: Callable[[int], bool]) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        return EVENT.sub(lambda event: event[0] if wanted(int(event[1])) else b"", body)

    return change


def twice(number: int) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        return EVENT.sub(lambda event: event[0] * (1 + (int(event[1]) == number)), body)

    return change


_looks = itertools.count()


def rising(body: bytes) -> bytes:
    """The view of a service that never waits, though it says so."""
    body = re.sub(rb'"blocked_for":[^}]+', b'"blocked_for":9.9', body)
    return re.sub(rb'"sent":\d+', b'"sent":%d' % next(_looks), body)


@contextmanager
def demo_on(
    monkeypatch: pytest.MonkeyPatch, app: Any, *chosen: Callable[[Any], None]
) -> Iterator[tuple[Callable[[], bool], io.StringIO]]:
    """Runs the chosen steps against `app`; yields the run and what it prints."""
    monkeypatch.setattr(show, "_STEPS", tuple((step.__name__, step) for step in chosen))
    monkeypatch.setattr(steps, "_BETWEEN_SECONDS", 0)
    monkeypatch.setattr(endurance, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits between tries
    out = io.StringIO()
    with running(app) as url:
        yield lambda: run_demo(url, Console(file=out, width=200)), out


@pytest.mark.parametrize(
    ("app", "step", "finding"),
    [
        (
            Altered(USERS, only(lambda number: number != 500)),
            steps.users,
            "users: record 500 is missing (in its place came 501)",
        ),
        (
            Altered(USERS, only(lambda number: number != 1000)),
            steps.pipeline,
            "users: 999 records came, and /info promises 1,000",
        ),
        (
            Altered(USERS, only(lambda number: number <= 900)),
            steps.users,
            "users: 900 records came, and /info promises 1,000",
        ),
        (
            Altered(USERS, twice(700)),
            steps.users,
            "users: record 700 came twice (where 701 was due)",
        ),
        (
            Altered(USERS, lambda body: body.replace(b'"id":7,', b'"di":7,')),
            steps.users,
            "users: record 7 has no number",
        ),
        (
            Altered("/info/users", lambda body: body.replace(b'"total":1000', b'"total":1001')),
            steps.users,
            "users: 1,000 records came, and /info promises 1,001",
        ),
        (
            Altered("/info/users", lambda body: body.replace(b'"total"', b'"tally"')),
            steps.users,
            "/info/users names no total",
        ),
        (
            Altered("/stream/analytics", twice(3)),
            steps.analytics,
            "analytics: record 3 came twice (where 4 was due)",
        ),
        (
            Altered("/stream/metrics", lambda body: body[:-20]),
            steps.binary,
            "StreamTruncated: the body ended inside a record",
        ),
        (
            Altered("/stream/events", twice(300)),
            steps.at_once,
            "events: record 300 came twice (where 301 was due)",
        ),
        (Forgetful(), steps.interrupted, "it began anew, with the first event of the stream"),
        (
            Altered("/stream/numbers", only(lambda number: number != 123_456)),
            endurance.million,
            "numbers: record 123,456 is missing (in its place came 123,457)",
        ),
        (Deaf(), steps.interrupted, "users: 2 cuts were asked for, and 0 were seen"),
        (
            Altered("/pressure", lambda body: body.replace(b'"label":"', b'"label":"x')),
            endurance.slow_consumer,
            "numbers: /pressure does not show the stream",
        ),
        (
            Altered("/pressure", rising),
            endurance.slow_consumer,
            "numbers: the service sent 1 records while nobody read",
        ),
        (
            Altered(
                "/pressure",
                lambda body: re.sub(rb'"blocked_for":[0-9.]+', b'"blocked_for":null', body),
            ),
            endurance.slow_consumer,
            "numbers: the service never had to wait",
        ),
    ],
)
def test_a_dishonest_service_is_caught(
    monkeypatch: pytest.MonkeyPatch, app: Any, step: Callable[[Any], None], finding: str
) -> None:
    with demo_on(monkeypatch, app, step) as (run, out):
        assert not run()
    assert "FAILED: " in out.getvalue()
    assert finding in out.getvalue()
    assert out.getvalue().endswith(f"1 of 1 steps failed: {step.__name__}\n")


@pytest.mark.parametrize(("endpoint", "step"), [("analytics", "analytics"), ("logs", "at_once")])
def test_a_stream_without_its_end_is_caught(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, step: str
) -> None:
    app = Altered(f"/stream/{endpoint}", lambda body: body.replace(b"data: [DONE]\n\n", b""))
    with demo_on(monkeypatch, app, getattr(steps, step)) as (run, out):
        assert not run()
    assert f"/stream/{endpoint}" in out.getvalue()
    assert "the body ended without the terminal '[DONE]'" in out.getvalue()


def test_memory_that_grows_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = itertools.count(50 * 1024 * 1024, 1024 * 1024)
    monkeypatch.setattr(endurance, "resident_bytes", lambda: next(sizes))
    with demo_on(monkeypatch, create_app(), endurance.million) as (run, out):
        assert not run()
    assert "FAILED: numbers: memory grew by " in out.getvalue()


def test_memory_that_cannot_be_measured_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "_STATM", tmp_path / "none")
    with demo_on(monkeypatch, create_app(), endurance.million) as (run, out):
        assert run()
    assert "/s), memory cannot be measured here\n" in out.getvalue()


def test_the_other_steps_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Altered(USERS, twice(5))
    with demo_on(monkeypatch, app, steps.users, steps.binary) as (run, out):
        assert not run()
    assert "150 records in" in out.getvalue()
    assert out.getvalue().endswith("1 of 2 steps failed: users\n")


@pytest.fixture
def no_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages that an agent needs are not there."""
    for module in ("conversation", "model"):
        monkeypatch.delitem(sys.modules, f"streamable_http.demo.{module}", raising=False)
    monkeypatch.delitem(sys.modules, "streamable_http.agents", raising=False)
    monkeypatch.setitem(sys.modules, "agents", None)


@pytest.mark.usefixtures("no_agents")
def test_the_honest_service_passes_every_step() -> None:
    out = io.StringIO()
    assert run_demo(console=QuietConsole(file=out, width=200))
    told = out.getvalue()
    for finding in (
        "users: 250 of 1,000 items",
        "users: 1,000 of 1,000 items",
        "1,000 users, ",
        "500 records, ",
        "250 logs + 150 metrics + 300 events in ",
        "150 records in 14,154 bytes, end proved by: framing",
        "resumed 2 times: 1,000 users, none lost, none twice",
        "paused after 1: the service is stuck at ",
        "1,000,000 records in ",
        "left out: an agent needs more packages: pip install 'streamable-http[demo-agents]'",
        "all 8 steps saw what the service promised",
    ):
        assert finding in told
    assert "FAILED" not in told
    assert told.endswith("left out: an agent, on tools in this process and on an MCP server\n")


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "_STEPS", (("users", steps.users),))
    out = io.StringIO()
    with running() as url:
        assert run_demo(url, QuietConsole(file=out, width=100, force_terminal=True))
    assert "━" in out.getvalue()
    assert "1000/1000" in out.getvalue()
    assert "250 of 1,000" not in out.getvalue()


@pytest.mark.parametrize("spared", [None, "internal.example"])
def test_a_proxy_for_other_machines_is_not_asked_for_this_one(
    monkeypatch: pytest.MonkeyPatch, spared: str | None
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    if spared is not None:
        monkeypatch.setenv("NO_PROXY", spared)
    monkeypatch.setattr(show, "_STEPS", (("users", steps.users),))
    before = dict(os.environ)

    assert run_demo(console=QuietConsole(file=io.StringIO()))

    assert dict(os.environ) == before


def test_a_port_that_is_none() -> None:
    with pytest.raises(OSError, match="99999: no such port"):
        serve("127.0.0.1", 99999, on_ready=print)


def test_an_unreachable_service_is_an_error_at_once() -> None:
    with running() as url:
        pass
    with pytest.raises(ConnectError, match="refused"):
        run_demo(url, QuietConsole(file=io.StringIO()))


@pytest.mark.parametrize("record", [None, 5, [1], {}, {"id": "1"}, {"id": True}, {"id": None}])
def test_what_has_no_number_is_no_record(record: object) -> None:
    with pytest.raises(Mismatch, match="s: record 1 has no number"):
        Tally("s", 1).take(record)
