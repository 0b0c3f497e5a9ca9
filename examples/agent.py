"""An agent that answers questions by streaming from a data service: twice, by two ways.

First with the tools in its own process, then with those of an MCP server over Streamable HTTP.

Start the demo service first: streamable-http serve
Install: pip install 'streamable-http[agents,mcp]', and llmock where there is no model.

OPENAI_API_KEY (and OPENAI_MODEL) talk to OpenAI, OPENAI_BASE_URL to any server that is compatible;
a file `.env` may hold them. With none of them a local server plays a script over real HTTP: its
tool calls and their answers are real, its words are not a model's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from agents import Agent, OpenAIProvider, RunConfig, Runner, ToolCallItem
from openai import AsyncOpenAI

from streamable_http import AsyncStreamService
from streamable_http.agents import function_tools, mcp_server
from streamable_http.mcp import run_http
from streamable_http.toolkit import StreamToolkit

ENDPOINTS = ["users", "analytics", "logs", "metrics", "events"]
QUESTIONS = [
    "How many of the first 20 users are active?",
    "Explain how streamable HTTP works and demonstrate its benefits for large data processing.",
]
SCRIPT: list[str | tuple[str, dict[str, Any]]] = [
    ("stream_data", {"endpoint": "users", "params": {"limit": 20}}),
    "I asked for 20 users, and they came in one stream. (A script says this, not a model.)",
    ("batch_stream", {"endpoints": ["logs", "metrics"], "max_records": 5}),
    "Both came record by record; I stopped after five of each. (A script says this, not a model.)",
]


async def main(base_url: str) -> None:
    read_env(Path(".env"))
    async with AsyncStreamService(base_url) as service:
        toolkit = StreamToolkit(service, ENDPOINTS)
        async with model() as (name, config):
            print("== tools in this process")
            agent = Agent(
                name="Analyst",
                instructions=toolkit.instructions,
                model=name,
                tools=[*function_tools(toolkit)],
            )
            await ask(agent, config)
        async with (
            model() as (name, config),
            served(toolkit) as url,
            mcp_server(url) as server,
        ):
            print(f"== tools of an MCP server, {url}")
            agent = Agent(
                name="Analyst",
                instructions=toolkit.instructions,
                model=name,
                mcp_servers=[server],
            )
            await ask(agent, config)


async def ask(agent: Agent[None], config: RunConfig) -> None:
    for question in QUESTIONS:
        print(f"Q: {question}")
        result = await Runner.run(agent, question, run_config=config)
        calls = [item for item in result.new_items if isinstance(item, ToolCallItem)]
        for call in calls:
            print(f"   called {getattr(call.raw_item, 'name', '?')}")
        print(f"A: {result.final_output}")


@contextlib.asynccontextmanager
async def model() -> AsyncIterator[tuple[str, RunConfig]]:
    """The model's name, and how to reach it."""
    if "OPENAI_API_KEY" in os.environ or "OPENAI_BASE_URL" in os.environ:
        async with AsyncOpenAI(api_key=os.environ.get("OPENAI_API_KEY", "none")) as client:
            yield os.environ.get("OPENAI_MODEL", "gpt-4.1-mini"), over(client)
        return
    from llmock.scenarios import Reply, ToolCall
    from llmock.testing import LLMockServer

    print("no OPENAI_API_KEY and no OPENAI_BASE_URL: a local server plays a script")
    with LLMockServer() as server:
        for line in SCRIPT:
            reply = (
                Reply(text=line) if isinstance(line, str) else Reply(tool_calls=(ToolCall(*line),))
            )
            server.state.scenarios.add(reply)
        async with AsyncOpenAI(base_url=server.base_url("openai"), api_key="none") as client:
            yield "script", over(client)


def over(client: AsyncOpenAI) -> RunConfig:
    """Traces go to OpenAI, so they are sent only where its own key is used."""
    traced = "OPENAI_API_KEY" in os.environ and "OPENAI_BASE_URL" not in os.environ
    provider = OpenAIProvider(openai_client=client)
    return RunConfig(model_provider=provider, tracing_disabled=not traced)


@contextlib.asynccontextmanager
async def served(toolkit: StreamToolkit) -> AsyncIterator[str]:
    """The toolkit as an MCP server on a free port of this machine."""
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run_http(toolkit, port=0, on_ready=ready.set_result))
    try:
        yield await ready
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


def read_env(path: Path) -> None:
    """Takes `NAME=value` lines, unless the environment has the name already."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    for line in lines:
        name, is_setting, value = line.partition("=")
        if is_setting and name.strip().startswith("OPENAI_"):
            os.environ.setdefault(name.strip(), value.strip().strip("\"'"))


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["http://127.0.0.1:3001"])))
