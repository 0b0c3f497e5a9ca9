"""What type checkers make of profiles, guards and `compat`. It is checked, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import attrs
import httpx
import httpx2
import msgspec

import streamable_http as shttp
from streamable_http import profiles
from streamable_http.compat.httpx_sse import EventSource, aconnect_sse, connect_sse
from streamable_http.profiles import Profile, ProfileOptions
from streamable_http.transports import AsyncGuard, Guard
from streamable_http.transports import httpx2 as for_httpx2


class Chunk(msgspec.Struct):
    text: str


# Profiles ------------------------------------------------------------------------------------


def every_profile(client: shttp.Client, other: shttp.AsyncClient) -> None:
    get = client.stream
    assert_type(profiles.WIKIMEDIA, Profile[shttp.ServerSentEvent])
    assert_type(profiles.WIKIMEDIA.options(), ProfileOptions[shttp.ServerSentEvent])
    assert_type(
        get("GET", "", params={"a": 1}, **profiles.WIKIMEDIA.options()),
        shttp.Stream[shttp.ServerSentEvent],
    )
    assert_type(get("POST", "", json={}, **profiles.OPENAI_CHAT.options()), shttp.Stream[Any])
    assert_type(
        other.stream("GET", "", **profiles.WIKIMEDIA.options()),
        shttp.AsyncStream[shttp.ServerSentEvent],
    )
    assert_type(
        shttp.Request("GET", "", key=1, **profiles.WIKIMEDIA.options({"X-A": "1"})),
        shttp.Request[shttp.ServerSentEvent],
    )


def a_type_of_your_own(client: shttp.Client) -> None:
    ours = profiles.OPENAI_CHAT.with_decoder(shttp.SSEData(Chunk))
    assert_type(ours, Profile[Chunk])
    assert_type(client.stream("POST", "", **ours.options()), shttp.Stream[Chunk])
    assert_type(attrs.evolve(ours, follow=True), Profile[Chunk])
    mine = Profile(decoder=shttp.NDJSON(Chunk), terminal=lambda item: item.text == "end")
    assert_type(mine, Profile[Chunk])


# Guards --------------------------------------------------------------------------------------


def guards() -> None:
    httpx.Client(transport=Guard("[DONE]", transport=httpx.HTTPTransport()))
    httpx.AsyncClient(transport=AsyncGuard(shttp.Terminal(event="end"), limits=shttp.Limits()))
    httpx2.Client(transport=for_httpx2.Guard(lambda event: event.data == "end"))
    httpx2.AsyncClient(transport=for_httpx2.AsyncGuard("[DONE]"))
    httpx.Client(transport=AsyncGuard("[DONE]"))  # type: ignore[arg-type]
    httpx2.Client(transport=Guard("[DONE]"))  # type: ignore[arg-type]


# httpx-sse -----------------------------------------------------------------------------------


def events_of(client: httpx.Client) -> None:
    with connect_sse(client, "GET", httpx.URL("http://h"), headers={}) as source:
        assert_type(source, EventSource)
        assert_type(source.response, httpx.Response)
        assert_type(source.iter_sse(), Iterator[shttp.ServerSentEvent])


async def events_of_async(client: httpx.AsyncClient) -> None:
    async with aconnect_sse(client, "GET", "http://h") as source:
        async for event in source.aiter_sse():
            assert_type(event, shttp.ServerSentEvent)
