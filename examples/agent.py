"""An agent that answers questions by streaming from a data service: twice, by two ways.

First with the tools in its own process, then with those of an MCP server over Streamable HTTP.

Start the demo service first: streamable-http serve
Install: pip install 'streamable-http[demo-agents]'

OPENAI_API_KEY (and OPENAI_MODEL) talk to OpenAI, OPENAI_BASE_URL to any server that is compatible;
a file `.env` may hold them. With none of them a local server plays a script over real HTTP: its
tool calls and their answers are real, its words are not a model's.
"""

from __future__ import annotations

import asyncio
import sys

from agents import Agent, RunConfig, Runner, ToolCallItem

from streamable_http import AsyncStreamService
from streamable_http.agents import function_tools, mcp_server
from streamable_http.demo.model import QUESTIONS, speaker
from streamable_http.mcp import running
from streamable_http.toolkit import StreamToolkit

ENDPOINTS = ["users", "analytics", "logs", "metrics", "events"]


async def main(base_url: str) -> None:
    async with AsyncStreamService(base_url) as service, speaker(rounds=2) as speaks:
        print(speaks.introduction)
        toolkit = StreamToolkit(service, ENDPOINTS)

        print("== tools in this process")
        agent = Agent[None](
            name="Analyst",
            instructions=toolkit.instructions,
            model=speaks.model,
            tools=[*function_tools(toolkit)],
        )
        await ask(agent, speaks.config)

        async with running(toolkit) as url, mcp_server(url) as server:
            print(f"== tools of an MCP server, {url}")
            agent = Agent[None](
                name="Analyst",
                instructions=toolkit.instructions,
                model=speaks.model,
                mcp_servers=[server],
            )
            await ask(agent, speaks.config)


async def ask(agent: Agent[None], config: RunConfig) -> None:
    for question in QUESTIONS:
        print(f"Q: {question}")
        result = await Runner.run(agent, question, run_config=config)
        calls = [item for item in result.new_items if isinstance(item, ToolCallItem)]
        for call in calls:
            print(f"   called {getattr(call.raw_item, 'name', '?')}")
        print(f"A: {result.final_output}")


if __name__ == "__main__":
    asyncio.run(main(*(sys.argv[1:] or ["http://127.0.0.1:3001"])))
