"""Every bad argument and answer, and the exact message it gets: argument, value, fix."""

# ruff: noqa: E501  # a message stands in one piece

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from input_kit import (
    ASYNC,
    SYNC,
    THING,
    URL,
    BodyReader,
    Face,
    NoDecoder,
    OwnDecoder,
    Thing,
    refused,
    run,
)

import streamable_http as shttp


@pytest.fixture(params=[SYNC, ASYNC], ids=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    found: Face = request.param
    return found


A_METHOD = "pass text such as 'GET'"
A_URL = "pass one such as 'https://host/path', or set the client's base_url"
A_NUMBER = "pass a whole number from 1 up"
A_TIME = "pass seconds above 0, or None for no bound"
A_BOUND = "pass a whole number from 1 up"
OUR_TIMES = (
    "pass Timeouts(connect=…, first_byte=…, idle=…, between_items=…, total=…), or seconds of "
    "silence as a number"
)
HEADER_PAIRS = "pass a mapping of text to text, or pairs of text"
TERMINAL = "pass text such as '[DONE]', Terminal(event=…), or a function of an item"
OPTIONS = (
    "any_content_type, auth, checkpoint, content, cookies, data, failure, follow, "
    "follow_redirects, headers, json, limits, on_bad_item, on_event, params, prefetch, resume, "
    "retry, start, terminal, timeout"
)
A_SPEC = "pass one such as SSE(), NDJSON(), CSV(), Lines() or Raw(), or the class of your own"

STREAM: list[tuple[dict[str, Any], str]] = [
    # Method and URL
    ({"method": 7}, f"method=7 is not an HTTP method: {A_METHOD}"),
    ({"method": "GET /x"}, f"method='GET /x' is not an HTTP method: {A_METHOD}"),
    ({"method": ""}, f"method='' is not an HTTP method: {A_METHOD}"),
    ({"url": "host/path"}, f"url='host/path' is not an http or https URL: {A_URL}"),
    ({"url": "/path"}, f"url='/path' is not an http or https URL: {A_URL}"),
    ({"url": ""}, f"url='' is not an http or https URL: {A_URL}"),
    ({"url": "ftp://host/x"}, f"url='ftp://host/x' is not an http or https URL: {A_URL}"),
    ({"url": "http:///x"}, f"url='http:///x' is not an http or https URL: {A_URL}"),
    ({"url": "http://[::1/x"}, f"url='http://[::1/x' is not an http or https URL: {A_URL}"),
    ({"url": "localhost:80"}, f"url='localhost:80' is not an http or https URL: {A_URL}"),
    ({"url": b"http://h/"}, "url=b'http://h/' is not a URL: pass text such as 'https://host/path'"),
    ({"url": None}, "url=None is not a URL: pass text such as 'https://host/path'"),
    ({"url": THING}, "url=Thing() is not a URL: pass text such as 'https://host/path'"),
    # Decoders
    ({"decoder": shttp.SSE}, "decoder=SSE is a class: pass SSE(), not the class SSE"),
    ({"decoder": shttp.NDJSON}, "decoder=NDJSON is a class: pass NDJSON(), not the class NDJSON"),
    ({"decoder": "sse"}, f"decoder='sse' is no decoder: {A_SPEC}"),
    ({"decoder": THING}, f"decoder=Thing() is no decoder: {A_SPEC}"),
    (
        {"decoder": OwnDecoder()},
        (
            "decoder=OwnDecoder is a decoder, and each connection needs a fresh one: pass its class, or "
            "a function that makes one"
        ),
    ),
    # Bounds and clocks
    ({"timeout": 0}, f"Timeouts(idle=0) is not a time: {A_TIME}"),
    ({"timeout": -1.5}, f"Timeouts(idle=-1.5) is not a time: {A_TIME}"),
    ({"timeout": float("nan")}, f"Timeouts(idle=nan) is not a time: {A_TIME}"),
    ({"timeout": float("inf")}, f"Timeouts(idle=inf) is not a time: {A_TIME}"),
    ({"timeout": True}, f"timeout=True is not one of ours: {OUR_TIMES}"),
    ({"timeout": "5"}, f"timeout='5' is not one of ours: {OUR_TIMES}"),
    (
        {"timeout": httpx.Timeout(5)},
        f"timeout=Timeout(timeout=5) is not one of ours: {OUR_TIMES}",
    ),
    (
        {"limits": httpx.Limits(max_connections=3)},
        (
            "limits=Limits(max_connections=3, max_keepalive_connections=None, keepalive_expiry=5.0) is "
            "not one of ours: pass Limits(…)"
        ),
    ),
    ({"limits": 5}, "limits=5 is not one of ours: pass Limits(…)"),
    ({"retry": 3}, "retry=3 is not one of ours: pass RetryPolicy(…)"),
    ({"prefetch": -1}, "prefetch=-1 is not a number of items: pass 0 (read when asked) or more"),
    (
        {"prefetch": True},
        "prefetch=True is not a number of items: pass 0 (read when asked) or more",
    ),
    ({"prefetch": 2.0}, "prefetch=2.0 is not a number of items: pass 0 (read when asked) or more"),
    # Bodies, headers, auth
    (
        {"method": "POST", "json": {}, "content": b"x"},
        "json= and content= are two bodies for one request: pass one of them",
    ),
    (
        {"method": "POST", "json": 1, "data": {}, "content": b""},
        "json= and data= and content= are two bodies for one request: pass one of them",
    ),
    ({"headers": 5}, f"headers= of type int are not headers: {HEADER_PAIRS}"),
    ({"headers": {"a": 5}}, f"headers= of type dict are not headers: {HEADER_PAIRS}"),
    ({"headers": {1: "a"}}, f"headers= of type dict are not headers: {HEADER_PAIRS}"),
    ({"headers": ["a"]}, f"headers= of type list are not headers: {HEADER_PAIRS}"),
    ({"headers": "a: b"}, f"headers= of type str are not headers: {HEADER_PAIRS}"),
    ({"headers": {"a": None}}, f"headers= of type dict are not headers: {HEADER_PAIRS}"),
    (
        {"headers": {"bad name": "x"}},
        (
            "headers= has the name 'bad name', which HTTP does not allow: pass one of letters, digits "
            "and '-'"
        ),
    ),
    (
        {"headers": {"Authorization": "Bearer canary\n"}},
        (
            "headers['Authorization'] holds a line end or another control character: strip it (text "
            "read from a file often ends with one)"
        ),
    ),
    (
        {"auth": BodyReader()},
        (
            "auth=BodyReader(…) reads whole responses (requires_response_body), and a stream may never "
            "end: use auth that looks at headers only"
        ),
    ),
    # Ends and failures
    ({"terminal": ""}, f"terminal='' marks no end: {TERMINAL}"),
    ({"terminal": 5}, f"terminal=5 marks no end: {TERMINAL}"),
    ({"terminal": b"[DONE]"}, f"terminal=b'[DONE]' marks no end: {TERMINAL}"),
    (
        {"terminal": "[DONE]", "decoder": shttp.Raw()},
        (
            "terminal='[DONE]' is compared with the raw text of an item, which Raw() has not: pass a "
            "predicate, such as terminal=lambda item: item == '[DONE]'"
        ),
    ),
    (
        {"terminal": "[DONE]", "decoder": OwnDecoder},
        (
            "terminal='[DONE]' is compared with the raw text of an item, which a decoder of your own "
            "has not: pass a predicate, such as terminal=lambda item: item == '[DONE]'"
        ),
    ),
    (
        {"terminal": shttp.Terminal("stop"), "decoder": shttp.NDJSON()},
        (
            "terminal=Terminal(event='stop') is an event type, and NDJSON() has no events: pass "
            "decoder=SSE(), or a predicate, such as terminal=lambda item: ..."
        ),
    ),
    (
        {"failure": "error"},
        (
            "failure='error' recognises nothing: pass Failure(event=…), Failure(path=…), or a function "
            "of an item"
        ),
    ),
    (
        {"failure": shttp.Failure(event="error"), "decoder": shttp.Lines()},
        (
            "failure=Failure(event='error', path=None) is an event type, and Lines() has no events: "
            "pass decoder=SSE(), or a predicate, such as failure=lambda item: ..."
        ),
    ),
    (
        {"failure": shttp.Failure(path="error"), "decoder": shttp.Raw()},
        (
            "failure=Failure(event=None, path='error') needs items with keys, and Raw() gives bytes: "
            "pass a predicate, such as failure=lambda item: ..."
        ),
    ),
    (
        {"on_bad_item": "ignore"},
        "on_bad_item='ignore' is no rule: pass 'raise', 'skip', or a function of a DecodeError",
    ),
    (
        {"on_bad_item": None},
        "on_bad_item=None is no rule: pass 'raise', 'skip', or a function of a DecodeError",
    ),
    # Going on
    (
        {"resume": True},
        (
            "resume=True is not one of ours: pass LastEventID(…) or ItemCursor(…) or ByteRange(…) or "
            "NoResume(…)"
        ),
    ),
    (
        {"resume": shttp.ByteRange(), "follow": True},
        "follow=True and resume=ByteRange() contradict each other: leave one of them out",
    ),
    (
        {"resume": shttp.ByteRange(), "method": "POST"},
        (
            "resume=ByteRange() asks for a part of what a GET returns, and this is a POST: pass "
            "another resume=, or none"
        ),
    ),
    (
        {"resume": shttp.ByteRange(), "start": "7"},
        (
            "start='7' is no position in bytes that can be proved: pass stream.cursor of an earlier "
            "run, which has their ETag"
        ),
    ),
    (
        {"start": shttp.Cursor(kind="byte-range", value="7")},
        (
            "start= is a cursor of bytes without an offset or a strong ETag: pass stream.cursor or "
            "Cursor.from_json(…) unchanged"
        ),
    ),
    (
        {
            "start": shttp.Cursor(kind="byte-range", value="7", etag='"1"'),
            "decoder": shttp.SSEText(),
        },
        (
            "start= is in the midst of a body, and this decoder has to read it from its start: start "
            "without it, or use NDJSON(…), JSONSeq(…), Lines() or Raw()"
        ),
    ),
    (
        {"resume": shttp.NoResume(), "follow": True},
        "follow=True and resume=NoResume() contradict each other: leave one of them out",
    ),
    (
        {"method": "POST", "follow": True},
        (
            "follow=True sends the request again and again, and POST is not idempotent: pass "
            "resume=LastEventID() if the server takes that"
        ),
    ),
    (
        {"checkpoint": 7},
        (
            "checkpoint=7 is no place for a cursor: pass Checkpoint(store), or the path of an "
            "SQLite database"
        ),
    ),
    (
        {"checkpoint": "no/such/cursors.db"},
        (
            "the SQLite database 'no/such/cursors.db' cannot be there: pass the path of a file in a "
            "directory that exists"
        ),
    ),
    ({"follow": 1}, "follow=1 is neither on nor off: pass True or False"),
    ({"follow_redirects": 0}, "follow_redirects=0 is neither on nor off: pass True or False"),
    ({"any_content_type": None}, "any_content_type=None is neither on nor off: pass True or False"),
    (
        {"start": 7},
        "start=7 is no position: pass stream.cursor of an earlier run, or a last event ID as text",
    ),
    (
        {"start": shttp.Cursor(kind="last-event-id", value="7", request="GET http://other/x")},
        (
            "start= is a cursor of 'GET http://other/x', not of 'GET http://127.0.0.1:9/feed': a "
            "position means nothing to another request"
        ),
    ),
    (
        {"start": shttp.Cursor(kind="page", value="7")},
        (
            "start= is a cursor of kind 'page', and this stream goes on with 'last-event-id' or "
            "'byte-range': pass a cursor of that kind, or the resume= that it was made with, or start "
            "without it"
        ),
    ),
    (
        {"start": shttp.Cursor(kind="last-event-id", value="7", behind=["zz"])},
        (
            "start= is a cursor with a digest that is not hex: pass stream.cursor or Cursor.from_json(…) "
            "unchanged"
        ),
    ),
    # Hooks and names
    ({"on_event": 5}, "on_event=5 is not callable: pass a function of a StreamEvent"),
    ({"timout": 5}, "timout= is no option of a stream: did you mean timeout=?"),
    ({"max_retries": 5}, f"max_retries= is no option of a stream: pass one of {OPTIONS}"),
]


def named(rows: list[tuple[dict[str, Any], str]]) -> list[Any]:
    return [
        pytest.param(*row, id=f"{number}-{'-'.join(row[0])}") for number, row in enumerate(rows)
    ]


@pytest.mark.parametrize(("options", "message"), named(STREAM))
def test_options_of_a_stream(face: Face, options: dict[str, Any], message: str) -> None:
    arguments = {"method": "GET", "url": URL, **options}
    client = face.make()
    assert refused(lambda: client.stream(**arguments)) == message
    request = shttp.Request(**arguments)
    assert refused(lambda: client.open_request(request)) == message
    assert refused(lambda: client.gather([request])) == message


CLIENT: list[tuple[dict[str, Any], str]] = [
    (
        {"base_url": "host/v1"},
        "base_url='host/v1' is not an http or https URL: pass one such as 'https://host/v1'",
    ),
    (
        {"base_url": "http://[::1"},
        "base_url='http://[::1' is not an http or https URL: pass one such as 'https://host/v1'",
    ),
    (
        {"base_url": "ftp://user:canary@host/?key=canary"},
        "base_url='ftp://host/' is not an http or https URL: pass one such as 'https://host/v1'",
    ),
    ({"headers": ["x"]}, f"headers= of type list are not headers: {HEADER_PAIRS}"),
    (
        {"headers": [("a", "canary\r\nb: c")]},
        (
            "headers['a'] holds a line end or another control character: strip it (text read from a "
            "file often ends with one)"
        ),
    ),
    ({"timeout": httpx.Timeout(5)}, f"timeout=Timeout(timeout=5) is not one of ours: {OUR_TIMES}"),
    ({"limits": {"max_items": 5}}, "limits={'max_items': 5} is not one of ours: pass Limits(…)"),
    ({"retry": 5}, "retry=5 is not one of ours: pass RetryPolicy(…)"),
    ({"prefetch": -5}, "prefetch=-5 is not a number of items: pass 0 (read when asked) or more"),
    ({"compress": "gzip"}, "compress='gzip' is neither on nor off: pass True or False"),
    ({"require_proof": 1}, "require_proof=1 is neither on nor off: pass True or False"),
    ({"on_event": "print"}, "on_event='print' is not callable: pass a function of a StreamEvent"),
    (
        {"auth": BodyReader()},
        (
            "auth=BodyReader(…) reads whole responses (requires_response_body), and a stream may never "
            "end: use auth that looks at headers only"
        ),
    ),
    (
        {"decoders": {"text/CSV": shttp.Lines()}},
        (
            "decoders['text/CSV']: the key is no media type: pass one in lower case and without "
            "parameters, such as 'text/csv'"
        ),
    ),
    (
        {"decoders": {"csv": shttp.Lines()}},
        (
            "decoders['csv']: the key is no media type: pass one in lower case and without parameters, "
            "such as 'text/csv'"
        ),
    ),
    (
        {"decoders": {"text/csv": shttp.Lines}},
        "decoders['text/csv']=Lines is a class: pass Lines(), not the class Lines",
    ),
    (
        {"decoders": {"text/csv": THING}},
        f"decoders['text/csv']=Thing() is no decoder: {A_SPEC}",
    ),
    (
        {"decoders": [shttp.SSE()]},
        (
            "decoders= of type list is no registry: pass a mapping of media types to decoders, such as "
            "{'text/csv': Lines()}"
        ),
    ),
]


@pytest.mark.parametrize(("settings", "message"), named(CLIENT))
def test_settings_of_a_client(face: Face, settings: dict[str, Any], message: str) -> None:
    assert refused(lambda: face.client(**settings)) == message


@pytest.mark.parametrize(
    ("settings", "given"),
    [
        ({"base_url": "http://h"}, "base_url="),
        ({"auth": ("a", "b"), "cookies": {"a": "b"}}, "cookies=, auth="),
        ({"verify": False, "cert": "x"}, "verify=, cert="),
        ({"proxy": "http://p", "trust_env": False}, "proxy=, trust_env="),
        ({"mounts": {"all://": None}, "transport": "httpx"}, "mounts=, transport="),
        ({"params": {"a": "b"}}, "params="),
    ],
)
def test_settings_beside_ones_own_client(face: Face, settings: dict[str, Any], given: str) -> None:
    own = httpx.Client() if face is SYNC else httpx.AsyncClient()
    assert refused(lambda: face.client(http=own, **settings)) == (
        f"http= brings its own settings, so {given} would be ignored: set them on that client"
    )
    run(own.close if isinstance(own, httpx.Client) else own.aclose)


def test_a_client_of_the_other_face() -> None:
    with httpx.Client() as own:
        assert refused(lambda: shttp.AsyncClient(http=own)) == (  # type: ignore[arg-type]
            "http= of type Client is no async HTTP client: pass an httpx.AsyncClient or "
            "httpx2.AsyncClient"
        )
    other: Any = httpx.AsyncClient()
    assert refused(lambda: shttp.Client(http=other)) == (
        "http= of type AsyncClient is no sync HTTP client: pass an httpx.Client or httpx2.Client"
    )
    asyncio.run(other.aclose())


def test_no_client_at_all(face: Face) -> None:
    kind, name = ("sync", "Client") if face is SYNC else ("async", "AsyncClient")
    assert refused(lambda: face.client(http=THING)) == (
        f"http= of type Thing is no {kind} HTTP client: pass an httpx.{name} or httpx2.{name}"
    )


@pytest.mark.parametrize("transport", ["https", 5, THING, httpx.HTTPTransport])
def test_no_transport(face: Face, transport: Any) -> None:
    kind = "BaseTransport" if face is SYNC else "AsyncBaseTransport"
    assert refused(lambda: face.client(transport=transport)) == (
        f"transport={transport!r} is no transport: pass 'httpx', or an instance of httpx.{kind}"
    )


def test_a_transport_of_the_other_face(face: Face) -> None:
    other: Any = httpx.AsyncHTTPTransport() if face is SYNC else httpx.HTTPTransport()
    kind = "BaseTransport" if face is SYNC else "AsyncBaseTransport"
    assert refused(lambda: face.client(transport=other)) == (
        f"transport={other!r} is no transport: pass 'httpx', or an instance of httpx.{kind}"
    )


def test_what_httpx_itself_refuses(face: Face) -> None:
    assert refused(lambda: face.client(proxy="gopher://user:canary@host")) == (
        "no HTTP client can be made of the settings: Unknown scheme for proxy URL "
        "URL('gopher://user:[secure]@host')"
    )


# Values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: shttp.Timeouts(connect=-1), f"Timeouts(connect=-1) is not a time: {A_TIME}"),
        (lambda: shttp.Timeouts(total=True), f"Timeouts(total=True) is not a time: {A_TIME}"),
        (lambda: shttp.Timeouts(idle="5"), f"Timeouts(idle='5') is not a time: {A_TIME}"),  # type: ignore[arg-type]
        (
            lambda: shttp.Limits(max_item_bytes=0),
            f"Limits(max_item_bytes=0) is not a bound: {A_BOUND}",
        ),
        (
            lambda: shttp.Limits(max_item_bytes=None),  # type: ignore[arg-type]
            f"Limits(max_item_bytes=None) is not a bound: {A_BOUND}",
        ),
        (
            lambda: shttp.Limits(max_items=-1),
            f"Limits(max_items=-1) is not a bound: {A_BOUND}, or None for no bound",
        ),
        (
            lambda: shttp.Limits(max_stream_bytes=1.5),  # type: ignore[arg-type]
            f"Limits(max_stream_bytes=1.5) is not a bound: {A_BOUND}, or None for no bound",
        ),
        (
            lambda: shttp.Limits(prefetch_bytes=True),
            f"Limits(prefetch_bytes=True) is not a bound: {A_BOUND}",
        ),
        (
            shttp.Failure,
            (
                "Failure(event=None, path=None) names no failure: pass event= or path=, as in "
                "Failure(path='error')"
            ),
        ),
        (
            lambda: shttp.Failure(event="a", path="b"),
            (
                "Failure(event='a', path='b') names no failure: pass event= or path=, as in "
                "Failure(path='error')"
            ),
        ),
        (
            lambda: shttp.SSEData("int"),
            "type='int' is a string: pass the type itself, such as int without quotes",
        ),
        (
            lambda: shttp.NDJSON(THING),
            "type= is an object of class Thing, not a type: pass the type, such as Thing itself",
        ),
        (
            lambda: shttp.SSEData(Thing),
            (
                f"type={Thing!r} cannot be read from JSON (msgspec knows nothing of Thing): pass a "
                "msgspec.Struct, dataclass, attrs class, TypedDict, pydantic model or builtin type, or "
                "a union of them"
            ),
        ),
        (
            lambda: shttp.decode([b""], shttp.SSE),  # type: ignore[arg-type]
            "decoder=SSE is a class: pass SSE(), not the class SSE",
        ),
        (
            lambda: shttp.decode([b""], NoDecoder),  # type: ignore[arg-type]
            (
                "decoder=NoDecoder made an object of class NoDecoder, which lacks decode() or flush(): "
                "pass a decoder's class, or a function that returns one"
            ),
        ),
        (
            lambda: next(shttp.decode(["text"], shttp.SSE())),  # type: ignore[list-item]
            "a chunk is of class str: pass an iterable of bytes",
        ),
    ],
)
def test_values(make: Callable[[], Any], message: str) -> None:
    assert refused(make) == message
