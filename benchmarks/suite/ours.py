"""This library, by its public clients with their default settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from . import models
from .contender import Contender, Target, asynchronous, sync

Made = Callable[[], Any]


def reading(make: Made, **options: Any) -> Callable[[Target], Iterator[Any]]:
    def read(target: Target) -> Iterator[Any]:
        import streamable_http as shttp

        with (
            shttp.Client(verify=target.verify) as client,
            client.stream("GET", target.url, decoder=make(), **options) as stream,
        ):
            yield stream

    return read


def reading_async(make: Made, **options: Any) -> Callable[[Target], AsyncIterator[Any]]:
    async def read(target: Target) -> AsyncIterator[Any]:
        import streamable_http as shttp

        async with (
            shttp.AsyncClient(verify=target.verify) as client,
            client.stream("GET", target.url, decoder=make(), **options) as stream,
        ):
            yield stream

    return read


def both(
    name: str, gives: str, make: Made, *, quick: bool = True, **options: Any
) -> list[Contender]:
    """The two faces of one decoder."""
    return [
        sync(name, gives, reading(make, **options), quick=quick),
        asynchronous(f"{name} async", gives, reading_async(make, **options), quick=quick),
    ]


def default() -> None:
    """No decoder: the Content-Type chooses."""


def sse_text() -> Any:
    import streamable_http as shttp

    return shttp.SSEText()


def sse_data(model: Any) -> Made:
    def make() -> Any:
        import streamable_http as shttp

        return shttp.SSEData(model)

    return make


def ndjson(model: Callable[[], Any]) -> Made:
    def make() -> Any:
        import streamable_http as shttp

        return shttp.NDJSON(model())

    return make


def csv(model: Any) -> Made:
    def make() -> Any:
        import streamable_http as shttp

        return shttp.CSV(model) if model else shttp.CSV()

    return make


def csv_cells() -> Any:
    import streamable_http as shttp

    return shttp.CSV(list[str])


def json_array() -> Any:
    import streamable_http as shttp

    return shttp.JSONArray(dict)


SSE = both("ours SSE()", "event", default)
TEXT = both("ours SSEText()", "text", sse_text)
DATA_DICT = both("ours SSEData(dict)", "record", sse_data(dict), quick=False)
DATA_STRUCT = both("ours SSEData(Struct)", "typed", sse_data(models.Tick))
PREFETCH = both("ours SSE(), prefetch=256", "event", default, quick=False, prefetch=256)
CHUNK_DICT = both("ours SSEData(dict)", "chunk", sse_data(dict), terminal="[DONE]")
CHUNK_STRUCT = both(
    "ours SSEData(Struct)", "typed chunk", sse_data(models.Chunk), terminal="[DONE]"
)
LINES_DICT = both("ours NDJSON(dict)", "record", ndjson(lambda: dict))
LINES_STRUCT = both("ours NDJSON(Struct)", "typed", ndjson(lambda: models.User))
(LINES_MODEL, _) = both(
    "ours NDJSON(pydantic model)", "typed", ndjson(models.user_model), quick=False
)
CSV_CELLS = both("ours CSV(list[str])", "cells", csv_cells)
CSV_DICT = both("ours CSV()", "row", csv(None), quick=False)
CSV_STRUCT = both("ours CSV(Struct)", "typed", csv(models.Row), quick=False)
ARRAY = both("ours JSONArray(dict)", "record", json_array)
BYTES = both("ours Raw()", "bytes", default)
