# ruff: noqa: E501  # a message stands in one piece
from __future__ import annotations

from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st
from playbook import CLOSE, OPEN, head, order, over, script, session

from streamable_http._effects import Sleep
from streamable_http._errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamClosed,
    StreamError,
    StreamFailed,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._retry import Backoff, RetryPolicy, is_retryable, parse_retry_after
from streamable_http._values import Headers, ResponseInfo

REFUSED = ConnectError("refused")


def waits(policy: RetryPolicy, *, took: float = 0.0, jitter: float = 1.0) -> list[float]:
    """The waits of a stream whose every attempt fails after `took` seconds, until it gives up."""
    s = session(retry=policy, jitter=jitter)
    found: list[float] = []
    while s.effect is not None:
        s.now += took
        script(s, (OPEN, REFUSED), (CLOSE, None))
        if isinstance(s.effect, Sleep):
            found.append(s.effect.seconds)
            script(s, (Sleep, None))
    assert isinstance(s.error, (RetriesExhausted, ConnectError))
    return found


def test_the_default_is_full_jitter_over_a_doubled_half_second() -> None:
    policy = RetryPolicy(stop=9)
    assert waits(policy) == [0.5, 1, 2, 4, 8, 16, 30, 30]
    assert waits(policy, jitter=0.5) == [0.25, 0.5, 1, 2, 4, 8, 15, 15]
    assert waits(policy, jitter=0.0) == [0.1] * 8


def test_the_default_gives_up_after_five_tries() -> None:
    assert len(waits(RetryPolicy())) == 4


def test_one_try_means_no_retry() -> None:
    assert waits(RetryPolicy(stop=1)) == []


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_fixed(7), [7.0] * 4),
        (tenacity.wait_none(), [0.1] * 4),
        (tenacity.wait_incrementing(1, 2), [1.0, 3.0, 5.0, 7.0]),
        (tenacity.wait_exponential(multiplier=1, min=2, max=5), [2.0, 2.0, 4.0, 5.0]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(9)), [1.0, 9.0, 9.0, 9.0]),
        (tenacity.wait_fixed(3600), [30.0] * 4),
        (lambda state: state.attempt_number * 2.0, [2.0, 4.0, 6.0, 8.0]),
    ],
)
def test_wait_strategies_are_kept_within_the_bounds(wait: Any, expected: list[float]) -> None:
    assert waits(RetryPolicy(stop=5, wait=wait)) == expected


def test_minutes_of_backoff_obey_our_clock() -> None:
    wait = tenacity.wait_fixed(60)
    by_delay = RetryPolicy(stop=tenacity.stop_after_delay(600), wait=wait, max_delay=60)
    assert len(waits(by_delay)) == 10
    assert len(waits(by_delay, took=60)) == 5
    before = RetryPolicy(stop=tenacity.stop_before_delay(600), wait=wait, max_delay=60)
    assert len(waits(before)) == 10


def test_stop_strategies_combine() -> None:
    stop = tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(1000)
    assert len(waits(RetryPolicy(stop=stop))) == 2
    both = tenacity.stop_after_attempt(3) & tenacity.stop_after_delay(100)
    assert len(waits(RetryPolicy(stop=both, wait=lambda _: 30.0))) == 4


def test_a_strategy_sees_the_error() -> None:
    seen: list[object] = []

    def wait(state: tenacity.RetryCallState) -> float:
        assert state.outcome is not None
        seen.append(state.outcome.exception())
        return float(len(str(state.outcome.exception())))

    assert waits(RetryPolicy(stop=3, wait=wait)) == [7.0, 7.0]
    assert seen == [REFUSED, REFUSED]


def test_a_strategy_may_never_stop() -> None:
    backoff = Backoff(RetryPolicy(stop=tenacity.stop_never, wait=lambda _: 1), lambda: 1.0)
    for number in range(1000):
        backoff.failed(float(number))
        assert not backoff.exhausted(float(number), REFUSED)


def test_a_free_failure_never_exhausts_and_progress_starts_anew() -> None:
    backoff = Backoff(RetryPolicy(stop=1), lambda: 1.0)
    backoff.failed(5.0, charge=False)
    assert not backoff.exhausted(5.0, None)
    assert backoff.delay(5.0, None, asked=None, floor=None) == 0.5
    backoff.failed(6.0, charge=False)
    assert backoff.delay(6.0, None, asked=None, floor=None) == 1.0
    backoff.progress()
    backoff.failed(7.0)
    assert backoff.exhausted(7.0, None)
    assert backoff.delay(7.0, None, asked=None, floor=None) == 0.5


def test_stop_after_delay_counts_from_the_last_item() -> None:
    stop = tenacity.stop_after_delay(10)
    backoff = Backoff(RetryPolicy(stop=stop), lambda: 1.0)
    backoff.failed(0.0)
    backoff.progress()
    backoff.failed(1000.0)
    assert not backoff.exhausted(1009.0, REFUSED)
    assert backoff.exhausted(1010.0, REFUSED)


@given(
    floor=st.floats(0, 30),
    asked=st.none() | st.floats(0, 1e18),
    jitter=st.floats(0, 1),
    rounds=st.integers(1, 2000),
)
def test_retry_after_is_only_ever_extended(
    floor: float, asked: float | None, jitter: float, rounds: int
) -> None:
    backoff = Backoff(RetryPolicy(), lambda: jitter)
    for _ in range(rounds):
        backoff.failed(0.0)
    delay = backoff.delay(0.0, REFUSED, asked=asked, floor=floor)
    assert delay is not None
    assert floor <= delay <= 30.1
    plain = backoff.delay(0.0, REFUSED, asked=asked, floor=None)
    assert plain is not None
    assert 0.1 <= plain <= 30


def test_a_floor_above_the_longest_wait_is_none() -> None:
    backoff = Backoff(RetryPolicy(max_delay=5), lambda: 0.0)
    assert backoff.delay(0.0, None, asked=None, floor=5.0) == 5.0
    assert backoff.delay(0.0, None, asked=None, floor=5.001) is None


# Classification ------------------------------------------------------------------------------

_204 = StreamTruncated("204")
_204.response = ResponseInfo(204, Headers(), "http://host/")


@pytest.mark.parametrize(
    ("error", "resend", "verdict"),
    [
        (REFUSED, False, True),
        (TimeoutExceeded("", kind="connect"), False, True),
        *[(TimeoutExceeded("", kind=kind), False, False) for kind in ("first_byte", "idle")],
        *[
            (TimeoutExceeded("", kind=kind), True, True)
            for kind in ("first_byte", "idle", "between_items")
        ],
        (TimeoutExceeded("", kind="total"), True, False),
        *[(StatusError("", status_code=status), False, True) for status in (408, 425, 429, 503)],
        *[(StatusError("", status_code=status), True, True) for status in (500, 502, 504)],
        *[(StatusError("", status_code=status), False, False) for status in (500, 502, 504)],
        *[(StatusError("", status_code=status), True, False) for status in (400, 401, 404, 501)],
        (ConnectionLost(""), True, True),
        (ConnectionLost(""), False, False),
        (StreamTruncated(""), True, True),
        (_204, True, False),
        *[
            (kind(""), True, False)
            for kind in (
                ConfigurationError,
                ContentTypeError,
                DecodeError,
                LimitExceeded,
                RedirectError,
                ResumeError,
                StreamClosed,
                StreamFailed,
            )
        ],
    ],
)
def test_what_is_tried_again(error: StreamError, resend: bool, verdict: bool) -> None:
    assert is_retryable(error, resend=resend) is verdict
    assert RetryPolicy().allows(error, resend=resend) is verdict
    assert RetryPolicy(on=lambda _: None).allows(error, resend=resend) is verdict
    assert RetryPolicy(on=lambda _: True).allows(error, resend=resend) is True
    assert RetryPolicy(on=lambda _: False).allows(error, resend=resend) is False


def test_on_cannot_make_a_stream_repeat_items() -> None:
    s = script(
        session(retry=RetryPolicy(on=lambda _: True)),
        (OPEN, head()),
    )
    s.reply(b"data: x\n\n")
    s.reply()
    s.fail(ConnectionLost("cut"))
    over(script(s, (CLOSE, None)), ConnectionLost)


# Retry-After ---------------------------------------------------------------------------------

_DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("", "", None),
        ("0", "", 0),
        ("120", "", 120),
        (" 7 ", "", 7),
        ("9" * 4000, "", float("9" * 18)),
        ("-1", "", None),
        ("1.5", "", None),
        ("²", "", None),
        ("soon", _DATE, None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", _DATE, 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", _DATE, 30),
        ("Sun Nov  6 08:50:07 1994", _DATE, 30),
        ("Sun, 06 Nov 1994 08:49:00 GMT", _DATE, 0),
        (_DATE, "", None),
        (_DATE, "nonsense", None),
        ("Sun, 06 Nov 99999999999999999999 08:49:37 GMT", _DATE, None),
        (_DATE, "Sun, 06 Nov 99999999999999999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_read(value: str, date: str, seconds: float | None) -> None:
    headers = Headers([("Retry-After", value), ("Date", date)])
    assert parse_retry_after(headers) == seconds


@given(
    value=st.text(st.characters(max_codepoint=255)), date=st.text(st.characters(max_codepoint=255))
)
def test_retry_after_never_raises(value: str, date: str) -> None:
    seconds = parse_retry_after(Headers([("retry-after", value), ("date", date)]))
    assert seconds is None or seconds >= 0


# Settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"stop": 0},
            (
                "RetryPolicy(stop=0) is no bound: pass the number of tries (1 = no retry) or a "
                "tenacity strategy such as stop_after_delay(60)"
            ),
        ),
        (
            {"stop": True},
            (
                "RetryPolicy(stop=True) is no bound: pass the number of tries (1 = no retry) or a "
                "tenacity strategy such as stop_after_delay(60)"
            ),
        ),
        (
            {"min_delay": -1},
            "RetryPolicy(min_delay=-1) is not a number of seconds: pass 0 or more",
        ),
        (
            {"max_delay": float("nan")},
            "RetryPolicy(max_delay=nan) is not a number of seconds: pass 0 or more",
        ),
        (
            {"healthy_after": True},
            "RetryPolicy(healthy_after=True) is not a number of seconds: pass 0 or more",
        ),
        (
            {"min_delay": "1"},
            "RetryPolicy(min_delay='1') is not a number of seconds: pass 0 or more",
        ),
        (
            {"min_delay": 2, "max_delay": 1},
            "RetryPolicy(min_delay=2) is above max_delay=1: raise max_delay, or lower min_delay",
        ),
        (
            {"wait": 5},
            "RetryPolicy(wait=5) is not callable: pass a tenacity strategy such as wait_fixed(1)",
        ),
        (
            {"on": True},
            (
                "RetryPolicy(on=True) is not callable: pass a function of a StreamError that returns "
                "True, False or None"
            ),
        ),
    ],
)
def test_a_policy_is_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**settings)
    assert str(caught.value) == message


def test_an_order_is_plain_data() -> None:
    assert order(follow=True) == order(follow=True) != order()
