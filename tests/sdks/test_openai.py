"""The OpenAI SDK takes half an answer for the whole, and behind the guard it does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import httpx2
import openai
import pytest
from sdk_kit import CHAT, RESPONSE, WORDS, as_response, failing

from streamable_http import ServerSentEvent, StreamTruncated
from streamable_http.testing import Response, ScriptedServer, event, gzipped
from streamable_http.transports import Guard as HTTPXGuard
from streamable_http.transports.httpx2 import AsyncGuard, Guard

HALF = "".join(WORDS[:2])
WHOLE = "".join(WORDS)
LAST = {"response.completed", "response.failed", "response.incomplete", "error"}


def ends(happening: ServerSentEvent) -> bool:
    """The ends of both APIs."""
    return happening.data == "[DONE]" or happening.event in LAST


Client = Callable[[str], openai.OpenAI]


def plain(url: str) -> openai.OpenAI:
    http = httpx2.Client(trust_env=False)
    return openai.OpenAI(base_url=url, api_key="none", http_client=http)


def guarded(url: str) -> openai.OpenAI:
    http = openai.DefaultHttpxClient(transport=Guard(ends))
    return openai.OpenAI(base_url=url, api_key="none", http_client=http)


def guarded_httpx(url: str) -> openai.OpenAI:
    """The SDK still takes a client of httpx."""
    http: Any = httpx.Client(transport=HTTPXGuard("[DONE]"))
    return openai.OpenAI(base_url=url, api_key="none", http_client=http)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def chat(client: Client, server: ScriptedServer, response: Response) -> str:
    server.serve("/chat/completions", response)
    text = ""
    with client(server.url) as sdk:
        messages: Any = [{"role": "user", "content": "count"}]
        for chunk in sdk.chat.completions.create(model="m", messages=messages, stream=True):
            text += chunk.choices[0].delta.content or ""
    return text


@pytest.mark.parametrize("client", [plain, guarded, guarded_httpx])
def test_a_whole_answer(client: Client, server: ScriptedServer) -> None:
    assert chat(client, server, as_response(CHAT)) == WHOLE
    assert chat(client, server, gzipped(as_response(CHAT))) == WHOLE


def test_half_an_answer_looks_whole_without_the_guard(server: ScriptedServer) -> None:
    assert chat(plain, server, as_response(CHAT, short_of=4)) == HALF


@pytest.mark.parametrize("client", [guarded, guarded_httpx])
@pytest.mark.parametrize("coded", [gzipped, lambda response: response], ids=["gzip", "identity"])
@pytest.mark.parametrize("short_of", [1, 2, 4])
def test_half_an_answer_raises_behind_the_guard(
    client: Client, server: ScriptedServer, short_of: int, coded: Callable[[Response], Response]
) -> None:
    with pytest.raises(openai.APIConnectionError) as caught:
        chat(client, server, coded(as_response(CHAT, short_of=short_of)))
    assert isinstance(caught.value.__cause__, StreamTruncated)


@pytest.mark.parametrize("client", [plain, guarded])
def test_a_failure_inside_the_stream_is_told_as_before(
    client: Client, server: ScriptedServer
) -> None:
    response = failing(CHAT, event({"error": {"message": "overloaded", "type": "server_error"}}))
    with pytest.raises(openai.APIError, match="overloaded") as caught:
        chat(client, server, response)
    assert not isinstance(caught.value, openai.APIConnectionError)


@pytest.mark.parametrize("client", [plain, guarded])
def test_what_is_no_stream_is_left_alone(client: Client, server: ScriptedServer) -> None:
    models = b'{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"o"}]}'
    json = {"Content-Type": "application/json"}
    server.serve("/models", Response(headers=json, body=models, framing="length"))
    with client(server.url) as sdk:
        assert [model.id for model in sdk.models.list()] == ["m"]


def respond(client: Client, server: ScriptedServer, response: Response) -> str:
    server.serve("/responses", response)
    text = ""
    with client(server.url) as sdk:
        for happening in sdk.responses.create(model="m", input="count", stream=True):
            text += happening.delta if happening.type == "response.output_text.delta" else ""
    return text


def test_the_responses_api(server: ScriptedServer) -> None:
    assert respond(plain, server, as_response(RESPONSE)) == WHOLE
    assert respond(guarded, server, as_response(RESPONSE)) == WHOLE
    assert respond(plain, server, as_response(RESPONSE, short_of=3)) == HALF
    with pytest.raises(openai.APIConnectionError) as caught:
        respond(guarded, server, as_response(RESPONSE, short_of=3))
    assert isinstance(caught.value.__cause__, StreamTruncated)


async def count(http: httpx2.AsyncClient, url: str) -> str:
    text = ""
    async with openai.AsyncOpenAI(base_url=url, api_key="none", http_client=http) as sdk:
        messages: Any = [{"role": "user", "content": "count"}]
        stream: Any = await sdk.chat.completions.create(model="m", messages=messages, stream=True)
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    return text


def test_the_async_client(server: ScriptedServer) -> None:
    def run(*, short_of: int, **settings: Any) -> str:
        server.serve("/chat/completions", as_response(CHAT, short_of=short_of))
        return asyncio.run(count(openai.DefaultAsyncHttpxClient(**settings), server.url))

    assert run(short_of=0, transport=AsyncGuard("[DONE]")) == WHOLE
    assert run(short_of=4, trust_env=False) == HALF
    with pytest.raises(openai.APIConnectionError) as caught:
        run(short_of=4, transport=AsyncGuard("[DONE]"))
    assert isinstance(caught.value.__cause__, StreamTruncated)
