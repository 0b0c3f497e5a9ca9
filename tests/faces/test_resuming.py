"""How a stream goes on after a fault: nothing lost, nothing twice, or an error."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Face
from server import (
    Received,
    Script,
    Server,
    chunk,
    closing,
    cut,
    events,
    reply,
    reset,
    send,
    streamed,
)

from streamable_http import (
    SSE,
    ConfigurationError,
    ConnectionLost,
    Cursor,
    DecodeError,
    Gap,
    LastEventID,
    NoResume,
    ResumeError,
    RetriesExhausted,
    Retrying,
    RetryPolicy,
    SSEData,
    SSEText,
    StreamTruncated,
)


def position(request: Received) -> int:
    return int(request.headers.get("last-event-id", "0"))


def cutting(total: int, each: int, how: Any) -> Any:
    """Events 1..total; every connection breaks after `each`, in the middle of the next event."""

    def answer(request: Received) -> Script:
        first = position(request) + 1
        last = min(first + each - 1, total)
        if last == total:
            return streamed(events(*range(first, total + 1)))
        half = b"id: %d\ndata: half" % (last + 1)
        return streamed(events(*range(first, last + 1)), chunk(half), how())

    return answer


@pytest.mark.parametrize("how", [cut, reset])
async def test_many_cuts_give_every_event_exactly_once(
    face: Face, server: Server, how: Any
) -> None:
    url = server.serve("/", cutting(30, 4, how))
    async with face.client() as client, client.stream("GET", url, decoder=SSE()) as stream:
        numbers = [int(event.data) async for event in stream]
        stats = stream.stats
    # A reset may take the bytes in flight with it; then connections get more, not items fewer.
    assert numbers == [*range(1, 31)]
    assert stats.items == 30
    assert stats.ended == "framing"
    assert stats.connects == stats.retries + 1 == len(server.requests)
    assert stats.resumes <= stats.retries
    if how is cut:
        assert [position(request) for request in server.requests] == [*range(0, 30, 4)]


async def test_the_id_of_half_an_event_is_not_taken(face: Face, server: Server) -> None:
    url = server.serve(
        "/",
        streamed(events(1), chunk(b"id: 2\ndata: 2\n"), cut()),
        streamed(chunk(b"id: 2\n"), cut()),
        streamed(events(2)),
    )
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await stream.collect() == ["1", "2"]
    assert [position(request) for request in server.requests] == [0, 1, 1]


@pytest.mark.parametrize(
    ("replayed", "dropped"),
    [
        (b"data: b\n\ndata: c\n\n", 2),
        (b"data: b\n\n", 1),
        (b"", 0),
    ],
)
async def test_items_without_ids_are_recognised_when_they_are_sent_again(
    face: Face, server: Server, replayed: bytes, dropped: int
) -> None:
    url = server.serve(
        "/",
        streamed(chunk(b"id: 1\ndata: a\n\ndata: b\n\ndata: c\n\n"), cut()),
        reply(replayed + b"data: d\n\n"),
    )
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await stream.collect() == ["a", "b", "c", "d"]
        assert stream.stats.replayed == dropped
    assert position(server.requests[1]) == 1


async def test_a_stream_without_positions_does_not_guess(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"data: a\n\n"), cut()))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        with pytest.raises(ConnectionLost) as caught:
            await stream.collect()
    assert caught.value.items == ["a"]
    assert caught.value.cursor is None
    assert len(server.requests) == 1


async def test_no_resume_raises_what_happened(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), cut()))
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText(), resume=NoResume()) as stream,
    ):
        with pytest.raises(ConnectionLost) as caught:
            await stream.collect()
    assert caught.value.items == ["1"]
    assert len(server.requests) == 1


async def test_an_idempotent_request_starts_again_while_nothing_came(
    face: Face, server: Server
) -> None:
    url = server.serve("/", streamed(cut()), [cut()], streamed(chunk(b"data: a\n\n")))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await stream.collect() == ["a"]
    assert len(server.requests) == 3


@pytest.mark.parametrize("tries", [2, 3])
async def test_the_budget_is_spent_by_lack_of_progress(
    face: Face, server: Server, tries: int
) -> None:
    policy = RetryPolicy(stop=tries, wait=lambda _: 0.0, min_delay=0.0)
    url = server.serve(
        "/",
        streamed(events(1), cut()),
        streamed(cut()),
        streamed(events(2), cut()),
        streamed(cut()),
    )
    if tries == 2:
        # One failure after an item, one without: that makes two tries without progress.
        expected, requests = ["1"], 2
    else:
        expected, requests = ["1", "2"], 5
    async with (
        face.client(retry=policy) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        with pytest.raises(RetriesExhausted) as caught:
            await stream.collect()
    assert caught.value.items == expected
    assert caught.value.tries == tries
    assert isinstance(caught.value.last_error, ConnectionLost)
    assert caught.value.__cause__ is caught.value.last_error
    assert len(server.requests) == requests


async def test_the_first_failure_is_raised_as_itself_when_there_is_one_try(
    face: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1), cut()))
    async with (
        face.client(retry=RetryPolicy(stop=1)) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        with pytest.raises(ConnectionLost):
            await stream.collect()
    assert len(server.requests) == 1


# Following -------------------------------------------------------------------------------------


async def test_a_followed_feed_goes_on_after_clean_ends_until_204(
    face: Face, server: Server
) -> None:
    told: list[Any] = []
    url = server.serve(
        "/", streamed(events(1, 2)), closing(send(b"id: 3\ndata: 3\n\n")), reply(status=204)
    )
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText(), follow=True, on_event=told.append) as feed,
    ):
        assert [item async for item in feed] == ["1", "2", "3"]
        assert feed.stats.ended == "framing"
        assert feed.stats.retries == 0
        assert feed.stats.gaps == 0
        assert feed.stats.connects == 2 + 1
    assert [position(request) for request in server.requests] == [0, 2, 3]
    assert [event.error for event in told if isinstance(event, Retrying)] == [None, None]


async def test_a_live_feed_without_ids_counts_its_gaps(face: Face, server: Server) -> None:
    told: list[Any] = []
    url = server.serve(
        "/",
        streamed(chunk(b"data: a\n\n")),
        streamed(chunk(b"data: b\n\n"), cut()),
        streamed(chunk(b"data: c\n\n"), cut()),
        reply(status=204),
    )
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText(), follow=True, on_event=told.append) as feed,
    ):
        assert [item async for item in feed] == ["a", "b", "c"]
        assert feed.stats.gaps == 3
    assert [event.count for event in told if isinstance(event, Gap)] == [1, 2, 3]


async def test_a_followed_feed_that_never_says_a_byte_gives_up(face: Face, server: Server) -> None:
    url = server.serve("/", streamed())
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText(), follow=True) as feed,
    ):
        with pytest.raises(RetriesExhausted) as caught:
            await feed.collect()
    assert isinstance(caught.value.last_error, StreamTruncated)
    assert len(server.requests) == 5


@pytest.mark.parametrize(
    ("asked", "wait"), [(b"50", 0.05), (b"0", 0.02), (b"9" * 30, 0.1), (b"x", 0.02), (b"-5", 0.02)]
)
async def test_retry_is_obeyed_and_clamped(
    own: Face, server: Server, asked: bytes, wait: float
) -> None:
    told: list[Any] = []
    policy = RetryPolicy(wait=lambda _: 0.0, min_delay=0.02, max_delay=0.1)
    url = server.serve("/", streamed(chunk(b"retry: %b\n" % asked), events(1)), reply(status=204))
    async with (
        own.client(retry=policy) as client,
        client.stream("GET", url, decoder=SSEText(), follow=True, on_event=told.append) as feed,
    ):
        await feed.collect()
    assert [event.delay for event in told if isinstance(event, Retrying)] == [wait]


# Cursors ---------------------------------------------------------------------------------------


def value(cursor: Cursor | None) -> str:
    return "" if cursor is None else cursor.value


async def test_the_cursor_passes_an_item_when_the_next_is_asked_for(
    face: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), chunk(b"id: 9\n\n")))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        seen = [value(stream.cursor)]
        async for _ in stream:
            seen.append(value(stream.cursor))
        assert seen == ["", "", "1", "2"]
        # A clean end also passes blocks that hold an ID only.
        assert value(stream.cursor) == "9"
        assert stream.cursor is not None
        assert stream.cursor.count == 3


async def test_break_and_exceptions_leave_the_item_in_hand_uncommitted(
    face: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1, 2, 3)))
    async with face.client() as client:
        async with client.stream("GET", url, decoder=SSEText()) as stream:
            async for item in stream:
                if item == "2":
                    break
        assert value(stream.cursor) == "1"
        with pytest.raises(ZeroDivisionError):
            async with client.stream("GET", url, decoder=SSEText()) as stream:
                async for item in stream:
                    if item == "2":
                        raise ZeroDivisionError
        assert value(stream.cursor) == "1"


async def test_ack_commits_the_item_in_hand(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2, 3)))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        await anext(stream)
        stream.ack()
        assert value(stream.cursor) == "1"
        assert stream.cursor is not None
        assert stream.cursor.count == 1
        await anext(stream)
        assert value(stream.cursor) == "1"


async def test_a_new_stream_starts_from_a_cursor(face: Face, server: Server) -> None:
    url = server.serve("/", cutting(6, 100, cut))
    async with face.client() as client:
        async with client.stream("GET", url, decoder=SSEText()) as stream:
            for _ in range(4):
                await anext(stream)
        saved = Cursor.from_json(stream.cursor.to_json()) if stream.cursor else None
        async with client.stream("GET", url, decoder=SSEText(), start=saved) as stream:
            assert await stream.collect() == ["4", "5", "6"]
            assert stream.stats.items == 3
            assert stream.cursor is not None
            assert stream.cursor.count == 6
        async with client.stream("GET", url, decoder=SSEText(), start="5") as stream:
            assert await stream.collect() == ["6"]


async def test_the_cursor_of_another_request_is_refused(pulled: Face, server: Server) -> None:
    url = server.serve("/a", streamed(events(1, 2)))
    async with pulled.client() as client:
        async with client.stream("GET", url, decoder=SSEText()) as stream:
            await stream.collect()
        for method, other in (("GET", server.url + "/b"), ("POST", url)):
            with pytest.raises(ConfigurationError, match="is a cursor of"):
                client.stream(method, other, start=stream.cursor)
        client.stream("GET", url + "?page=2", start=stream.cursor)


async def test_a_cursor_knows_items_without_ids(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"id: 1\ndata: a\n\ndata: b\n\ndata: c\n\n"))
    async with face.client() as client:
        async with client.stream("GET", url, decoder=SSEText()) as stream:
            await anext(stream)
            await anext(stream)
            stream.ack()
            cursor = stream.cursor
        server.serve("/", reply(b"data: b\n\ndata: c\n\n"))
        async with client.stream("GET", url, decoder=SSEText(), start=cursor) as stream:
            assert await stream.collect() == ["c"]
            assert stream.stats.replayed == 1


async def test_an_error_carries_the_cursor_to_go_on_from(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2), cut()))
    async with (
        face.client(retry=RetryPolicy(stop=1)) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        with pytest.raises(ConnectionLost) as caught:
            await stream.collect()
    assert value(caught.value.cursor) == "2"
    assert caught.value.request == f"GET {url}"
    assert caught.value.response is not None


async def test_a_bad_item_leaves_the_cursor_before_it(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"id: 1\ndata: 1\n\nid: 2\ndata: x\n\n"))
    async with face.client() as client, client.stream("GET", url, decoder=SSEData(int)) as stream:
        with pytest.raises(DecodeError) as caught:
            await stream.collect()
    assert value(caught.value.cursor) == "1"
    assert caught.value.index == 1


async def test_an_id_that_no_header_can_carry_is_refused(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"id: a \ndata: 1\n\n"), cut()))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        with pytest.raises(ResumeError, match="'a '"):
            await stream.collect()


async def test_a_post_goes_on_when_resume_says_so(face: Face, server: Server) -> None:
    url = server.serve("/", cutting(5, 2, cut))
    async with (
        face.client() as client,
        client.stream(
            "POST", url, json={"q": 1}, decoder=SSEText(), resume=LastEventID()
        ) as stream,
    ):
        assert await stream.collect() == ["1", "2", "3", "4", "5"]
    assert [position(request) for request in server.requests] == [0, 2, 4]
    assert {request.body for request in server.requests} == {b'{"q":1}'}
