"""sse-starlette on uvicorn, hypercorn and granian: CR LF, comment pings, bodies that break off."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asgi_kit import asgi
from cutting import CuttingProxy, every
from driver import Face

from streamable_http import (
    SSE,
    ConnectionLost,
    LastEventID,
    NoResume,
    SSEData,
    StreamTruncated,
    TimeoutExceeded,
    Timeouts,
)

NUMBERS = [{"n": n, "é": ""} for n in range(20)]


@pytest.fixture(scope="module", params=["uvicorn", "hypercorn", "granian"])
def port(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with asgi(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


async def test_a_generator_that_fails_after_each_few_events_loses_nothing(
    own: Face, port: int
) -> None:
    async with own.client() as client:
        url = f"http://127.0.0.1:{port}/events?n=20&cut=7"
        async with client.stream("GET", url, decoder=SSEData(dict), terminal="[DONE]") as stream:
            assert await stream.collect() == NUMBERS
    assert (stream.stats.connects, stream.stats.resumes) == (3, 2)
    assert stream.stats.ended == "terminal"


async def test_cuts_anywhere_in_the_bytes_lose_nothing(own: Face, port: int) -> None:
    with CuttingProxy(port, *every(1, 40, 111, 333, 90)) as proxy:
        async with (
            own.client() as client,
            client.stream(
                "GET", f"{proxy.url}/events?n=20", decoder=SSEData(dict), terminal="[DONE]"
            ) as stream,
        ):
            assert await stream.collect() == NUMBERS
    assert proxy.made == 5
    assert len(proxy.requests) == 6


async def test_the_framing_tells_a_cut_from_an_end(pulled: Face, port: int) -> None:
    url = f"http://127.0.0.1:{port}/events?n=20"
    async with pulled.client() as client:
        async with client.stream("GET", url, decoder=SSE()) as stream:
            assert len(await stream.collect()) == 21
        assert stream.stats.ended == "framing"
        with pytest.raises(StreamTruncated) as caught:
            async with client.stream("GET", f"{url}&cut=7", resume=NoResume()) as stream:
                await stream.collect()
    assert isinstance(caught.value, ConnectionLost)
    assert [event.id for event in caught.value.items] == [str(n) for n in range(7)]


async def test_a_post_goes_on_only_where_it_is_said_to(pulled: Face, port: int) -> None:
    url = f"http://127.0.0.1:{port}/events?n=20&cut=15"
    async with pulled.client() as client:
        with pytest.raises(StreamTruncated):
            async with client.stream(
                "POST", url, json={}, decoder=SSEData(dict), terminal="[DONE]"
            ) as stream:
                await stream.collect()
        async with client.stream(
            "POST",
            url,
            json={},
            decoder=SSEData(dict),
            terminal="[DONE]",
            resume=LastEventID(),
        ) as stream:
            assert await stream.collect() == NUMBERS
        assert stream.stats.resumes == 1


async def test_a_feed_runs_until_the_server_has_no_more(own: Face, port: int) -> None:
    async with own.client() as client:
        url = f"http://127.0.0.1:{port}/feed?n=20&cut=7"
        async with client.stream("GET", url, decoder=SSEData(dict), follow=True) as feed:
            assert await feed.collect() == NUMBERS
    assert feed.stats.gaps == 0


async def test_pings_are_bytes_and_no_items(pulled: Face, port: int) -> None:
    url = f"http://127.0.0.1:{port}/events?n=4&quiet=2&ping=1"
    async with pulled.client() as client:
        async with client.stream(
            "GET", url, decoder=SSEData(dict), terminal="[DONE]", timeout=Timeouts(idle=1.5)
        ) as stream:
            assert await stream.collect() == NUMBERS[:4]
        assert stream.stats.connects == 1
        with pytest.raises(TimeoutExceeded) as caught:
            async with client.stream(
                "GET",
                url,
                decoder=SSEData(dict),
                terminal="[DONE]",
                timeout=Timeouts(between_items=1.5),
                resume=NoResume(),
            ) as stream:
                await stream.collect()
    assert caught.value.kind == "between_items"
    assert caught.value.items == NUMBERS[:2]


async def test_a_slow_consumer_gets_everything(own: Face, port: int) -> None:
    """15 MB of events, more than all buffers on the way hold."""
    async with own.client() as client:
        url = f"http://127.0.0.1:{port}/bulk?n=1000"
        async with client.stream("GET", url, decoder=SSEData(dict), terminal="[DONE]") as stream:
            taken = 0
            async for item in stream:
                assert item["n"] == taken
                taken += 1
                if taken == 3:
                    await own.sleep(0.3)
    assert taken == 1000
    assert stream.stats.connects == 1
