"""A consumer that pauses stops the server: what is held on the way is bounded."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Face
from server import Server, events, flood, hold, streamed

from streamable_http import Limits, Raw, SSEText

PIECE = b"data: " + b"x" * 10_000 + b"\n\n"
SMALL = 32 * 1024


@pytest.fixture
def narrow() -> Any:
    """A server whose kernel holds little."""
    with Server(send_buffer=SMALL) as server:
        yield server


async def standstill(face: Face, server: Server) -> int:
    """What the server has sent, once it cannot send any more."""
    last = -1
    while server.sent != last:
        last = server.sent
        await face.sleep(0.1)
    return last


async def test_a_paused_consumer_stops_the_server(face: Face, narrow: Server) -> None:
    times = 3000
    url = narrow.serve("/", streamed(flood(PIECE, times)))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert len(await anext(stream)) == 10_000
        paused = await standstill(face, narrow)
        # Buffers of the kernel (its receive buffer grows to some MB), one chunk, the prefetch.
        assert paused < 8 * 1024 * 1024 < times * len(PIECE) / 3
        count = 1
        async for _ in stream:
            count += 1
        assert count == times
    assert narrow.sent > times * len(PIECE)


@pytest.mark.parametrize("prefetch", [5, 10_000])
async def test_what_is_read_ahead_is_bounded_in_items_and_bytes(
    pulled: Face, server: Server, prefetch: int
) -> None:
    """The session has decoded at most the bound and one chunk more than was handed out."""
    url = server.serve("/", streamed(*[events(number) for number in range(1, 5000)], hold()))
    bounds = Limits(prefetch_bytes=600)
    async with (
        pulled.client(limits=bounds) as client,
        client.stream("GET", url, decoder=SSEText(), prefetch=prefetch) as stream,
    ):
        assert await anext(stream) == "1"
        await standstill(pulled, server)
        held = queue_of(stream)
        within = sum(batch.size for batch in list(held._batches)[:-1])
        assert within < 600
        assert sum(len(batch.items) for batch in list(held._batches)[:-1]) < prefetch
        assert held.full


def queue_of(stream: Any) -> Any:
    return getattr(stream, "inner", stream)._batches._queue


async def test_raw_bytes_too(pulled: Face, narrow: Server) -> None:
    url = narrow.serve("/", streamed(flood(PIECE, 2000), content_type="application/octet-stream"))
    async with pulled.client() as client, client.stream("GET", url, decoder=Raw()) as stream:
        total = len(await anext(stream))
        assert await standstill(pulled, narrow) < 8 * 1024 * 1024
        async for piece in stream:
            total += len(piece)
    assert total == 2000 * len(PIECE)
