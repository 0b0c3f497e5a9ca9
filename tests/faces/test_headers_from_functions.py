"""Headers from a function of the caller's: its time, its errors, and where it cannot be called."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

import streamable_http as shttp
from streamable_http.testing import ScriptedTransport, VirtualClock, events

URL = "http://testserver/feed"
CLOCKS = shttp.Timeouts(connect=1, first_byte=1)


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("no token server"),
        httpx.ReadTimeout("a slow token server"),
        shttp.StatusError("the token server answered 500", status_code=500),
        ZeroDivisionError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_it_raises_is_no_news_of_the_streams_server(error: Exception) -> None:
    """It is raised as it is, and the stream is not tried again on its account."""
    calls = 0

    def fail() -> dict[str, str]:
        nonlocal calls
        calls += 1
        raise error

    async def fail_async() -> dict[str, str]:
        return fail()

    async def asked() -> None:
        async with shttp.AsyncClient(transport=ScriptedTransport(events("a"))) as client:
            await client.stream("GET", URL, headers=fail_async).open()

    client = shttp.Client(transport=ScriptedTransport(events("a")))
    with client, pytest.raises(type(error)) as caught:
        client.stream("GET", URL, headers=fail).open()
    assert caught.value is error
    with pytest.raises(type(error)) as caught:
        asyncio.run(asked())
    assert caught.value is error
    assert calls == 2


def test_its_time_is_not_the_connections() -> None:
    clock = VirtualClock()

    def slow() -> dict[str, str]:
        clock.advance(20)
        return {"X-Token": "t"}

    transport = ScriptedTransport(events("a"))
    client = shttp.Client(transport=transport, clock=clock, timeout=CLOCKS)
    with client, client.stream("GET", URL, headers=slow, decoder=shttp.SSEText()) as stream:
        assert stream.collect() == ["a"]
        assert stream.stats.retries == 0
    assert transport.requests[0].headers["x-token"] == "t"


def test_its_time_counts_in_total() -> None:
    clock = VirtualClock()

    def slow() -> dict[str, str]:
        clock.advance(20)
        return {}

    transport = ScriptedTransport(events("a"))
    client = shttp.Client(transport=transport, clock=clock, timeout=shttp.Timeouts(total=5))
    stream = client.stream("GET", URL, headers=slow)
    with client, stream, pytest.raises(shttp.TimeoutExceeded) as caught:
        stream.collect()
    assert caught.value.kind == "total"


def test_an_async_one_in_the_sync_client() -> None:
    async def fetch() -> dict[str, str]:
        return {}

    wrong: Any = fetch
    client = shttp.Client(transport=ScriptedTransport(events("a")))
    with client, pytest.raises(shttp.ConfigurationError) as caught:
        client.stream("GET", URL, headers=wrong).open()
    assert str(caught.value) == (
        "headers= is an async function, which a Client cannot await: pass a plain one, or use an "
        "AsyncClient"
    )


def test_a_closed_client() -> None:
    """Both faces, a client of the caller's too: an error of ours, and no request."""
    message = "the client was closed: read its streams before you close it, or make another"

    async def opened() -> None:
        client = shttp.AsyncClient()
        await client.aclose()
        await client.stream("GET", URL).open()

    client = shttp.Client()
    client.close()
    with pytest.raises(shttp.StreamClosed) as caught:
        client.stream("GET", URL).open()
    assert str(caught.value) == message
    with pytest.raises(shttp.StreamClosed) as caught:
        asyncio.run(opened())
    assert str(caught.value) == message
    http = httpx.Client()
    http.close()
    with pytest.raises(shttp.StreamClosed) as caught:
        shttp.Client(http=http).stream("GET", URL).open()
    assert str(caught.value) == message
