"""Redirects: what goes along on the same origin, and that nothing does to another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from driver import Face
from server import Received, Script, Server, cut, events, reply, streamed

from streamable_http import (
    SSE,
    AsyncClient,
    AsyncStreamService,
    Client,
    Failed,
    RedirectError,
    SSEText,
    StatusError,
    StreamService,
)

GOOD = reply(b"data: a\n\n")


async def collected(client: AsyncClient, method: str, url: str, **options: Any) -> list[Any]:
    async with client.stream(method, url, decoder=SSEText(), **options) as stream:
        return await stream.collect()


def moved(status: int, location: str) -> Script:
    return reply(status=status, location=location)


@pytest.mark.parametrize("status", [307, 308])
async def test_the_same_origin_gets_everything_again(
    face: Face, server: Server, status: int
) -> None:
    url = server.serve("/a", moved(status, "/b?x=1"))
    server.serve("/b", GOOD)
    async with face.client(headers={"X-Client": "c"}) as client:
        items = await collected(
            client, "POST", url, json={"q": 1}, headers={"X-Key": "k"}, auth=("user", "password")
        )
    assert items == ["a"]
    first, second = server.requests
    assert (second.method, second.target, second.body) == ("POST", "/b?x=1", b'{"q":1}')
    for name in ("x-key", "x-client", "authorization", "accept", "content-type"):
        assert second.headers[name] == first.headers[name]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_another_origin_gets_nothing_of_the_callers(
    face: Face, server: Server, status: int
) -> None:
    with Server() as other:
        there = other.serve("/b", GOOD)
        url = server.serve("/a", moved(status, there))
        async with face.client(headers={"X-Client": "c", "User-Agent": "mine"}) as client:
            items = await collected(
                client, "GET", url, headers={"X-Key": "secret"}, auth=("user", "password")
            )
        assert items == ["a"]
        (request,) = other.requests
    assert request.headers["accept"] == "text/event-stream"
    assert {"x-key", "x-client", "authorization", "cookie"}.isdisjoint(request.headers)
    assert "authorization" in server.requests[0].headers


@pytest.mark.parametrize("status", [307, 308])
async def test_a_body_never_follows_to_another_origin(
    face: Face, server: Server, status: int
) -> None:
    with Server() as other:
        there = other.serve("/b", GOOD)
        url = server.serve("/a", moved(status, there))
        async with face.client() as client:
            with pytest.raises(RedirectError) as caught:
                await collected(client, "POST", url, content=b"secret")
        assert caught.value.location == there
        assert not other.requests


@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_post_becomes_a_get(face: Face, server: Server, status: int) -> None:
    url = server.serve("/a", moved(status, "/b"))
    server.serve("/b", GOOD)
    async with face.client() as client:
        assert await collected(client, "POST", url, content=b"body") == ["a"]
    assert (server.requests[1].method, server.requests[1].body) == ("GET", b"")


async def test_a_loop_of_redirects_ends(face: Face, server: Server) -> None:
    url = server.serve("/", moved(302, "/"))
    async with face.client() as client:
        with pytest.raises(RedirectError, match="more than 20 redirects"):
            await collected(client, "GET", url)
    assert len(server.requests) == 21


@pytest.mark.parametrize(
    ("location", "message"),
    [("", "Location"), ("ftp://host/", "http or https"), ("http://[", "not a URL")],
)
async def test_a_redirect_to_nowhere(
    face: Face, server: Server, location: str, message: str
) -> None:
    url = server.serve("/", moved(302, location))
    async with face.client() as client:
        with pytest.raises(RedirectError, match=message):
            await collected(client, "GET", url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_can_be_refused(face: Face, server: Server, status: int) -> None:
    with Server() as other:
        url = server.serve("/a", moved(status, f"{other.url}/b"))
        async with face.client() as client:
            with pytest.raises(StatusError, match="follow_redirects=False") as caught:
                await collected(client, "POST", url, json={}, follow_redirects=False)
        assert caught.value.status_code == status
        assert caught.value.headers is not None
        assert caught.value.headers["location"] == f"{other.url}/b"
        assert not other.requests
    assert len(server.requests) == 1


@pytest.mark.parametrize("face", [Face("threads"), Face("asyncio")], ids=str)
async def test_every_verb_of_a_service_can_refuse_redirects(face: Face, server: Server) -> None:
    for path in ("/health", "/info/a", "/stream/a"):
        server.serve(path, moved(302, "/elsewhere"))
    if face.sync:
        with Client(trust_env=False) as client:
            service = StreamService(server.url, client=client)
            health = service.health(follow_redirects=False)
            with pytest.raises(StatusError):
                service.get_stream_info("a", follow_redirects=False)
            outcomes = service.batch_stream(["a"], follow_redirects=False)
    else:
        async with AsyncClient(trust_env=False) as asynchronous:
            wanted = AsyncStreamService(server.url, client=asynchronous)
            health = await wanted.health(follow_redirects=False)
            with pytest.raises(StatusError):
                await wanted.get_stream_info("a", follow_redirects=False)
            outcomes = await wanted.batch_stream(["a"], follow_redirects=False)
    assert isinstance(health.error, StatusError)
    failed = outcomes["a"]
    assert isinstance(failed, Failed)
    assert isinstance(failed.error, StatusError)
    assert {request.target for request in server.requests} == {"/health", "/info/a", "/stream/a"}


async def late(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_one_shot_body_cannot_follow(face: Face, server: Server) -> None:
    pieces = [b"once"]
    content: Any = iter(pieces) if face.sync else late(pieces)
    url = server.serve("/", moved(307, "/b"))
    async with face.client() as client:
        with pytest.raises(RedirectError, match="only once"):
            await collected(client, "POST", url, content=content)


@pytest.mark.parametrize(("status", "asked_again"), [(301, "/b"), (308, "/b"), (302, "/a")])
async def test_a_permanent_redirect_is_remembered_for_reconnects(
    face: Face, server: Server, status: int, asked_again: str
) -> None:
    def answer(request: Received) -> Script:
        if "last-event-id" in request.headers:
            return streamed(events(2))
        return streamed(events(1), cut())

    url = server.serve("/a", moved(status, "/b"))
    server.serve("/b", answer)
    async with face.client() as client:
        assert await collected(client, "GET", url) == ["1", "2"]
    targets = [request.target for request in server.requests]
    assert targets == ["/a", "/b", *(["/b"] if asked_again == "/b" else ["/a", "/b"])]


async def test_the_position_is_not_told_to_another_origin_by_the_caller_but_by_the_stream(
    face: Face, server: Server
) -> None:
    with Server() as other:
        there = other.serve("/b", streamed(events(1), cut()), streamed(events(2)))
        url = server.serve("/a", moved(302, there))
        async with face.client() as client, client.stream("GET", url, decoder=SSE()) as stream:
            assert [event.data async for event in stream] == ["1", "2"]
            assert stream.response.url == there
        assert [request.headers.get("last-event-id") for request in other.requests] == [None, "1"]
