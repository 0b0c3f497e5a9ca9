"""`ItemCursor` as scripts: what the last item says of its position goes into the next request."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playbook import CLOSE, FIXED_WAIT, LOST, OPEN, READ, head, over, script, session

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE
from streamable_http._effects import Close, Emit, Open, Patch, Read, Sleep
from streamable_http._errors import (
    ConfigurationError,
    ConnectionLost,
    ResumeError,
    RetriesExhausted,
    StreamTruncated,
)
from streamable_http._resume import ItemCursor, position_of
from streamable_http._session import Session
from streamable_http._values import Cursor

NEWLINES = head(media_type="application/x-ndjson")
BY_SEQ = ItemCursor("seq", "since")


def lines(*items: Any) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)


def seq(*numbers: int) -> list[dict[str, int]]:
    return [{"seq": number} for number in numbers]


def cut(resume: ItemCursor, *items: Any, **options: Any) -> Session[Any]:
    """A stream that lost its connection after these items, and waits for the next try."""
    return script(
        session(NDJSON(), resume=resume, **options),
        (OPEN, NEWLINES),
        (READ, lines(*items)),
        (Emit, None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
    )


def patch(s: Session[Any]) -> Patch:
    assert isinstance(s.effect, Open)
    return s.effect.patch


def test_the_last_value_goes_into_the_query() -> None:
    s = cut(BY_SEQ, *seq(1, 2))
    assert patch(s) == Patch(params={"since": "2"})
    script(s, (OPEN, NEWLINES), (READ, lines(*seq(3))), (seq(3), None), (READ, b""))
    over(s)
    assert (s.stats.resumes, s.stats.items) == (1, 3)


def test_a_function_says_what_changes() -> None:
    spec = ItemCursor(
        lambda item: item["rev"],
        lambda rev: {"json": {"start": rev + 1}, "headers": {"X-Rev": rev}, "params": {"r": rev}},
    )
    s = cut(spec, {"rev": 7})
    assert patch(s) == Patch((("x-rev", b"7"),), {"r": "7"}, {"start": 8})


def test_an_item_without_a_value_leaves_the_last_one() -> None:
    s = cut(ItemCursor("metadata.version", "v"), {"metadata": {"version": "a"}}, {"type": "note"})
    assert patch(s).params == {"v": "a"}


def test_the_data_of_an_event_counts_as_json() -> None:
    s = script(
        session(SSE(), resume=BY_SEQ),
        (OPEN, head()),
        (READ, b'id: x\ndata: {"seq": 5}\n\ndata: plain\n\n'),
        (Emit, None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
    )
    assert patch(s) == Patch(params={"since": "5"})


def test_without_any_value_an_item_makes_the_fault_final() -> None:
    s = script(session(NDJSON(), resume=BY_SEQ), (OPEN, NEWLINES), (READ, lines({"x": 1})))
    error = over(script(s, (Emit, None), (READ, LOST), (CLOSE, None)), ResumeError, "no item told")
    assert error.__cause__ is LOST


def test_a_followed_feed_goes_on_after_each_body() -> None:
    s = script(
        session(NDJSON(), resume=BY_SEQ, follow=True),
        (OPEN, NEWLINES),
        (READ, lines(*seq(1))),
        (Emit, None),
        (READ, b""),
        (CLOSE, None),
        (Sleep, None),
    )
    assert patch(s).params == {"since": "1"}
    assert s.stats.gaps == 0
    over(script(s, (OPEN, head(204))))


def test_a_followed_feed_without_values_does_not_guess() -> None:
    s = script(
        session(NDJSON(), resume=BY_SEQ, follow=True),
        (OPEN, NEWLINES),
        (READ, lines({"x": 1})),
        (Emit, None),
        (READ, b""),
        (CLOSE, None),
    )
    over(s, ResumeError, "no item told a position")


def test_what_is_no_item_leaves_the_last_value() -> None:
    """A blank line, as heartbeats are."""
    rows: list[Any] = [(OPEN, NEWLINES), (READ, b"\n"), (READ, LOST), (CLOSE, None), (Sleep, None)]
    s = script(session(NDJSON(), resume=BY_SEQ, start=Position(value=7)), *rows)
    assert patch(s).params == {"since": "7"}
    script(s, (OPEN, NEWLINES), (READ, lines(*seq(8))), (Emit, None), *rows[1:])
    assert patch(s).params == {"since": "8"}


def test_a_redirect_that_drops_the_body_drops_the_position() -> None:
    spec = ItemCursor("seq", lambda value: {"json": {"since": value}})
    s = cut(spec, *seq(1), method="POST")
    script(s, (OPEN, head(302, location="/elsewhere")), (CLOSE, None), (CLOSE, None))
    over(s, ResumeError, "a redirect dropped the body")


# The edge ------------------------------------------------------------------------------------


def test_items_at_the_position_are_known_by_their_keys() -> None:
    spec = ItemCursor("at", "since", key="id")
    first = [{"at": 1, "id": "a"}, {"at": 2, "id": "b"}, {"id": "c"}, {"at": 2, "id": "d"}]
    s = cut(spec, *first)
    new = [{"at": 2, "id": "e"}, {"at": 3, "id": "b"}]
    script(s, (OPEN, NEWLINES), (READ, lines(*first[1:], *new)), (new, None), (READ, b""))
    over(s)
    assert s.stats.replayed == 3


def test_without_a_key_a_repeat_is_refused_not_guessed() -> None:
    s = script(cut(BY_SEQ, *seq(1, 2)), (OPEN, NEWLINES), (READ, lines({"x": 1}, *seq(2, 3))))
    script(s, ([{"x": 1}], None), (CLOSE, None))
    over(s, ResumeError, "pass ItemCursor(key=…)")


def test_after_the_edge_an_equal_value_is_new() -> None:
    s = script(cut(BY_SEQ, *seq(1, 2)), (OPEN, NEWLINES), (READ, lines(*seq(3, 2))))
    over(script(s, (seq(3, 2), None), (READ, b"")))


def test_the_edge_reaches_over_batches_and_connections() -> None:
    spec = ItemCursor("at", "since", key="id")
    a, b, c = ({"at": 1, "id": name} for name in "abc")
    lose: list[Any] = [(READ, LOST), (CLOSE, None), (Sleep, None), (OPEN, NEWLINES)]
    s = script(
        session(NDJSON(), resume=spec),
        (OPEN, NEWLINES),
        (READ, lines(a)),
        ([a], None),
        (READ, lines(b)),
        ([b], None),
        *lose,
        (READ, lines(a)),
        (READ, lines(b, c)),
        ([c], None),
        *lose,
        (READ, lines(a, b, c)),
        (READ, b""),
    )
    over(s)
    assert s.stats.replayed == 5


def test_more_items_at_one_position_than_can_be_known() -> None:
    spec = ItemCursor("at", "since", key="id")
    items = [{"at": 1, "id": number} for number in range(300)]
    s = script(session(NDJSON(), resume=spec), (OPEN, NEWLINES), (READ, lines(*items)))
    script(s, (Emit, None), (READ, LOST), (CLOSE, None))
    over(s, ResumeError, "more than 256 items share one position")
    assert s.cursor(s.position, 300) is None


def test_items_that_are_sent_again_count_once() -> None:
    """100 items share a position, and each connection brings them and one more."""
    spec = ItemCursor("at", "since", key="id")
    had = [{"at": 1, "id": number} for number in range(100)]
    s = cut(spec, *had)
    for number in range(100, 110):
        new = {"at": 1, "id": number}
        script(s, (OPEN, NEWLINES), (READ, lines(*had, new)), ([new], None), (READ, LOST))
        script(s, (CLOSE, None), (Sleep, None))
        had.append(new)
    script(s, (OPEN, NEWLINES), (READ, lines(*had)), (READ, b""))
    over(s)
    assert (s.stats.items, len(s.position.behind)) == (110, 110)


def test_a_missing_key_recognises_nothing() -> None:
    spec = ItemCursor("at", "since", key="id")
    a, unknown, note = {"at": 1, "id": "a"}, {"at": 1, "x": 1}, {"note": 1}
    s = script(cut(spec, a, note), (OPEN, NEWLINES), (READ, lines(a, note, unknown, note)))
    script(s, ([note, unknown, note], None), (READ, LOST), (CLOSE, None), (Sleep, None))
    # Once there was an item without a key, the next one may be the same or another.
    script(s, (OPEN, NEWLINES), (READ, lines(a, note, {"at": 1, "x": 2})), ([note], None))
    over(script(s, (CLOSE, None)), ResumeError, "the last one or another: it has no key")


def test_an_item_without_a_key_behind_the_position_is_new() -> None:
    spec = ItemCursor("at", "since", key="id")
    s = script(cut(spec, {"at": 1}), (OPEN, NEWLINES), (READ, lines({"at": 2}, {"at": 1})))
    over(script(s, ([{"at": 2}, {"at": 1}], None), (READ, b"")))


# Begun anew ----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, "id", "missing"])
def test_a_server_that_begins_anew_is_noticed(key: str | None) -> None:
    spec = ItemCursor("seq", "since", key=key)
    items = [{"note": 0}, *({"seq": n, "id": f"i{n}"} for n in (1, 2, 3))]
    s = script(cut(spec, *items[:3]), (OPEN, NEWLINES), (READ, lines(*items)))
    script(s, (items[:1], None), (CLOSE, None))
    over(s, ResumeError, "began anew, with the first item of the stream")


@pytest.mark.parametrize("key", [None, "id"])
def test_an_equal_position_alone_does_not_make_an_item_the_first(key: str | None) -> None:
    spec = ItemCursor("seq", "since", key=key)
    first, last, other = ({"seq": n, "id": name} for n, name in ((1, "a"), (2, "b"), (1, "c")))
    s = script(cut(spec, first, last), (OPEN, NEWLINES), (READ, lines(other)), ([other], None))
    script(s, (READ, LOST), (CLOSE, None), (Sleep, None))
    # Behind another item it is no beginning.
    more = [{"seq": 3, "id": "d"}, first]
    over(script(s, (OPEN, NEWLINES), (READ, lines(*more)), (more, None), (READ, b"")))


def test_behind_the_first_item_its_repeat_is_only_a_repeat() -> None:
    spec = ItemCursor("seq", "since", key="seq")
    s = script(cut(spec, *seq(1)), (OPEN, NEWLINES), (READ, lines(*seq(1, 2))), (seq(2), None))
    over(script(s, (READ, b"")))


def test_of_a_stream_that_was_started_in_its_midst_the_first_item_is_not_known() -> None:
    s = cut(BY_SEQ, *seq(8, 9), start=Position(value=7))
    script(s, (OPEN, NEWLINES), (READ, lines(*seq(8))), (seq(8), None), (READ, b""))
    over(s)


# Gone ----------------------------------------------------------------------------------------


def test_a_position_that_the_server_has_lost_by_status() -> None:
    s = script(cut(BY_SEQ, *seq(1)), (OPEN, head(410)), (Read, b"gone"))
    script(s, (Read, b""), (CLOSE, None))
    over(s, ResumeError, "answered 410 to a request to go on at '1'")


def test_a_position_that_the_server_has_lost_in_band() -> None:
    spec = ItemCursor("seq", "since", gone=lambda item: item.get("type") == "ERROR")
    s = script(cut(spec, *seq(1)), (OPEN, NEWLINES))
    script(s, (READ, lines(*seq(2), {"type": "ERROR"}, *seq(3))), (seq(2), None), (CLOSE, None))
    over(s, ResumeError, "lost the position")


# Use -----------------------------------------------------------------------------------------


def _gives(value: Any) -> Any:
    return lambda item: value


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (ItemCursor(lambda item: item["nothing"], "s"), r"ItemCursor\(get=…\) failed on the item"),
        (ItemCursor(_gives([1]), "s"), r"gave \[1\] as a position"),
        (ItemCursor(_gives(True), "s"), "gave True as a position"),
        (ItemCursor("seq", "s", key=lambda item: object()), r"ItemCursor\(key=…\) gave <object"),
    ],
)
def test_a_function_that_is_wrong_is_named(spec: ItemCursor, text: str) -> None:
    s = script(session(NDJSON(), resume=spec), (OPEN, NEWLINES), (READ, lines(*seq(1))))
    script(s, (CLOSE, None))
    assert isinstance(s.error, ConfigurationError)
    with pytest.raises(ConfigurationError, match=text):
        raise s.error


def test_the_items_before_a_function_fails_are_delivered() -> None:
    spec = ItemCursor(lambda item: item["seq"], "s")
    s = script(session(NDJSON(), resume=spec), (OPEN, NEWLINES))
    script(s, (READ, lines(*seq(1), {})), (seq(1), None), (CLOSE, None))
    over(s, ConfigurationError)
    assert s.position == Position(value=1)


@pytest.mark.parametrize("changes", [None, 5, {"query": {}}])
def test_apply_that_changes_nothing_known_is_said_so(changes: Any) -> None:
    s = cut(ItemCursor("seq", lambda value: changes), *seq(1), retry=FIXED_WAIT)
    over(script(s, (CLOSE, None)), ConfigurationError, "with changes of params, headers or json")


@pytest.mark.parametrize(
    "options",
    [
        {"get": "", "apply": "s"},
        {"get": 5, "apply": "s"},
        {"get": "a", "apply": None},
        {"get": "a", "apply": "s", "key": 1},
        {"get": "a", "apply": "s", "gone": "x"},
    ],
)
def test_a_cursor_that_is_wrong_is_said_so(options: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^ItemCursor\("):
        ItemCursor(**options)


def test_the_cursor_goes_to_another_process() -> None:
    spec = ItemCursor("at", "since", key="id")
    s = cut(spec, {"at": 1.5, "id": "a"}, {"at": 1.5, "id": "b"})
    cursor = s.cursor(s.position, 2)
    assert cursor is not None
    assert (cursor.kind, cursor.value, len(cursor.behind)) == ("item", "1.5", 2)
    again = Cursor.from_json(cursor.to_json())
    other = session(NDJSON(), resume=spec, start=position_of(again, spec))
    assert patch(other).params == {"since": "1.5"}
    items = [{"at": 1.5, "id": name} for name in "abc"]
    script(other, (OPEN, NEWLINES), (READ, lines(*items)), (items[2:], None), (READ, b""))
    over(other)


def test_a_plain_value_can_be_where_to_start() -> None:
    assert position_of(7, BY_SEQ) == Position(value=7)
    assert position_of("7-a", BY_SEQ) == Position(value="7-a")
    with pytest.raises(ConfigurationError, match="start=7 is no position"):
        position_of(7, None)


@pytest.mark.parametrize("value", ["", "[1]", "true", "null", "{", "NaN"])
def test_a_cursor_whose_value_was_changed_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"pass stream\.cursor"):
        position_of(Cursor(kind="item", value=value), BY_SEQ)


@given(
    ties=st.lists(st.integers(1, 4), max_size=8),
    cuts=st.lists(st.integers(0, 60), max_size=8),
    inclusive=st.booleans(),
)
def test_no_cut_loses_or_repeats_an_item(ties: list[int], cuts: list[int], inclusive: bool) -> None:
    """With ties at one position a server that goes on behind it would lose items: then no ties."""
    sizes = ties if inclusive else [1 for _ in ties]
    items = [{"at": at, "id": n} for at, size in enumerate(sizes, 1) for n in range(size)]
    spec = ItemCursor("at", "since", key=lambda item: (item["at"], item["id"]))
    s = session(NDJSON(), resume=spec)
    faults, left, got = iter(cuts), list[Any](), list[Any]()
    while (effect := s.effect) is not None:
        if isinstance(effect, Open):
            since = int(effect.patch.params.get("since", 0))
            body = lines(*[x for x in items if x["at"] > since - inclusive])
            stop = next(faults, None)
            whole = stop is None or stop >= len(body)
            left = [body[:stop], b"" if whole else LOST]
            s.reply(NEWLINES)
        elif isinstance(effect, Read):
            piece = left.pop(0) or (left.pop(0) if left else b"")
            s.fail(ConnectionLost("cut")) if piece is LOST else s.reply(piece)
        else:
            got += effect.batch.items if isinstance(effect, Emit) else []
            assert isinstance(effect, (Close, Emit, Sleep))
            s.reply()
    assert got == items[: len(got)]
    if s.error is None:
        assert got == items
    else:
        assert isinstance(s.error, (RetriesExhausted, StreamTruncated))
