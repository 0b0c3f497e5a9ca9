"""The demo's last step: an agent, and whether its tools told it the truth."""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .stage import Stage
from .verify import LeftOut, Mismatch

if TYPE_CHECKING:
    from .conversation import Call, Conversation
    from .model import Speaker

__all__ = ["agent"]

_PACKAGES = frozenset({"agents", "llmock", "mcp", "openai"})


def agent(stage: Stage) -> None:
    """An agent on tools in this process, then on those of an MCP server; records are checked."""
    speaks, held = _held(stage.url)
    stage.say(speaks.introduction)
    calls: Counter[str] = Counter()
    records: Counter[str] = Counter()
    for one in held:
        _tell(stage, one)
        calls[one.way] += len(one.calls)
        records[one.way] += sum(_checked(stage, call, strict=speaks.scripted) for call in one.calls)
    for way in dict.fromkeys(one.way for one in held):
        if not records[way]:
            raise Mismatch(f"{way}: {calls[way]} calls of tools, and no record came")
        stage.say(f"{way}: {calls[way]} calls, {records[way]} records, as the service has them")


def _held(url: str) -> tuple[Speaker, list[Conversation]]:
    try:
        from .conversation import converse

        return asyncio.run(converse(url))
    except ImportError as exc:
        if exc.name is None or exc.name.partition(".")[0] not in _PACKAGES:
            raise
        raise LeftOut(
            "an agent needs more packages: pip install 'streamable-http[demo-agents]'"
        ) from exc


def _tell(stage: Stage, one: Conversation) -> None:
    stage.say(f"{one.way}, asked: {one.question}")
    for call in one.calls:
        shown = json.dumps(call.arguments, ensure_ascii=False)
        stage.say(f"   called {call.tool} {shown}: {_outcome(call.answer)}")
    stage.say(f"   said: {textwrap.shorten(one.words, 300, placeholder=' …')}")


def _outcome(answer: dict[str, Any]) -> str:
    error = answer.get("error")
    return f"error {error['code']}" if error else f"{answer['returned']} ({answer['stop_reason']})"


def _checked(stage: Stage, call: Call, *, strict: bool) -> int:
    """How many records an answer holds, each of them the one that the service has there.

    Args:
        stage: Where the service is.
        call: A call and its answer.
        strict: Whether the call is known to be right, so that its answer must be no error.

    Raises:
        Mismatch: A record is not the one that is due, or one is missing.
    """
    if strict and "error" in call.answer:
        raise Mismatch(f"{call.tool}: error {call.answer['error']['code']}")
    count = 0
    for endpoint, params, summary, records in _streams(call):
        tally = stage.tally(endpoint, params)
        for record in records:
            tally.take(record)
        if summary["stop_reason"] == "end":
            tally.end()
        if summary["returned"] != tally.count:
            raise Mismatch(f"{endpoint}: {summary['returned']} said to be {tally.count} records")
        count += tally.count
    return count


def _streams(call: Call) -> Iterator[tuple[str, dict[str, Any], dict[str, Any], list[Any]]]:
    """The streams that an answer is of, from their beginning: with parameters and records."""
    arguments, answer = call.arguments, call.answer
    if call.tool == "stream_data" and "records" in answer and not arguments.get("cursor"):
        yield arguments["endpoint"], arguments.get("params") or {}, answer, answer["records"]
    elif call.tool == "batch_stream" and "streams" in answer:
        params: dict[str, Any] = arguments.get("params_by_endpoint") or {}
        continued: dict[str, Any] = arguments.get("cursors_by_endpoint") or {}
        for summary in answer["streams"]:
            name = summary["endpoint"]
            if not continued.get(name):
                yield name, params.get(name) or {}, summary, answer["records"][name]
