"""Positions from items, batch by batch: what is kept, where each stands, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import URL, head

from streamable_http._decoders.engine import NO_MARKS, Batch, Position
from streamable_http._effects import Target
from streamable_http._errors import ConfigurationError, DecodeError, ResumeError
from streamable_http._resume import ItemCursor
from streamable_http._ways.item import ByItem
from streamable_http._ways.way import Plan

HERE = Target("GET", URL)
MARKED = ItemCursor("v", "since", key="k")


def rows(*pairs: tuple[Any, Any]) -> Batch[Any]:
    return Batch([{"v": value, "k": key} for value, key in pairs], size=100)


def resumed(spec: ItemCursor, position: Position) -> ByItem:
    way = ByItem(spec)
    plan = way.plan(HERE, position, begun=True)
    assert plan is not None
    way.connected(head(), position, plan)
    return way


def places(batch: Batch[Any]) -> list[Position]:
    return [batch.marks.position(index) for index in range(len(batch.items))]


def test_the_request_goes_where_the_callers_goes() -> None:
    plan = ByItem(MARKED).plan(HERE, Position(value=7), begun=True)
    assert plan is not None
    assert plan.target is HERE
    assert (plan.shown, plan.partial) == ("7", False)


@pytest.mark.parametrize("changes", [{"json": {"a": 1}}, {"params": {"a": 1}}, {"headers": {}}, {}])
def test_each_kind_of_change_may_be_missing(changes: dict[str, Any]) -> None:
    plan = ByItem(ItemCursor("v", lambda _: changes)).plan(HERE, Position(value=1), begun=True)
    assert plan is not None
    assert plan.patch.params == ({"a": "1"} if "params" in changes else {})
    assert plan.patch.headers == ()
    assert plan.patch.json == changes.get("json")


@pytest.mark.parametrize("name", ["params", "headers"])
def test_a_change_to_nothing_is_refused(name: str) -> None:
    way = ByItem(ItemCursor("v", lambda _: {name: {"page": None}}))
    with pytest.raises(ConfigurationError, match=rf"returned None in {name}: leave out"):
        way.plan(HERE, Position(value=1), begun=True)


def test_positions_of_a_batch_without_keys() -> None:
    before = Position(value=1)
    batch = ByItem(ItemCursor("v", "since")).keep(
        rows((None, 0), (2, 0), (None, 0), (3, 0)), before
    )
    assert places(batch) == [Position(value=value) for value in (1, 2, 2, 3)]
    assert batch.end == Position(value=3)


def test_the_keys_of_the_items_that_share_a_value_are_kept_and_no_others() -> None:
    start = Position(value=1, behind=(b"old",))
    batch = ByItem(MARKED).keep(rows((1, "a"), (None, "b"), (2, "c"), (3, "d"), (3, "e")), start)
    found = places(batch)
    assert [place.value for place in found] == [1, 1, 2, 3, 3]
    # What says nothing of its place may belong to the items behind it.
    assert [len(place.behind) for place in found] == [2, 3, 2, 1, 2]
    assert found[1].behind[0] == b"old"
    assert found[4].behind[:1] == found[3].behind
    assert batch.end == found[4]
    keys = {digest for place in found for digest in place.behind} - {b"old"}
    assert len(keys) == 5
    assert {len(digest) for digest in keys} == {8}


def test_a_value_that_comes_back_begins_anew() -> None:
    batch = ByItem(MARKED).keep(rows((1, "a"), (2, "b"), (1, "c")), Position(value=9))
    assert [len(place.behind) for place in places(batch)] == [1, 1, 1]


def test_an_item_without_a_value_does_not_part_those_that_share_one() -> None:
    batch = ByItem(MARKED).keep(rows((1, "a"), (2, "b"), (None, "c"), (2, "d")), Position())
    assert [len(place.behind) for place in places(batch)] == [1, 1, 2, 3]


def test_up_to_256_items_may_share_a_position() -> None:
    batch = ByItem(MARKED).keep(rows(*[(1, number) for number in range(258)]), Position())
    assert len(batch.marks.position(255).behind) == 256
    assert batch.marks.position(255).exact
    assert batch.end == batch.marks.position(256) == Position(value=1, exact=False)
    assert batch.end.exact is False
    more = ByItem(MARKED).keep(rows((None, 0), (2, 0)), batch.end)
    assert [place.exact for place in places(more)] == [False, True]


@pytest.mark.parametrize("position", [Position(value=1), Position(value=1, behind=(b"x",))])
def test_an_exact_position_can_be_gone_on_at(position: Position) -> None:
    assert ByItem(MARKED).refusal(position, live=False) == ""


def test_why_it_cannot_go_on() -> None:
    way = ByItem(MARKED)
    inexact = Position(value=1, exact=False)
    assert way.refusal(Position(), live=True) == "no item told a position"
    assert way.refusal(inexact, live=True) == "more than 256 items share one position"


def test_what_came_with_a_batch_stays_with_it() -> None:
    error = DecodeError("bad")
    way = ByItem(MARKED)
    assert way.keep(Batch([{"v": 1, "k": 1}], error=error, size=7), Position()).error is error
    kept = way.keep(Batch([{"v": 1, "k": 1}], ended=True, size=7), Position())
    assert (kept.ended, kept.size, kept.error) == (True, 7, None)
    empty = Batch[Any]([], ended=True)
    assert way.keep(empty, Position()) is empty


def test_what_ends_at_an_item_without_a_position_has_not_ended() -> None:
    way = ByItem(ItemCursor("v", "since", gone=lambda item: item["v"] == 3))
    batch = Batch([{"v": 1}, {"v": 3}, {"v": 4}], ended=True)
    kept = way.keep(batch, Position(value=0))
    assert kept.items == [{"v": 1}]
    assert kept.ended is False
    assert kept.end == Position(value=1)
    assert isinstance(kept.error, ResumeError)
    first = way.keep(Batch([{"v": 3}]), Position(value=2))
    assert (first.items, first.end) == ([], Position(value=2))


def test_the_first_connection_drops_nothing() -> None:
    way = ByItem(MARKED)
    way.connected(head(), Position(value=1), None)
    assert len(way.keep(rows((1, "a"), (1, "a")), Position(value=1)).items) == 2
    assert ByItem(MARKED).keep(rows((None, "a")), Position()).items


def test_items_of_the_edge_that_were_had_are_dropped_until_the_edge_is_left() -> None:
    had = ByItem(MARKED).keep(rows((1, "a"), (None, "b")), Position()).end
    assert had is not None
    way = resumed(MARKED, had)
    kept = way.keep(rows((1, "a"), (1, "new"), (None, "b"), (2, "x"), (1, "a")), had)
    assert [item["k"] for item in kept.items] == ["new", "x", "a"]
    assert way.dropped == 2
    assert [place.value for place in places(kept)] == [1, 2, 1]
    later = way.keep(rows((1, "a")), Position(value=2))
    assert len(later.items) == 1
    assert way.dropped == 2


def test_the_edge_may_go_on_in_the_next_batch() -> None:
    had = ByItem(MARKED).keep(rows((1, "a"), (1, "b")), Position()).end
    assert had is not None
    way = resumed(MARKED, had)
    assert way.keep(rows((1, "a")), had).items == []
    assert way.keep(rows((1, "b")), had).items == []
    assert way.dropped == 2


def test_nothing_dropped_is_the_batch_as_it_is() -> None:
    way = resumed(MARKED, Position(value=1))
    batch = way.keep(rows((2, "a"), (3, "b")), Position(value=1))
    assert places(batch) == [batch.marks.position(0), batch.marks.position(1)]
    assert type(batch.marks).__name__ == "_ItemMarks"


def test_without_keys_an_item_of_the_edge_is_an_error_behind_those_that_say_nothing() -> None:
    way = resumed(ItemCursor("v", "since"), Position(value=1))
    kept = way.keep(rows((None, 0), (1, 0), (2, 0)), Position(value=1))
    assert kept.items == [{"v": None, "k": 0}]
    assert str(kept.error) == (
        "the server sent an item of the position itself again, which may be the last one or "
        "another: pass ItemCursor(key=…) to know it by"
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (ItemCursor(lambda item: item["x"], "since"), r"ItemCursor\(get=…\) failed"),
        (ItemCursor("v", "since", key=lambda item: item["x"]), r"ItemCursor\(key=…\) failed"),
        (ItemCursor("v", "since", key=lambda item: object()), r"ItemCursor\(key=…\) gave <object"),
        (ItemCursor("k", "since"), r"ItemCursor\(get=…\) gave \[1\] as a position"),
    ],
)
def test_functions_that_fail_are_named(spec: ItemCursor, words: str) -> None:
    kept = ByItem(spec).keep(Batch([{"v": 1, "k": [1]}], NO_MARKS), Position())
    assert kept.items == []
    assert isinstance(kept.error, ConfigurationError)
    with pytest.raises(ConfigurationError, match=words):
        raise kept.error


@pytest.mark.parametrize("name", ["get", "apply", "key"])
def test_arguments_are_named(name: str) -> None:
    given: dict[str, Any] = {"get": "v", "apply": "since", name: 7}
    with pytest.raises(ConfigurationError, match=rf"ItemCursor\({name}=7\) is of no use"):
        ItemCursor(**given)


def test_a_plan_is_a_value() -> None:
    way = ByItem(MARKED)
    assert way.plan(HERE, Position(), begun=False) is None
    assert isinstance(way.plan(HERE, Position(value=""), begun=False), Plan)
