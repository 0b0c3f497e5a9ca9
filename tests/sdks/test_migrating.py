"""The pairs of docs/migrating.md that need packages of others give the same, before and after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest
from recipes import DOCS, cook, recipe
from sdk_kit import CHAT, MESSAGE, WORDS, as_response

from streamable_http import StreamTruncated
from streamable_http.demo.server import running
from streamable_http.testing import ScriptedServer, event, events

PAGE = "migrating.md"
SHOWN_AT = "http://127.0.0.1:3001"
WHOLE, HALF = "".join(WORDS), "".join(WORDS[:2])


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """A provider, which both SDKs find by their environment."""
    with ScriptedServer() as running_server:
        for name in ("OPENAI", "ANTHROPIC"):
            monkeypatch.setenv(f"{name}_BASE_URL", running_server.url)
            monkeypatch.setenv(f"{name}_API_KEY", "none")
        yield running_server


def run(holding: str, **names: Any) -> dict[str, Any]:
    return asyncio.run(cook(recipe(PAGE, holding), **names))


def found_by(holding: str, url: str) -> list[Any]:
    code = recipe(PAGE, holding).replace(SHOWN_AT, url)
    found: list[Any] = asyncio.run(cook(code))["found"]
    return found


# What is told apart by a line that only it has.
REQUESTS = ("from sseclient import SSEClient", "shttp.decode(response.iter_content(None)")
AIOHTTP = ("async for line in response.content:", "shttp.adecode(")


@pytest.mark.parametrize("holding", REQUESTS)
def test_requests(holding: str, service: str) -> None:
    assert found_by(holding, service) == ["1", "2"]


@pytest.mark.parametrize("holding", AIOHTTP)
def test_aiohttp(holding: str, service: str) -> None:
    assert found_by(holding, service) == [1, 2]


def test_only_afterwards_is_a_cut_noticed() -> None:
    """The body ends inside an event, and HTTP takes it for whole."""
    with ScriptedServer(events("1", b"data: 2", framing="close")) as cut:
        assert found_by(REQUESTS[0], cut.url)
        with pytest.raises(StreamTruncated):
            found_by(REQUESTS[1], cut.url)
    with ScriptedServer(events(event({"id": 1}), b'data: {"id": 2}')) as cut:
        assert found_by(AIOHTTP[0], cut.url) == [1, 2]
        with pytest.raises(StreamTruncated):
            found_by(AIOHTTP[1], cut.url)


def test_openai(server: ScriptedServer) -> None:
    def text(holding: str, short_of: int) -> str:
        server.serve("/chat/completions", as_response(CHAT, short_of=short_of))
        with run(holding)["client"] as client:
            asked: str = run("client.chat.completions.create", client=client, MODEL="m")["text"]
        return asked

    before, after = "client = openai.OpenAI()", "openai.DefaultHttpxClient(transport="
    assert text(before, 0) == text(after, 0) == WHOLE
    assert text(before, 4) == HALF
    with pytest.raises(openai.APIConnectionError):
        text(after, 4)


def test_anthropic(server: ScriptedServer) -> None:
    def text(holding: str, short_of: int) -> str:
        server.serve("/v1/messages", as_response(MESSAGE, short_of=short_of))
        with run(holding)["client"] as client:
            asked: str = run("client.messages.stream", client=client, MODEL="m")["text"]
        return asked

    before, after = "client = anthropic.Anthropic()", "anthropic.DefaultHttpxClient(transport="
    assert text(before, 0) == text(after, 0) == WHOLE
    assert text(before, 5) == HALF
    with pytest.raises(httpx2.RemoteProtocolError):
        text(after, 5)


def test_every_block_has_a_test() -> None:
    blocks = (DOCS / PAGE).read_text(encoding="utf-8").count("```py\n")
    assert blocks == len(REQUESTS) + len(AIOHTTP) + 6
