"""The events and the figures of a stream's life, one by one."""

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
    B,
    C,
    head,
    opened,
    order,
    over,
    script,
    session,
    soon,
)

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSEData
from streamable_http._effects import Close, Emit, Open, Read, Sleep
from streamable_http._errors import (
    ConnectError,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._reports import Connected, Connecting, Ended, Gap, Retrying, StreamEvent
from streamable_http._resume import ByteRange, LastEventID
from streamable_http._retry import RetryPolicy
from streamable_http._session import Session
from streamable_http._values import Limits, Timeouts

LABEL = "GET http://host/feed"
REFUSED = ConnectError("refused")


def test_every_event_of_a_resumed_stream() -> None:
    told: list[StreamEvent] = []
    first, second = head(), head(server="b")
    s = session(told=told)
    assert s.response is None
    script(s, (OPEN, REFUSED), (CLOSE, None), (Sleep, None))
    assert s.response is None
    script(s, (OPEN, first), (READ, A), (["a"], None), (READ, LOST), (CLOSE, None), (Sleep, None))
    script(s, (Open, second), (READ, b""))
    over(s)
    assert told == [
        Connecting(request=LABEL, attempt=1),
        Retrying(request=LABEL, error=REFUSED, delay=1.0, tries=1),
        Connecting(request=LABEL, attempt=2),
        Connected(request=LABEL, response=first),
        Retrying(request=LABEL, error=LOST, delay=1.0, tries=1),
        Connecting(request=LABEL, attempt=3, resume="1"),
        Connected(request=LABEL, response=second),
        Ended(request=LABEL, proof="framing", stats=s.stats),
    ]
    assert s.response is second


def test_gaps_are_counted_from_one_and_told_with_the_request() -> None:
    told: list[StreamEvent] = []
    s = script(session(told=told, follow=True), (OPEN, head()))
    for _ in range(2):
        script(s, (READ, b"data: x\n\n"), (["x"], None), (READ, b""), (CLOSE, None), (Sleep, None))
        script(s, (OPEN, head()))
    gaps = [event for event in told if isinstance(event, Gap)]
    assert gaps == [Gap(request=LABEL, count=1), Gap(request=LABEL, count=2)]
    assert s.stats.gaps == 2


def test_figures_add_up_over_all_connections() -> None:
    s = opened(decoder=SSEData(int), on_bad_item="skip")
    bad, good = b"data: x\n\n", b"id: %d\ndata: 1\n\n"
    for number in (1, 2, 3):
        script(s, (READ, bad + bad), (READ, good % number), (Emit, None), (READ, LOST))
        script(s, (CLOSE, None), (Sleep, None), (Open, head()))
    script(s, (READ, b""))
    over(s)
    stats = s.stats
    assert (stats.items, stats.skipped, stats.connects, stats.resumes) == (3, 6, 4, 3)
    assert stats.bytes == 3 * (2 * len(bad) + len(good % 1))
    assert (stats.retries, stats.elapsed) == (3, 3.0)


def test_repeats_are_counted_over_all_batches() -> None:
    x, y, z = b"data: x\n\n", b"data: y\n\n", b"data: z\n\n"
    s = script(opened(), (READ, A + x + y), (["a", "x", "y"], None), (READ, LOST), (CLOSE, None))
    script(s, (Sleep, None), (Open, head()), (READ, x), (READ, y), (READ, z), (["z"], None))
    assert s.stats.replayed == 2


def test_a_response_that_ends_without_the_time_for_an_item_is_healthy_by_its_age() -> None:
    """An empty body after `healthy_after` costs no try, nor does one that broke then."""
    policy = RetryPolicy(stop=1, wait=lambda _: 1.0, healthy_after=5)
    for end in (b"", LOST):
        s = script(session(follow=True, retry=policy), (OPEN, head()), (READ, After(5, end)))
        assert isinstance(script(s, (CLOSE, None)).effect, Sleep)
    s = script(session(follow=True, retry=policy), (OPEN, head()), (READ, After(4.9, LOST)))
    over(script(s, (CLOSE, None)), type(LOST))


def test_a_broken_connection_is_not_healthy_for_its_bytes() -> None:
    policy = RetryPolicy(stop=1, wait=lambda _: 1.0)
    s = script(session(follow=True, retry=policy), (OPEN, head()), (READ, b": x\n"), (READ, LOST))
    over(script(s, (CLOSE, None)), type(LOST))


@pytest.mark.parametrize("pieces", [[b":"], [b":", b"x"], [b":", b" ", b"x"]])
def test_a_clean_end_after_a_byte_is_healthy(pieces: list[bytes]) -> None:
    policy = RetryPolicy(stop=1, wait=lambda _: 1.0)
    s = script(session(follow=True, retry=policy), (OPEN, head()))
    script(s, *[(READ, piece) for piece in pieces], (READ, b""))
    assert isinstance(script(s, (CLOSE, None)).effect, Sleep)


def test_the_bytes_of_one_connection_do_not_make_the_next_one_healthy() -> None:
    policy = RetryPolicy(stop=1, wait=lambda _: 1.0)
    s = script(session(follow=True, retry=policy), (OPEN, head()), (READ, b":\n"), (READ, b""))
    script(s, (CLOSE, None), (Sleep, None), (OPEN, head()), (READ, b""))
    error = over(script(s, (CLOSE, None)), StreamTruncated)
    assert str(error) == "the followed stream ended without a byte"


def test_a_total_that_is_just_kept_is_kept() -> None:
    policy = RetryPolicy(wait=lambda _: 6.0)
    for total, kept in ((6.0, True), (5.9, False)):
        s = session(retry=policy, timeouts=Timeouts(total=total))
        script(s, (OPEN, REFUSED), (CLOSE, None))
        assert isinstance(s.effect, Sleep) is kept


def test_a_strategy_is_told_the_time_and_the_error_of_a_life() -> None:
    seen: list[tuple[float | None, Any]] = []

    def stop(state: Any) -> bool:
        seen.append((state.seconds_since_start, state.outcome.exception()))
        return False

    def wait(state: Any) -> float:
        seen.append((state.seconds_since_start, state.outcome.exception()))
        return 1.0

    s = session(retry=RetryPolicy(stop=stop, wait=wait))
    for seconds in (0.0, 2.0):
        script(s, (OPEN, After(seconds, ConnectError("no"))), (CLOSE, None), (Sleep, None))
    assert [seconds for seconds, _ in seen] == [0.0, 0.0, 3.0, 3.0]
    assert all(isinstance(error, StreamError) and str(error) == "no" for _, error in seen)


@pytest.mark.parametrize("kind", ["connect", "first_byte"])
def test_only_what_was_never_sent_leaves_a_one_shot_body_whole(kind: Any) -> None:
    late = TimeoutExceeded("late", kind=kind)
    s = session(method="POST", replayable=False, resendable=True)
    script(s, (OPEN, late), (CLOSE, None))
    assert isinstance(s.effect, Sleep) is (kind == "connect")


def test_after_no_content_nothing_of_the_last_body_counts() -> None:
    """A terminal that lay unfinished on the connection before is not made whole by a 204."""
    s = script(
        session(NDJSON(), terminal="END"),
        (OPEN, head(media_type="application/x-ndjson")),
        (READ, b"END"),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (OPEN, head(204)),
        (CLOSE, None),
    )
    assert "answered 204 before the terminal 'END'" in str(s.error)


def test_nothing_left_may_make_the_terminal_whole() -> None:
    first = head(media_type="application/x-ndjson", etag='"v"')
    s = script(
        session(NDJSON(), terminal="END", resume=ByteRange()),
        (OPEN, first),
        (READ, b"1\nEND"),
        ([1], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
    )
    script(s, (Open, head(416, content_range="bytes */5", etag='"v"')))
    over(s)
    assert s.stats.ended == "terminal"


@pytest.mark.parametrize(("framed", "items"), [("chunked", [7]), ("", [])])
def test_the_framing_of_the_response_tells_whether_a_bare_number_is_whole(
    framed: str, items: list[int]
) -> None:
    answer = head(media_type="application/x-ndjson", transfer_encoding=framed)
    s = script(session(NDJSON(), retry=RetryPolicy(stop=1)), (OPEN, answer), (READ, b"7"))
    script(s, (READ, b""))
    got: list[int] = []
    while s.effect is not None:
        got += s.effect.batch.items if isinstance(s.effect, Emit) else []
        s.reply()
    assert got == items
    assert (s.error is None) is bool(items)


# What is shown of a refusal ------------------------------------------------------------------


def refused(body: bytes, **changes: Any) -> Session[Any]:
    s = script(session(**changes), (OPEN, head(400)), (soon(5), body))
    while isinstance(s.effect, (Read, Close)):
        s.reply(b"" if isinstance(s.effect, Read) else None)
    return s


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"x" * 199, "x" * 199), (b"x" * 200, "x" * 200), (b"x" * 201, "x" * 200 + "…"),
        (b" \xffno \n", "\ufffdno"),
    ],
)  # fmt: skip
def test_200_bytes_of_a_body_are_shown(body: bytes, shown: str) -> None:
    error = over(refused(body), StatusError)
    assert str(error) == f"{LABEL} answered 400: {shown!r}"


def test_no_more_is_read_of_a_refusal_than_is_kept() -> None:
    limits = Limits(error_excerpt=4)
    s = script(session(limits=limits), (OPEN, head(400)), (soon(5), b"abcd"), (CLOSE, None))
    assert over(s, StatusError).body == b"abcd"


def test_80_characters_of_a_position_are_shown() -> None:
    s = session(start=Position("x" * 100))
    script(s, (OPEN, head(410)), (soon(5), b""), (CLOSE, None))
    error = over(s, ResumeError)
    shown = "x" * 80
    assert str(error) == (
        f"the server answered 410 to a request to go on at '{shown}': the position is gone"
    )
    s = script(session(start=Position("\n" + "x" * 100)), (CLOSE, None))
    assert repr("\n" + "x" * 79) + " cannot be sent" in str(over(s, ResumeError))


def test_why_a_followed_feed_cannot_go_on() -> None:
    s = script(session(NDJSON(), resume=ByteRange(), follow=False), (OPEN, head()), (READ, b"1\n"))
    script(s, (Emit, None), (READ, LOST), (CLOSE, None))
    over(s, ResumeError, "cannot go on where it was: the response has no strong ETag to know")


def test_the_last_error_of_a_spent_budget_is_in_its_words() -> None:
    s = session(retry=RetryPolicy(stop=2, wait=lambda _: 1.0))
    script(s, (OPEN, ConnectError("a")), (CLOSE, None), (Sleep, None), (OPEN, ConnectError("b")))
    error = over(script(s, (CLOSE, None)), RetriesExhausted)
    assert str(error) == "gave up after 2 tries without a new item; the last: b"


def test_events_behind_one_another_go_on_from_the_last() -> None:
    s = script(opened(), (READ, A + B + C), (["a", "b", "c"], None), (READ, LOST), (CLOSE, None))
    script(s, (Sleep, None))
    assert isinstance(s.effect, Open)
    assert dict(s.effect.patch.headers) == {"last-event-id": b"3"}
    assert s.order == order(decoder=s.order.decoder)


# Requests that are sent again ----------------------------------------------------------------


@pytest.mark.parametrize("replayable", [True, False])
def test_a_redirect_takes_a_body_along_that_can_be_sent_twice(replayable: bool) -> None:
    s = session(method="POST", replayable=replayable)
    script(s, (OPEN, head(307, location="/there")), (CLOSE, None))
    if replayable:
        assert isinstance(s.effect, Open)
        assert (s.effect.target.url, s.effect.target.body) == ("http://host/there", True)
    else:
        over(script(s, (CLOSE, None)), RedirectError, "can be read only once")


def test_what_the_caller_chose_is_not_changed_by_what_the_server_offers() -> None:
    offer = head(media_type="application/x-ndjson", etag='"v"', accept_ranges="bytes")
    for resume, goes_on in ((None, True), (LastEventID(), False)):
        s = script(session(NDJSON(), resume=resume), (OPEN, offer), (READ, b"1\n"), ([1], None))
        script(s, (READ, LOST), (CLOSE, None))
        assert isinstance(s.effect, Sleep) is goes_on
