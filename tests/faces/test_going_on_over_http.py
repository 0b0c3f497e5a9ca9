"""Ranges, item cursors, other places and fresh headers, over real HTTP on every face."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from driver import Face
from server import Received, Script, Server, chunk, cut, events, head, reply, reset, streamed

from streamable_http import (
    CSV,
    NDJSON,
    ByteRange,
    ConfigurationError,
    Cursor,
    ItemCursor,
    LastEventID,
    LengthPrefixed,
    Lines,
    Multipart,
    Raw,
    ResumeError,
    SSEText,
    StatusError,
)

ROWS = [{"n": n, "text": "x" * (n % 50)} for n in range(500)]
BODY = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def file_that_breaks(each: int, how: Any, body: bytes = BODY, etag: str = '"v1"') -> Any:
    """A file, of which every connection sends this many bytes and breaks."""

    def answer(request: Received) -> Script:
        wanted = request.headers.get("range")
        first = int(wanted[6:-1]) if wanted else 0
        assert request.headers.get("if-range", etag) == etag
        if first == len(body):
            return reply(status=416, content_range=f"bytes */{first}")
        last = min(first + each, len(body))
        fault = [] if last == len(body) else [how()]
        headers = {"etag": etag, "accept_ranges": "bytes"}
        headers["content_length"] = str(len(body) - first)
        if first:
            headers["content_range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        status = 206 if first else 200
        return [head(status, "application/x-ndjson", **headers), body[first:last], *fault]

    return answer


@pytest.mark.parametrize("how", [cut, reset])
async def test_a_file_comes_whole_over_connections_that_break(
    face: Face, server: Server, how: Any
) -> None:
    url = server.serve("/", file_that_breaks(1777, how))
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=NDJSON()) as stream,
    ):
        # What a reset throws away, before it was read, is asked for again.
        assert [row async for row in stream] == ROWS
        assert stream.stats.resumes >= 10


class Netstrings:
    """A decoder of a user's own, which tells positions: `5:hello,`."""

    def __init__(self) -> None:
        self._data = b""
        self.offset = 0

    def decode(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while True:
            size, colon, rest = self._data.partition(b":")
            if not colon or len(rest) <= int(size):
                return
            self._data = rest[int(size) + 1 :]
            self.offset += len(size) + 1 + int(size) + 1
            yield rest[: int(size)]

    def flush(self) -> Iterable[bytes]:
        return ()


TABLE = b"\xef\xbb\xbfid,text\r\n" + b'7,"a ""b"",\r\n"\r\n8,c\n' * 300
FRAMES = b"\0\0\0\3abc\0\0\0\0" * 300
PARTS = b"--b\r\n\r\nx\r\n" * 300 + b"--b\r\nContent-Length: 3\r\n\r\n--b\r\n" * 300 + b"--b--"


@pytest.mark.parametrize(
    ("decoder", "body"),
    [
        (NDJSON(), BODY),
        (Lines(), BODY),
        (Raw(), BODY),
        (CSV(), TABLE),
        (CSV(list[str], header=False), TABLE),
        (LengthPrefixed(), FRAMES),
        (Multipart(), PARTS),
        (Netstrings, b"3:abc,0:,12:hello, world," * 200),
    ],
)
async def test_a_file_is_gone_on_with_by_another_process(
    pulled: Face, server: Server, decoder: Any, body: bytes
) -> None:
    url = server.serve("/", file_that_breaks(10**9, cut, body))
    got: list[Any] = []
    cursor: Cursor | None = None
    async with pulled.client() as client:
        for stop in (3, 200, 10**9):
            async with client.stream("GET", url, decoder=decoder, start=cursor) as stream:
                taken = 0
                async for item in stream:
                    got.append(item)
                    taken += 1
                    if taken == stop:
                        stream.ack()
                        break
                assert stream.cursor is not None
                cursor = Cursor.from_json(stream.cursor.to_json())
    assert cursor is not None
    if isinstance(decoder, Raw):
        assert b"".join(got) == body
    else:
        assert got == list(decoder().decode(body))
        assert len(got) >= 500
    if not isinstance(decoder, Multipart):  # whose last boundary is part of no item
        assert cursor.value == str(len(body))


async def test_a_decoder_that_tells_no_positions_has_no_cursor(
    pulled: Face, server: Server
) -> None:
    class Quiet:
        def decode(self, data: bytes) -> Iterable[bytes]:
            return [data]

        def flush(self) -> Iterable[bytes]:
            return ()

    url = server.serve("/", file_that_breaks(10**9, cut, b"1:a,1:b,"))
    start = Cursor(kind="byte-range", value="4", etag='"v1"')
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match="your own decoder has to be read from its"):
            async with client.stream("GET", url, decoder=Quiet, start=start) as stream:
                [item async for item in stream]
        async with client.stream("GET", url, decoder=Quiet) as stream:
            assert [item async for item in stream] == [b"1:a,1:b,"]
            assert stream.cursor is None


async def test_a_file_that_changed_is_not_spliced(pulled: Face, server: Server) -> None:
    changed = reply(BODY, content_type="application/x-ndjson", etag='"v2"')
    url = server.serve("/", file_that_breaks(1777, cut), changed)
    async with (
        pulled.client() as client,
        client.stream("GET", url, decoder=NDJSON()) as stream,
    ):
        with pytest.raises(ResumeError, match="a whole body"):
            [row async for row in stream]


async def test_a_position_in_a_format_without_records_is_refused(
    pulled: Face, server: Server
) -> None:
    url = server.serve("/", reply())
    start = Cursor(kind="byte-range", value="9", etag='"v1"')
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match="has to read it from its start"):
            client.stream("GET", url, decoder=SSEText(), start=start)
        with pytest.raises(ConfigurationError, match="a part of what a GET returns"):
            client.stream("POST", url, resume=ByteRange())


# Item cursors ----------------------------------------------------------------------------------


def feed(total: int, each: int) -> Any:
    """Records 1..total behind `since`, given in the query or the JSON body; then it breaks."""

    def answer(request: Received) -> Script:
        query = parse_qs(urlsplit(request.url).query)
        since = int(query.get("since", ["0"])[0])
        if request.body:
            assert request.json()["filter"] == {"type": "all"}
            since = request.json()["watch"].get("since", 0)
        assert query.get("keep", ["yes"]) == ["yes"]
        numbers = range(since + 1, min(since + each, total) + 1)
        body = b"".join(b'{"seq": %d}\n' % number for number in numbers)
        last = [chunk(b'{"se'), cut()] if since + each < total else []
        return streamed(chunk(body), *last, content_type="application/x-ndjson")

    return answer


async def test_the_position_goes_into_the_query(face: Face, server: Server) -> None:
    url = server.serve("/", feed(50, 7))
    async with (
        face.client() as client,
        client.stream(
            "GET",
            url,
            params={"keep": "yes", "since": "0"},
            decoder=NDJSON(dict[str, int]),
            resume=ItemCursor("seq", "since"),
        ) as stream,
    ):
        assert [item["seq"] async for item in stream] == [*range(1, 51)]
        assert stream.cursor is not None
        assert (stream.cursor.kind, stream.cursor.value) == ("item", "50")


async def test_the_position_goes_into_the_body(face: Face, server: Server) -> None:
    url = server.serve("/", feed(50, 7))
    resume = ItemCursor("seq", lambda seq: {"json": {"watch": {"since": seq, "extra": None}}})
    body = {"watch": {"key": "a", "extra": 1}, "filter": {"type": "all"}}
    async with (
        face.client() as client,
        client.stream("POST", url, json=body, decoder=NDJSON(), resume=resume) as stream,
    ):
        assert [item["seq"] async for item in stream] == [*range(1, 51)]
    last = server.requests[-1].json()
    assert last == {"watch": {"key": "a", "since": 49}, "filter": {"type": "all"}}


async def test_a_body_that_there_is_none_of_cannot_be_changed(pulled: Face, server: Server) -> None:
    url = server.serve("/", feed(50, 7))
    resume = ItemCursor("seq", lambda seq: {"json": {"since": seq}})
    async with (
        pulled.client() as client,
        client.stream("GET", url, decoder=NDJSON(), resume=resume) as stream,
    ):
        with pytest.raises(ConfigurationError, match="it has none: pass json="):
            [item async for item in stream]


# Elsewhere -------------------------------------------------------------------------------------


async def test_a_post_goes_on_at_its_location(face: Face, server: Server) -> None:
    created = streamed(events(1, 2), cut(), location="/runs/7")
    url = server.serve("/runs", created)
    server.serve("/runs/7", streamed(events(3), cut()), streamed(events(4)))
    resume = LastEventID(by="location")
    async with (
        face.client() as client,
        client.stream("POST", url, json={}, decoder=SSEText(), resume=resume) as stream,
    ):
        assert [item async for item in stream] == ["1", "2", "3", "4"]
    seen = [(one.method, one.path, one.body) for one in server.requests]
    assert seen == [("POST", "/runs", b"{}"), ("GET", "/runs/7", b""), ("GET", "/runs/7", b"")]
    assert [one.headers.get("last-event-id") for one in server.requests] == [None, "2", "3"]


async def test_a_moved_stream_goes_on_where_it_moved_to(face: Face, server: Server) -> None:
    url = server.serve("/old", reply(status=308, location="/new"))
    server.serve("/new", streamed(events(1), cut()), streamed(events(2)))
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        assert [item async for item in stream] == ["1", "2"]
    assert [one.path for one in server.requests] == ["/old", "/new", "/new"]


# Fresh headers ---------------------------------------------------------------------------------


def tokens(face: Face) -> Any:
    """A function that gives another token each time it is asked; async where it can be."""
    count = iter(range(1, 100))

    def get() -> dict[str, str]:
        return {"Authorization": f"Bearer {next(count)}"}

    async def aget() -> dict[str, str]:
        return get()

    return get if face.sync else aget


async def test_every_attempt_asks_for_its_headers(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), cut()), reply(status=401), streamed(events(2)))
    async with face.client(headers={"X-App": "a", "Authorization": "none"}) as client:
        options: Any = {"headers": tokens(face), "decoder": SSEText()}
        async with client.stream("GET", url, **options) as stream:
            assert [item async for item in stream] == ["1", "2"]
    sent = [(one.headers["authorization"], one.headers["x-app"]) for one in server.requests]
    assert sent == [("Bearer 1", "a"), ("Bearer 2", "a"), ("Bearer 3", "a")]


async def test_the_clients_headers_can_be_a_function_too(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), cut()), streamed(events(2)))
    async with face.client(headers=tokens(face)) as client:
        options: Any = {"headers": {"x-one": "1"}, "decoder": SSEText()}
        async with client.stream("GET", url, **options) as stream:
            assert [item async for item in stream] == ["1", "2"]
    sent = [(one.headers["authorization"], one.headers["x-one"]) for one in server.requests]
    assert sent == [("Bearer 1", "1"), ("Bearer 2", "1")]
    assert server.requests[0].headers["user-agent"].startswith("streamable-http")


async def test_a_second_401_in_a_row_is_final(face: Face, server: Server) -> None:
    url = server.serve("/", reply(status=401))
    async with face.client(headers=tokens(face)) as client:
        with pytest.raises(StatusError, match="answered 401"):
            await client.stream("GET", url).open()
    assert len(server.requests) == 2


async def test_what_the_function_raises_arrives_unwrapped(face: Face, server: Server) -> None:
    class NoToken(Exception):
        pass

    def refuse() -> Any:
        raise NoToken

    async with face.client() as client:
        with pytest.raises(NoToken):
            await client.stream("GET", server.serve("/", reply()), headers=refuse).open()


@pytest.mark.parametrize("wrong", [lambda: {"a": 1}, lambda: 5, lambda: {"a b": "c"}])
async def test_headers_that_are_none_are_said_so(pulled: Face, server: Server, wrong: Any) -> None:
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match="headers="):
            await client.stream("GET", server.serve("/", reply()), headers=wrong).open()
