from __future__ import annotations

from typing import Any

import pytest
from playbook import (
    CLOSE,
    LOST,
    OPEN,
    READ,
    A,
    After,
    asked,
    head,
    opened,
    over,
    script,
    session,
    soon,
)

from streamable_http._effects import Emit, Sleep
from streamable_http._errors import (
    ConnectError,
    ConnectionLost,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._reports import Gap, Retrying, StreamEvent
from streamable_http._retry import RetryPolicy
from streamable_http._values import Timeouts

# Waiting -------------------------------------------------------------------------------------


def test_retry_after_is_a_floor() -> None:
    s = script(session(), (OPEN, head(503, retry_after="20")), (soon(5), b""), (CLOSE, None))
    assert isinstance(s.effect, Sleep)
    assert s.effect.seconds == pytest.approx(20.1)


def test_a_retry_after_beyond_the_longest_wait_is_not_waited_for() -> None:
    s = script(session(), (OPEN, head(503, retry_after="31")), (soon(5), b""), (CLOSE, None))
    assert over(s, StatusError).retry_after == 31


@pytest.mark.parametrize(
    ("asked_for", "waited"), [("0", 0.1), ("5000", 5.0), ("90000", 30.0), ("9" * 5000, 30.0)]
)
def test_the_servers_reconnection_time_is_kept_within_bounds(asked_for: str, waited: float) -> None:
    policy = RetryPolicy(wait=lambda _: 0.0)
    s = script(session(retry=policy), (OPEN, head()), (READ, f"retry: {asked_for}\n\n".encode()))
    script(s, (READ, LOST), (CLOSE, None), (Sleep(waited), None))
    # It holds for the attempts to come, those that bring no engine too.
    script(s, (OPEN, ConnectError("no")), (CLOSE, None), (Sleep(waited), None))


def test_total_refuses_a_wait_beyond_it() -> None:
    policy = RetryPolicy(wait=lambda _: 6.0)
    s = script(
        session(retry=policy, timeouts=Timeouts(total=10)),
        (OPEN, ConnectError("a")),
        (CLOSE, None),
        (Sleep(6.0), None),
        (OPEN, After(1, ConnectError("b"))),
        (CLOSE, None),
    )
    error = over(s, TimeoutExceeded, "no time is left of Timeouts(total=10) for another try")
    assert (error.kind, error.seconds, str(error.__cause__)) == ("total", 10, "b")
    assert error.request == "GET http://host/feed"


# Following -----------------------------------------------------------------------------------


def test_a_followed_stream_goes_on_after_a_clean_end() -> None:
    told: list[StreamEvent] = []
    s = script(
        session(follow=True, told=told, retry=RetryPolicy(stop=1, wait=lambda _: 1)),
        (OPEN, head()),
        (READ, A),
        (["a"], None),
        (READ, b""),
        (CLOSE, None),
        (Sleep(1), None),
        (asked(after="1"), head()),
        (READ, b": still here\n"),
        (READ, b""),
        (CLOSE, None),
        (Sleep(1), None),
        (asked(after="1"), head(204)),
    )
    over(s)
    assert (s.stats.ended, s.stats.retries, s.stats.gaps) == ("framing", 0, 0)
    assert [event.error for event in told if isinstance(event, Retrying)] == [None, None]


def test_a_followed_stream_that_ends_without_a_byte_costs_a_try() -> None:
    empty = [(OPEN, head()), (READ, b""), (CLOSE, None)]
    s = script(
        session(follow=True, retry=RetryPolicy(stop=2, wait=lambda _: 1)),
        *empty,
        (Sleep(1), None),
        *empty,
    )
    error = over(s, RetriesExhausted, "the followed stream ended without a byte")
    assert isinstance(error.last_error, StreamTruncated)


def test_the_end_of_a_healthy_connection_is_free() -> None:
    s = session(follow=True, retry=RetryPolicy(stop=1, wait=lambda _: 1, healthy_after=10))
    for _ in range(20):
        script(s, (OPEN, head()), (READ, After(10, LOST)), (CLOSE, None), (Sleep(1), None))
    script(s, (OPEN, head()), (READ, After(9, LOST)), (CLOSE, None))
    over(s, ConnectionLost)


def test_the_delay_of_free_reconnects_still_grows() -> None:
    s = session(follow=True, retry=RetryPolicy(stop=1, healthy_after=10))
    waits = []
    for _ in range(9):
        script(s, (OPEN, head()), (READ, After(10, LOST)), (CLOSE, None))
        assert isinstance(s.effect, Sleep)
        waits.append(s.effect.seconds)
        script(s, (Sleep, None))
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_a_live_feed_counts_and_tells_its_gaps() -> None:
    told: list[StreamEvent] = []
    s = script(
        session(follow=True, told=told),
        (OPEN, ConnectError("not yet")),
        (CLOSE, None),
        (Sleep, None),
        (OPEN, head()),
        (READ, b"data: x\n\n"),
        (["x"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (asked(), head()),
        (READ, b"data: y\n\n"),
        (["y"], None),
        (READ, b""),
        (CLOSE, None),
        (Sleep, None),
    )
    assert s.stats.gaps == 2
    assert [event.count for event in told if isinstance(event, Gap)] == [1, 2]


@pytest.mark.parametrize("end", [b"", LOST])
def test_a_followed_feed_with_too_many_items_behind_an_id_does_not_guess(end: Any) -> None:
    many = b"".join(b"data: %d\n\n" % number for number in range(300))
    s = script(opened(follow=True), (READ, A + many), (Emit, None), (READ, end))
    if end is LOST:
        over(script(s, (CLOSE, None)), ConnectionLost)
    else:
        over(script(s, (CLOSE, None)), ResumeError, "too many items came since the last event ID")


# Redirects -----------------------------------------------------------------------------------


def test_a_permanent_redirect_is_remembered() -> None:
    s = script(
        session(),
        (asked(), head(308, location="/new")),
        (CLOSE, None),
        (asked(url="http://host/new"), head(302, url="http://host/new", location="/other")),
        (CLOSE, None),
        (asked(url="http://host/other"), head()),
        (READ, A),
        (["a"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (asked(url="http://host/new", after="1"), head()),
        (READ, b""),
    )
    over(s)


def test_a_permanent_redirect_behind_a_temporary_one_is_not() -> None:
    s = script(
        session(),
        (asked(), head(302, location="/other")),
        (CLOSE, None),
        (asked(url="http://host/other"), head(301, url="http://host/other", location="/new")),
        (CLOSE, None),
        (asked(url="http://host/new"), LOST),
        (CLOSE, None),
        (Sleep, None),
        (asked(), head()),
        (READ, b""),
    )
    over(s)


def test_redirects_must_end() -> None:
    s = session()
    for _ in range(21):
        script(s, (OPEN, head(302, location="/again")), (CLOSE, None))
    over(script(s, (CLOSE, None)), RedirectError, "more than 20 redirects, one after another")
