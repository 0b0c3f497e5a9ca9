"""Blocks as servers write them, one in a chunk or many: all paths give what the slow one gives."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from decoder_harness import tell
from hypothesis import given, settings
from hypothesis import strategies as st
from sse_reference import read

from streamable_http._decoders import sse_engine
from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.sse import SSE, ServerSentEvent, SSEData, SSEText
from streamable_http._decoders.sse_blocks import one_block
from streamable_http._decoders.sse_engine import SSEEngine
from streamable_http._errors import DecodeError, LimitExceeded
from streamable_http._values import Failure, Limits, Terminal

VALUES = [
    b"",
    b"1",
    b" a",
    b"[DONE]",
    b'"\xff"',
    b'"\xe2\x82\xac"',
    b"a\0b",
    b"data: x",
    b'{"n":1}',
]
names = st.sampled_from([b"id", b"event", b"data", b"data", b"id", b"", b"retry", b"other"])
lines = st.builds(
    lambda name, colon, value: name + (colon + value if colon else b""),
    names,
    st.sampled_from([b": ", b": ", b":", b""]),
    st.sampled_from(VALUES),
)
ordinary = st.permutations([b"id: 5", b"event: tick", b'data: "a"']).map(list)


@st.composite
def blocks(draw: st.DrawFn) -> list[bytes]:
    """Chunks of one block each, with line ends of one kind, or of several."""
    some = draw(st.lists(ordinary | st.lists(lines, max_size=4), min_size=1, max_size=6))
    ends = draw(st.sampled_from([[b"\n"], [b"\r\n"], [b"\r"], [b"\n", b"\r\n", b"\r"]]))
    end = st.sampled_from(ends)
    return [b"".join(line + draw(end) for line in [*block, b""]) for block in some]


CONTEXTS: list[dict[str, Any]] = [
    {},
    {"event_id": "0"},
    {"event_id": "0", "behind": (b"x",)},
    {"terminal": "[DONE]"},
    {"terminal": Terminal("tick")},
    {"failure": Failure(event="tick")},
    {"limits": Limits(max_item_bytes=11)},
    {"limits": Limits(max_item_bytes=24)},
    {"on_bad_item": "skip"},
]


@pytest.fixture(autouse=True, scope="module", params=[0, sse_engine._WORTH_A_SHORTCUT])
def worth_a_shortcut(request: pytest.FixtureRequest) -> Iterator[None]:
    usual, sse_engine._WORTH_A_SHORTCUT = sse_engine._WORTH_A_SHORTCUT, request.param
    yield
    sse_engine._WORTH_A_SHORTCUT = usual


@settings(max_examples=400, deadline=None)
@given(blocks(), st.integers(1, 4), st.sampled_from(CONTEXTS))
def test_blocks_in_chunks_of_their_own_are_read_as_line_by_line(
    some: list[bytes], together: int, context: dict[str, Any]
) -> None:
    chunks = [b"".join(some[at : at + together]) for at in range(0, len(some), together)]
    for spec in (SSE(), SSEText(), SSEData(str | int)):
        exact = spec.build(Context(**context))
        assert isinstance(exact, SSEEngine)
        exact._plain = False
        assert tell(spec.build(Context(**context)), chunks) == tell(exact, chunks)


@settings(max_examples=400, deadline=None)
@given(blocks())
def test_blocks_in_chunks_of_their_own_are_read_as_the_standard_says(some: list[bytes]) -> None:
    reading = read(b"".join(some))
    told = tell(SSE()(), some)
    assert [(e.event, e.data, e.id, e.retry) for e in told.items] == [
        (e.event, e.data, e.id, e.retry) for e in reading.events
    ]
    assert [(p.event_id, p.offset) for p in told.positions] == [
        (e.id, e.end) for e in reading.events
    ]
    assert told.event_id == reading.last_event_id


ORDERS = [
    b"\n".join(order) for order in itertools.permutations([b"id: 5", b"event: e", b"data: a"])
]
READ_AT_ONCE = [order for order in ORDERS if order.index(b"event") < order.index(b"data")]


@pytest.mark.parametrize("head", [*READ_AT_ONCE, b"data:a\nid:5", b"event:e\ndata:a", b"data:a"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_servers_send_is_not_read_line_by_line(
    monkeypatch: pytest.MonkeyPatch, head: bytes, end: bytes
) -> None:
    monkeypatch.setattr(sse_engine, "_WORTH_A_SHORTCUT", 0)
    block = (head + b"\n\n").replace(b"\n", end)
    event = "e" if b"event" in head else "message"
    event_id = "5" if b"id" in head else ""
    item = ServerSentEvent(event, "a", event_id)
    engine = SSE()()
    engine.feed(b": hello\n")
    monkeypatch.setattr(SSEEngine, "_read_line", None)
    assert engine.feed(block * 3).items == [item] * 3
    monkeypatch.setattr(SSEEngine, "_feed_any", None)
    batch = engine.feed(block)
    position = Position(event_id, 8 + 4 * len(block) - (end == b"\r\n"))
    assert (batch.items, batch.end, batch.size) == ([item], position, len(block))
    assert engine.event_id == event_id


def test_one_block_is_one_and_whole() -> None:
    assert one_block(b"id: 1\nevent: e\nid:2\ndata: a\n\n") == (b"e", b"a", b"2")
    assert one_block(b"id: 1\r\ndata: a\nid: 3\r\n\n") == (b"", b"a", b"3")
    for other in (
        b"", b"\n", b"data: a\n", b"data: a\n\ndata: b\n\n", b"data: a\ndata: b\n\n", b"id: 1\n\n",
        b"data: a\r\r\n\n", b"data: a\n\r", b"id:\ndata: a\n\n", b"id: a\0b\ndata: a\n\n",
        b": c\ndata: a\n\n", b"retry: 1\ndata: a\n\n", b"data: a\rid: 1\n\n",
    ):  # fmt: skip
        assert one_block(other) is None


def test_an_item_without_an_id_behind_one_that_has_one_can_be_recognised() -> None:
    engine = SSE()()
    engine.feed(b": hello\n")
    batches = [engine.feed(block) for block in (b"id: 5\ndata: a\n\n", b"event: e\ndata: b\n\n")]
    assert [batch.items[0].id for batch in batches] == ["5", "5"]
    assert batches[0].marks.digest(0) is None
    digest = batches[1].marks.digest(0)
    assert digest is not None
    assert batches[1].end == Position("5", 41, (digest,))
    assert engine.feed(b"id: 6\ndata: c\n\n").end == Position("6", 56)
    assert engine.feed(b"data: d\n\n").end != Position("6", 65)  # its own run begins anew


@pytest.mark.parametrize("head", [b"", b"event: e\n", b"id: 1\n"])
def test_a_terminal_in_a_chunk_of_its_own_ends_the_stream(head: bytes) -> None:
    engine = SSEText().build(Context(terminal="[DONE]"))
    assert engine.feed(head + b"data: a\n\n").items == ["a"]
    batch = engine.feed(head + b"data: [DONE]\n\n")
    assert (batch.items, batch.ended) == ([], True)


class Narrow(msgspec.Struct):
    """A type that leaves fields out, at whose bytes msgspec does not look."""

    n: int


@pytest.mark.parametrize("head", [b"", b"event: e\n", b"id: 1\n"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_what_is_not_utf8_is_an_error_where_the_type_leaves_it_out(head: bytes, end: bytes) -> None:
    good = (head + b'data: {"n": 1, "x": "\xe2\x82\xac"}\n\n').replace(b"\n", end)
    bad = good.replace(b"\xe2\x82\xac", b"\xe2\x82")
    for chunks in ([good * 9 + bad], [good] * 9 + [bad]):
        told = tell(SSEData(Narrow)(), chunks)
        assert told.items == [Narrow(1)] * 9
        assert told.error is not None
        assert told.error[0] is DecodeError


@pytest.mark.parametrize("block", [b"data: 12345\n\n", b"event: e\ndata: 1\n\n"])
def test_a_chunk_above_the_limit_is_read_line_by_line(block: bytes) -> None:
    size = sum(map(len, block.split(b"\n")))
    for limit in (size, size - 1):
        told = tell(SSEText().build(Context(limits=Limits(max_item_bytes=limit))), [block, block])
        if limit == size:
            assert len(told.items) == 2
        else:
            assert told.error is not None
            assert told.error[0] is LimitExceeded
