"""What proves that a stream is complete, and what happens when nothing does."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from driver import Face
from server import (
    Script,
    Server,
    chunk,
    closing,
    cut,
    events,
    head,
    reply,
    send,
    streamed,
)

from streamable_http import (
    NDJSON,
    SSE,
    AsyncStream,
    ConnectionLost,
    DecodeError,
    Failure,
    LimitExceeded,
    Limits,
    Lines,
    RetryPolicy,
    SSEData,
    SSEText,
    StreamError,
    StreamFailed,
    StreamTruncated,
    Terminal,
)

ONCE = RetryPolicy(stop=1)
TWO = b"data: 1\n\ndata: 2\n\n"


async def read(stream: AsyncStream[Any]) -> tuple[list[Any], StreamError]:
    """The items, and the error that must come after them."""
    items = []
    with pytest.raises(StreamError) as caught:
        async for item in stream:
            items.append(item)
    assert caught.value.stats == stream.stats
    assert stream.stats.items == len(items)
    assert stream.stats.ended is None
    return items, caught.value


@pytest.mark.parametrize(
    ("script", "terminal", "proof"),
    [
        (streamed(events(1, 2)), None, "framing"),
        (reply(TWO), None, "framing"),
        (closing(send(TWO)), None, "closed"),
        (streamed(events(1, 2), chunk(b"data: [DONE]\n\n")), "[DONE]", "terminal"),
        (closing(send(TWO + b"data: [DONE]\n\n")), "[DONE]", "terminal"),
        (streamed(events(1, 2), chunk(b"data: [DONE]\n\n"), cut()), "[DONE]", "terminal"),
        (
            streamed(events(1), chunk(b"event: stop\ndata: 2\n\n"), cut()),
            Terminal("stop"),
            "terminal",
        ),
        (streamed(events(1), chunk(b"data: 2\n\n"), cut()), lambda text: text == "2", "terminal"),
        (reply(TWO, status=204), None, "framing"),
    ],
)
async def test_an_end_says_what_proved_it(
    face: Face, server: Server, script: Script, terminal: Any, proof: str
) -> None:
    url = server.serve("/", script)
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSEText(), terminal=terminal) as stream,
    ):
        assert stream.stats.ended is None
        nothing = stream.response.status_code == 204
        assert [item async for item in stream] == ([] if nothing else ["1", "2"])
        assert stream.stats.ended == proof
        assert stream.stats.items == (0 if nothing else 2)
        assert stream.stats.connects == 1


CUT_OFF: dict[str, tuple[Script, type[StreamError]]] = {
    "between chunks": (streamed(events(1, 2), cut()), ConnectionLost),
    "in a chunk": (streamed(events(1, 2), send(b"9\r\nda"), cut()), ConnectionLost),
    "short body": ([head(content_length="100"), send(TWO), cut()], ConnectionLost),
    "open record": (closing(send(TWO + b"data: 3\n")), StreamTruncated),
    "open line": (closing(send(TWO + b"dat")), StreamTruncated),
    "open record, framed": (streamed(events(1, 2), chunk(b"data: 3\n")), StreamTruncated),
}


@pytest.mark.parametrize("name", CUT_OFF)
async def test_a_stream_that_stops_early_never_looks_complete(
    face: Face, server: Server, name: str
) -> None:
    script, kind = CUT_OFF[name]
    url = server.serve("/", script)
    async with (
        face.client(retry=ONCE) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        items, error = await read(stream)
    assert items == ["1", "2"]
    assert type(error) is kind
    assert len(server.requests) == 1


@pytest.mark.parametrize("script", [streamed(events(1, 2)), closing(send(TWO)), reply(TWO)])
async def test_a_missing_terminal_is_truncation(face: Face, server: Server, script: Script) -> None:
    url = server.serve("/", script)
    async with (
        face.client(retry=ONCE) as client,
        client.stream("GET", url, decoder=SSEText(), terminal="[DONE]") as stream,
    ):
        items, error = await read(stream)
    assert items == ["1", "2"]
    assert type(error) is StreamTruncated
    assert "'[DONE]'" in str(error)


async def test_204_before_a_terminal_is_truncation_and_final(face: Face, server: Server) -> None:
    url = server.serve("/", reply(status=204))
    async with face.client() as client:
        stream = client.stream("GET", url, decoder=SSEText(), terminal="[DONE]")
        with pytest.raises(StreamTruncated, match="204"):
            await stream.open()
            await stream.collect()
        await stream.aclose()
    assert len(server.requests) == 1


async def test_an_unproved_end_can_be_made_an_error(face: Face, server: Server) -> None:
    url = server.serve("/", closing(send(TWO)))
    async with (
        face.client(retry=ONCE, require_proof=True) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        items, error = await read(stream)
    assert items == ["1", "2"]
    assert type(error) is StreamTruncated
    assert "require_proof" in str(error)


def zipped(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@pytest.mark.parametrize("missing", [0, 1, 8, 12])
async def test_gzip_is_complete_only_with_its_trailer(
    face: Face, server: Server, missing: int
) -> None:
    whole = zipped(TWO)
    body = whole[: len(whole) - missing]
    url = server.serve("/", reply(body, content_encoding="gzip"))
    async with (
        face.client(compress=True, retry=ONCE) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        if not missing:
            assert await stream.collect() == ["1", "2"]
            assert stream.stats.ended == "framing"
        else:
            items, error = await read(stream)
            assert items == ["1", "2"][: len(items)]
            assert type(error) is StreamTruncated
    assert server.requests[0].headers["accept-encoding"] == "gzip, deflate"


async def test_a_last_line_without_its_end(face: Face, server: Server) -> None:
    body = b'{"a": 1}\n12'
    framed = server.serve("/framed", reply(body, content_type="application/x-ndjson"))
    closed = server.serve("/closed", closing(send(body), content_type="application/x-ndjson"))
    async with face.client(retry=ONCE) as client:
        async with client.stream("GET", framed) as stream:
            assert await stream.collect() == [{"a": 1}, 12]
        async with client.stream("GET", closed) as stream:
            items, error = await read(stream)
    assert items == [{"a": 1}]
    assert type(error) is StreamTruncated


@pytest.mark.parametrize(
    ("decoder", "body", "expected", "kind"),
    [
        (NDJSON(), b"1\n2\n{bad\n4\n", [1, 2], DecodeError),
        (SSEData(int), b"data: 1\n\ndata: 2\n\ndata: x\n\n", [1, 2], DecodeError),
        (Lines(), b"1\n2\n\xff\n", ["1", "2"], DecodeError),
        (NDJSON(), b"1\n2\n" + b"3" * 2000 + b"\n", [1, 2], LimitExceeded),
    ],
)
async def test_items_before_a_fault_come_before_its_error(
    face: Face, server: Server, decoder: Any, body: bytes, expected: list[Any], kind: Any
) -> None:
    url = server.serve("/", reply(body))
    limits = Limits(max_item_bytes=1000)
    async with (
        face.client(retry=ONCE, limits=limits) as client,
        client.stream("GET", url, decoder=decoder) as stream,
    ):
        items, error = await read(stream)
    assert items == expected
    assert isinstance(error, kind)
    assert len(server.requests) == 1


async def test_bad_items_can_be_skipped_and_are_counted(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"1\n{bad\n3\n", content_type="application/x-ndjson"))
    async with (
        face.client() as client,
        client.stream("GET", url, on_bad_item="skip") as stream,
    ):
        assert await stream.collect() == [1, 3]
        assert stream.stats.skipped == 1


@pytest.mark.parametrize(
    ("failure", "body"),
    [
        (Failure(event="error"), b"data: 1\n\nevent: error\ndata: overloaded\n\n"),
        (Failure(path="error.type"), b'data: 1\n\ndata: {"error": {"type": "overloaded"}}\n\n'),
        (lambda item: "overloaded" in item.data, b"data: 1\n\ndata: overloaded\n\n"),
    ],
)
async def test_a_failure_reported_inside_the_stream_is_raised(
    face: Face, server: Server, failure: Any, body: bytes
) -> None:
    url = server.serve("/", reply(body))
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=SSE(), failure=failure) as stream,
    ):
        items, error = await read(stream)
    assert [item.data for item in items] == ["1"]
    assert isinstance(error, StreamFailed)
    assert "overloaded" in error.item.data


@pytest.mark.parametrize(
    ("limits", "limit", "expected"),
    [
        (Limits(max_items=2), "max_items", ["1", "2"]),
        (
            Limits(max_stream_bytes=2 * len("id: 1\ndata: 1\n\n") + 3),
            "max_stream_bytes",
            ["1", "2"],
        ),
        (Limits(max_item_bytes=30), "max_item_bytes", ["1", "2", "3"]),
    ],
)
async def test_limits(
    face: Face, server: Server, limits: Limits, limit: str, expected: list[str]
) -> None:
    url = server.serve("/", streamed(events(1, 2, 3), chunk(b"data: %b\n\n" % (b"0" * 40))))
    async with (
        face.client(limits=limits) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        items, error = await read(stream)
    assert items == expected
    assert isinstance(error, LimitExceeded)
    assert error.limit == limit
    assert error.setting == getattr(limits, limit)


async def test_a_decompression_bomb_is_stopped(own: Face, server: Server) -> None:
    bomb = zipped((b"x" * 999 + b"\n") * 40_000)
    url = server.serve("/", reply(bomb, content_type="text/plain", content_encoding="gzip"))
    async with (
        own.client(compress=True, retry=ONCE) as client,
        client.stream("GET", url, decoder=Lines()) as stream,
    ):
        count = 0
        with pytest.raises(LimitExceeded) as caught:
            async for _ in stream:
                count += 1
    assert caught.value.limit == "max_decompressed_ratio"
    assert 10_000 <= count < 15_000
