"""Retry arithmetic at its edges."""

from __future__ import annotations

from typing import Any

import pytest

from streamable_http._errors import ConfigurationError, ConnectError, StreamError
from streamable_http._retry import Backoff, RetryPolicy, parse_retry_after
from streamable_http._values import Headers


def test_no_wait_at_all_is_a_policy() -> None:
    policy = RetryPolicy(min_delay=0, max_delay=0, healthy_after=0)
    assert (policy.min_delay, policy.max_delay, policy.healthy_after) == (0, 0, 0)
    assert RetryPolicy(min_delay=2, max_delay=2).max_delay == 2
    with pytest.raises(ConfigurationError, match=r"min_delay=2.1\) is above max_delay=2"):
        RetryPolicy(min_delay=2.1, max_delay=2)


@pytest.mark.parametrize(("verdict", "allowed"), [(True, True), (False, False), (None, True)])
def test_on_is_asked_about_the_error_itself(verdict: bool | None, allowed: bool) -> None:
    asked: list[StreamError] = []

    def on(error: StreamError) -> bool | None:
        asked.append(error)
        return verdict

    error = ConnectError("no")
    assert RetryPolicy(on=on).allows(error, resend=False) is allowed
    assert asked == [error]


def test_strategies_see_the_time_since_the_first_failure_and_the_error() -> None:
    seen: list[tuple[Any, ...]] = []

    def look(state: Any) -> float:
        seen.append((state.attempt_number, state.seconds_since_start, state.outcome.exception()))
        return 0.0

    backoff = Backoff(RetryPolicy(stop=lambda state: bool(look(state)), wait=look), lambda: 1.0)
    first, second = ConnectError("a"), ConnectError("b")
    for now, error in ((50.0, first), (57.0, second)):
        backoff.failed(now)
        assert not backoff.exhausted(now, error)
        assert backoff.delay(now, error, asked=None, floor=None) == 0.1
    assert seen == [(1, 0.0, first)] * 2 + [(2, 7.0, second)] * 2


def test_a_strategy_may_know_the_kind_of_the_error() -> None:
    def stop(state: Any) -> bool:
        return isinstance(state.outcome.exception(), ConnectError)

    backoff = Backoff(RetryPolicy(stop=stop), lambda: 1.0)
    backoff.failed(1.0)
    assert backoff.exhausted(1.0, ConnectError("no"))
    assert not backoff.exhausted(1.0, StreamError("no"))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": " 7 "}, 7.0),
        ({"retry-after": "9" * 30}, float("9" * 18)),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"date": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        (
            {
                "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT",
                "DATE": "Wed, 21 Oct 2015 07:27:00 GMT",
            },
            60.0,
        ),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "\u0663"}, None),
        ({}, None),
    ],
)
def test_what_is_read_of_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(Headers(list(headers.items()))) == seconds
