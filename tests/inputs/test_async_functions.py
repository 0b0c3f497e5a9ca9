"""An async function where nothing awaits it is refused: its coroutine is true, and does nothing.

As `terminal=` it would end a stream at its first item, as `process(fn)` pass for work done.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from input_kit import ASYNC, SYNC, URL, Face, refused

import streamable_http as shttp
from streamable_http.testing import ScriptedTransport, events


async def _judge(value: object, other: object = None) -> bool:
    return True


judge: Any = _judge  # checkers know better


class Judge:
    async def __call__(self, value: object) -> bool:
        return True


class AsyncStore:
    async def get(self, key: str, /) -> shttp.Cursor | None:
        return None

    async def put(self, key: str, cursor: shttp.Cursor, /) -> None:
        pass


def message(name: str, shown: str = "_judge") -> str:
    return f"{name}={shown} is an async function, and nothing awaits it here: pass a plain one"


@pytest.mark.parametrize("face", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("name", ["terminal", "failure", "on_bad_item", "on_event"])
def test_options_of_a_stream(face: Face, name: str) -> None:
    def opened(value: object) -> None:
        face.make().stream("GET", URL, **{name: value})

    assert refused(lambda: opened(judge)) == message(name)
    assert refused(lambda: opened(Judge())) == message(name, "Judge")
    bound = functools.partial(judge, other=1)
    assert refused(lambda: opened(bound)) == message(name, "partial")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("get", lambda: shttp.ItemCursor(get=judge, apply="after")),
        ("key", lambda: shttp.ItemCursor(get="n", apply="after", key=judge)),
        ("gone", lambda: shttp.ItemCursor(get="n", apply="after", gone=judge)),
        ("on", lambda: shttp.RetryPolicy(on=judge)),
    ],
)
def test_policies(name: str, make: Callable[[], Any]) -> None:
    assert refused(make) == message(name)


def test_a_store() -> None:
    store: Any = AsyncStore()
    assert refused(lambda: shttp.Checkpoint(store)) == message("store.get", "get")


@pytest.mark.parametrize("face", [SYNC, ASYNC], ids=["sync", "async"])
def test_the_hook_of_a_merge(face: Face) -> None:
    request = shttp.Request[Any]("GET", URL)
    merged = functools.partial(face.make().merge, [request], on_failure=judge)
    assert refused(merged) == message("on_failure")


def test_functions_of_items_in_the_sync_client() -> None:
    script = ScriptedTransport(events(1, 2))
    with shttp.Client(transport=script) as client, client.stream("GET", URL) as stream:
        assert refused(lambda: stream.map(judge)) == message("fn")
        assert refused(lambda: stream.process(judge)) == message("fn")
        assert refused(lambda: stream.reduce(judge, None)) == message("fn")
        hooked = functools.partial(stream.process, print, on_progress=judge)
        assert refused(hooked) == message("on_progress")
        assert stream.stats.items == 0


@pytest.mark.parametrize("max_concurrent", [1, 3])
def test_a_lambda_around_one(max_concurrent: int) -> None:
    script = ScriptedTransport(events(1, 2))
    with shttp.Client(transport=script) as client, client.stream("GET", URL) as stream:
        with pytest.raises(shttp.ConfigurationError, match="returned a coroutine") as caught:
            stream.process(lambda item: judge(item), max_concurrent)
        assert "pass a plain function, or use an AsyncClient" in str(caught.value)
        assert stream.cursor is None  # nothing was done


def test_the_processor_of_a_service() -> None:
    with shttp.StreamService("http://127.0.0.1:9") as service:
        refusal = refused(lambda: service.process_stream("users", {}, judge))
    assert refusal == message("processor")
