"""What is sent again and what never is; statuses and content types."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from driver import Face
from server import (
    Script,
    Server,
    chunk,
    cut,
    head,
    hold,
    reply,
    reset,
    send,
)

from streamable_http import (
    AsyncClient,
    ConnectError,
    ConnectionLost,
    ContentTypeError,
    Lines,
    RetriesExhausted,
    Retrying,
    RetryPolicy,
    SSEText,
    StatusError,
    StreamError,
)

BUSY = reply(b"later", status=503, content_type="text/plain")
DOWN = reply(b"down", status=502, content_type="text/plain")
GOOD = reply(b"data: a\n\n")


async def collected(client: AsyncClient, *args: Any, **options: Any) -> list[Any]:
    async with client.stream(*args, **{"decoder": SSEText(), **options}) as stream:
        return await stream.collect()


@pytest.mark.parametrize("status", [408, 425, 429, 503])
async def test_a_post_is_sent_again_when_the_server_says_it_did_not_act(
    face: Face, server: Server, status: int
) -> None:
    url = server.serve("/", reply(status=status), GOOD)
    async with face.client() as client:
        assert await collected(client, "POST", url, content=b"body") == ["a"]
    assert [request.body for request in server.requests] == [b"body", b"body"]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_post_is_not_sent_again_when_it_may_have_been_acted_on(
    face: Face, server: Server, status: int
) -> None:
    url = server.serve("/", reply(status=status), GOOD)
    async with face.client() as client:
        with pytest.raises(StatusError):
            await collected(client, "POST", url, content=b"body")
        assert len(server.requests) == 1
        server.serve("/", reply(status=status), GOOD)
        assert await collected(client, "PUT", url, content=b"body") == ["a"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("how", [cut, reset])
async def test_a_post_is_not_sent_again_after_a_byte_of_it_was_sent(
    face: Face, server: Server, how: Any
) -> None:
    url = server.serve("/", [how()], GOOD)
    async with face.client() as client:
        with pytest.raises(ConnectionLost):
            await collected(client, "POST", url, content=b"body")
        assert len(server.requests) == 1


async def test_an_idempotency_key_makes_a_post_repeatable(face: Face, server: Server) -> None:
    url = server.serve("/", [cut()], DOWN, GOOD)
    headers = {"Idempotency-Key": "k1"}
    async with face.client() as client:
        assert await collected(client, "POST", url, content=b"body", headers=headers) == ["a"]
    assert [request.headers["idempotency-key"] for request in server.requests] == ["k1"] * 3


@contextlib.contextmanager
def refusing_at_first() -> Iterator[tuple[str, Any]]:
    """A URL that refuses connections, and what opens it."""
    reserved = socket.create_server(("127.0.0.1", 0))
    port = reserved.getsockname()[1]
    reserved.close()
    yield f"http://127.0.0.1:{port}/", port


async def test_a_refused_connection_is_tried_again_even_for_a_post(face: Face) -> None:
    told: list[Any] = []
    with refusing_at_first() as (url, _):
        async with face.client(on_event=told.append) as client:
            with pytest.raises(RetriesExhausted) as caught:
                await collected(client, "POST", url, content=b"body")
    assert caught.value.tries == 5
    assert isinstance(caught.value.last_error, ConnectError)
    assert sum(isinstance(event, Retrying) for event in told) == 4


class Body:
    """A body that can be read once, for either face."""

    def __init__(self) -> None:
        self.reads = 0

    def __iter__(self) -> Iterator[bytes]:
        self.reads += 1
        yield b"once"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.reads += 1
        yield b"once"


def body_for(face: Face) -> tuple[Body, Any]:
    body = Body()
    return body, (iter(body) if face.sync else aiter(body))


@pytest.mark.parametrize("script", [BUSY, DOWN, [cut()]])
async def test_a_body_that_can_be_read_once_is_never_sent_twice(
    face: Face, server: Server, script: Script
) -> None:
    body, content = body_for(face)
    url = server.serve("/", script, GOOD)
    async with face.client() as client:
        with pytest.raises(StreamError):
            await collected(client, "PUT", url, content=content)
    assert [request.body for request in server.requests] == [b"once"]
    assert body.reads == 1


async def test_an_unread_body_may_wait_for_a_connection(own: Face) -> None:
    body, content = body_for(own)
    with refusing_at_first() as (url, port), contextlib.ExitStack() as stack:

        def start(event: object) -> None:
            if isinstance(event, Retrying):
                stack.enter_context(late := LateServer(port))
                lates.append(late)

        lates: list[LateServer] = []
        async with own.client(on_event=start) as client:
            assert await collected(client, "POST", url, content=content) == ["a"]
        assert [request.body for request in lates[0].requests] == [b"once"]
    assert body.reads == 1


class LateServer(Server):
    """A server on a port that refused connections before."""

    def __init__(self, port: int) -> None:
        super().__init__(port=port)

    def __enter__(self) -> Any:
        entered = super().__enter__()
        self.serve("/", GOOD)
        return entered


# Statuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301 + 99, 401, 403, 404, 410, 501])
async def test_a_permanent_status_is_raised_at_once_with_its_body(
    face: Face, server: Server, status: int
) -> None:
    body = b'{"detail": "no"}'
    url = server.serve("/x", reply(body, status=status, content_type="application/json"))
    async with face.client() as client:
        with pytest.raises(StatusError) as caught:
            await collected(client, "GET", url + "?token=hidden")
    error = caught.value
    assert error.status_code == status
    assert error.body == body
    assert error.json() == {"detail": "no"}
    assert error.headers is not None
    assert error.headers["content-type"] == "application/json"
    assert error.retry_after is None
    assert error.request == f"GET {url}"
    assert str(error) == f"GET {url} answered {status}: '{body.decode()}'"
    assert len(server.requests) == 1


async def test_only_an_excerpt_of_an_error_body_is_kept(face: Face, server: Server) -> None:
    url = server.serve(
        "/", [head(404, transfer_encoding="chunked"), *[chunk(b"x" * 999)] * 5, hold()]
    )
    async with face.client() as client:
        with pytest.raises(StatusError) as caught:
            await collected(client, "GET", url)
    assert caught.value.body == b"x" * 2048
    with pytest.raises(ValueError, match="Expecting value"):
        caught.value.json()


async def test_retry_after_is_a_floor(pulled: Face, server: Server) -> None:
    told: list[Any] = []
    # A date counts from the response's own Date, so a wrong clock does no harm.
    date = datetime(2001, 1, 1, tzinfo=UTC)
    dated: dict[str, Any] = {
        "date": format_datetime(date, usegmt=True),
        "retry_after": format_datetime(date + timedelta(seconds=0), usegmt=True),
    }
    url = server.serve("/", reply(status=503, **dated), reply(status=429, retry_after="1"), GOOD)
    policy = RetryPolicy(wait=lambda _: 0.0, min_delay=0.01, max_delay=5.0)
    async with pulled.client(retry=policy, on_event=told.append) as client:
        assert await collected(client, "GET", url) == ["a"]
    delays = [event.delay for event in told if isinstance(event, Retrying)]
    assert 0.01 <= delays[0] <= 0.02
    assert 1.0 <= delays[1] <= 1.01
    errors: list[Any] = [event.error for event in told if isinstance(event, Retrying)]
    assert [error.retry_after for error in errors] == [0.0, 1.0]


async def test_a_retry_after_beyond_the_longest_wait_is_the_error(
    face: Face, server: Server
) -> None:
    url = server.serve("/", reply(status=503, retry_after="3600"), GOOD)
    async with face.client() as client:
        with pytest.raises(StatusError) as caught:
            await collected(client, "GET", url)
    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1


async def test_exhausted_retries_are_counted_exactly(face: Face, server: Server) -> None:
    url = server.serve("/", BUSY)
    policy = RetryPolicy(stop=3, wait=lambda _: 0.0, min_delay=0.0)
    async with face.client(retry=policy) as client:
        with pytest.raises(RetriesExhausted) as caught:
            await collected(client, "GET", url)
    assert len(server.requests) == caught.value.tries == 3
    assert isinstance(caught.value.__cause__, StatusError)
    assert caught.value.stats is not None
    assert caught.value.stats.retries == 2


# Content types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "options", "message"),
    [
        ("text/html", {"decoder": SSEText()}, "HTML page"),
        ("text/html; charset=utf-8", {"decoder": Lines()}, "any_content_type=True"),
        ("text/html", {"decoder": None}, "text/html"),
        ("text/plain", {"decoder": None}, "Lines()"),
        (None, {"decoder": None}, "Content-Type"),
    ],
)
async def test_a_page_is_not_a_stream(
    face: Face, server: Server, content_type: str, options: dict[str, Any], message: str
) -> None:
    url = server.serve("/", [head(content_type=content_type, content_length="5"), send(b"<p>\n\n")])
    async with face.client() as client:
        with pytest.raises(ContentTypeError) as caught:
            await collected(client, "GET", url, **options)
    assert message in str(caught.value)
    assert len(server.requests) == 1


async def test_a_page_can_be_read_on_purpose(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"<p>\n", content_type="text/html"))
    async with face.client() as client:
        lines = await collected(client, "GET", url, decoder=Lines(), any_content_type=True)
    assert lines == ["<p>"]


async def test_an_unknown_content_coding_is_refused(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: a\n\n", content_encoding="br"))
    async with face.client() as client:
        with pytest.raises(ContentTypeError, match="br"):
            await collected(client, "GET", url)
