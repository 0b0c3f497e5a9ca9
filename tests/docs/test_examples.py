"""Every program in examples/ runs against the demo service, and does what it says."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import streamable_http as shttp
from streamable_http.demo.server import running

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as url:
        yield url


def output(name: str, service: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), service],
        cwd=cwd,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
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
