from __future__ import annotations

from typing import Any

import pytest
from playbook import (
    CLOSE,
    LOST,
    NO_TRY,
    OPEN,
    READ,
    A,
    B,
    C,
    asked,
    head,
    opened,
    over,
    script,
    session,
    soon,
)

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._effects import Emit, Open, Sleep
from streamable_http._errors import (
    ConnectError,
    ConnectionLost,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamError,
    TimeoutExceeded,
)
from streamable_http._reports import Connecting, Retrying, StreamEvent
from streamable_http._resume import LastEventID, NoResume
from streamable_http._retry import RetryPolicy

# Going on ------------------------------------------------------------------------------------


def test_a_broken_stream_goes_on_behind_the_last_event() -> None:
    told: list[StreamEvent] = []
    s = script(
        session(told=told),
        (asked(), head()),
        (READ, A + B[:9]),
        (["a"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep(1.0), None),
        (asked(after="1"), head()),
        (READ, B + C),
        (["b", "c"], None),
        (READ, b""),
    )
    over(s)
    assert (s.stats.retries, s.stats.resumes, s.stats.connects, s.stats.items) == (1, 1, 2, 3)
    assert s.stats.elapsed == 1
    assert [event.resume for event in told if isinstance(event, Connecting)] == ["", "1"]
    assert [event.tries for event in told if isinstance(event, Retrying)] == [1]


def test_the_items_come_before_the_fault() -> None:
    s = script(opened(retry=NO_TRY), (READ, A), (["a"], None), (READ, LOST), (CLOSE, None))
    assert over(s, ConnectionLost) is LOST


def test_a_first_failure_without_retry_is_raised_as_itself() -> None:
    refused = ConnectError("refused")
    s = script(session(retry=NO_TRY), (OPEN, refused), (CLOSE, None))
    assert over(s, ConnectError) is refused
    assert refused.request == "GET http://host/feed"
    assert refused.response is None


def test_tries_without_progress_run_out() -> None:
    rows: list[Any] = []
    for _ in range(3):
        rows += [(OPEN, ConnectError("refused")), (CLOSE, None), (Sleep(1.0), None)]
    s = script(session(retry=RetryPolicy(stop=3, wait=lambda _: 1)), *rows[:-1])
    error = over(s, RetriesExhausted, "gave up after 3 tries without a new item; the last: refused")
    assert error.tries == 3
    assert error.__cause__ is error.last_error is not None
    assert error.request == "GET http://host/feed"
    assert s.stats.retries == 2


def test_an_item_gives_the_budget_back() -> None:
    s = session(retry=RetryPolicy(stop=3, wait=lambda _: 1))
    for number in range(10):
        after = str(number) if number else ""
        script(
            s,
            (asked(after=after), ConnectError("refused")),
            (CLOSE, None),
            (Sleep(1), None),
            (asked(after=after), head()),
            (READ, b"id: %d\ndata: x\n\n" % (number + 1)),
            (["x"], None),
            (READ, LOST),
            (CLOSE, None),
            (Sleep(1), None),
        )
    assert s.stats.items == 10


def test_a_replayed_item_gives_no_budget_back() -> None:
    s = script(
        session(retry=RetryPolicy(stop=2, wait=lambda _: 1)),
        (OPEN, head()),
        (READ, A + b"data: x\n\n"),
        (["a", "x"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (asked(after="1"), head()),
        (READ, b"data: x\n\n"),
        (READ, ConnectionLost("again")),
        (CLOSE, None),
    )
    over(s, RetriesExhausted)
    assert (s.stats.replayed, s.stats.items) == (1, 2)


def test_items_without_ids_are_recognised_on_every_resume() -> None:
    """What one connection repeats in part, or not at all, is known to the next one too."""
    x, y, z = b"data: x\n\n", b"data: y\n\n", b"data: z\n\n"
    reconnect = [(READ, LOST), (CLOSE, None), (Sleep, None), (asked(after="1"), head())]
    s = script(
        session(),
        (OPEN, head()),
        (READ, A + x + y),
        (["a", "x", "y"], None),
        *reconnect,
        (READ, x),
        *reconnect,
        (READ, b"retry: 5\n\n"),
        *reconnect,
        (READ, x + y + z),
        (["z"], None),
        *reconnect,
        (READ, x + y + z),
        (READ, B),
        (["b"], None),
        (READ, b""),
    )
    over(s)
    assert s.stats.replayed == 6
    assert s.stats.items == 5


def test_an_id_that_is_only_told_again_forgets_no_item_behind_it() -> None:
    x, y = b"data: x\n\n", b"data: y\n\n"
    reconnect = [(READ, LOST), (CLOSE, None), (Sleep, None), (asked(after="1"), head())]
    s = script(session(), (OPEN, head()), (READ, A + x), (["a", "x"], None), *reconnect)
    script(s, (READ, b"id: 1\n\n"), (READ, x + y), (["y"], None), *reconnect)
    script(s, (READ, b"id: 1\n\n" + x + y), (READ, b""))
    over(s)


def test_without_a_position_an_item_makes_the_fault_final() -> None:
    s = script(opened(), (READ, b"data: x\n\n"), (["x"], None), (READ, LOST), (CLOSE, None))
    assert over(s, ConnectionLost) is LOST


def test_without_an_item_there_is_nothing_to_repeat() -> None:
    s = script(
        session(NDJSON()),
        (OPEN, head(media_type="application/x-ndjson")),
        (READ, b"\n"),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (OPEN, head(media_type="application/x-ndjson")),
        (READ, b"1\n"),
        ([1], None),
        (READ, LOST),
        (CLOSE, None),
    )
    over(s, ConnectionLost)


def test_more_items_than_can_be_recognised_make_the_fault_final() -> None:
    many = b"".join(b"data: %d\n\n" % number for number in range(300))
    s = script(opened(), (READ, A + many), (Emit, None), (READ, LOST), (CLOSE, None))
    over(s, ConnectionLost)


def test_no_resume_means_no_second_connection_after_an_item() -> None:
    s = script(opened(resume=NoResume()), (READ, A), (["a"], None), (READ, LOST), (CLOSE, None))
    over(s, ConnectionLost)
    s = script(session(resume=NoResume()), (OPEN, ConnectError("no")), (CLOSE, None), (Sleep, None))
    assert isinstance(s.effect, Open)


def test_an_id_that_http_cannot_carry_is_said_so() -> None:
    s = script(
        opened(), (READ, b"id: 1\x01\ndata: a\n\n"), (["a"], None), (READ, LOST), (CLOSE, None)
    )
    over(
        script(s, (Sleep, None), (CLOSE, None)), ResumeError, "cannot be sent in a header unchanged"
    )


def test_a_stream_starts_where_it_is_told_to() -> None:
    s = script(
        session(start=Position("7", behind=())),
        (asked(after="7"), head()),
        (READ, b"data: x\n\n"),
        (["x"], None),
        (READ, b""),
    )
    over(s)
    assert s.position.event_id == "7"
    assert s.stats.resumes == 0


# What may be sent again ----------------------------------------------------------------------

POST: dict[str, Any] = {"method": "POST", "resendable": False}


def test_a_post_is_not_sent_again_once_it_may_have_been_acted_on() -> None:
    s = script(session(**POST), (OPEN, LOST), (CLOSE, None))
    over(s, ConnectionLost)


@pytest.mark.parametrize(
    "failure",
    [
        ConnectError("refused"),
        TimeoutExceeded("connect", kind="connect"),
    ],
)
def test_a_post_that_was_not_sent_is_sent_again(failure: StreamError) -> None:
    s = script(session(**POST), (OPEN, failure), (CLOSE, None), (Sleep, None))
    assert isinstance(s.effect, Open)


@pytest.mark.parametrize("status", [408, 425, 429, 503])
def test_a_post_that_was_refused_unread_is_sent_again(status: int) -> None:
    rows = [(OPEN, head(status)), (soon(5), b""), (CLOSE, None), (Sleep, None)]
    assert isinstance(script(session(**POST), *rows).effect, Open)
    s = script(session(**POST, replayable=False), *rows[:-1])
    over(s, StatusError)


def test_a_one_shot_body_is_sent_again_only_if_it_was_not_touched() -> None:
    s = script(session(replayable=False), (OPEN, LOST), (CLOSE, None))
    over(s, ConnectionLost)
    s = script(session(replayable=False), (OPEN, ConnectError("no")), (CLOSE, None), (Sleep, None))
    assert isinstance(s.effect, Open)


def test_resume_makes_a_post_resumable() -> None:
    s = script(
        session(method="POST", resume=LastEventID()),
        (asked(method="POST"), head()),
        (READ, A),
        (["a"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (asked(method="POST", after="1"), head()),
    )
    assert s.effect == READ


@pytest.mark.parametrize("behind", [255, 256])
def test_as_many_items_as_can_be_kept_are_recognised(behind: int) -> None:
    items = [b"data: %d\n\n" % number for number in range(behind)]
    s = script(session(), (OPEN, head()), (READ, A + b"".join(items)), (Emit, None))
    for _ in range(2):
        script(s, (READ, LOST), (CLOSE, None), (Sleep, None), (asked(after="1"), head()))
        script(s, (READ, b"".join(items)))
    script(s, (READ, b"data: new\n\n"), (["new"], None), (READ, b""))
    over(s)
    assert s.stats.replayed == 2 * behind
