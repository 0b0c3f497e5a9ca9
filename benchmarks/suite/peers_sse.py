"""Peers for Server-Sent Events, sync."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from . import models
from .contender import Target, sync

Finish = Callable[[Iterable[Any]], Iterable[Any]]


def events(found: Iterable[Any]) -> Iterable[Any]:
    return found


def loads(found: Iterable[Any]) -> Iterator[Any]:
    """As programs do it: the data of each event, up to the mark of the end."""
    for event in found:
        if event.data == "[DONE]":
            break
        yield json.loads(event.data)


def structs(model: Any) -> Finish:
    """The same with msgspec, which takes the type, too."""

    def finish(found: Iterable[Any]) -> Iterator[Any]:
        import msgspec

        decode = msgspec.json.Decoder(model).decode
        for event in found:
            if event.data == "[DONE]":
                break
            yield decode(event.data)

    return finish


def httpx_sse(finish: Finish) -> Callable[[Target], Iterator[Any]]:
    def read(target: Target) -> Iterator[Any]:
        import httpx
        import httpx_sse

        with (
            httpx.Client(verify=target.verify, timeout=60) as client,
            httpx_sse.connect_sse(client, "GET", target.url) as source,
        ):
            yield finish(source.iter_sse())

    return read


def httpx2_sse(finish: Finish) -> Callable[[Target], Iterator[Any]]:
    def read(target: Target) -> Iterator[Any]:
        import httpx2

        with (
            httpx2.Client(verify=target.verify, timeout=60) as client,
            client.sse(target.url) as source,
        ):
            yield finish(source)

    return read


def sdk_decoder(package: str, finish: Finish) -> Callable[[Target], Iterator[Any]]:
    """The decoder inside of an SDK, over the HTTP client that the SDK uses."""

    def read(target: Target) -> Iterator[Any]:
        from importlib import import_module

        decoder = import_module(f"{package}._streaming").SSEDecoder()
        import httpx

        with (
            httpx.Client(verify=target.verify, timeout=60) as client,
            client.stream("GET", target.url) as response,
        ):
            yield finish(decoder.iter_bytes(response.iter_bytes()))

    return read


def launchdarkly(target: Target) -> Iterator[Any]:
    from ld_eventsource import SSEClient

    client = SSEClient(target.url)
    client.start()
    try:
        yield islice(client.events, target.items)  # it would connect again
    finally:
        client.close()


def requests_sse(target: Target) -> Iterator[Any]:
    from requests_sse import EventSource

    with EventSource(target.url, timeout=60) as source:
        yield islice(source, target.items)  # it would connect again


HTTPX_SSE = sync("httpx-sse", "event", httpx_sse(events), needs=("httpx_sse",), quick=True)
HTTPX_SSE_LOADS = sync(
    "httpx-sse, json.loads", "record", httpx_sse(loads), needs=("httpx_sse",), quick=True
)
HTTPX_SSE_STRUCT = sync(
    "httpx-sse, msgspec", "typed", httpx_sse(structs(models.Tick)), needs=("httpx_sse",), quick=True
)
HTTPX2 = sync("httpx2 sse", "event", httpx2_sse(events), needs=("httpx2",))
OPENAI = sync("openai's decoder", "event", sdk_decoder("openai", events), needs=("openai",))
ANTHROPIC = sync(
    "anthropic's decoder", "event", sdk_decoder("anthropic", events), needs=("anthropic",)
)
LAUNCHDARKLY = sync("launchdarkly-eventsource", "event", launchdarkly, needs=("ld_eventsource",))
REQUESTS_SSE = sync("requests-sse", "event", requests_sse, needs=("requests_sse",))
ALL = [HTTPX_SSE, HTTPX2, OPENAI, ANTHROPIC, LAUNCHDARKLY, REQUESTS_SSE]

CHUNKS = [
    HTTPX_SSE_LOADS._replace(gives="chunk"),
    sync(
        "httpx-sse, msgspec to dict", "chunk", httpx_sse(structs(dict)), needs=("httpx_sse",),
        quick=True,
    ),
    sync(
        "httpx-sse, msgspec to Struct", "typed chunk", httpx_sse(structs(models.Chunk)),
        needs=("httpx_sse",),
    ),
    sync("httpx2 sse, json.loads", "chunk", httpx2_sse(loads), needs=("httpx2",)),
    sync(
        "openai's decoder, json.loads", "chunk", sdk_decoder("openai", loads), needs=("openai",),
        quick=True,
    ),
    sync(
        "anthropic's decoder, json.loads", "chunk", sdk_decoder("anthropic", loads),
        needs=("anthropic",),
    ),
]  # fmt: skip
