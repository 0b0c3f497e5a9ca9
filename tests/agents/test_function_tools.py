"""The tools in the OpenAI Agents SDK: the real runner, a model that is scripted."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, FunctionTool, OpenAIProvider, RunConfig, Runner
from agents.testing import ScriptedModel, assistant_message, function_call
from agents.tool_context import ToolContext
from llmock.scenarios import Reply, ToolCall
from llmock.testing import LLMockServer
from mcp import Client
from openai import AsyncOpenAI
from recipes import cook, recipe
from server import Server, chunk, events, hold, streamed

from streamable_http import AsyncClient, AsyncStreamService, ConfigurationError
from streamable_http.agents import function_tools, mcp_server
from streamable_http.demo.server import running as serving
from streamable_http.mcp import build_server, running
from streamable_http.toolkit import StreamToolkit, ToolLimits

ROOT = Path(__file__).parent.parent.parent
QUIET = RunConfig(tracing_disabled=True)
USERS = {"endpoint": "users", "max_records": 2}
DONE = chunk(b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    with serving() as url:
        yield url


@asynccontextmanager
async def toolkit_of(url: str, **options: Any) -> AsyncIterator[StreamToolkit]:
    async with AsyncClient(trust_env=False) as client:
        yield StreamToolkit(AsyncStreamService(url, client=client), **options)


async def invoked(tool: FunctionTool, arguments: str) -> Any:
    context: ToolContext[Any] = ToolContext(
        context=None, tool_name=tool.name, tool_call_id="1", tool_arguments=arguments
    )
    return await tool.on_invoke_tool(context, arguments)


def answers(model: ScriptedModel) -> list[dict[str, Any]]:
    """What the model was given as outputs of its tools."""
    given: Any = model.calls[-1].input
    outputs = [item["output"] for item in given if item.get("type") == "function_call_output"]
    return [json.loads(output) for output in outputs]


def test_a_run(data: str) -> None:
    model = ScriptedModel(
        [
            [function_call("stream_data", USERS, call_id="1")],
            [
                function_call("get_stream_info", {"endpoint": "logs"}, call_id="2"),
                function_call("batch_stream", {"endpoints": ["logs"]}, call_id="3"),
            ],
            [assistant_message("done")],
        ]
    )

    async def main() -> Any:
        async with toolkit_of(data) as toolkit:
            agent = Agent(name="a", model=model, tools=[*function_tools(toolkit)])
            return await Runner.run(agent, "go", run_config=QUIET)

    result = asyncio.run(main())

    assert result.final_output == "done"
    model.assert_complete()
    users, info, batch = answers(model)
    assert [user["id"] for user in users["records"]] == [1, 2]
    assert info["total"] == 250
    assert batch["streams"][0]["returned"] == 100


@pytest.mark.parametrize(
    "arguments",
    ["", "{", "[]", "null", "[" * 100_000, '{"endpoint": NaN}', '{"a":1}', "x" * 99_999],
)
def test_arguments_that_are_none(data: str, arguments: str) -> None:
    async def main() -> Any:
        async with toolkit_of(data) as toolkit:
            return await invoked(function_tools(toolkit)[0], arguments)

    assert json.loads(asyncio.run(main()))["error"]["code"] == "invalid_arguments"


def test_the_same_answer_as_by_mcp(data: str) -> None:
    async def main() -> None:
        async with toolkit_of(data) as toolkit, Client(build_server(toolkit)) as client:
            listed = {tool.name: tool for tool in (await client.list_tools()).tools}
            asked: list[dict[str, Any]] = [
                USERS,
                {"endpoint": "users"},
                {"endpoints": ["logs", "nonsense"]},
            ]
            for tool, arguments in zip(function_tools(toolkit), asked, strict=True):
                by_sdk = await invoked(tool, json.dumps(arguments))
                by_mcp: Any = (await client.call_tool(tool.name, arguments)).content[0]
                assert by_sdk == by_mcp.text
                assert tool.params_json_schema == listed[tool.name].input_schema
                assert tool.description == listed[tool.name].description

    asyncio.run(main())


@pytest.mark.parametrize("how", ["run cancelled", "tool timeout"])
def test_an_end_from_outside_closes_the_stream(server: Server, how: str) -> None:
    server.serve("/stream/logs", streamed(events(1), hold()))
    model = ScriptedModel(
        [
            [function_call("stream_data", {"endpoint": "logs"}, call_id="1")],
            [assistant_message("done")],
        ]
    )

    async def main() -> None:
        async with toolkit_of(server.url) as toolkit:
            (tool, *_) = function_tools(toolkit)
            if how == "tool timeout":
                tool.timeout_seconds = 0.2
            agent = Agent(name="a", model=model, tools=[tool])
            run = asyncio.create_task(Runner.run(agent, "go", run_config=QUIET))
            await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1)
            if how == "run cancelled":
                run.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await run
            else:
                await run
            assert await asyncio.to_thread(server.wait_for, lambda: server.hung_up == 1, 1.0)

    asyncio.run(main())


def test_a_deadline_gives_the_model_what_there_is(server: Server) -> None:
    server.serve("/stream/logs", streamed(events(1, 2), hold()))

    async def main() -> Any:
        async with toolkit_of(server.url, limits=ToolLimits(timeout=0.3)) as toolkit:
            return await invoked(function_tools(toolkit)[0], '{"endpoint":"logs"}')

    answer = json.loads(asyncio.run(main()))
    assert (answer["stop_reason"], answer["records"]) == ("timeout", [1, 2])


def test_approval(server: Server) -> None:
    server.serve("/stream/logs", streamed(events(1), DONE))
    model = ScriptedModel(
        [
            [function_call("x_stream_data", {"endpoint": "logs"}, call_id="1")],
            [assistant_message("done")],
        ]
    )

    async def main() -> None:
        async with toolkit_of(server.url) as toolkit:
            tools = function_tools(toolkit, needs_approval=True, name_prefix="x_")
            agent = Agent(name="a", model=model, tools=[*tools])
            result = await Runner.run(agent, "go", run_config=QUIET)
            (asked,) = result.interruptions
            assert (asked.name, server.requests) == ("x_stream_data", [])
            state = result.to_state()
            state.approve(asked)
            result = await Runner.run(agent, state, run_config=QUIET)
            assert (result.final_output, len(server.requests)) == ("done", 1)

    asyncio.run(main())


def test_progress_goes_to_the_application(server: Server) -> None:
    server.serve("/stream/logs", streamed(events(1), DONE))
    told: list[str] = []

    async def main() -> None:
        async with toolkit_of(server.url) as toolkit:
            tools = function_tools(toolkit, progress=lambda *report: told.append(report[2]))
            await invoked(tools[0], '{"endpoint":"logs"}')

    asyncio.run(main())
    assert told == ["1 records"]


@pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")  # old uvicorn, in llmock
@pytest.mark.parametrize("api", ["responses", "chat"])
@pytest.mark.parametrize("stream", [False, True])
def test_over_real_http(data: str, api: str, stream: bool) -> None:
    secret = {"Authorization": "Bearer canary"}

    async def main(model_url: str) -> Any:
        async with (
            AsyncOpenAI(base_url=model_url, api_key="none") as openai,
            AsyncClient(trust_env=False, headers=secret) as client,
        ):
            provider = OpenAIProvider(openai_client=openai, use_responses=api == "responses")
            config = RunConfig(model_provider=provider, tracing_disabled=True)
            toolkit = StreamToolkit(AsyncStreamService(data, client=client), ["users"])
            agent = Agent(name="a", model="m", tools=[*function_tools(toolkit)])
            if not stream:
                return (await Runner.run(agent, "go", run_config=config)).final_output
            result = Runner.run_streamed(agent, "go", run_config=config)
            async for _ in result.stream_events():
                pass
            return result.final_output

    with LLMockServer() as model:
        model.state.scenarios.add(Reply(tool_calls=(ToolCall("stream_data", USERS),)))
        model.state.scenarios.add(Reply(text="done"))
        assert asyncio.run(main(model.base_url("openai"))) == "done"
        sent = [record.body for record in model.state.journal.records()]

    assert "Bj\\u00f6rn" in json.dumps(sent)
    assert "canary" not in str(sent)
    assert data not in str(sent)


@pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning")  # old uvicorn, in llmock
def test_the_recipes(data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    by_mcp = recipe("agents.md", "mcp_server(")

    async def main() -> None:
        async with toolkit_of(data) as toolkit:
            names = await cook(recipe("agents.md", "function_tools("), toolkit=toolkit)
            assert names["result"].final_output == "done"
            async with running(toolkit) as url:
                assert "http://127.0.0.1:8000/mcp" in by_mcp
                code = by_mcp.replace("http://127.0.0.1:8000/mcp", url)
                connected = await cook(code, toolkit=toolkit, Agent=Agent)
                assert connected["agent"].mcp_servers

    with LLMockServer() as model:
        monkeypatch.setenv("OPENAI_BASE_URL", model.base_url("openai"))
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
        model.state.scenarios.add(Reply(tool_calls=(ToolCall("stream_data", USERS),)))
        model.state.scenarios.add(Reply(text="done"))
        asyncio.run(main())
        sent = [record.body for record in model.state.journal.records()]

    assert "Bj\\u00f6rn" in json.dumps(sent)


def test_the_connection_waits_as_long_as_a_call_may_take() -> None:
    server: Any = mcp_server("http://127.0.0.1:1/mcp", token="t", call_timeout=60, name="mine")

    assert server.client_session_timeout_seconds == 65
    assert server.params["sse_read_timeout"] == 65
    assert server.params["headers"] == {"Authorization": "Bearer t"}
    assert server.name == "mine"
    with pytest.raises(ConfigurationError, match="call_timeout=0"):
        mcp_server("http://127.0.0.1:1/mcp", call_timeout=0)


def imported(code: str, cwd: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_what_a_missing_or_a_foreign_package_says(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['agents'] = None; import streamable_http.agents"
    assert "pip install 'streamable-http[agents]'" in imported(hide, tmp_path)
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "__init__.py").touch()
    assert "rename your own" in imported("import streamable_http.agents", tmp_path)
    hide = "import sys; sys.modules['mcp'] = None; import streamable_http.mcp"
    assert "pip install 'streamable-http[mcp]'" in imported(hide, tmp_path)


def test_the_facade_imports_no_sdk(tmp_path: Path) -> None:
    code = (
        "import sys, streamable_http, streamable_http.toolkit; "
        "print({'agents', 'mcp', 'openai', 'pydantic'} & {*sys.modules})"
    )
    assert imported(code, tmp_path) == "set()\n"


def test_the_example(data: str, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")}
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "agent.py"), data],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("called stream_data") == 2
    assert done.stdout.count("called batch_stream") == 2
    assert done.stdout.startswith("a script speaks, not a model")
    assert done.stdout.count("(A script says this, not a model.)") == 4
