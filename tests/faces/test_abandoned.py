"""A stream that nobody closed and nobody holds any more: it warns, and what reads ahead ends."""

from __future__ import annotations

import pytest
from driver import Face
from server import Server, events, hold, streamed

from streamable_http import SSE


async def test_reading_ahead_ends_with_the_last_reference(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(*range(1, 100)), hold()))
    async with own.client(prefetch=4) as client:
        stream = await client.stream("GET", url, decoder=SSE()).open()
        assert (await anext(stream)).data == "1"
        with pytest.warns(ResourceWarning, match="was never closed"):
            del stream  # and with it the last reference
        await own.until(lambda: server.hung_up == 1)
