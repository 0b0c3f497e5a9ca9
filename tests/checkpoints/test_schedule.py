"""When a saving is due, and how large the portions are; with a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamable_http import Checkpoint, ConfigurationError, MemoryStore
from streamable_http._checkpoint import Schedule


def schedule(every: int = 10, seconds: float | None = None, passed: int = 0) -> Schedule:
    return Schedule(every, seconds, passed=passed, now=0.0)


def test_items_make_it_due_before_one_too_many_goes_out() -> None:
    due = schedule(10, passed=40).due
    assert not due(40, 1, 99.0)
    assert not due(49, 1, 99.0)
    assert due(50, 1, 99.0)
    assert not due(45, 5, 99.0)
    assert due(45, 6, 99.0)


def test_what_has_not_moved_is_never_due() -> None:
    assert not schedule(1, 1.0).due(0, 500, 500.0)


def test_time_makes_it_due() -> None:
    one = schedule(1000, 5.0)
    assert not one.due(1, 1, 4.9)
    assert one.due(1, 1, 5.0)
    one.saved(1, 5.0)
    assert not one.due(2, 1, 9.9)
    assert one.due(2, 1, 10.0)


def test_saving_starts_the_count_anew() -> None:
    one = schedule(10)
    one.saved(10, 0.0)
    assert not one.due(19, 1, 0.0)
    assert one.due(20, 1, 0.0)


def test_without_seconds_a_portion_is_what_is_left() -> None:
    one = schedule(10)
    assert one.portion(0, 0.0) == 10
    assert one.portion(7, 0.0) == 3
    assert one.portion(10, 0.0) == 1  # overdue: every item asks
    one.saved(10, 0.0)
    assert one.portion(10, 0.0) == 10


def test_portions_grow_for_a_quick_consumer_and_shrink_for_a_slow_one() -> None:
    one = schedule(1000, 8.0)
    assert [one.portion(0, 0.0) for _ in range(11)] == [
        2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000,
    ]  # fmt: skip
    now, sizes = 0.0, []
    for _ in range(10):
        now += 2.0
        sizes.append(one.portion(0, now))
    assert sizes == [512, 256, 128, 64, 32, 16, 8, 4, 2, 1]


Take = Callable[[int], float]


def consumed(one: Schedule, every: int, batches: list[int], take: Take) -> tuple[int, float]:
    """The most items and the longest time that were at risk, as a stream would hand them out."""
    now = since = worst_time = 0.0
    passed = saved = worst = 0
    for batch in batches:
        left = batch
        while left:
            if one.due(passed, 1, now):
                one.saved(passed, now)
                saved, since = passed, now
            portion = min(one.portion(passed, now), left)
            assert portion >= 1
            for _ in range(portion):
                now += take(passed)
                passed += 1
                worst = max(worst, passed - saved)
                worst_time = max(worst_time, now - since)
            left -= portion
    return worst, worst_time


@given(
    every=st.integers(1, 50),
    seconds=st.none() | st.floats(0.1, 5.0),
    batches=st.lists(st.integers(1, 300), max_size=20),
    times=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9),
)
def test_no_more_than_every_is_ever_at_risk(
    every: int, seconds: float | None, batches: list[int], times: list[float]
) -> None:
    one = schedule(every, seconds)
    worst, _ = consumed(one, every, batches, lambda index: times[index % len(times)])
    assert worst <= every


@pytest.mark.parametrize("each", [0.001, 0.01, 0.1, 0.5])
def test_time_is_kept_inside_a_batch(each: float) -> None:
    one = schedule(10**6, 5.0)
    _, worst = consumed(one, 10**6, [20_000], lambda _: each)
    assert worst <= 7.0


# The value -------------------------------------------------------------------------------------


def test_defaults() -> None:
    checkpoint = Checkpoint(MemoryStore())
    assert (checkpoint.key, checkpoint.every, checkpoint.seconds) == (None, 100, 5.0)
    assert not checkpoint.manual


class HalfAStore:
    def get(self, key: str) -> None: ...


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"store": HalfAStore()}, "keeps no cursors: pass MemoryStore(), SQLiteStore(path), a"),
        ({"store": MemoryStore}, "keeps no cursors"),
        ({"store": None}, "Checkpoint(store=None) keeps no cursors"),
        ({"key": ""}, "Checkpoint(key='') is no name: pass text, or None for the request's"),
        ({"key": 7}, "Checkpoint(key=7) is no name"),
        ({"every": 0}, "every=0 is not a number of them: pass a whole number from 1 up"),
        ({"every": 1.5}, "every=1.5 is not a number"),
        ({"seconds": 0}, "seconds=0 is not a time: pass seconds above 0, or None"),
        ({"manual": "yes"}, "manual='yes' is not on or off: pass True or False"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"store": MemoryStore(), **options}
    with pytest.raises(ConfigurationError) as caught:
        Checkpoint(**arguments)  # type: ignore[arg-type]  # that is the test
    assert message in str(caught.value)
