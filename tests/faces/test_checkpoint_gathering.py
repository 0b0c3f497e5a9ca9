"""`collect` and `reduce` give all at once or nothing: no cursor is saved in the midst of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import streamable_http as shttp
from streamable_http.testing import (
    Cut,
    RecordedRequest,
    Response,
    Script,
    ScriptedTransport,
    events,
)

URL = "http://testserver/feed"


class Store(shttp.MemoryStore):
    """Knows what was saved, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.saved: list[str] = []

    def put(self, key: str, cursor: shttp.Cursor, /) -> None:
        self.saved.append(cursor.value)
        super().put(key, cursor)


def numbers(request: RecordedRequest) -> Response:
    first = int(request.headers.get("last-event-id", "0"))
    return events(*range(first + 1, 21), start=first + 1)


class Work:
    """One stream of the numbers from 1 to 20, on either face, with a checkpoint at every 2."""

    def __init__(self, *, is_async: bool, script: Any = numbers) -> None:
        self.store = Store()
        self.is_async = is_async
        self.script = script

    def run(self, step: Any) -> Any:
        options: dict[str, Any] = {
            "decoder": shttp.SSEData(int),
            "checkpoint": shttp.Checkpoint(self.store, every=2),
            "retry": shttp.RetryPolicy(stop=1),
        }
        transport = ScriptedTransport(self.script)
        if not self.is_async:
            client = shttp.Client(transport=transport)
            with client, client.stream("GET", URL, **options) as stream:
                return step(stream)

        async def run() -> Any:
            client = shttp.AsyncClient(transport=transport)
            async with client, client.stream("GET", URL, **options) as stream:
                return await step(stream)

        return asyncio.run(run())


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def work(request: pytest.FixtureRequest) -> Work:
    return Work(is_async=request.param)


def test_nothing_is_saved_before_collect_has_returned(work: Work) -> None:
    seen: list[list[str]] = []

    def collected(stream: Any) -> Any:
        result = stream.collect()
        if not work.is_async:
            seen.append([*work.store.saved])
            return result

        async def then() -> Any:
            items = await result
            seen.append([*work.store.saved])
            return items

        return then()

    assert work.run(collected) == [*range(1, 21)]
    assert seen == [[]]
    assert work.store.saved == ["20"]  # as the stream was closed


def test_what_was_collected_before_is_saved(work: Work) -> None:
    def in_parts(stream: Any) -> Any:
        if not work.is_async:
            return [stream.collect(6), stream.collect(6), [*work.store.saved]]

        async def then() -> Any:
            return [await stream.collect(6), await stream.collect(6), [*work.store.saved]]

        return then()

    first, second, saved = work.run(in_parts)
    assert (first, second) == ([*range(1, 7)], [*range(7, 13)])
    assert saved == ["6"]


class Broken(Exception):
    pass


@pytest.mark.parametrize("operator", ["collect", "reduce"])
def test_if_it_is_broken_off_a_restart_begins_before_it(work: Work, operator: str) -> None:
    def broken(stream: Any) -> Any:
        def refuse(total: int, item: int) -> int:
            if item == 15:
                raise Broken
            return total + item

        def pass_on(item: int) -> int:
            return refuse(0, item)

        return stream.map(pass_on).collect() if operator == "collect" else stream.reduce(refuse, 0)

    with pytest.raises(Broken):
        work.run(broken)
    assert work.store.saved == []
    assert work.run(lambda stream: stream.collect()) == [*range(1, 21)]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_what_an_error_brings_with_it_is_not_lost(is_async: bool) -> None:
    cut = Work(is_async=is_async, script=Script(events(1, 2, 3, 4, 5, then=[Cut()])))
    with pytest.raises(shttp.ConnectionLost) as caught:
        cut.run(lambda stream: stream.collect())
    assert caught.value.items == [1, 2, 3, 4, 5]
    assert cut.store.saved == ["5"]


def test_a_reduction_that_fails_has_no_value() -> None:
    cut = Work(is_async=False, script=Script(events(1, 2, 3, 4, 5, then=[Cut()])))
    with pytest.raises(shttp.ConnectionLost):
        cut.run(lambda stream: stream.reduce(lambda total, item: total + item, 0))
    assert cut.store.saved == []


def test_a_store_that_keeps_no_cursors(work: Work) -> None:
    wrong: Any = {"key": "text"}
    work.store.get = lambda key: wrong  # type: ignore[method-assign]
    with pytest.raises(shttp.ConfigurationError, match="gave an object of type dict for the key"):
        work.run(lambda stream: stream.collect())
