"""Every bad argument and answer, and the exact message it gets: argument, value, fix."""

# ruff: noqa: E501  # a message stands in one piece

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from input_kit import (
    ASYNC,
    SYNC,
    URL,
    Face,
    NoDecoder,
    refused,
)

import streamable_http as shttp


@pytest.fixture(params=[SYNC, ASYNC], ids=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    found: Face = request.param
    return found


A_NUMBER = "pass a whole number from 1 up"
# The service ---------------------------------------------------------------------------------

A_NAME = "pass letters, digits, '_', '-', '.' and '~' only, as in 'users'"


@pytest.mark.parametrize(
    "endpoint",
    [
        "../admin",
        "..",
        ".",
        ".hidden",
        "a/b",
        "a%2fb",
        "http://evil/x",
        "//evil",
        "users?limit=1",
        "users#x",
        "users\n",
        "users\x00",
        "us ers",
        "",
        "ü",
        "a\\b",
        "-x",
        "~root",
        7,
        None,
        b"users",
        ["users"],
    ],
)
def test_endpoints(face: Face, endpoint: Any) -> None:
    service = face.service(URL)
    message = f"endpoint={endpoint!r} is not a plain name: {A_NAME}"
    assert refused(lambda: service.stream_data(endpoint)) == message
    assert refused(lambda: service.get_stream_info(endpoint)) == message
    assert refused(lambda: service.process_stream(endpoint, {}, print)) == message
    assert refused(lambda: service.batch_stream([endpoint])) == message


def test_a_long_endpoint_is_shown_in_part(face: Face) -> None:
    message = refused(lambda: face.service(URL).stream_data("x" * 129))
    assert message == f"endpoint='{'x' * 79} is not a plain name: {A_NAME}"


@pytest.mark.parametrize("endpoints", ["users", 7, None])
def test_endpoints_that_are_not_several(face: Face, endpoints: Any) -> None:
    assert refused(lambda: face.service(URL).batch_stream(endpoints)) == (
        f"endpoints={endpoints!r} are not several: pass a list of names, or a mapping of names to "
        f"parameters"
    )


@pytest.mark.parametrize(
    ("base_url", "shown"),
    [
        ("127.0.0.1:3001", "'127.0.0.1:3001'"),
        ("ftp://host", "'ftp://host'"),
        ("http://", "'http://'"),
        ("http://host/?key=canary", "'http://host/'"),
        ("", "''"),
        (7, "7"),
        (None, "None"),
    ],
)
def test_the_base_url_of_a_service(face: Face, base_url: Any, shown: str) -> None:
    assert refused(lambda: face.service(base_url)) == (
        f"base_url={shown} is not where a service is: pass 'http://host:port', with a path if need "
        f"be, without query"
    )


# Operators and many streams --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda s: s.map(5), "fn=5 is not callable: pass a function of one item"),
        (
            lambda s: s.map(print, 0),
            f"max_concurrent=0 is not a number of them: {A_NUMBER}",
        ),
        (
            lambda s: s.map(print, max_concurrent=True),
            f"max_concurrent=True is not a number of them: {A_NUMBER}",
        ),
        (lambda s: s.batches(0), f"size=0 is not a number of them: {A_NUMBER}"),
        (lambda s: s.batches(2.5), f"size=2.5 is not a number of them: {A_NUMBER}"),
        (
            lambda s: s.batches(seconds=0),
            "seconds=0 is not a time: pass seconds above 0, or None",
        ),
        (lambda s: s.collect(-1), f"max_items=-1 is not a number of them: {A_NUMBER}"),
        (lambda s: s.process(None), "fn=None is not callable: pass a function of one item"),
        (
            lambda s: s.process(print, progress_every=0),
            f"progress_every=0 is not a number of them: {A_NUMBER}",
        ),
        (
            lambda s: s.process(print, on_progress=True),
            "on_progress=True is not callable: pass a function of a Progress",
        ),
    ],
)
def test_operators(face: Face, step: Callable[[Any], Any], message: str) -> None:
    async def tried() -> None:
        client = face.make()
        stream = client.stream("GET", URL)
        if face is SYNC:
            with client, stream:
                step(stream)
        else:
            async with client, stream:
                result = step(stream)
                if inspect.isawaitable(result):
                    await result

    assert refused(tried) == message


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            lambda c: c.merge([shttp.Request("GET", f"{URL}?key=canary")] * 2),
            f"two sources have the key '{URL}': pass Request(…, key=…) for each",
        ),
        (
            lambda c: c.merge([], max_concurrent=0),
            f"max_concurrent=0 is not a number of them: {A_NUMBER}",
        ),
        (
            lambda c: c.merge([], on_failure="raise"),
            "on_failure='raise' is not callable: pass a function of a Failed",
        ),
        (
            lambda c: c.gather([], max_items=0),
            f"max_items=0 is not a number of them: {A_NUMBER}",
        ),
        (
            lambda c: c.merge([]).remove("a"),
            "no source has the key 'a': pass the key of a Request, which is its URL by default",
        ),
    ],
)
def test_many(face: Face, step: Callable[[Any], Any], message: str) -> None:
    async def tried() -> Any:
        result = step(face.make())
        return await result if inspect.isawaitable(result) else result

    assert refused(tried) == message


# The life of a stream ------------------------------------------------------------------------

NOT_OPEN = "GET http://127.0.0.1:9/feed: the stream is not open: use it in a with block, or call open() first"


async def step_of(stream: Any, name: str) -> Any:
    """One of `open`, `next` and `close`, on either face."""
    face = {"open": "open", "next": "__anext__", "close": "aclose"}
    if not isinstance(stream, shttp.AsyncStream):
        face = {"open": "open", "next": "__next__", "close": "close"}
    result = getattr(stream, face[name])()
    return await result if inspect.isawaitable(result) else result


async def play(face: Face, *steps: str) -> None:
    stream = face.make().stream("GET", URL)
    try:
        for step in steps:
            await step_of(stream, step)
    finally:
        await step_of(stream, "close")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("next", NOT_OPEN),
        (
            "open open",
            (
                "GET http://127.0.0.1:9/feed: a stream can be opened once: call client.stream(…) for "
                "another"
            ),
        ),
        (
            "open close open",
            (
                "GET http://127.0.0.1:9/feed: a stream can be opened once: call client.stream(…) for "
                "another"
            ),
        ),
        ("open close next", "the stream was closed: open another one to read on"),
        (
            "open next close next",
            "the stream was closed: open another one to read on",
        ),
    ],
)
def test_the_order_of_calls(face: Face, steps: str, message: str) -> None:
    assert refused(lambda: play(face, *steps.split()), shttp.StreamClosed) == message


def test_the_head_before_there_is_one(face: Face) -> None:
    stream = face.make().stream("GET", URL)
    assert refused(lambda: stream.response, shttp.StreamClosed) == NOT_OPEN


# Answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "options", "kind", "message"),
    [
        (
            "/404",
            {},
            shttp.StatusError,
            'GET http://127.0.0.1:9/404 answered 404: \'{"detail":"no such stream"}\'',
        ),
        (
            "/html",
            {"decoder": shttp.SSE()},
            shttp.ContentTypeError,
            (
                "the server answered with an HTML page, not a stream: '<h1>Sign in</h1>' "
                "(any_content_type=True decodes it all the same)"
            ),
        ),
        (
            "/html",
            {},
            shttp.ContentTypeError,
            (
                "the response is of type 'text/html', for which no decoder is registered: pass "
                "decoder=SSE(), NDJSON(), CSV(), Lines(), Raw() or another, or register one with "
                "Client(decoders={...})"
            ),
        ),
        (
            "/csv",
            {},
            shttp.ContentTypeError,
            (
                "the response is of type 'text/html', for which no decoder is registered: pass "
                "decoder=SSE(), NDJSON(), CSV(), Lines(), Raw() or another, or register one with "
                "Client(decoders={...})"
            ),
        ),
        (
            "/none",
            {},
            shttp.ContentTypeError,
            (
                "the response is without a Content-Type, for which no decoder is registered: pass "
                "decoder=SSE(), NDJSON(), CSV(), Lines(), Raw() or another, or register one with "
                "Client(decoders={...})"
            ),
        ),
        (
            "/brotli",
            {},
            shttp.ContentTypeError,
            (
                "the body has the content coding 'br', and only gzip and deflate are read: ask for "
                "another with headers={'Accept-Encoding': 'identity'}"
            ),
        ),
        (
            "/events",
            {"follow": True, "decoder": shttp.NDJSON()},
            shttp.ConfigurationError,
            (
                "follow=True needs a format with positions, and NDJSON() has none: follow Server-Sent "
                "Events, pass resume=ItemCursor(…), or leave follow off"
            ),
        ),
        (
            "/events",
            {"decoder": NoDecoder},
            shttp.ConfigurationError,
            (
                "decoder=NoDecoder made an object of class NoDecoder, which lacks decode() or flush(): "
                "pass a decoder's class, or a function that returns one"
            ),
        ),
    ],
)
def test_answers(
    face: Face, path: str, options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    async def tried() -> None:
        client = face.make(retry=shttp.RetryPolicy(stop=1))
        stream = client.stream("GET", f"http://127.0.0.1:9{path}", **options)
        if face is SYNC:
            with client, stream:
                list(stream)
        else:
            async with client, stream:
                [_ async for _ in stream]

    assert refused(tried, kind) == message


def test_a_refused_port(face: Face) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        client = face.client(retry=shttp.RetryPolicy(stop=1), trust_env=False)
        stream = client.stream("GET", f"http://127.0.0.1:{port}/feed")
        message = refused(lambda: step_of(stream, "open"), shttp.ConnectError)
    assert message == (
        f"no connection to 127.0.0.1:{port}: [Errno 111] Connection refused"
        if face is SYNC
        else f"no connection to 127.0.0.1:{port}: [Errno 111] Connect call failed "
        f"('127.0.0.1', {port})"
    )


class Chunk(msgspec.Struct):
    text: str


def test_an_item_of_the_wrong_type(face: Face) -> None:
    async def tried() -> None:
        stream = face.make().stream("GET", URL, decoder=shttp.SSEData(Chunk))
        try:
            await step_of(stream, "open")
            await step_of(stream, "next")
        finally:
            await step_of(stream, "close")

    assert refused(tried, shttp.DecodeError) == (
        "item 0 at byte 0 cannot be decoded: Expected `object`, got `int`"
    )
