"""Who speaks in the demo's agent: a model that the environment names, or else a script.

`OPENAI_API_KEY` (and `OPENAI_MODEL`) choose OpenAI, `OPENAI_BASE_URL` any server that is
compatible; a file `.env` may hold them. With none of them a local server plays a script over real
HTTP: the tool calls and their answers are real, the words are not a model's.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from pathlib import Path
from typing import Any

from agents import OpenAIProvider, RunConfig
from attrs import frozen
from openai import AsyncOpenAI

__all__ = ["QUESTIONS", "Speaker", "speaker"]

QUESTIONS = (
    "How many of the first 20 users are active?",
    "Explain how streamable HTTP works and demonstrate its benefits for large data processing.",
)
"""What to ask: the script answers these, in this order."""

_DEFAULT_MODEL = "gpt-4.1-mini"
_SCRIPT: tuple[str | tuple[str, dict[str, Any]], ...] = (
    ("stream_data", {"endpoint": "users", "params": {"limit": 20}}),
    "I asked for 20 users, and they came in one stream. (A script says this, not a model.)",
    ("batch_stream", {"endpoints": ["logs", "metrics"], "max_records": 5}),
    "Both came record by record; I stopped after five of each. (A script says this, not a model.)",
)


@frozen(kw_only=True)
class Speaker:
    """Who speaks.

    Attributes:
        model: The name for `Agent(model=…)`.
        config: How to reach it, for `Runner.run(run_config=…)`.
        scripted: Whether it is no model, but a script.
        introduction: Who it is, in words.
    """

    model: str
    config: RunConfig
    scripted: bool
    introduction: str


@contextlib.asynccontextmanager
async def speaker(*, rounds: int = 1) -> AsyncGenerator[Speaker]:
    """Whoever speaks, for as long as the block lasts.

    Args:
        rounds: How often all `QUESTIONS` will be asked; the script is as long as that.
    """
    settings = {**_env_file(Path(".env")), **os.environ}
    if os.environ.get("OPENAI_API_KEY"):
        # A key from the environment goes to no address that a file of this directory names.
        settings["OPENAI_BASE_URL"] = os.environ.get("OPENAI_BASE_URL", "")
    key, base_url = settings.get("OPENAI_API_KEY"), settings.get("OPENAI_BASE_URL")
    scripted = not (key or base_url)
    with contextlib.ExitStack() as stack:
        if scripted:
            base_url = stack.enter_context(_script(rounds))
        async with AsyncOpenAI(api_key=key or "none", base_url=base_url or None) as client:
            yield _speaker(client, settings, scripted=scripted)


def _speaker(client: AsyncOpenAI, settings: Mapping[str, str], *, scripted: bool) -> Speaker:
    model = "script" if scripted else settings.get("OPENAI_MODEL") or _DEFAULT_MODEL
    introduction = f"{model}, a model on {client.base_url.host}"
    if scripted:
        introduction = (
            "a script speaks, not a model: no OPENAI_API_KEY and no OPENAI_BASE_URL is set"
        )
    # Traces go to OpenAI: they are sent only where its own service is used.
    traced = bool(settings.get("OPENAI_API_KEY")) and not settings.get("OPENAI_BASE_URL")
    config = RunConfig(
        model_provider=OpenAIProvider(openai_client=client), tracing_disabled=not traced
    )
    return Speaker(model=model, config=config, scripted=scripted, introduction=introduction)


@contextlib.contextmanager
def _script(rounds: int) -> Generator[str]:
    """A local server that plays the script; yields its address."""
    from llmock.scenarios import Reply, ToolCall
    from llmock.testing import LLMockServer

    with LLMockServer() as server:
        for line in _SCRIPT * rounds:
            call = () if isinstance(line, str) else (ToolCall(*line),)
            text = line if isinstance(line, str) else None
            server.state.scenarios.add(Reply(text=text, tool_calls=call))
        yield server.base_url("openai")


def _env_file(path: Path) -> dict[str, str]:
    """The `NAME=value` lines of a file, if there is one; a shell's `export` may stand before."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {
        name.removeprefix("export ").strip(): value.strip().strip("\"'") for name, _, value in pairs
    }
