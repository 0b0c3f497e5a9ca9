"""What `batches` has gathered: its order, its cursor, and errors behind the items before them."""

from __future__ import annotations

import pytest

from streamable_http._decoders.engine import Position
from streamable_http._delivery import Mark
from streamable_http._gathering import Gathering

START, A, B, C = (Mark(Position(), count) for count in range(4))


def gathering() -> Gathering[str]:
    made = Gathering[str](START)
    for item, mark in (("a", A), ("b", B), ("c", C)):
        made.add(item, mark)
    return made


def test_a_list_is_at_most_as_long_as_asked() -> None:
    made = gathering()
    assert made.take(2) == ["a", "b"]
    assert len(made) == 1
    assert made.take(2) == ["c"]
    assert made.take() is None


def test_no_size_takes_all_that_is_there() -> None:
    made = Gathering[str](START)
    made.add_all(["a", "b"], B)
    assert made.take() == ["a", "b"]
    assert made.after_hand() is B


def test_the_cursor_passes_a_list_once_it_is_done() -> None:
    made = gathering()
    assert made.take(2) == ["a", "b"]
    assert (made.low_water, made.after_hand()) == (START, B)
    made.settle()
    assert made.low_water is B


def test_what_was_gathered_but_not_handed_out_is_never_passed() -> None:
    made = gathering()
    made.settle()
    assert (made.low_water, made.after_hand()) == (START, START)
    made.take(1)
    made.settle()
    made.settle()
    assert made.low_water is A


def test_a_list_may_be_measured_by_weight() -> None:
    made = Gathering[str](START, weigh=len)
    assert not made.fills(4)
    for item, mark in (("aaa", A), ("bb", B), ("c", C)):
        made.add(item, mark)
    assert made.fills(6)
    assert not made.fills(7)
    assert made.ready(4) == 2
    assert made.take(made.ready(4)) == ["aaa", "bb"]
    assert made.after_hand() is B
    assert not made.fills(4)
    assert made.take(made.ready(4)) == ["c"]


def test_an_error_is_raised_behind_the_items_before_it_and_stays() -> None:
    made = gathering()
    made.finish(LookupError("gone"))
    assert made.over
    assert made.take(2) == ["a", "b"]
    assert made.take(2) == ["c"]
    made.settle()
    for _ in range(2):
        with pytest.raises(LookupError, match="gone"):
            made.take(2)
    assert made.low_water is C


def test_only_the_first_end_counts() -> None:
    made = Gathering[str](START)
    assert not made.over
    made.finish()
    made.finish(LookupError("late"))
    assert made.over
    assert made.take() is None
