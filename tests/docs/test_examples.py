"""Every program in examples/ runs against the demo service, and does what it says."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from server import Server, chunk, cut, head, reply, streamed

import streamable_http as shttp
from streamable_http.demo.server import running

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as url:
        yield url


def ran(name: str, service: str, cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), service, *more],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def output(name: str, service: str, cwd: Path, *more: str, told: str = "") -> str:
    done = ran(name, service, cwd, *more)
    assert done.returncode == 0, done.stderr
    assert told in done.stderr if told else done.stderr == ""
    return done.stdout


def test_sync_stream(service: str, tmp_path: Path) -> None:
    *users, last = output("sync_stream.py", service, tmp_path).splitlines()

    assert [int(line.split()[0]) for line in users] == list(range(1, 21))
    assert last == "20 users, complete: proved by terminal"


def test_async_stream(service: str, tmp_path: Path) -> None:
    *logs, last = output("async_stream.py", service, tmp_path).splitlines()

    assert [int(line.split()[0]) for line in logs] == list(range(1, 21))
    ticks = re.fullmatch(r"complete; the other task ticked (\d+) times meanwhile", last)
    assert ticks
    assert int(ticks[1]) > 1


def test_resume_after_restart(service: str, tmp_path: Path) -> None:
    runs = [output("resume_after_restart.py", service, tmp_path).splitlines() for _ in range(3)]

    assert " ".join(run[0] for run in runs).split() == [str(n) for n in range(1, 101)]
    assert [run[1] for run in runs] == ["stopped: run me again"] * 2 + ["all done"]


def test_fan_in(service: str, tmp_path: Path) -> None:
    lines = output("fan_in.py", service, tmp_path).splitlines()

    assert [line.split() for line in lines] == [
        ["nonsense", "failed:", "StatusError"],
        ["events", "300", "items"],
        ["logs", "250", "items"],
        ["metrics", "150", "items"],
    ]


def test_pipeline(service: str, tmp_path: Path) -> None:
    *progress, last = output("pipeline.py", service, tmp_path).splitlines()

    assert [line.split(",")[0] for line in progress] == [f"{n} batches" for n in (2, 4, 6, 8)]
    assert last == "200 users in 8 batches; a restart would go on after 200"


def chat(*words: str) -> bytes:
    """A chat completion as it comes, without its end."""
    chunks = [{"choices": [{"delta": {"content": word}, "index": 0}]} for word in words]
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks)


def test_llm_chat(server: Server, tmp_path: Path) -> None:
    path = "/v1/chat/completions"
    body = chat("Water", " that", " moves", ".")
    server.serve(path, streamed(chunk(body + b"data: [DONE]\n\n")))
    assert output("llm_chat.py", server.url, tmp_path) == "Water that moves.\n"
    assert json.loads(server.requests[0].body)["stream"] is True

    for ending in (b"", b'data: {"error": {"message": "overloaded"}}\n\n'):
        server.serve(path, streamed(chunk(body + ending)))
        done = ran("llm_chat.py", server.url, tmp_path)
        assert done.returncode == 1
        assert done.stdout.startswith("Water that moves.\n[not the whole answer: Stream")


def test_feed_across_restarts(service: str, tmp_path: Path) -> None:
    gone = "the connection is gone"
    runs = [
        output("feed_across_restarts.py", service, tmp_path, "30", told=told)
        for told in (gone, gone, gone)
    ]

    assert [int(line.split()[0]) for run in runs for line in run.splitlines()] == [*range(1, 91)]


def test_resumed_export(server: Server, tmp_path: Path) -> None:
    body = bytes(range(256)) * 4000
    half = len(body) // 2
    ranged: dict[str, Any] = {"etag": '"1"', "accept_ranges": "bytes"}
    rest: dict[str, Any] = {
        "content_length": str(half),
        "content_range": f"bytes {half}-{2 * half - 1}/{2 * half}",
    }
    url = server.serve(
        "/export",
        [head(content_length=str(len(body)), **ranged), body[:half], cut()],
        reply(status=403),
        [head(206, **rest, **ranged), body[half:]],
    )
    done = ran("resumed_export.py", url, tmp_path)
    assert (done.returncode, done.stdout[:11]) == (1, "interrupted")
    assert not (tmp_path / "export.bin").exists()

    again = output("resumed_export.py", url, tmp_path, told="100%")
    assert again == f"export.bin is complete: {half:,} bytes came in this run\n"
    assert (tmp_path / "export.bin").read_bytes() == body


def test_csv_rows(service: str, tmp_path: Path) -> None:
    *kinds, last = output("csv_rows.py", service, tmp_path).splitlines()

    assert sum(int(line.split(": ")[1]) for line in kinds) == 300
    assert len(kinds) > 2
    assert last.endswith(" until 02 January, 01:00; complete: proved by framing")


def test_fan_in_of_many(service: str, tmp_path: Path) -> None:
    told = output("fan_in_of_many.py", service, tmp_path)

    assert told == "200 feeds, 5,000 records, 25 each at least\n"


def test_live_analytics(service: str, tmp_path: Path) -> None:
    *lines, last = output("live_analytics.py", service, tmp_path).splitlines()

    assert lines[-1].startswith("500 so far, most on /docs/streams: 38,485")
    assert last == "50.1% stayed"


def test_data_migration(service: str, tmp_path: Path) -> None:
    for user in ("70", "420"):
        assert ran("data_migration.py", service, tmp_path, user).returncode == 1

    assert output("data_migration.py", service, tmp_path) == "1000 rows, 1000 users\n"


def test_log_processing(service: str, tmp_path: Path) -> None:
    told = output("log_processing.py", service, tmp_path, told="logs: 250")

    assert told.startswith("250 lines, 0 of them odd; errors: billing ")


def test_notebook(service: str, tmp_path: Path) -> None:
    announced, first, last = output("notebook.py", service, tmp_path, told="metrics").splitlines()

    assert announced == "150 announced"
    assert first.startswith(("cpu.load", "memory.used", "disk.read", "net.sent"))
    assert last.endswith("the end was proved by terminal")
    assert last.startswith("150 values")


def test_gateway(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UPSTREAM", service)
    app = runpy.run_path(str(EXAMPLES / "gateway.py"), run_name="gateway")["app"]

    with running(app) as url, shttp.Client(url) as client:
        users: list[dict[str, Any]] = []
        decoder = shttp.SSEData(dict[str, Any])
        with client.stream("GET", "/users", decoder=decoder, terminal="[DONE]") as stream:
            users += stream
        assert (len(users), stream.stats.ended) == (1000, "terminal")
        with client.stream("GET", "/users", terminal="[DONE]", start="998") as rest:
            assert [event.id for event in rest] == ["999", "1000"]
        with client.stream("GET", "/names?country=KE") as some:
            names = some.collect()
    assert names == [{"name": user["name"]} for user in users if user["country"] == "KE"] != []


def test_every_example_has_a_test() -> None:
    # The agent needs its SDKs: its test is in tests/agents.
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"agent"}

    assert names == {name for name in names if f"test_{name}" in globals()}


def test_the_page_lists_every_example() -> None:
    page = (EXAMPLES.parent / "docs" / "examples.md").read_text(encoding="utf-8")

    assert {*re.findall(r"examples/(\w+)\.py\)", page)} == {p.stem for p in EXAMPLES.glob("*.py")}
