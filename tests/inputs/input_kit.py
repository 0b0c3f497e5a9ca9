"""What the tests of bad input share: a server in memory, both faces, and who is refused."""

# a message stands in one piece

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import attrs
import httpx
import pytest

import streamable_http as shttp

URL = "http://127.0.0.1:9/feed"


def answer(request: httpx.Request) -> httpx.Response:
    """A server in memory: `/404`, `/html`, `/csv`, `/text`, `/none`, and events for all else."""
    match request.url.path:
        case "/404":
            return httpx.Response(404, json={"detail": "no such stream"})
        case "/html":
            return httpx.Response(200, html="<h1>Sign in</h1>")
        case "/csv":
            return httpx.Response(200, headers={"Content-Type": "text/html"}, content=b"a,b\n")
        case "/none":
            return httpx.Response(200, content=b"x")
        case "/brotli":
            headers = {"Content-Encoding": "br", "Content-Type": "text/event-stream"}
            return httpx.Response(200, headers=headers, content=b"x")
        case _:
            return httpx.Response(
                200,
                headers={"Content-Type": "text/event-stream"},
                content=b"data: 1\n\ndata: 2\n\n",
            )


@attrs.frozen
class Face:
    """Either client, by the same names; what it returns may have to be awaited."""

    client: type[Any]
    service: type[Any]

    def make(self, **settings: Any) -> Any:
        return self.client(transport=httpx.MockTransport(answer), **settings)


SYNC = Face(shttp.Client, shttp.StreamService)
ASYNC = Face(shttp.AsyncClient, shttp.AsyncStreamService)


def run(step: Callable[[], Any]) -> Any:
    """Runs a step of either face."""

    async def awaited() -> Any:
        result = step()
        return await result if isinstance(result, Awaitable) else result

    return asyncio.run(awaited())


def refused(step: Callable[[], Any], kind: type[BaseException] = shttp.ConfigurationError) -> str:
    """The message that a step is refused with."""
    with pytest.raises(kind) as caught:
        run(step)
    assert type(caught.value) is kind
    return str(caught.value)


class OwnDecoder:
    def decode(self, data: bytes) -> list[bytes]:
        return [data]

    def flush(self) -> list[bytes]:
        return []


class NoDecoder:
    pass


class BodyReader(httpx.Auth):
    requires_response_body = True


class Thing:
    """Its repr is the same every time."""

    def __repr__(self) -> str:
        return "Thing()"


THING: Any = Thing()
