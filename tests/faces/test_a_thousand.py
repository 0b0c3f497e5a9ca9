"""Merging and gathering a thousand sources, without sockets: what counts is who gets a turn."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import anyio
import pytest

from streamable_http import AsyncClient, Client, Failed, Request, StatusError, Succeeded
from streamable_http.testing import (
    Response,
    ScriptedTransport,
    Stall,
    ndjson,
)

SOURCES = 1000
EACH = 20
ROUTES = {
    "/stalls": ndjson(0, then=[Stall()]),
    "/fails": Response(status=404),
    "*": ndjson(*range(EACH)),
}


def requests(*, stalling: bool) -> list[Request[Any]]:
    special = {"/fails": 7, **({"/stalls": 500} if stalling else {})}
    paths = {place: path for path, place in special.items()}
    return [
        Request("GET", f"http://testserver{paths.get(number, '/')}", key=number)
        for number in range(SOURCES)
    ]


class Seen:
    """What a loop over merged sources took."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.failed: list[int] = []

    def lost(self, failed: Failed[Any]) -> None:
        assert isinstance(failed.error, StatusError)
        self.failed.append(failed.key)

    def take(self, key: int) -> bool:
        """Whether all has come that ever will."""
        self.counts[key] += 1
        return self.counts.total() == (SOURCES - 2) * EACH + 1

    def check(self) -> None:
        assert self.failed == [7]
        assert self.counts.pop(500) == 1  # it said one thing, and waits for ever
        assert len(self.counts) == SOURCES - 2
        assert set(self.counts.values()) == {EACH}


def test_a_thousand_threads() -> None:
    seen = Seen()
    with (
        Client(transport=ScriptedTransport(ROUTES)) as client,
        client.merge(requests(stalling=True), on_failure=seen.lost) as merged,
    ):
        for key, _ in merged:
            if seen.take(key):
                break
        start = time.monotonic()
    assert time.monotonic() - start < 5  # one of them still waited
    seen.check()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_thousand_tasks(backend: str) -> None:
    seen = Seen()

    async def main() -> None:
        async with (
            AsyncClient(transport=ScriptedTransport(ROUTES)) as client,
            client.merge(requests(stalling=True), on_failure=seen.lost) as merged,
        ):
            async for key, _ in merged:
                if seen.take(key):
                    break

    anyio.run(main, backend=backend)
    seen.check()


def test_a_flood_does_not_starve_the_others() -> None:
    flood = Response(
        headers={"Content-Type": "application/x-ndjson"}, body=[b"1\n" * 100 for _ in range(1000)]
    )
    routes = {"/flood": flood, "*": ndjson(*range(EACH))}
    sources = [Request("GET", "http://testserver/flood", key="flood")]
    sources += [Request("GET", "http://testserver/", key=number) for number in range(20)]
    before = Counter[Any]()
    with (
        Client(transport=ScriptedTransport(routes)) as client,
        client.merge(sources) as merged,
    ):
        for key, _ in merged:
            before[key] += 1
            if len(before) == 21 and all(before[number] == EACH for number in range(20)):
                break
    assert before["flood"] < 50_000  # half of it was still to come when all others were through


def test_gathering_a_thousand() -> None:
    with Client(transport=ScriptedTransport(ROUTES)) as client:
        outcomes = client.gather(requests(stalling=False), max_concurrent=100)
    assert len(outcomes) == SOURCES
    failed = {key for key, outcome in outcomes.items() if isinstance(outcome, Failed)}
    assert failed == {7}
    whole = [one for one in outcomes.values() if isinstance(one, Succeeded)]
    assert all(len(one.items) == EACH for one in whole)
