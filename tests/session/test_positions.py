"""Resume, replay, delivery and turns: the small objects that keep positions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamable_http._decoders.engine import NO_MARKS, Batch, Context, Position
from streamable_http._decoders.sse import SSE, SSEText
from streamable_http._delivery import Delivery, Mark
from streamable_http._effects import Target
from streamable_http._errors import ConfigurationError, ResumeError
from streamable_http._resume import cursor_of, is_idempotent, position_of
from streamable_http._turns import Over, Turns
from streamable_http._values import Cursor
from streamable_http._ways.event_id import ByEventID
from streamable_http._ways.replay import Replay

# Resume --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "QUERY"])
def test_idempotent_methods(method: str) -> None:
    assert is_idempotent(method)


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "get"])
def test_other_methods(method: str) -> None:
    assert not is_idempotent(method)


def test_an_id_is_sent_as_utf8() -> None:
    way, target = ByEventID(), Target("GET")
    assert way.plan(target, Position(), begun=True) is None
    plan = way.plan(target, Position("é\t1"), begun=True)
    assert plan is not None
    assert plan.patch.headers == (("last-event-id", b"\xc3\xa9\t1"),)


@pytest.mark.parametrize("event_id", [" 1", "1 ", "\t1", "1\t", "a\x00b", "a\nb", "a\x1fb", "\x7f"])
def test_an_id_that_a_header_would_change_is_refused(event_id: str) -> None:
    with pytest.raises(ResumeError, match="without control characters and outer blanks"):
        ByEventID().plan(Target("GET"), Position(event_id), begun=True)


def test_a_cursor_goes_back_and_forth() -> None:
    position = Position("7", behind=(b"\x01\x02", b"\xff"))
    cursor = cursor_of(position, 9, "GET http://host/")
    assert cursor is not None
    assert (cursor.count, cursor.behind, cursor.kind) == (9, ("0102", "ff"), "last-event-id")
    assert position_of(cursor, None) == position
    assert position_of("7", None) == Position("7")
    assert cursor_of(Position(), 9, "") is None


def test_a_position_that_is_not_exact_gives_no_cursor() -> None:
    """More items than can be recognised: a restart would repeat them."""
    assert cursor_of(Position("7", exact=False), 300, "") is None


def test_a_cursor_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="this stream goes on with 'last-event-id'"):
        position_of(Cursor(kind="bytes", value="7"), None)
    with pytest.raises(ConfigurationError, match="a digest that is not hex"):
        position_of(Cursor(kind="last-event-id", value="7", behind=("xy",)), None)


# The cursor as JSON --------------------------------------------------------------------------

cursors = st.builds(
    Cursor,
    kind=st.text(),
    value=st.text(),
    etag=st.text(),
    count=st.integers(0),
    behind=st.lists(st.text()),
    request=st.text(),
)


@given(cursors)
def test_a_cursor_survives_json(cursor: Cursor) -> None:
    text = cursor.to_json()
    assert Cursor.from_json(text) == Cursor.from_json(text.encode()) == cursor
    assert "\n" not in text


GOOD = json.loads(Cursor(kind="last-event-id", value="7").to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        "null",
        '"x"',
        "{}",
        b"\xff",
        json.dumps({**GOOD, "unknown": 1}),
        json.dumps({"version": 1}),
        json.dumps({**GOOD, "behind": None}),
        json.dumps({**GOOD, "behind": [1]}),
        json.dumps({**GOOD, "behind": "abc"}),
        json.dumps({**GOOD, "value": 7}),
        json.dumps({**GOOD, "count": "7"}),
        json.dumps({**GOOD, "count": True}),
        json.dumps({**GOOD, "etag": None}),
        json.dumps({**GOOD, "request": 1}),
        "[" * 100_000,
    ],
)
def test_what_is_no_cursor_is_said_so(text: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a cursor: pass what Cursor.to_json\(\)"):
        Cursor.from_json(text)


def test_a_cursor_of_no_text_is_said_so() -> None:
    with pytest.raises(ConfigurationError, match=r"is not a cursor: pass what Cursor.to_json\(\)"):
        Cursor.from_json(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("version", [2, "1", None])
def test_a_cursor_of_a_later_release_is_said_so(version: object) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Cursor.from_json(json.dumps({**GOOD, "version": version}))
    assert str(caught.value) == (
        f"the cursor has version {version!r}, and this release reads 1: "
        f"upgrade streamable-http, or start without it"
    )


# Replay --------------------------------------------------------------------------------------


def events(*data: str, event_id: str = "7", behind: tuple[bytes, ...] = ()) -> Batch[str]:
    engine = SSEText().build(Context(event_id=event_id, behind=behind))
    return engine.feed(b"".join(b"data: %b\n\n" % each.encode() for each in data))


def digests(*data: str) -> tuple[bytes, ...]:
    batch = events(*data)
    found = [batch.marks.digest(index) for index in range(len(data))]
    return tuple(digest for digest in found if digest is not None)


def dropped(known: str, sent: str) -> tuple[str, int]:
    behind = digests(*known)
    replay = Replay(behind)
    left = replay.drop(events(*sent, behind=behind))
    return "".join(left.items), replay.dropped


@pytest.mark.parametrize(
    ("known", "sent", "left"),
    [
        ("", "ab", "ab"),
        ("ab", "abc", "c"),
        ("ab", "ab", ""),
        ("ab", "cd", "cd"),
        ("ab", "a", ""),
        ("ab", "acb", "cb"),
        ("ab", "ba", "ba"),
        ("aa", "aaa", "a"),
        ("ab", "", ""),
    ],
)
def test_a_repeat_is_dropped_while_it_is_one(known: str, sent: str, left: str) -> None:
    assert dropped(known, sent) == (left, len(sent) - len(left))


def test_a_replay_may_come_in_pieces() -> None:
    behind = digests("a", "b", "c")
    replay = Replay(behind)
    engine = SSEText().build(Context(event_id="7", behind=behind))
    left: list[str] = []
    for each in b"abcd":
        batch = replay.drop(engine.feed(b"data: %c\n\n" % each))
        left += batch.items
        assert batch.end is not None
        assert len(batch.end.behind) == 3 + (each == ord("d"))
    assert left == ["d"]


def test_after_the_first_item_that_is_no_repeat_nothing_is_dropped() -> None:
    behind = digests("a", "b")
    replay = Replay(behind)
    assert replay.drop(events("c", behind=behind)).items == ["c"]
    assert replay.drop(events("a", "b", behind=behind)).items == ["a", "b"]
    assert replay.dropped == 0


def test_a_comment_is_no_part_of_a_replay() -> None:
    behind = digests("a", "b")
    engine = SSE(comments=True).build(Context(event_id="7", behind=behind))
    sent = engine.feed(b": one\n\ndata: a\n\n: two\n\ndata: b\n\ndata: c\n\n")
    left = Replay(behind).drop(sent)
    assert [event.data for event in left.items] == ["one", "two", "c"]
    assert left.marks.position(2) == left.end


def test_the_marks_of_what_is_left_are_its_own() -> None:
    behind = digests("a", "b")
    batch = Replay(behind).drop(events("a", "b", "c", "d", behind=behind))
    assert batch.items == ["c", "d"]
    assert batch.marks.position(0).behind == digests("a", "b", "c")
    assert batch.marks.position(1) == batch.end
    assert batch.marks.digest(1) == digests("d")[0]


# Delivery ------------------------------------------------------------------------------------


class Numbered:
    """Marks that name an item by its number."""

    def __init__(self, first: int) -> None:
        self.first = first

    def position(self, index: int, /) -> Position:
        return Position(str(self.first + index))

    def digest(self, index: int, /) -> bytes | None:
        return None


def batch_of(first: int, count: int, end: Position | None = None) -> Batch[int]:
    return Batch(list(range(first, first + count)), Numbered(first), end)


def test_the_cursor_passes_an_item_when_the_next_is_asked_for() -> None:
    delivery = Delivery[int](Position("start"), 100)
    assert delivery.committed().resolve() == Position("start")
    delivery.load(batch_of(1, 3, Position("end")))
    seen: list[Any] = []
    for _ in delivery.items:
        mark = delivery.committed()
        seen.append((mark.resolve().event_id, mark.items, delivery.handed))
    assert seen == [("start", 100, 101), ("1", 101, 102), ("2", 102, 103)]
    assert delivery.after_handed().resolve() == Position("end")
    delivery.finish()
    delivery.load(batch_of(4, 1))
    assert (delivery.committed().resolve(), delivery.handed) == (Position("end"), 103)
    assert delivery.rest() == [4]
    assert delivery.committed().resolve() == Position("end")
    assert delivery.after_handed().resolve() == Position("4")


def test_before_the_first_batch_nothing_is_done() -> None:
    delivery = Delivery[int](Position("start"), 5)
    delivery.finish()
    assert (delivery.committed().resolve(), delivery.handed) == (Position("start"), 5)


def test_what_is_left_of_a_batch_is_not_done() -> None:
    delivery = Delivery[int](Position("start"))
    delivery.load(batch_of(1, 3, Position("end")))
    next(delivery.items)
    delivery.finish()
    assert (delivery.committed().resolve(), delivery.handed) == (Position("1"), 1)


def test_an_item_can_be_acknowledged_in_hand() -> None:
    delivery = Delivery[int](Position())
    delivery.acknowledge()
    assert delivery.committed().items == 0
    delivery.load(batch_of(1, 2))
    next(delivery.items)
    delivery.acknowledge()
    assert delivery.committed().resolve() == Position("1")
    next(delivery.items)
    assert delivery.committed().resolve() == Position("1")
    delivery.settle(Position("end"))
    assert delivery.committed().resolve() == Position("end")
    assert delivery.handed == 2


def test_a_mark_is_resolved_when_asked() -> None:
    start = Position("s")
    assert Mark(start, 5).resolve() == start
    assert Mark(start, 5, batch_of(1, 2), 1).items == 6
    assert Mark(start, 5, Batch([1, 2], NO_MARKS, Position("e")), 2).resolve() == Position("e")


# Turns ---------------------------------------------------------------------------------------


def mark(number: int) -> Mark:
    return Mark(Position(str(number)), number)


def test_ordered_results_leave_in_the_order_of_the_items() -> None:
    turns = Turns[str](mark(0), ordered=True)
    first, second = turns.enter(mark(1)), turns.enter(mark(2))
    turns.leave(second, "b")
    assert not turns.ready()
    turns.leave(first, "a")
    assert turns.ready()
    assert [turns.pop(), turns.pop()] == ["a", "b"]
    assert not turns.ready()
    turns.finish()
    assert turns.ready()
    assert turns.low_water.items == 1
    assert turns.after_hand().items == 2
    with pytest.raises(Over):
        turns.pop()
    assert turns.low_water.items == 2


def test_unordered_results_leave_as_they_are_ready() -> None:
    turns = Turns[str](mark(0), ordered=False)
    tickets = [turns.enter(mark(number)) for number in (1, 2, 3)]
    turns.leave(tickets[1], "b")
    assert turns.ready()
    assert turns.pop() == "b"
    turns.settle()
    assert turns.low_water.items == 0
    assert turns.after_hand().items == 0
    turns.leave(tickets[0], "a")
    assert turns.pop() == "a"
    assert turns.after_hand().items == 2
    turns.settle()
    turns.settle()
    assert turns.low_water.items == 2


@pytest.mark.parametrize("ordered", [True, False])
def test_a_failed_item_ends_the_turns_for_good(ordered: bool) -> None:
    turns = Turns[str](mark(0), ordered=ordered)
    first, second = turns.enter(mark(1)), turns.enter(mark(2))
    error = ValueError("no")
    turns.leave(first, "a")
    turns.fail(second, error)
    assert not turns.accepting
    turns.finish(RuntimeError("comes too late"))
    assert turns.ready()
    assert turns.pop() == "a"
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            turns.pop()
    assert turns.low_water.items == 1


def test_a_failed_source_is_raised_behind_all_results() -> None:
    turns = Turns[str](mark(0), ordered=True)
    ticket = turns.enter(mark(1))
    turns.finish(ValueError("source"))
    assert not turns.ready()
    turns.leave(ticket, "a")
    assert turns.ready()
    assert turns.pop() == "a"
    with pytest.raises(ValueError, match="source"):
        turns.pop()


@given(st.data(), st.booleans())
def test_the_low_water_mark_never_passes_what_is_not_done(
    data: st.DataObject, ordered: bool
) -> None:
    turns = Turns[int](mark(0), ordered=ordered)
    working: dict[int, Any] = {}
    entered, done = 0, set[int]()
    in_hand: int | None = None
    for _ in range(data.draw(st.integers(0, 40))):
        action = data.draw(st.sampled_from(["enter", "leave", "pop"]))
        if action == "enter":
            entered += 1
            working[entered] = turns.enter(mark(entered))
        elif action == "leave" and working:
            number = data.draw(st.sampled_from(sorted(working)))
            turns.leave(working.pop(number), number)
        elif action == "pop" and turns.ready():
            if in_hand is not None:
                done.add(in_hand)
            in_hand = turns.pop()
            assert in_hand not in done
        passed = turns.low_water.items
        assert set(range(1, passed + 1)) <= done
        assert passed + 1 not in done
        ahead = turns.after_hand().items
        assert set(range(1, ahead + 1)) <= done | {in_hand}
