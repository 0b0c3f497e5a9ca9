"""The Anthropic SDK takes half an answer for the whole, and behind the guard it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from sdk_kit import MESSAGE, WORDS, as_response, failing

from streamable_http import StreamTruncated, Terminal
from streamable_http.testing import Response, ScriptedServer, event, gzipped
from streamable_http.transports.httpx2 import AsyncGuard, Guard

HALF = "".join(WORDS[:2])
WHOLE = "".join(WORDS)
STOP = Terminal(event="message_stop")
ASKED: Any = {
    "model": "m",
    "max_tokens": 10,
    "messages": [{"role": "user", "content": "count"}],
}

Client = Callable[[str], anthropic.Anthropic]


def plain(url: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(trust_env=False)
    return anthropic.Anthropic(base_url=url, api_key="none", http_client=http)


def guarded(url: str) -> anthropic.Anthropic:
    http = anthropic.DefaultHttpxClient(transport=Guard(STOP))
    return anthropic.Anthropic(base_url=url, api_key="none", http_client=http)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def created(client: Client, server: ScriptedServer, response: Response) -> str:
    """By `messages.create(stream=True)`: one event after another."""
    server.serve("/v1/messages", response)
    text = ""
    with client(server.url) as sdk:
        for happening in sdk.messages.create(**ASKED, stream=True):
            if happening.type == "content_block_delta":
                text += happening.delta.text
    return text


def helped(client: Client, server: ScriptedServer, response: Response) -> str:
    """By the helper `messages.stream`, which puts the message together."""
    server.serve("/v1/messages", response)
    with client(server.url) as sdk, sdk.messages.stream(**ASKED) as stream:
        return stream.get_final_text()


Ask = Callable[[Client, ScriptedServer, Response], str]
ways = pytest.mark.parametrize("ask", [created, helped])


@ways
@pytest.mark.parametrize("client", [plain, guarded])
def test_a_whole_answer(client: Client, ask: Ask, server: ScriptedServer) -> None:
    assert ask(client, server, as_response(MESSAGE)) == WHOLE
    assert ask(client, server, gzipped(as_response(MESSAGE))) == WHOLE


@ways
def test_half_an_answer_looks_whole_without_the_guard(ask: Ask, server: ScriptedServer) -> None:
    assert ask(plain, server, as_response(MESSAGE, short_of=5)) == HALF


@ways
@pytest.mark.parametrize("short_of", [1, 3, 5])
def test_half_an_answer_raises_behind_the_guard(
    ask: Ask, server: ScriptedServer, short_of: int
) -> None:
    with pytest.raises(httpx2.RemoteProtocolError, match="without the terminal") as caught:
        ask(guarded, server, as_response(MESSAGE, short_of=short_of))
    assert isinstance(caught.value, StreamTruncated)


@ways
@pytest.mark.parametrize("client", [plain, guarded])
def test_a_failure_inside_the_stream_is_told_as_before(
    client: Client, ask: Ask, server: ScriptedServer
) -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        ask(client, server, failing(MESSAGE, event(error, event="error")))


async def count(http: httpx2.AsyncClient, url: str) -> str:
    text = ""
    async with anthropic.AsyncAnthropic(base_url=url, api_key="none", http_client=http) as sdk:
        async for happening in await sdk.messages.create(**ASKED, stream=True):
            if happening.type == "content_block_delta":
                text += happening.delta.text
    return text


def test_the_async_client(server: ScriptedServer) -> None:
    def run(*, short_of: int, **settings: Any) -> str:
        server.serve("/v1/messages", as_response(MESSAGE, short_of=short_of))
        return asyncio.run(count(anthropic.DefaultAsyncHttpxClient(**settings), server.url))

    assert run(short_of=0, transport=AsyncGuard(STOP)) == WHOLE
    assert run(short_of=5, trust_env=False) == HALF
    with pytest.raises(httpx2.RemoteProtocolError) as caught:
        run(short_of=5, transport=AsyncGuard(STOP))
    assert isinstance(caught.value, StreamTruncated)
