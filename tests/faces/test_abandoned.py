"""A stream that nobody closed and nobody holds any more: it warns, and what reads ahead ends."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Face
from server import Server, events, hold, streamed

from streamable_http import SSE


async def test_reading_ahead_ends_with_the_last_reference(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(*range(1, 100)), hold()))
    async with own.client(prefetch=4) as client:
        stream = await client.stream("GET", url, decoder=SSE()).open()
        assert (await anext(stream)).data == "1"
        reading: Any = getattr(stream, "inner", stream)._batches
        with pytest.warns(ResourceWarning, match="was never closed"):
            del stream  # and with it the last reference
        await own.until(lambda: server.hung_up == 1)
        await own.until(lambda: over(reading))


def over(reading: Any) -> bool:
    """Whether the task or the thread that read ahead has ended."""
    if hasattr(reading, "_task"):
        return bool(reading._task._done.is_set())
    return not reading._thread.is_alive()
