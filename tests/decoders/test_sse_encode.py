"""What `ServerSentEvent.encode` writes is read as the same event."""

from __future__ import annotations

import re

import pytest
from decoder_harness import cut, cuts, tell_spec
from hypothesis import given
from hypothesis import strategies as st
from sse_reference import read

from streamable_http._decoders.sse import SSE, ServerSentEvent

# All that may trip a parser of lines, more often than chance would have it.
odd = st.sampled_from([*"\r\n\0\x0b\x0c\x1c\x85\u2028\ufeff :é€", "data: ", "\r\n", "\n\n", "id:1"])
any_text = st.lists(odd | st.text(max_size=3), max_size=8).map("".join)
one_line = any_text.map(lambda text: re.sub(r"[\r\n]", "", text))
types = one_line.filter(bool)
ids = one_line.map(lambda text: text.replace("\0", ""))
events = st.builds(
    ServerSentEvent, types | st.just("message"), any_text, ids, st.none() | st.integers(0, 10**18)
)


def as_read(event: ServerSentEvent, last_id: str = "") -> ServerSentEvent:
    """What the documentation says is not kept: line ends of another kind, and an empty ID."""
    data = event.data.replace("\r\n", "\n").replace("\r", "\n")
    return ServerSentEvent(event.event, data, event.id or last_id, event.retry)


@given(events, cuts)
def test_an_event_comes_back_equal_however_it_is_cut(
    event: ServerSentEvent, places: list[int]
) -> None:
    told = tell_spec(SSE(comments=True), cut(event.encode(), places))

    assert told.items == [as_read(event)]
    assert told.error is None


@given(st.lists(events, max_size=6), cuts)
def test_many_in_a_row_do_not_run_into_each_other(
    sent: list[ServerSentEvent], places: list[int]
) -> None:
    told = tell_spec(SSE(comments=True), cut(b"".join(one.encode() for one in sent), places))

    expected: list[ServerSentEvent] = []
    for event in sent:
        expected.append(as_read(event, expected[-1].id if expected else ""))
    assert told.items == expected


@given(events)
def test_the_plain_reading_of_the_rules_is_the_same(event: ServerSentEvent) -> None:
    (found,) = read(event.encode()).events

    assert ServerSentEvent(found.event, found.data, found.id, found.retry) == as_read(event)


@given(any_text)
def test_a_comment_stays_one(text: str) -> None:
    body = ServerSentEvent("", text).encode()

    assert tell_spec(SSE(), [body]).items == []
    told = tell_spec(SSE(comments=True), [body])
    assert "\n".join(one.data for one in told.items) == as_read(ServerSentEvent("", text)).data


def test_what_is_written() -> None:
    assert ServerSentEvent().encode() == b"data: \n\n"
    assert ServerSentEvent(data="a\r\nb\rc\nd").encode() == (
        b"data: a\ndata: b\ndata: c\ndata: d\n\n"
    )
    assert ServerSentEvent("tick", "é", "7", 50).encode() == (
        b"event: tick\nid: 7\nretry: 50\ndata: \xc3\xa9\n\n"
    )
    assert ServerSentEvent("", "ping").encode() == b": ping\n\n"


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (ServerSentEvent("a\ndata: injected"), "event='a"),
        (ServerSentEvent("a\rid: 1"), "event='a"),
        (ServerSentEvent(id="1\n\ndata: injected"), "id='1"),
        (ServerSentEvent(id="1\r2"), "id='1"),
        (ServerSentEvent(id="1\0"), "NUL"),
        (ServerSentEvent(None, "no comment"), "event=None"),  # type: ignore[arg-type]
        (ServerSentEvent(retry=-1), "retry=-1"),
        (ServerSentEvent(retry=True), "retry=True"),
        (ServerSentEvent(retry=1.5), "retry=1.5"),  # type: ignore[arg-type]
        (ServerSentEvent(retry=float("nan")), "retry=nan"),  # type: ignore[arg-type]
        (ServerSentEvent(data="\ud800"), "surrogates"),
    ],
)
def test_what_cannot_be_written_is_refused(event: ServerSentEvent, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        event.encode()
