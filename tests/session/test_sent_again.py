"""Servers that take no notice of Last-Event-ID, or send the last event again, as scripts."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import CLOSE, LOST, OPEN, READ, A, B, C, asked, head, over, script, session

from streamable_http._decoders.engine import Batch, Position
from streamable_http._decoders.sse import SSE, SSEData, SSEText
from streamable_http._effects import Emit, Sleep
from streamable_http._errors import ResumeError
from streamable_http._session import Session
from streamable_http._ways.content import digest_of, is_equal
from streamable_http._ways.events import Events

FAULT: list[Any] = [(READ, LOST), (CLOSE, None), (Sleep, None)]
MANY = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(200))  # read by the block
BEHIND = b"data: x\n\n", b"data: y\n\n"
ANEW = "took no notice of Last-Event-ID"


def cut(*pieces: bytes, decoder: Any = None, **options: Any) -> Session[Any]:
    """A stream that lost its connection behind these pieces, and waits for the answer."""
    s = script(session(decoder or SSEText(), **options), (OPEN, head()))
    for piece in pieces:
        script(s, (READ, piece))
        if isinstance(s.effect, Emit):
            script(s, (Emit, None))
    return script(s, *FAULT)


def again(s: Session[Any], after: str, *pieces: bytes) -> list[Any]:
    """What is new of the pieces that come after this event."""
    script(s, (asked(after=after), head()))
    items: list[Any] = []
    for piece in pieces:
        script(s, (READ, piece))
        if isinstance(s.effect, Emit):
            items += s.effect.batch.items
            script(s, (Emit, None))
    return items


# Begun anew --------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", [SSE(), SSEText(), SSE(comments=True)])
@pytest.mark.parametrize("pieces", [(A, B, C), (A + B + C,), (b": hi\n\n" + A, B + b": hi\n\n", C)])
def test_a_server_that_begins_anew_is_noticed(decoder: Any, pieces: tuple[bytes, ...]) -> None:
    s = cut(*pieces, decoder=decoder)
    again(s, "3", b": hi\n\n" + A + B)
    over(script(s, (CLOSE, None)), ResumeError, f"{ANEW} '3'")
    assert s.stats.replayed == 0


def test_it_is_noticed_of_events_that_are_read_by_the_block() -> None:
    s = cut(MANY)
    assert again(s, "199", MANY) == []
    over(script(s, (CLOSE, None)), ResumeError, ANEW)
    assert s.stats.items == 200


def test_items_before_the_event_that_shows_it_are_delivered() -> None:
    """As they would be if they had come in a chunk of their own."""
    for pieces in ((BEHIND[0], A, B), (BEHIND[0] + A + B,)):
        s = cut(A, B)
        assert again(s, "2", *pieces[:2]) == ["x"]
        over(script(s, (CLOSE, None)), ResumeError, ANEW)


def test_a_feed_that_begins_anew_is_no_feed_that_goes_on() -> None:
    s = script(session(follow=True), (OPEN, head()), (READ, A + B), (Emit, None), (READ, b""))
    script(s, (CLOSE, None), (Sleep, None))
    again(s, "2", A)
    over(script(s, (CLOSE, None)), ResumeError, ANEW)


@pytest.mark.parametrize("first", [b"id: 1\ndata: other\n\n", b"id: 9\ndata: a\n\n", B])
def test_what_differs_from_the_first_event_is_news(first: bytes) -> None:
    s = cut(A, B, C)
    assert again(s, "3", first, A) == [first.split()[3].decode(), "a"]


def test_behind_an_event_of_its_own_the_first_one_is_news() -> None:
    s = cut(A, B)
    assert again(s, "2", C + A, A) == ["c", "a", "a"]


def test_the_first_event_with_an_id_need_not_be_the_first() -> None:
    s = cut(BEHIND[0] + A + BEHIND[1], B)
    assert again(s, "2", BEHIND[0] + A) == ["x"]
    over(script(s, (CLOSE, None)), ResumeError, ANEW)


def test_of_a_stream_that_was_started_in_its_midst_the_first_event_is_not_known() -> None:
    s = script(session(start=Position("1")), (OPEN, head()), (READ, B), (["b"], None))
    script(s, (READ, C), (["c"], None), *FAULT)
    assert again(s, "3", B) == ["b"]


def test_the_first_event_is_remembered_as_it_came() -> None:
    s = session(SSEData(dict))
    one, two = (b'id: %d\ndata: {"n": %d}\n\n' % (n, n) for n in (1, 2))
    script(s, (OPEN, head()), (READ, one))
    assert isinstance(s.effect, Emit)
    s.effect.batch.items[0]["n"] = 7  # by its consumer
    script(s, (Emit, None), (READ, two), (Emit, None), *FAULT)
    assert again(s, "2", one) == []
    over(script(s, (CLOSE, None)), ResumeError, ANEW)


# The last event sent again -----------------------------------------------------------------------


@pytest.mark.parametrize("decoder", [SSE(), SSEText()])
@pytest.mark.parametrize(
    "pieces", [(B + C,), (B, C), (b": hi\n\n" + B, C), (b"retry: 1\n\n", B + C)]
)
def test_the_last_event_is_dropped_when_it_comes_again(
    decoder: Any, pieces: tuple[bytes, ...]
) -> None:
    s = cut(A, B, decoder=decoder)
    assert [getattr(item, "data", item) for item in again(s, "2", *pieces)] == ["c"]
    assert (s.stats.replayed, s.stats.items) == (1, 3)
    over(script(s, (READ, b"")))


def test_it_is_dropped_of_events_that_are_read_by_the_block() -> None:
    s = cut(MANY)
    assert again(s, "199", b"id: 199\ndata: 199\n\n" + C) == ["c"]


def test_the_only_event_is_no_new_beginning() -> None:
    s = cut(A)
    assert again(s, "1", A + B) == ["b"]


def test_other_content_of_the_same_id_is_delivered() -> None:
    s = cut(A, B)
    assert again(s, "2", b"id: 2\ndata: other\n\n" + C) == ["other", "c"]


def test_a_repeat_is_no_progress() -> None:
    s = cut(A, B)
    for _ in range(4):
        again(s, "2", B)
        script(s, (READ, LOST), (CLOSE, None))
        if s.effect is not None:
            script(s, (Sleep, None))
    assert s.effect is None
    assert s.stats.replayed == 4


def test_what_followed_it_is_dropped_with_it() -> None:
    for pieces in ((A + b"".join(BEHIND) + B,), (A, *BEHIND, B), (A + BEHIND[0], BEHIND[1] + B)):
        s = cut(A, *BEHIND)
        assert again(s, "1", *pieces) == ["b"]
        assert s.stats.replayed == 3


@pytest.mark.parametrize("came", [1, 2, 3])
def test_a_cut_among_the_repeats_forgets_none_of_them(came: int) -> None:
    """The next connection may send what followed the event without the event."""
    s = cut(A, *BEHIND)
    assert again(s, "1", *(A, *BEHIND)[:came]) == []
    assert len(s.position.behind) == 2
    script(s, *FAULT)
    assert again(s, "1", *BEHIND, b"data: z\n\n") == ["z"]
    assert len(s.position.behind) == 3


def test_a_comment_among_the_repeats_stands_where_the_stream_stood() -> None:
    s = cut(A, *BEHIND, decoder=SSE(comments=True))
    script(s, (asked(after="1"), head()), (READ, A + b": hi\n\n" + BEHIND[0]))
    assert isinstance(s.effect, Emit)
    batch: Batch[Any] = s.effect.batch
    assert [item.data for item in batch.items] == ["hi"]
    assert len(batch.marks.position(0).behind) == len(s.position.behind) == 2


def test_behind_repeats_an_equal_event_is_another_one() -> None:
    """Who sends what followed the event has passed it."""
    s = cut(A, BEHIND[0])
    assert again(s, "1", BEHIND[0] + A, B) == ["a", "b"]


def test_items_too_many_to_be_known_hide_no_event() -> None:
    s = cut(A, BEHIND[0] * 300, B)
    assert again(s, "2", B + C) == ["c"]


# Content -----------------------------------------------------------------------------------------


class Odd:
    """A type of the user's own that is of no help."""

    def __eq__(self, other: object) -> Any:
        if other is self:
            raise ValueError("ambiguous")
        return [True]

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise RuntimeError("no")


def test_types_that_cannot_be_compared_are_not_equal() -> None:
    odd = Odd()
    assert not is_equal(odd, odd)
    assert not is_equal(odd, Odd())
    assert not is_equal(1, True)
    assert not is_equal(float("nan"), float("nan"))
    assert is_equal({"a": [1]}, {"a": [1]})
    assert digest_of(odd) is None
    assert digest_of("\ud800") != digest_of("\ud801")


def test_what_has_no_digest_is_never_the_first() -> None:
    events, odd = Events(), Odd()

    class Marks:
        def position(self, index: int, /) -> Position:
            return Position("1")

        def digest(self, index: int, /) -> bytes | None:
            return None

    events.note(Batch([odd], Marks()), Position("1"), from_start=True)
    assert not events.is_first("1", odd)
    assert not events.is_last("1", odd)
