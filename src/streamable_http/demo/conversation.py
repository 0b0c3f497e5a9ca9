"""A real agent that is asked about the service, by two ways, and what its tools answered it."""

from __future__ import annotations

import json
from typing import Any, cast

from agents import Agent, Runner, ToolCallItem, ToolCallOutputItem
from agents.exceptions import AgentsException
from attrs import frozen
from openai import OpenAIError

from streamable_http import AsyncStreamService
from streamable_http.agents import function_tools, mcp_server
from streamable_http.mcp import running
from streamable_http.toolkit import StreamToolkit

from .model import QUESTIONS, Speaker, speaker
from .verify import Mismatch

__all__ = ["Call", "Conversation", "converse"]

ENDPOINTS = ("users", "analytics", "logs", "metrics", "events")


@frozen
class Call:
    """A tool that was called.

    Attributes:
        tool: Its name.
        arguments: What the model passed.
        answer: What the tool answered.
    """

    tool: str
    arguments: dict[str, Any]
    answer: dict[str, Any]


@frozen
class Conversation:
    """A question, and what came of it.

    Attributes:
        way: How the tools were reached.
        question: What was asked.
        calls: The tools that were called.
        words: What was answered.
    """

    way: str
    question: str
    calls: list[Call]
    words: str


async def converse(url: str) -> tuple[Speaker, list[Conversation]]:
    """Asks an agent with tools of this process, and then one with tools of an MCP server.

    Args:
        url: Where the data service is.

    Raises:
        Mismatch: An agent came to no answer.
    """
    async with AsyncStreamService(url) as service, speaker(rounds=2) as speaks:
        toolkit = StreamToolkit(service, ENDPOINTS)
        agent = Agent[None](name="Analyst", instructions=toolkit.instructions, model=speaks.model)
        own = agent.clone(tools=[*function_tools(toolkit)])
        held = await _asked(own, speaks, "in process")
        async with running(toolkit) as address, mcp_server(address) as server:
            foreign = agent.clone(mcp_servers=[server])
            held += await _asked(foreign, speaks, "by MCP")
        return speaks, held


async def _asked(agent: Agent[None], speaks: Speaker, way: str) -> list[Conversation]:
    held: list[Conversation] = []
    for question in QUESTIONS:
        try:
            result = await Runner.run(agent, question, run_config=speaks.config)
        except (AgentsException, OpenAIError) as exc:
            # Its text may hold what the model's server said, and part of a key.
            raise Mismatch(f"{way}: the agent gave up: {type(exc).__name__}") from exc
        held.append(Conversation(way, question, _calls(result.new_items), result.final_output))
    return held


def _calls(items: list[Any]) -> list[Call]:
    """The calls with their answers, which follow them in the run."""
    asked = [item.raw_item for item in items if isinstance(item, ToolCallItem)]
    answers = [item.output for item in items if isinstance(item, ToolCallOutputItem)]
    if len(asked) != len(answers):
        raise Mismatch(f"{len(asked)} tools were called, and {len(answers)} answered")
    return [
        Call(one.name, _object(one.arguments), _object(answer))
        for one, answer in zip(cast("list[Any]", asked), answers, strict=True)
    ]


def _object(value: Any) -> dict[str, Any]:
    """What a tool took or gave, as JSON: by MCP its text stands in a content block."""
    text = cast("dict[str, Any]", value)["text"] if isinstance(value, dict) else value
    try:
        found = json.loads(text)
    except (TypeError, ValueError) as exc:
        raise Mismatch(f"a tool answered no JSON: {text!r:.80}") from exc
    return cast("dict[str, Any]", found)
