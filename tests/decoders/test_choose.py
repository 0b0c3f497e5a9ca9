from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from decoder_harness import every_cut, tell
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http._decoders.choose import accept_header, build_engine, check_registry
from streamable_http._decoders.engine import Context, Engine
from streamable_http._decoders.media_types import is_media_type, parse_content_type
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, ServerSentEvent, SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._errors import (
    ConfigurationError,
    ContentTypeError,
    ResumeError,
    StreamTruncated,
)
from streamable_http._values import Headers, Limits, Terminal


class Own:
    def decode(self, data: bytes) -> Iterator[str]:
        yield from data.decode().split()

    def flush(self) -> Iterator[str]:
        return iter(())


@pytest.mark.parametrize(
    ("value", "media_type", "charset"),
    [
        ("", "", ""), ("text/event-stream", "text/event-stream", ""), ("nonsense", "", ""),
        ("Text/Event-Stream; charset=UTF-8", "text/event-stream", "UTF-8"), ("/", "", ""),
        ('text/plain;charset="latin-1"', "text/plain", "latin-1"), ("text/", "", ""),
        ("text/plain ; a=b; CharSet = x ;charset=koi8-r", "text/plain", "koi8-r"),
        ('text/plain; a="; charset=no"; charset=yes', "text/plain", "yes"),
        (r'text/plain; charset="a\"b"', "text/plain", 'a"b'), ("text/plain;", "text/plain", ""),
        ("application/json, text/event-stream", "text/event-stream", ""),
        ("text/event-stream, */*", "text/event-stream", ""), ("a/b, ", "a/b", ""),
        ('text/plain; a="x,y/z", a/b', "a/b", ""),
        ("text/html; charset=x, text/html", "text/html", "x"),
        ("text/html;charset=x, text/plain", "text/plain", ""),
        ("text/html;charset=x,text/html;charset=y", "text/html", "y"),
        ('text/plain; charset="open', "text/plain", "open"), ("text/plain bad", "", ""),
    ],
)  # fmt: skip
def test_content_types(value: str, media_type: str, charset: str) -> None:
    found = parse_content_type(value)
    assert (found.media_type, found.charset) == (media_type, charset)


def test_a_long_content_type_takes_no_time() -> None:
    for piece in ('"', '\\"', ";a=", ",", "a/b,", ";", " "):
        parse_content_type("a/b;" + piece * 100_000)


@pytest.mark.parametrize("value", ["text/csv", "application/vnd.api+json", "x/y"])
def test_media_types(value: str) -> None:
    assert is_media_type(value)


@pytest.mark.parametrize(
    "value", ["", "csv", "Text/CSV", "text/csv; a=b", "a/b/c", "a/ b", 5, None]
)
def test_no_media_types(value: Any) -> None:
    assert not is_media_type(value)


def chosen(content_type: str | None, **registry: Any) -> Engine[Any]:
    headers = Headers() if content_type is None else Headers([("Content-Type", content_type)])
    return build_engine(None, check_registry(registry), Context(headers=headers))


@pytest.mark.parametrize(
    ("content_type", "body", "items"),
    [
        ("text/event-stream", b"data: x\n\n", [ServerSentEvent(data="x")]),
        ("TEXT/EVENT-STREAM;charset=x", b"data: x\n\n", [ServerSentEvent(data="x")]),
        *((f"application/{name}", b"[1]\n{}\n", [[1], {}]) for name in (
            "x-ndjson", "ndjson", "jsonl", "x-jsonlines", "json-lines", "jsonlines", "stream+json",
        )),
        *((f"application/{name}json-seq", b"\x1e[1]\n\x1e{}\n", [[1], {}])
          for name in ("", "geo+")),
        ("application/octet-stream", b"x", [b"x"]),
        ("application/json", b'{"a": 1}', [{"a": 1}]),
        ("application/json; charset=utf-8", b' \n{"a": 1}\n2\n', [{"a": 1}, 2]),
        ("application/json", b"", []),
        ("application/json", b"1\n[2]\n", [1, [2]]),
    ],
)  # fmt: skip
def test_the_content_type_chooses(content_type: str, body: bytes, items: list[Any]) -> None:
    told = tell(chosen(content_type), [body])
    assert (told.items, told.error) == (items, None)


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b'[1, {"a": 2}]', [1, {"a": 2}]), (b" \r\n\t[[]]\n", [[]]), (b"\xef\xbb\xbf[{}]", [{}]),
        (b"\xef\xbb\xbf\n\n1\n[2]\n", [1, [2]]), (b"\n{}\n\n[]", [{}, []]), (b"\n\n", []),
    ],
)  # fmt: skip
def test_the_first_byte_of_json_decides(body: bytes, items: list[Any]) -> None:
    for chunks in every_cut(body):
        told = tell(chosen("application/json; charset=utf-8"), chunks)
        assert (told.items, told.error) == (items, None)


BODIES = st.lists(
    st.sampled_from(
        [b"[", b"]", b"1", b",", b"\n", b" ", b"{}", b"\xef", b"\xbb\xbf", b"\xef\xbb\xbf",
         b"[1,2]"]
    ),
    max_size=8,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(BODIES.map(b"".join), st.sampled_from(["raise", "skip"]), st.booleans(), st.integers(1, 9))
def test_cuts_change_no_json_body(body: bytes, policy: Any, framed: bool, limit: int) -> None:
    headers = Headers([("content-type", "application/json")])
    context = Context(headers=headers, on_bad_item=policy, limits=Limits(max_item_bytes=limit))

    def engine() -> Engine[Any]:
        return build_engine(None, check_registry({}), context)

    whole, *others = (tell(engine(), chunks, framed=framed) for chunks in every_cut(body))
    assert all(other == whole for other in others)


@pytest.mark.parametrize("body", [b"[1,1e999,2]", b"1\nx\n2\n"])
def test_bad_items_of_a_json_body_are_counted(body: bytes) -> None:
    headers = Headers([("content-type", "application/json")])
    for chunks in every_cut(body):
        context = Context(headers, on_bad_item="skip")
        engine: Engine[Any] = build_engine(None, check_registry({}), context)
        assert [item for chunk in chunks for item in engine.feed(chunk).items] == [1, 2]
        assert engine.skipped == 1


def test_an_array_is_never_gone_on_with_inside_of_it() -> None:
    context = Context(Headers([("content-type", "application/json")]), offset=7)
    for rest in (b" , 2]", b"\n]"):
        for chunks in every_cut(rest):
            told = tell(build_engine(None, check_registry({}), context), chunks)
            assert told.error is not None
            assert told.error[0] is ResumeError
    engine: Engine[Any] = build_engine(None, check_registry({}), context)
    assert tell(engine, [b"[2]\n"]).items == [[2]]


def test_the_end_of_an_array_is_told_to_a_copy() -> None:
    engine = chosen("application/json")
    engine.feed(b"[1")
    assert isinstance(copy.copy(engine).finish().error, StreamTruncated)
    assert engine.feed(b"2]").items == [12]
    assert copy.copy(engine).finish(framed=False).ended


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "text/html", "x/y"])
def test_an_unknown_type_names_the_decoders_to_pass(content_type: str | None) -> None:
    with pytest.raises(ContentTypeError, match=r"SSE\(\), NDJSON\(\), CSV\(\), Lines") as e:
        chosen(content_type)
    assert (content_type or "without a Content-Type") in str(e.value)
    assert e.value.content_type == (content_type or "")


def test_the_users_registry_wins() -> None:
    assert tell(chosen("text/csv", **{"text/csv": Lines()}), [b"a,b"]).items == ["a,b"]
    sse = {"text/event-stream": SSEText()}
    assert tell(chosen("text/event-stream", **sse), [b"data: x\n\n"]).items == ["x"]
    assert tell(chosen("x/y", **{"x/y": Own}), [b"a b"]).items == ["a", "b"]


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ({"csv": SSE()}, r"decoders\['csv'\]: the key is no media type"),
        ({"Text/CSV": SSE()}, "lower case"),
        ({5: SSE()}, r"decoders\[5\]"),
        ({"text/csv": SSE}, r"decoders\['text/csv'\]=SSE is a class: pass SSE\(\)"),
        ({"text/csv": Own()}, "each connection needs a fresh one"),
        ({"text/csv": "csv"}, r"decoders\['text/csv'\]='csv' is no decoder"),
    ],
)
def test_a_bad_registry_is_refused_early(registry: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_registry(registry)


def test_what_is_asked_for() -> None:
    accept = accept_header(check_registry({"text/csv": Lines()}))
    assert accept.startswith("text/csv, text/event-stream, application/x-ndjson, ")
    assert accept.endswith(", application/octet-stream, */*;q=0.1")


def engine(decoder: Any, **context: Any) -> Engine[Any]:
    return build_engine(decoder, {}, Context(**context))


def test_decoders_of_all_kinds() -> None:
    assert tell(engine(Lines()), [b"a\n"]).items == ["a"]
    assert tell(engine(Own), [b"a b"]).items == ["a", "b"]
    assert tell(engine(lambda: Own()), [b"a b"]).items == ["a", "b"]
    assert tell(engine(lambda: Lines()()), [b"a\n"]).items == ["a"]
    assert engine(SSE(), event_id="7").event_id == "7"


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (SSE, r"decoder=SSE is a class: pass SSE\(\), not the class SSE"),
        (NDJSON, r"pass NDJSON\(\)"),
        (Own(), "decoder=Own is a decoder, and each connection needs a fresh one: pass its class"),
        ("sse", "decoder='sse' is no decoder: pass one such as"),
        (5, "decoder=5 is no decoder"),
        (dict, "decoder=dict made an object of class dict, which lacks decode"),
        (lambda: None, "made an object of class NoneType"),
    ],
)
def test_what_is_no_decoder_is_refused(decoder: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        engine(decoder)


def test_a_terminal_that_could_not_be_seen_is_refused() -> None:
    for decoder in (Raw(), Own, lambda: SSE()()):
        with pytest.raises(ConfigurationError, match="terminal='END'"):
            engine(decoder, terminal="END")
    headers = Headers([("Content-Type", "application/x-ndjson")])
    with pytest.raises(ConfigurationError, match=r"NDJSON\(\) has no events"):
        build_engine(None, check_registry({}), Context(headers=headers, terminal=Terminal("x")))
