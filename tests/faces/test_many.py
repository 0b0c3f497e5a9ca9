"""Many streams at once: isolated failures, exact cursors, sources that come and go."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from driver import Face
from server import Server, chunk, cut, events, hold, reply, stall, streamed

from streamable_http import (
    ConfigurationError,
    ConnectionLost,
    Failed,
    Request,
    RetryPolicy,
    SSEData,
    StatusError,
    StreamsFailed,
    Succeeded,
)

NUMBERS = SSEData(int)
ONCE = RetryPolicy(stop=1)


def feeds(server: Server, count: int, *steps: Any) -> list[Request[int]]:
    for number in range(count):
        server.serve(f"/{number}", streamed(*steps))
    return [
        Request("GET", f"{server.url}/{number}", key=number, decoder=NUMBERS)
        for number in range(count)
    ]


async def test_two_hundred_feeds_at_once(own: Face, server: Server) -> None:
    everyone_is_here = threading.Event()
    requests = feeds(server, 200, events(1), stall(everyone_is_here), events(2, 3))
    seen: dict[int, list[int]] = {number: [] for number in range(200)}
    async with own.client() as client, client.merge(requests) as merged:
        async for key, item in merged:
            seen[key].append(item)
            if sum(map(len, seen.values())) == 200:
                assert server.open == 200
                everyone_is_here.set()
        streams = merged.streams
        assert {stream.stats.ended for stream in streams.values()} == {"framing"}
        assert {stream.cursor.value for stream in streams.values() if stream.cursor} == {"3"}
    assert seen == {number: [1, 2, 3] for number in range(200)}


async def test_a_failed_source_harms_no_other_and_is_never_silent(
    face: Face, server: Server
) -> None:
    requests = feeds(server, 4, events(1, 2, 3))
    server.serve("/1", streamed(events(1), cut()))
    server.serve("/2", reply(status=404))
    seen: list[tuple[int, int]] = []
    async with face.client(retry=ONCE) as client, client.merge(requests) as merged:
        with pytest.raises(StreamsFailed) as caught:
            async for key, item in merged:
                seen.append((key, item))
    assert sorted(seen) == [(0, 1), (0, 2), (0, 3), (1, 1), (3, 1), (3, 2), (3, 3)]
    assert {key: type(error) for key, error in caught.value.failures.items()} == {
        1: ConnectionLost,
        2: StatusError,
    }
    assert "2 of 4 streams failed" in str(caught.value)


async def test_a_failure_is_told_behind_its_items(face: Face, server: Server) -> None:
    requests = feeds(server, 2, events(1, 2))
    server.serve("/1", streamed(events(1, 2, 3), cut()))
    told: list[Any] = []

    def failed(failure: Failed[Any]) -> None:
        told.append((failure.key, type(failure.error), failure.stats.items))

    async with (
        face.client(retry=ONCE) as client,
        client.merge(requests, on_failure=failed) as merged,
    ):
        async for key, item in merged:
            told.append((key, item))
    assert [one for one in told if one[0] == 1] == [(1, 1), (1, 2), (1, 3), (1, ConnectionLost, 3)]


async def test_at_most_so_many_are_open(own: Face, server: Server) -> None:
    requests = feeds(server, 12, events(1, 2))
    peak = 0
    count = 0
    async with own.client() as client, client.merge(requests, max_concurrent=3) as merged:
        async for _ in merged:
            count += 1
            peak = max(peak, len([one for one in merged.streams.values() if under_way(one)]))
    assert count == 24
    assert 1 <= peak <= 3
    assert server.accepted <= 12


def under_way(stream: Any) -> bool:
    return stream.stats.connects == 1 and stream.stats.ended is None


async def test_sources_come_and_go(own: Face, server: Server) -> None:
    first, second, third = feeds(server, 3, events(1, 2), hold())
    seen: list[tuple[int, int]] = []
    async with own.client() as client, client.merge([first]) as merged:
        async for key, item in merged:
            seen.append((key, item))
            if (key, item) == (0, 2):
                merged.add(second)
                with pytest.raises(ConfigurationError, match="key 1"):
                    merged.add(second)
                await merged.remove(0)
                with pytest.raises(ConfigurationError, match="no source"):
                    await merged.remove(0)
            if (key, item) == (1, 2):
                merged.add(third)
                await merged.remove(1)
            if (key, item) == (2, 2):
                await merged.remove(2)
    assert sorted(seen) == [(key, item) for key in (0, 1, 2) for item in (1, 2)]
    assert server.wait_for(lambda: server.hung_up == 3)


async def test_the_cursor_of_each_source_is_its_own(face: Face, server: Server) -> None:
    requests = feeds(server, 2, events(1, 2, 3), hold())
    async with face.client() as client, client.merge(requests) as merged:
        count = 0
        last: dict[int, int] = {}
        async for key, item in merged:
            count += 1
            last[key] = item
            if count == 4:
                break
        for number, stream in merged.streams.items():
            committed = last.get(number, 0) - (1 if number == key else 0)
            assert (int(stream.cursor.value) if stream.cursor else 0) in {
                committed,
                last.get(number, 0) - 1,
            }
        merged.ack()
        acknowledged = merged.streams[key].cursor
        assert acknowledged is not None
        assert int(acknowledged.value) == last[key]


async def test_leaving_early_closes_all(own: Face, server: Server) -> None:
    requests = feeds(server, 5, events(1), hold())
    async with own.client() as client:
        async with client.merge(requests) as merged:
            async for _ in merged:
                if len(server.requests) == 5:
                    break
        assert server.wait_for(lambda: server.open == 0)


async def test_gather_gives_an_outcome_for_each(face: Face, server: Server) -> None:
    requests = feeds(server, 4, events(1, 2, 3))
    server.serve("/1", streamed(events(1, 2), cut()))
    server.serve("/3", streamed(chunk(b"data: x\n\n")))
    async with face.client(retry=ONCE) as client:
        outcomes = await client.gather(requests)
    assert list(outcomes) == [0, 1, 2, 3]
    for key in (0, 2):
        assert isinstance(outcomes[key], Succeeded)
        assert outcomes[key].items == [1, 2, 3]
        assert outcomes[key].stats.ended == "framing"
    lost = outcomes[1]
    assert isinstance(lost, Failed)
    assert lost.items == lost.error.items == [1, 2]
    assert isinstance(lost.error, ConnectionLost)
    assert lost.stats.items == 2
    assert isinstance(outcomes[3], Failed)
    assert outcomes[3].items == []


async def test_gather_takes_as_many_as_asked(own: Face, server: Server) -> None:
    requests = feeds(server, 3, events(1, 2, 3), hold())
    async with own.client() as client:
        outcomes = await client.gather(requests, max_items=2, max_concurrent=2)
    assert {tuple(outcome.items) for outcome in outcomes.values()} == {(1, 2)}
    assert all(isinstance(outcome, Succeeded) for outcome in outcomes.values())
    assert server.wait_for(lambda: server.open == 0)


async def test_what_a_handler_raises_ends_the_loop(own: Face, server: Server) -> None:
    def boom(failure: Failed[Any]) -> None:
        raise LookupError(failure.key)

    requests = feeds(server, 2, events(1), hold())
    server.serve("/1", reply(status=404))
    async with own.client(retry=ONCE) as client, client.merge(requests, on_failure=boom) as merged:
        with pytest.raises(LookupError):
            async for _ in merged:
                pass


async def test_nothing_to_merge(pulled: Face) -> None:
    async with pulled.client() as client:
        none: list[Request[int]] = []
        async with client.merge(none) as merged:
            assert [one async for one in merged] == []
        assert await client.gather([]) == {}
        with pytest.raises(ConfigurationError, match="max_concurrent=0"):
            client.merge([], max_concurrent=0)
        with pytest.raises(ConfigurationError, match="on_failure=3"):
            client.merge([], on_failure=3)  # type: ignore[arg-type]
