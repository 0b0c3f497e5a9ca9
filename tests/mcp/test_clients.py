"""Real clients over loopback: what they are offered, what they get, and that leaving ends it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from agents.mcp import MCPServerStreamableHttp
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_harness import served
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel
from recipes import cook, recipe
from server import Server, chunk, delay, events, hold, streamed

from streamable_http import AsyncClient, AsyncStreamService
from streamable_http.demo.server import running
from streamable_http.mcp import build_server
from streamable_http.toolkit import StreamToolkit, ToolLimits

LANGCHAIN = os.environ.get("STREAMABLE_HTTP_LANGCHAIN", "")
ERAS = ["auto", "legacy"]
USERS = {"endpoint": "users", "max_records": 2}
DONE = chunk(b"data: [DONE]\n\n")


@pytest.fixture(scope="module")
def data() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture(scope="module")
def url(data: str) -> Iterator[str]:
    with served(data, ["users", "logs", "missing"]) as url:
        yield url


def told(result: Any) -> dict[str, Any]:
    """The answer, which is the same as text and as structured content."""
    (block,) = result.content
    assert json.loads(block.text) == result.structured_content
    return dict(result.structured_content)


@pytest.mark.parametrize("era", ERAS)
def test_the_python_client(url: str, era: Any) -> None:
    async def main() -> None:
        async with Client(url, mode=era) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert [*tools] == ["stream_data", "get_stream_info", "batch_stream"]
            for tool in tools.values():
                assert tool.annotations is not None
                assert tool.annotations.read_only_hint is True
                assert tool.annotations.open_world_hint is True
                assert tool.output_schema is not None

            first = told(await client.call_tool("stream_data", USERS))
            again = {**USERS, "cursor": first["cursor"]}
            second = told(await client.call_tool("stream_data", again))
            assert [user["id"] for user in first["records"] + second["records"]] == [1, 2, 3, 4]

            info = told(await client.call_tool("get_stream_info", {"endpoint": "users"}))
            assert info["total"] == 1000
            both = {"endpoints": ["users", "missing"], "max_records": 1}
            batch = told(await client.call_tool("batch_stream", both))
            assert [one["stop_reason"] for one in batch["streams"]] == ["max_records", "error"]

            failed = await client.call_tool("stream_data", {"endpoint": "missing"})
            assert failed.is_error
            assert told(failed)["error"] == {
                "code": "http_status",
                "message": "The data service answered with status 404.",
                "status": 404,
            }
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool("nonsense", {})

    asyncio.run(main())


def test_what_a_server_says_of_itself(url: str) -> None:
    async def main() -> None:
        async with Client(url, mode="legacy") as client:
            assert client.instructions is not None
            assert "never present a part as the whole" in client.instructions
            capabilities = client.server_capabilities.model_dump(exclude_none=True)
            assert [name for name, what in capabilities.items() if what] == ["tools"]

    asyncio.run(main())


@pytest.mark.parametrize("era", ERAS)
def test_progress(server: Server, era: Any) -> None:
    server.serve("/stream/logs", streamed(events(1), delay(1.3), events(2), DONE))
    reports: list[tuple[float, float | None, str | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        reports.append((progress, total, message))

    async def main(url: str) -> None:
        async with Client(url, mode=era) as client:
            arguments = {"endpoint": "logs"}
            result = await client.call_tool("stream_data", arguments, progress_callback=progress)
            assert told(result)["records"] == [1, 2]

    with served(server.url) as url:
        asyncio.run(main(url))
    assert [message for _, _, message in reports] == ["1 records", "2 records"]
    assert {total for _, total, _ in reports} == {30.0}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("how", ["cancelled", "timed out", "gone"])
def test_a_client_that_leaves_ends_its_stream(server: Server, era: Any, how: str) -> None:
    server.serve("/stream/logs", streamed(events(1), hold()))

    async def main(url: str) -> None:
        async with Client(url, mode=era) as client:
            async with anyio.create_task_group() as group:

                async def call() -> None:
                    timeout = 0.3 if how == "timed out" else None
                    with pytest.raises(MCPError) if timeout else anyio.CancelScope():
                        await client.call_tool(
                            "stream_data", {"endpoint": "logs"}, read_timeout_seconds=timeout
                        )

                group.start_soon(call)
                await asyncio.to_thread(server.wait_for, lambda: len(server.requests) == 1)
                if how != "timed out":
                    group.cancel_scope.cancel()
            if how != "gone":
                assert await asyncio.to_thread(server.wait_for, lambda: server.hung_up == 1, 1.0)

    with served(server.url) as url:
        asyncio.run(main(url))
        assert server.wait_for(lambda: server.hung_up == 1, 1.0)


def test_the_time_limit_holds_where_a_cancellation_cannot_arrive(server: Server) -> None:
    server.serve("/stream/logs", streamed(events(1), hold()))

    async def main(url: str) -> None:
        async with Client(url, mode="legacy") as client:
            with anyio.move_on_after(0.2):
                await client.call_tool("stream_data", {"endpoint": "logs"})

    with served(server.url, limits=ToolLimits(timeout=1.0), stateless=True) as url:
        asyncio.run(main(url))
        assert server.wait_for(lambda: server.hung_up == 1, 2.0)


def test_openai_agents(url: str) -> None:
    async def main() -> None:
        async with MCPServerStreamableHttp({"url": url}, use_structured_content=True) as client:
            names = [tool.name for tool in await client.list_tools()]
            assert names == ["stream_data", "get_stream_info", "batch_stream"]
            result = await client.call_tool("stream_data", USERS)
            assert told(result)["returned"] == 2

    asyncio.run(main())


def test_pydantic_ai(url: str) -> None:
    async def main() -> Any:
        agent = Agent(TestModel(call_tools=["get_stream_info"]), toolsets=[MCPToolset(url)])
        async with agent:
            return await agent.run("What is there?")

    result = asyncio.run(main())

    assert '"name":"users"' in result.output.replace(" ", "")


def test_the_recipes_of_pydantic_ai(data: str, url: str) -> None:
    async def main() -> None:
        by_mcp = recipe("mcp.md", "MCPToolset")
        for old, new in (
            ("http://127.0.0.1:8000/mcp", url),
            ('"openai:gpt-4.1-mini"', "model"),
        ):
            assert old in by_mcp
            by_mcp = by_mcp.replace(old, new)
        model = TestModel(call_tools=["get_stream_info"])
        async with (await cook(by_mcp, model=model))["agent"] as agent:
            assert '"total":1000' in (await agent.run("?")).output.replace(" ", "")

        async with AsyncClient(trust_env=False) as http:
            toolkit = StreamToolkit(AsyncStreamService(data, client=http), ["users"])
            tool = (await cook(recipe("agents.md", "pydantic_ai"), toolkit=toolkit))["tool"]
            own: Agent[None, str] = Agent(model, tools=[tool(spec) for spec in toolkit.specs()])
            assert '"total":1000' in (await own.run("?")).output.replace(" ", "")

    asyncio.run(main())


@pytest.mark.skipif(not LANGCHAIN, reason="langchain-mcp-adapters: run `nox -s mcp`")
def test_the_recipes_of_langchain(data: str, url: str) -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).parent / "langchain_client.py"), url, data],
        env={**os.environ, "PYTHONPATH": LANGCHAIN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told_by = json.loads(done.stdout)
    assert told_by["tools"] == ["stream_data", "get_stream_info", "batch_stream"]
    by_mcp, in_process = told_by["answers"]
    assert by_mcp["records"] == in_process["records"]
    assert by_mcp["returned"] == in_process["returned"] == 2


def test_in_one_process(data: str) -> None:
    async def main() -> None:
        async with AsyncClient(trust_env=False) as http:
            toolkit = StreamToolkit(AsyncStreamService(data, client=http), ["users"])
            direct = await toolkit.call("stream_data", USERS)
            async with Client(build_server(toolkit)) as client:
                assert told(await client.call_tool("stream_data", USERS)) == direct.structured

    asyncio.run(main())


def test_stdio(data: str) -> None:
    command = ["-m", "streamable_http", "mcp", "--base-url", data, "--endpoint", "users", "--stdio"]
    parameters = StdioServerParameters(command=sys.executable, args=command)

    async def main() -> None:
        async with Client(stdio_client(parameters)) as client:
            assert told(await client.call_tool("stream_data", USERS))["returned"] == 2

    asyncio.run(main())


def test_many_clients_at_once(url: str) -> None:
    async def client() -> int:
        async with Client(url) as one:
            results = [await one.call_tool("stream_data", USERS) for _ in range(5)]
        return sum(told(result)["returned"] for result in results)

    async def main() -> None:
        assert await asyncio.gather(*(client() for _ in range(10))) == [10] * 10

    asyncio.run(main())
