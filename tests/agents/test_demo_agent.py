"""The demo's last step: a real agent, and that no broken tool passes."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from llmock.scenarios import Reply
from llmock.testing import LLMockServer

from streamable_http.cli.console import QuietConsole
from streamable_http.demo import agent as step
from streamable_http.demo import conversation, show
from streamable_http.demo.model import speaker
from streamable_http.demo.server import running
from streamable_http.toolkit import StreamToolkit, ToolReply

pytestmark = pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")  # in llmock


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No model is named by the environment, nor by a file."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(show, "_STEPS", (("agent", step.agent),))


def shown(data: str) -> tuple[bool, str]:
    out = io.StringIO()
    return show.run_demo(data, QuietConsole(file=out, width=200)), out.getvalue()


def test_both_ways_are_taken_and_checked(data: str) -> None:
    passed, told = shown(data)

    assert passed
    assert "a script speaks, not a model" in told
    for way in ("in process", "by MCP"):
        assert f"{way}: 2 calls, 30 records, as the service has them\n" in told
        assert f"{way}, asked: How many of the first 20 users are active?\n" in told
    assert told.count('called stream_data {"endpoint": "users"') == 2
    assert told.count("(A script says this, not a model.)") == 4


def less(change: Callable[[dict[str, Any]], None]) -> Callable[[ToolReply], ToolReply]:
    def changed(reply: ToolReply) -> ToolReply:
        structured = dict(reply.structured)
        if isinstance(structured["records"], list):
            structured["records"] = list(structured["records"])
            change(structured)
        return attrs.evolve(reply, structured=structured)

    return changed


def failing(reply: ToolReply) -> ToolReply:
    del reply
    error = {"code": "internal", "message": "it failed"}
    return ToolReply(structured={"stop_reason": "error", "error": error}, is_error=True)


BROKEN: list[tuple[Callable[[ToolReply], ToolReply], str]] = [
    (less(lambda one: one["records"].pop(4)), "users: record 5 is missing (in its place came 6)"),
    (less(lambda one: one["records"].pop()), "users: 19 records came, and /info promises 20"),
    (less(lambda one: one.update(returned=7)), "users: 7 said to be 20 records"),
    (less(lambda one: one["records"].insert(3, one["records"][2])), "users: record 3 came twice"),
    (failing, "stream_data: error internal"),
]


@pytest.mark.parametrize(("change", "finding"), BROKEN, ids=[finding for _, finding in BROKEN])
def test_a_broken_toolkit_is_caught(
    data: str,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[ToolReply], ToolReply],
    finding: str,
) -> None:
    honest = StreamToolkit.call

    async def call(self: StreamToolkit, *arguments: Any, **options: Any) -> ToolReply:
        return change(await honest(self, *arguments, **options))

    monkeypatch.setattr(StreamToolkit, "call", call)

    passed, told = shown(data)

    assert not passed
    assert f"FAILED: {finding}" in told


def test_an_agent_without_its_tools_is_caught(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "function_tools", lambda toolkit: [])

    passed, told = shown(data)

    assert not passed
    assert "FAILED: in process: the agent gave up: ModelBehaviorError" in told


@pytest.mark.parametrize("where", ["environment", "file", "file for a shell"])
def test_a_model_of_ones_own_is_asked_and_must_use_its_tools(
    data: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    with LLMockServer() as model:
        settings = {"OPENAI_BASE_URL": model.base_url("openai"), "OPENAI_MODEL": "mine"}
        if where == "environment":
            for name, value in settings.items():
                monkeypatch.setenv(name, value)
        else:
            export = "export " if where == "file for a shell" else ""
            lines = ["# a model"]
            lines += [f'{export}{name}="{value}"' for name, value in settings.items()]
            (tmp_path / ".env").write_text("\n".join(lines))
        for _ in range(4):
            model.state.scenarios.add(Reply(text="I know it all."))

        passed, told = shown(data)

        asked = [record.body for record in model.state.journal.records()]
    assert not passed
    assert "mine, a model on 127.0.0.1\n" in told
    assert "said: I know it all.\n" in told
    assert "FAILED: in process: 0 calls of tools, and no record came" in told
    assert [body["model"] for body in asked if isinstance(body, dict)] == ["mine"] * 4


@pytest.mark.parametrize(
    ("settings", "traced"),
    [
        ({"OPENAI_API_KEY": "canary"}, True),
        ({"OPENAI_API_KEY": "canary", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, False),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, False),
        ({"OPENAI_API_KEY": ""}, False),
    ],
    ids=str,
)
def test_traces_go_to_openai_or_nowhere(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], traced: bool
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    async def main() -> None:
        async with speaker() as speaks:
            assert speaks.config.tracing_disabled is not traced
            assert speaks.scripted is (settings == {"OPENAI_API_KEY": ""})
            assert "canary" not in repr(speaks) + speaks.introduction

    asyncio.run(main())


def test_a_key_of_the_environment_goes_to_no_address_of_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary")
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://127.0.0.1:1/v1\n")

    async def main() -> None:
        async with speaker() as speaks:
            assert "127.0.0.1" not in speaks.introduction

    asyncio.run(main())
