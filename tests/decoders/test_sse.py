from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx_sse
import msgspec
import pytest
from decoder_harness import cut, cuts, every_cut, tell, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from sse_reference import Reading, read

from streamable_http._decoders import sse_engine
from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.sse import SSE, ServerSentEvent, SSEData, SSEText
from streamable_http._decoders.sse_engine import SSEEngine
from streamable_http._errors import (
    ConfigurationError,
    DecodeError,
    LimitExceeded,
    StreamFailed,
    StreamTruncated,
)
from streamable_http._values import Failure, Limits, Terminal

VECTORS = json.loads((Path(__file__).parent.parent / "vectors" / "sse.json").read_text())

# Streams that look like real ones, and lines that are meant to trip a parser.
plain_events = st.builds(
    lambda own, event, data, late: own * late + event + own * (not late) + data + b"\n",
    st.sampled_from([b"", b"id: 7\n", b"id:8\n", b"id: \xc3\xa9\n", b"id:\n", b"id: 1\x002\n"]),
    st.sampled_from([b"", b"event: tick\n", b"event:x\n", b"event:\n", b"event: \xff\n"]),
    st.sampled_from([b"data: a\n", b"data:b\n", b"data\n", b"data:  c\n", b"data: \xe2\x82\xac\n"]),
    st.booleans(),
)
odd_lines = st.sampled_from(
    [
        b"", b"data: x", b"data", b"data:", b":", b": ping", b"retry: 10", b"retry: 1x", b"retry:",
        b"retry: " + b"9" * 40, b"id: 5", b"id", b"id: a\0b", b"event: e", b"unknown: u", b"dat: x",
        b"Data: x", b"xxxxxxxxxxxxxx", b" data: x", b"data: \xff\xe2\x82", b"\xef\xbb\xbfdata: y",
        b"data: \xc2\x85\xe2\x80\xa8\x0b\x0c", b"event", b"data: [DONE]",
    ]
)  # fmt: skip
line_ends = st.sampled_from([b"\n", b"\r", b"\r\n"])
odd_streams = st.lists(
    st.tuples(odd_lines, line_ends).map(b"".join) | plain_events, max_size=14
).map(b"".join)
one_end = st.builds(
    lambda blocks, end: b"".join(blocks).replace(b"\n", end),
    st.lists(
        plain_events | st.sampled_from([b": c\n", b"\n", b": c\n\n", b"data: 1\ndata: 2\n\n"])
    ),
    line_ends,
)
bodies = st.builds(
    lambda bom, body, rest: bom + body + rest,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef\xbb"]),
    odd_streams | one_end | st.lists(plain_events, max_size=6).map(b"".join),
    st.sampled_from([b"", b"data: cut", b": cut", b"id: 9\n", b"event: e", b"data: x\n", b"u"]),
)


@pytest.fixture(autouse=True, scope="module", params=[0, sse_engine._WORTH_A_SHORTCUT])
def worth_a_shortcut(request: pytest.FixtureRequest) -> Iterator[int]:
    """Every test runs with the shortcut for all chunks, and with it for large ones."""
    usual, sse_engine._WORTH_A_SHORTCUT = sse_engine._WORTH_A_SHORTCUT, request.param
    yield request.param
    sse_engine._WORTH_A_SHORTCUT = usual


def expected(reading: Reading) -> list[tuple[Any, ...]]:
    return [(e.event, e.data, e.id, e.retry) for e in reading.events]


def fields(items: list[ServerSentEvent]) -> list[tuple[Any, ...]]:
    return [(e.event, e.data, e.id, e.retry) for e in items]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_vectors_at_every_cut(vector: dict[str, Any]) -> None:
    given_chunks = [base64.b64decode(chunk) for chunk in vector["chunks"]]
    for chunks in [given_chunks, *every_cut(b"".join(given_chunks))]:
        told = tell_spec(SSE(), chunks)
        events = [{"event": e.event, "data": e.data, "id": e.id} for e in told.items]
        assert events == vector["expected"]
        assert told.event_id == vector["final_last_event_id"]
        assert told.retry_ms == vector["final_retry_ms"]


@settings(max_examples=600, deadline=None)
@given(bodies, cuts, st.sampled_from(["", "start"]))
def test_every_path_reads_as_the_reference_does(body: bytes, places: list[int], start: str) -> None:
    reading = read(body, start)
    for chunks in ([body], cut(body, places)):
        told = tell_spec(SSE(), chunks, event_id=start)
        assert fields(told.items) == expected(reading)
        assert (told.event_id, told.retry_ms) == (reading.last_event_id, reading.retry_ms)
        assert [(p.event_id, p.offset) for p in told.positions] == [
            (e.id, e.end) for e in reading.events
        ]
        assert (told.end or Position()).offset == reading.end
        assert told.end is None or told.end.event_id == reading.last_event_id
        assert (told.error is not None) == reading.is_open
        assert told.error is None or told.error[0] is StreamTruncated
        texts = tell_spec(SSEText(), chunks, event_id=start)
        assert texts.items == [e.data for e in reading.events]
        assert texts.positions == told.positions


@settings(max_examples=300, deadline=None)
@given(bodies, cuts, st.sampled_from(["", "start"]))
def test_the_shortcut_gives_what_the_general_path_gives(
    body: bytes, places: list[int], start: str
) -> None:
    for spec in (SSE(), SSEText(), SSEData(str | int)):
        quick = spec.build(Context(event_id=start, on_bad_item="skip"))
        exact = spec.build(Context(event_id=start, on_bad_item="skip"))
        assert isinstance(exact, SSEEngine)
        exact._plain = False
        chunks = cut(body, places)
        assert tell(quick, chunks) == tell(exact, chunks)


WATCHES: list[dict[str, Any]] = [
    {"terminal": "[DONE]"},
    {"terminal": "a"},
    {"terminal": Terminal("tick")},
    {"terminal": Terminal("message")},
    {"failure": Failure(event="x")},
    {"failure": Failure(event="message")},
    {"terminal": "b", "failure": Failure(event="tick")},
    {"limits": Limits(max_item_bytes=7)},
    {"limits": Limits(max_item_bytes=12)},
    {"on_bad_item": "skip"},
    {"event_id": "0", "behind": (b"x",)},
]


@settings(max_examples=300, deadline=None)
@given(bodies, cuts, st.sampled_from(WATCHES))
def test_cuts_change_nothing(body: bytes, places: list[int], context: dict[str, Any]) -> None:
    for spec in (SSE(), SSE(comments=True), SSEData(int), SSEText()):
        whole = tell_spec(spec, [body], **context)
        assert tell_spec(spec, cut(body, places), **context) == whole
        assert tell_spec(spec, [body[i : i + 1] for i in range(len(body))], **context) == whole


def test_the_shortcut_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_engine, "_WORTH_A_SHORTCUT", 0)
    monkeypatch.setattr(sse_engine.SSEEngine, "_read_line", None)
    for body in (
        b"data: a\n\ndata: b\n\n",
        b"data: \xe2\x82\xac\n\n",
        b"id: 1\nevent: e\ndata: a\n\nevent: e\nid: 2\ndata:\n\n",
        b"id: 3\r\ndata: b\r\n\r\n",
        b"data: a\r\n\r\n" * 3,
    ):
        told = tell_spec(SSE(), [body, body])
        assert fields(told.items) == expected(read(body + body))
        assert len(told.items) >= 2


def test_one_plain_event_takes_the_shortest_way(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = SSEData(int).build(Context())
    assert engine.feed(b": hello\n").items == []
    monkeypatch.setattr(sse_engine.SSEEngine, "_read_chunk", None)
    batch = engine.feed(b"data: 1\n\n")
    assert (batch.items, batch.end, batch.size) == ([1], Position(offset=17), 9)
    assert batch.marks.position(0) == batch.end
    assert batch.marks.digest(0) is None
    with pytest.raises(TypeError):
        engine.feed(b"data: x\n\n")


def test_line_ends_of_all_kinds_in_one_chunk() -> None:
    for body in (
        b"data: a\n\r\ndata: b\r\n\r\n",
        b"data: a\r\n\ndata: b\r\n\r\n",
        b"data: a\n\ndata: b\r\rdata: c\r\n\r\n",
    ):
        reading = read(body)
        for chunks in every_cut(body):
            told = tell_spec(SSE(), chunks)
            assert [p.offset for p in told.positions] == [e.end for e in reading.events]


def test_a_line_feed_after_an_event_in_its_own_chunk_is_a_blank_line() -> None:
    chunks = [b"data: 1\r\r", b"data: 2\n\n", b"\n"]
    assert tell_spec(SSE(), chunks) == tell_spec(SSE(), [b"".join(chunks)])


def test_events_come_at_the_earliest_byte() -> None:
    engine = SSE().build(Context())
    assert engine.feed(b"data: a\r\r").items == [ServerSentEvent("message", "a")]
    assert engine.feed(b"\ndata: b\n\r").items == [ServerSentEvent("message", "b")]
    assert engine.feed(b"\n").items == []
    assert engine.feed(b"retry: 5\r").items == []
    assert engine.retry_ms == 5


def test_the_end_drops_a_block_and_its_id() -> None:
    engine = SSE().build(Context(event_id="1"))
    engine.feed(b"id: 2\nevent: x\nretry: 3\n: comment")
    assert engine.finish().error is None
    assert (engine.event_id, engine.retry_ms) == ("1", 3)
    assert engine.finish().error is None


@pytest.mark.parametrize(
    ("rest", "is_open"),
    [
        (b"data: x\n", True), (b"data\n: ping\n", True), (b"d", True), (b"unknown", True),
        (b"unknown field: " + b"x" * 99, True), (b"id: 1", True), (b"\xef\xbb", True),
        (b"id: 1\n", False), (b"event: e\n", False), (b"retry: 1\n", False), (b": cut", False),
        (b":" + b"x" * 99, False), (b"", False), (b"\xef\xbb\xbf", False), (b"unknown\n", False),
    ],
)  # fmt: skip
def test_an_open_record_is_truncated(rest: bytes, is_open: bool) -> None:
    for chunks in every_cut(rest):
        for framed in (True, False):
            told = tell_spec(SSE(), chunks, framed=framed)
            assert (told.error is not None) == is_open


def test_retry_is_clamped() -> None:
    for digits, value in ((b"0" * 30 + b"7", 7), (b"9" * 18, 10**18 - 1), (b"1" * 19, 10**18)):
        told = tell_spec(SSE(), [b"retry:" + digits + b"\ndata: x\n\n"])
        assert told.retry_ms == value
        assert told.items[0].retry == value


def test_retry_of_a_million_digits_takes_no_time() -> None:
    started = time.process_time()
    assert tell_spec(SSE(), [b"retry:" + b"9" * 1_000_000 + b"\n"]).retry_ms == 10**18
    assert time.process_time() - started < 1


def test_comments_are_items_if_asked_for() -> None:
    body = b": one\nid: 1\ndata: x\n:two\n\n:\n"
    told = tell_spec(SSE(comments=True), [body])
    assert fields(told.items) == [
        ("", "one", "", None),
        ("", "two", "", None),
        ("message", "x", "1", None),
        ("", "", "", None),
    ]
    assert [p.offset for p in told.positions] == [0, 0, len(body) - 2, len(body) - 2]


def test_a_comment_is_delivered_with_its_line_inside_a_block() -> None:
    engine = SSE(comments=True).build(Context())
    assert fields(engine.feed(b"data: x\n:now\n").items) == [("", "now", "", None)]


# Positions and digests


def test_items_behind_an_id_have_digests() -> None:
    body = b"data: 0\n\nid: 1\ndata: a\n\ndata: b\n\nevent: e\ndata: c\n\nid: 2\n\ndata: d\n\n"
    told = tell_spec(SSE(), [body])
    assert [d is not None for d in told.digests] == [False, False, True, True, True]
    b, c, d = (digest or b"" for digest in told.digests[2:])
    assert len({b, c, d}) == 3
    assert [p.behind for p in told.positions] == [(), (), (b,), (b, c), (d,)]
    assert [p.event_id for p in told.positions] == ["", "1", "1", "1", "2"]
    assert told.end == Position("2", len(body), (d,))


def test_a_stream_in_which_all_items_have_ids_or_none_has_no_digests() -> None:
    for body in (b"data: a\n\n" * 3, b"id: 1\ndata: a\n\n" * 3, b"id\ndata: a\n\n"):
        told = tell_spec(SSE(), [body])
        assert set(told.digests) == {None}
        assert told.end is not None
        assert told.end.behind == ()


def test_an_id_with_nul_is_none_of_its_own() -> None:
    told = tell_spec(SSE(), [b"id: a\0\ndata: x\n\n"], event_id="1")
    assert told.digests[0] is not None


def test_digests_depend_on_type_and_data() -> None:
    def digest(body: bytes) -> bytes | None:
        return tell_spec(SSEText(), [body], event_id="1").digests[0]

    one = digest(b"event: ab\ndata: c\n\n")
    assert one == digest(b"data: c\r\nevent: ab\r\n\r\n")
    assert one != digest(b"event: a\ndata: bc\n\n")
    assert one != digest(b"data: c\n\n")


def test_an_id_only_block_moves_the_end_but_no_item() -> None:
    told = tell_spec(SSE(), [b"id: 1\ndata: a\n\nid: 2\n\n"])
    assert told.positions == [Position("1", 15)]
    assert told.end == Position("2", 22)


def test_more_items_than_can_be_kept_make_the_position_inexact() -> None:
    told = tell_spec(SSE(), [b"id: 1\ndata: a\n\n" + b"data: b\n\n" * 257])
    assert len(told.positions[256].behind) == 256
    assert told.positions[256].exact
    assert told.positions[257] == Position("1", told.positions[257].offset, (), exact=False)
    assert told.digests[256] is not None
    assert told.digests[257] is None
    assert told.end is not None
    assert not told.end.exact


def test_what_was_delivered_before_a_resume_stays_behind() -> None:
    first = tell_spec(SSE(), [b"id: 1\n\ndata: a\n\ndata: b\n\n"]).end
    assert first is not None
    a, b = first.behind
    # The server repeats one, and breaks: the other is still known to have been delivered.
    again = tell_spec(SSE(), [b"data: a\n\n"], event_id="1", behind=first.behind)
    assert again.digests == [a]
    assert again.end is not None
    assert again.end.behind == (a, b)
    # It repeats both, then goes on.
    more = tell_spec(SSE(), [b"data: a\n\ndata: b\n\ndata: a\n\n"], event_id="1", behind=(a, b))
    assert [p.behind for p in more.positions] == [(a, b), (a, b), (a, b, a)]
    # It repeats none.
    other = tell_spec(SSE(), [b"data: c\n\ndata: b\n\n"], event_id="1", behind=(a, b))
    assert other.end is not None
    assert other.end.behind == (a, b, *other.digests)
    # A new ID forgets them.
    new = tell_spec(SSE(), [b"id: 2\ndata: c\n\n"], event_id="1", behind=(a, b))
    assert new.end is not None
    assert new.end.behind == ()


# Terminals and failures


def test_a_text_terminal_is_not_delivered_and_nothing_after_it_is_read() -> None:
    body = b"data: 1\n\nid: 9\ndata: [DONE]\n\ndata: {bad\n\n"
    told = tell_spec(SSEData(int), [body], terminal="[DONE]")
    assert (told.items, told.ended, told.error) == ([1], True, None)
    assert told.end == Position("9", 29)


def test_a_text_terminal_in_a_chunk_of_its_own() -> None:
    chunks = [b"data: 1\n\n", b"data: [DONE]\n\n", b"data: 2\n\n"]
    told = tell_spec(SSEText(), chunks, terminal="[DONE]")
    assert (told.items, told.ended) == (["1"], True)


def test_a_text_terminal_must_be_the_whole_data() -> None:
    told = tell_spec(SSEText(), [b"data: x[DONE]\n\ndata: [DONE]\ndata: \n\n"], terminal="[DONE]")
    assert (told.items, told.ended) == (["x[DONE]", "[DONE]\n"], False)


def test_an_event_terminal_is_delivered() -> None:
    body = b"data: 1\n\nevent: stop\ndata: 2\n\ndata: 3\n\n"
    told = tell_spec(SSEData(int), [body], terminal=Terminal("stop"))
    assert (told.items, told.ended) == ([1, 2], True)


def test_a_failure_comes_after_the_items_before_it() -> None:
    body = b"id: 1\ndata: 1\n\nid: 2\nevent: error\ndata: {no json\n\ndata: 3\n\n"
    for spec in (SSEData(int), SSEText(), SSE()):
        told = tell_spec(spec, [body], failure=Failure(event="error"))
        assert len(told.items) == 1
        assert told.error is not None
        assert told.error[0] is StreamFailed
        assert told.error[-1] == ServerSentEvent("error", "{no json", "2")
        assert told.end == Position("1", 15)
        assert told.event_id == "1"


# Data


class Tick(msgspec.Struct):
    n: int


def test_bad_data_comes_after_the_items_before_it_with_its_place() -> None:
    body = b'data: {"n": 1}\n\nid: 2\ndata: {"n": "x"}\n\ndata: {"n": 3}\n\n'
    told = tell_spec(SSEData(Tick), [body])
    assert told.items == [Tick(1)]
    assert told.error is not None
    kind, message, index, offset, excerpt = told.error[:5]
    assert (kind, index, offset, excerpt) == (DecodeError, 1, 16, b'{"n": "x"}')
    assert message.startswith("item 1 at byte 16 cannot be decoded: Expected `int`")
    assert told.event_id == ""


def test_the_place_of_a_bad_item_does_not_depend_on_cuts() -> None:
    for body, place in (
        (b"data: 1\r\n\r\ndata: x\r\n\r\n", 11),
        (b"data: 1\r\rdata: x\r\r", 9),
        (b"data: 1\n\n\r\n: c\ndata: x\n\n", 11),
    ):
        for chunks in every_cut(body):
            told = tell_spec(SSEData(int), chunks)
            assert told.items == [1]
            assert told.error is not None
            assert told.error[2:4] == (1, place)


def test_bad_items_can_be_skipped_or_asked_about() -> None:
    body = b"data: 1\n\ndata: x\n\ndata: 3\n\n"
    told = tell_spec(SSEData(int), [body], on_bad_item="skip")
    assert (told.items, told.skipped, told.error) == ([1, 3], 1, None)
    met: list[DecodeError] = []
    assert tell_spec(SSEData(int), [body], on_bad_item=met.append).items == [1, 3]
    assert [(error.index, error.offset) for error in met] == [(1, 9)]

    def stop(error: DecodeError) -> None:
        raise KeyError("mine")

    told = tell_spec(SSEData(int), [body], on_bad_item=stop)
    assert told.items == [1]
    assert told.error is not None
    assert told.error[:2] == (KeyError, "'mine'")


def test_data_is_strict_utf8_and_text_is_not() -> None:
    body = b'data: "\xff"\n\n'
    assert tell_spec(SSEText(), [body]).items == ['"\ufffd"']
    told = tell_spec(SSEData(), [body])
    assert told.error is not None
    assert told.error[0] is DecodeError


def test_data_without_a_type_is_any_json() -> None:
    body = b'data: {"a": [1, null]}\n\ndata: 1.5\n\ndata: "\xc3\xa9"\n\n'
    assert tell_spec(SSEData(), [body]).items == [{"a": [1, None]}, 1.5, "é"]
    assert tell_spec(SSEData(int | str), [b'data: 1\n\ndata: "x"\n\n']).items == [1, "x"]


def test_a_type_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(ConfigurationError, match="complex"):
        SSEData(complex)


def test_specs_are_values() -> None:
    assert SSEData(int) == SSEData(int)
    assert SSEData(int) != SSEData[Any](str)
    assert SSE() == SSE(comments=False) != SSE(comments=True)
    assert len({SSEData(int), SSEData(int), SSEText(), SSEText()}) == 2
    assert repr(SSEData(int)) == "SSEData(type=<class 'int'>)"
    assert list(SSEText()().decode(b"data: x\n\n")) == ["x"]


# Bounds


@pytest.mark.parametrize(
    "body",
    [
        b"data: 12345\n\n", b"data: 12345", b"data: 12\ndata: 2\n\n", b"event: 12345\n",
        b"id: 123456\n", b"id: 123456", b"data: 1\nevent: abc", b"retry: 1234",
    ],
)  # fmt: skip
def test_what_outgrows_the_limit_is_refused(body: bytes) -> None:
    for chunks in every_cut(b"data: ok\n\n" + body):
        told = tell_spec(SSE(), chunks, limits=Limits(max_item_bytes=9))
        assert len(told.items) == 1
        assert told.error is not None
        assert told.error[0] is LimitExceeded
        assert told.error[5:7] == ("max_item_bytes", 10)


def test_what_means_nothing_has_no_limit_and_is_not_kept() -> None:
    engine = SSE().build(Context(limits=Limits(max_item_bytes=9)))
    for start in (b":", b"unknown: ", b"without colon ", b"dat"):
        engine.feed(start)
        for _ in range(100):
            assert engine.feed(b"x" * 100).error is None
            assert len(engine._tail) <= 9  # type: ignore[attr-defined]
        assert engine.feed(b"\n").error is None


def test_a_comment_that_is_delivered_has_a_limit() -> None:
    for chunks in every_cut(b":123456789\n"):
        told = tell_spec(SSE(comments=True), chunks, limits=Limits(max_item_bytes=9))
        assert told.error is not None


def seconds_to_read(size: int, piece: int) -> float:
    body = b"data: " + b"x" * size + b"\n\n"
    engine = SSEText().build(Context(limits=Limits(max_item_bytes=2 * size)))
    chunks = [body[i : i + piece] for i in range(0, len(body), piece)]
    started = time.process_time()
    items = [item for chunk in chunks for item in engine.feed(chunk).items]
    assert len(items[0]) == size
    return time.process_time() - started


def test_a_large_event_in_small_pieces_takes_linear_time() -> None:
    small, large = (min(seconds_to_read(size << 20, 1024) for _ in range(2)) for size in (4, 16))
    assert large < 12 * small  # quadratic time would be 16 times as long, and worse


# The event


def test_the_event_is_that_of_httpx_sse() -> None:
    theirs = httpx_sse.ServerSentEvent(event="e", data='{"a": 1}', id="3", retry=4)
    ours = ServerSentEvent("e", '{"a": 1}', "3", 4)
    for name in ("event", "data", "id", "retry"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert getattr(ServerSentEvent(), name) == getattr(httpx_sse.ServerSentEvent(), name)
    assert ours.json() == theirs.json() == {"a": 1}


@pytest.mark.parametrize("data", ["", "{", "[1,]", "nul", "1 2"])
def test_bad_json_of_an_event_raises_what_json_raises(data: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        ServerSentEvent(data=data).json()


@pytest.mark.parametrize("data", ["NaN", "1e999", '"\\ud800"', "-0", "1" * 30])
def test_json_of_an_event_is_what_json_makes_of_it(data: str) -> None:
    assert repr(ServerSentEvent(data=data).json()) == repr(json.loads(data))
