"""Where arrays and sequences of JSON end, over HTTP, and how they go on."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Face
from server import Script, Server, chunk, closing, cut, reply, send, streamed

from streamable_http import (
    JSONArray,
    JSONSeq,
    RetryPolicy,
    StreamTruncated,
)

ONCE = RetryPolicy(stop=1)
JSON = "application/json"


@pytest.mark.parametrize(
    ("script", "proof"),
    [
        (streamed(chunk(b"[1,2"), chunk(b"]"), content_type=JSON), "framing"),
        (reply(b" [1,2]\n", content_type=JSON), "framing"),
        (closing(send(b"[1,2]"), content_type=JSON), "terminal"),
    ],
)
async def test_the_end_of_an_array_says_what_proved_it(
    face: Face, server: Server, script: Script, proof: str
) -> None:
    url = server.serve("/", script)
    async with (
        face.client(retry=ONCE, require_proof=True) as client,
        client.stream("GET", url) as stream,
    ):
        assert await stream.collect() == [1, 2]
        assert stream.stats.ended == proof


@pytest.mark.parametrize(
    ("script", "decoder", "items"),
    [
        (closing(send(b"[1,2"), content_type=JSON), None, [1]),
        (closing(send(b'{"a":[1,2]'), content_type=JSON), JSONArray(path=("a",)), [1, 2]),
        (streamed(chunk(b"[1,2]"), cut(), content_type=JSON), None, [1, 2]),
        (reply(b"[1,2,", content_type=JSON), None, [1, 2]),
        (reply(b"", content_type=JSON), JSONArray(), []),
        (reply(b"\x1e1\n\x1e2", content_type="application/json-seq"), None, [1]),
        (closing(send(b"\x1e1\n\x1e"), content_type="application/json-seq"), None, [1]),
    ],
)
async def test_what_stops_early_is_no_end(
    face: Face, server: Server, script: Script, decoder: Any, items: list[Any]
) -> None:
    url = server.serve("/", script)
    found = []
    async with (
        face.client(retry=ONCE) as client,
        client.stream("GET", url, decoder=decoder) as stream,
    ):
        with pytest.raises(StreamTruncated):
            async for item in stream:
                found.append(item)
        assert (found, stream.stats.ended) == (items, None)


async def test_the_end_of_the_document_is_not_the_terminal_asked_for(
    face: Face, server: Server
) -> None:
    url = server.serve("/", closing(send(b"[1,2]"), content_type=JSON))
    async with (
        face.client(retry=ONCE) as client,
        client.stream("GET", url, terminal=lambda item: item == 3) as stream,
    ):
        with pytest.raises(StreamTruncated, match="without the terminal"):
            await stream.collect()


async def test_a_sequence_without_proof(face: Face, server: Server) -> None:
    url = server.serve("/", closing(send(b'\x1e{"a":1}\n\x1e"b"')))
    async with (
        face.client() as client,
        client.stream("GET", url, decoder=JSONSeq()) as stream,
    ):
        assert await stream.collect() == [{"a": 1}, "b"]
        assert stream.stats.ended == "closed"
