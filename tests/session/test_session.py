from __future__ import annotations

import gzip
from typing import Any

import pytest
from playbook import CLOSE, DRAIN, OPEN, READ, After, asked, head, over, script, session, soon

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, SSEData, SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._effects import Emit, Open, Sleep
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
    StreamError,
    StreamFailed,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._reports import Connected, Connecting, Ended, Gap, Retrying, StreamEvent
from streamable_http._resume import LastEventID, NoResume
from streamable_http._retry import RetryPolicy
from streamable_http._values import Failure, Limits, Terminal, Timeouts

A, B, C = b"id: 1\ndata: a\n\n", b"id: 2\ndata: b\n\n", b"id: 3\ndata: c\n\n"
LOST = ConnectionLost("cut")
NO_TRY = RetryPolicy(stop=1)


def opened(**changes: Any) -> Any:
    return script(session(**changes), (OPEN, head()))


# How a stream ends ---------------------------------------------------------------------------


def test_a_stream_is_open_once_a_response_is_accepted() -> None:
    s = session()
    assert not s.is_open
    script(s, (OPEN, ConnectError("no")), (CLOSE, None), (Sleep, None))
    assert not s.is_open
    assert script(s, (OPEN, head())).is_open


def test_framing_proves_the_end() -> None:
    told: list[StreamEvent] = []
    s = script(
        session(told=told),
        (asked(), head()),
        (READ, A + B),
        (["a", "b"], After(2)),
        (READ, b""),
    )
    over(s)
    assert (s.stats.ended, s.stats.items, s.stats.bytes) == ("framing", 2, len(A + B))
    assert (s.stats.elapsed, s.stats.connects, s.stats.retries) == (2, 1, 0)
    assert [type(event) for event in told] == [Connecting, Connected, Ended]
    assert s.position.event_id == "2"


def test_a_close_proves_nothing() -> None:
    s = script(
        session(),
        (OPEN, head(transfer_encoding="")),
        (READ, A),
        (["a"], None),
        (READ, b""),
    )
    over(s)
    assert s.stats.ended == "closed"


def test_a_close_is_an_error_where_proof_is_required() -> None:
    s = script(
        session(require_proof=True, retry=NO_TRY),
        (OPEN, head(transfer_encoding="")),
        (READ, A),
        (["a"], None),
        (READ, b""),
        (CLOSE, None),
    )
    over(s, StreamTruncated, "nothing proves that it is complete (require_proof=True)")


def test_the_terminal_ends_the_stream_and_the_connection_is_drained() -> None:
    s = script(
        session(terminal="[DONE]"),
        (OPEN, head()),
        (READ, A + b"data: [DONE]\n\n" + B),
        (["a"], None),
        (DRAIN, None),
    )
    over(s)
    assert s.stats.ended == "terminal"


def test_a_terminal_event_is_delivered() -> None:
    s = script(
        session(SSE(), terminal=Terminal("stop")),
        (OPEN, head()),
        (READ, b"event: stop\ndata: x\n\n"),
        (Emit, None),
        (DRAIN, None),
    )
    over(s)
    assert s.stats.items == 1


def test_a_terminal_seen_at_the_very_end_counts() -> None:
    s = script(
        session(NDJSON(), terminal="END"),
        (OPEN, head(media_type="application/x-ndjson")),
        (READ, b"1\nEND"),
        ([1], None),
        (READ, b""),
    )
    over(s)
    assert s.stats.ended == "terminal"


def test_a_missing_terminal_is_a_truncated_stream() -> None:
    s = script(
        session(terminal="[DONE]", retry=NO_TRY),
        (OPEN, head()),
        (READ, A),
        (["a"], None),
        (READ, b""),
        (CLOSE, None),
    )
    error = over(s, StreamTruncated, "the body ended without the terminal '[DONE]'")
    assert error.request == "GET http://host/feed"
    assert error.response.status_code == 200


def test_an_open_record_is_a_truncated_stream() -> None:
    s = script(
        opened(retry=NO_TRY), (READ, A + b"data: b"), (["a"], None), (READ, b""), (CLOSE, None)
    )
    over(s, StreamTruncated, "inside an event")
    assert s.position.event_id == "1"


@pytest.mark.parametrize("status", [204, 205])
def test_no_content_ends_a_stream(status: int) -> None:
    s = script(session(), (OPEN, head(status)))
    over(s)
    assert (s.stats.ended, s.stats.connects) == ("framing", 1)


@pytest.mark.parametrize("status", [204, 205])
def test_no_content_before_the_terminal_is_truncated_and_final(status: int) -> None:
    s = script(session(terminal="[DONE]"), (OPEN, head(status)), (CLOSE, None))
    over(s, StreamTruncated, f"the server answered {status} before the terminal '[DONE]'")


def test_a_failure_inside_the_stream_comes_after_its_items() -> None:
    s = script(
        session(SSE(), failure=Failure(event="error")),
        (OPEN, head()),
        (READ, A + b"event: error\ndata: boom\n\n" + B),
        (Emit, None),
        (CLOSE, None),
    )
    assert over(s, StreamFailed, "boom").item.data == "boom"


def test_a_failure_predicate_is_watched() -> None:
    s = script(
        session(failure=lambda item: item == "b"),
        (OPEN, head()),
        (READ, A + B + C),
        (["a"], None),
        (CLOSE, None),
    )
    assert over(s, StreamFailed).item == "b"
    assert s.position.event_id == "1"


def test_the_users_own_exception_is_not_wrapped() -> None:
    class Mine(Exception):
        pass

    def refuse(_: object) -> bool:
        raise Mine("no")

    s = script(session(terminal=refuse), (OPEN, head()), (READ, A))
    over(s, Mine, "no")


def test_a_bad_item_is_raised_after_the_items_before_it() -> None:
    s = script(
        session(SSEData(int)),
        (OPEN, head()),
        (READ, b"id: 1\ndata: 1\n\nid: 2\ndata: x\n\nid: 3\ndata: 3\n\n"),
        ([1], None),
        (CLOSE, None),
    )
    assert over(s, DecodeError).index == 1
    assert s.position.event_id == "1"


def test_skipped_items_are_counted_over_all_connections() -> None:
    s = script(
        session(SSEData(int), on_bad_item="skip"),
        (OPEN, head()),
        (READ, b"data: x\n\nid: 2\ndata: 2\n\n"),
        ([2], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep(1.0), None),
        (asked(after="2"), head()),
        (READ, b"data: y\n\n"),
        (READ, b""),
    )
    over(s)
    assert s.stats.skipped == 2


# What is sent --------------------------------------------------------------------------------


def headers_of(s: Any) -> dict[str, bytes]:
    assert isinstance(s.effect, Open)
    return dict(s.effect.headers)


def test_a_spec_asks_for_its_own_type_without_any_recoding() -> None:
    assert headers_of(session(NDJSON())) == {
        "accept": b"application/x-ndjson",
        "accept-encoding": b"identity",
    }


def test_events_are_not_to_be_stored() -> None:
    assert headers_of(session(SSEText())) == {
        "accept": b"text/event-stream",
        "accept-encoding": b"identity",
        "cache-control": b"no-store",
    }


def test_the_automatic_choice_asks_for_all_that_is_registered() -> None:
    asking = headers_of(session(None, registry={"text/csv": Lines()}))
    assert asking["accept"].startswith(b"text/csv, text/event-stream, ")
    assert asking["accept"].endswith(b", */*;q=0.1")
    assert asking["cache-control"] == b"no-store"


class Own:
    def decode(self, data: bytes) -> list[bytes]:
        return [data]

    def flush(self) -> list[bytes]:
        return []


def test_ones_own_decoder_takes_anything() -> None:
    asking = headers_of(session(Own))
    assert asking == {"accept": b"*/*", "accept-encoding": b"identity"}
    s = script(session(Own), (OPEN, head(media_type="")), (READ, b"x"), ([b"x"], None), (READ, b""))
    over(s)


def test_compression_is_asked_for_and_undone_piece_by_piece() -> None:
    assert headers_of(session(compress=True))["accept-encoding"] == b"gzip, deflate"
    body = gzip.compress(A + B)
    s = script(
        session(compress=True),
        (OPEN, head(content_encoding="gzip")),
        (READ, body),
        (["a", "b"], None),
        (READ, b""),
    )
    over(s)
    assert s.stats.bytes == len(body)


def test_a_large_piece_is_delivered_in_several_batches() -> None:
    text = b"".join(b"data: %d\n\n" % number for number in range(20_000))
    s = script(session(compress=True), (OPEN, head(content_encoding="gzip")))
    s.reply(gzip.compress(text))
    batches = []
    while isinstance(s.effect, Emit):
        batches.append(len(s.effect.batch.items))
        s.reply()
    assert len(batches) > 2
    assert sum(batches) == 20_000


def test_a_truncated_coding_is_a_truncated_stream() -> None:
    s = script(
        session(retry=NO_TRY),
        (OPEN, head(content_encoding="gzip")),
        (READ, gzip.compress(A)[:-4]),
        (["a"], None),
        (READ, b""),
        (CLOSE, None),
    )
    over(s, StreamTruncated, "gzip body ended early")


# What is refused -----------------------------------------------------------------------------


def test_an_error_status_comes_with_the_start_of_its_body() -> None:
    s = script(
        session(limits=Limits(error_excerpt=6)),
        (OPEN, head(404, "application/json", retry_after="7")),
        (soon(5), b'{"a"'),
        (soon(5), b": 1}"),
        (CLOSE, None),
    )
    error = over(s, StatusError, "GET http://host/feed answered 404: '{\"a\":'")
    assert (error.status_code, error.body, error.retry_after) == (404, b'{"a": ', 7)
    assert error.headers["content-type"] == "application/json"


def test_a_long_body_is_shown_in_part() -> None:
    s = script(session(), (OPEN, head(400)), (soon(5), b"x" * 300), (soon(5), b""), (CLOSE, None))
    error = over(s, StatusError, "x" * 200 + "…'")
    assert len(error.body) == 300


def test_the_body_of_an_error_that_breaks_off_is_what_came() -> None:
    s = script(session(), (OPEN, head(400)), (soon(5), b"so"), (soon(5), LOST), (CLOSE, None))
    assert over(s, StatusError).body == b"so"


def test_the_body_of_an_error_is_not_waited_for_long() -> None:
    late = TimeoutExceeded("late", kind="idle")
    s = script(session(), (OPEN, head(400)), (soon(5), After(2, b"a")), (soon(3), After(2, b"b")))
    script(s, (soon(1), late), (CLOSE, None))
    assert over(s, StatusError).body == b"ab"


def test_an_html_page_with_200_is_no_stream() -> None:
    s = script(session(), (OPEN, head(200, "text/html")), (soon(5), b"<p>"))
    script(s, (soon(5), b""), (CLOSE, None))
    error = over(
        s,
        ContentTypeError,
        "the server answered with an HTML page, not a stream: '<p>' "
        "(any_content_type=True decodes it all the same)",
    )
    assert (error.content_type, error.body) == ("text/html", b"<p>")


def test_an_html_page_can_be_asked_for() -> None:
    s = script(
        session(Raw(), any_content_type=True),
        (OPEN, head(200, "text/html")),
        (READ, b"<p>"),
        ([b"<p>"], None),
        (READ, b""),
    )
    over(s)


def test_the_automatic_choice_refuses_what_it_does_not_know() -> None:
    s = script(session(None), (OPEN, head(200, "text/html")), (CLOSE, None))
    over(s, ContentTypeError, "the response is of type 'text/html', for which no decoder")


def test_an_unknown_coding_is_refused() -> None:
    s = script(session(), (OPEN, head(content_encoding="br")), (CLOSE, None))
    over(s, ContentTypeError, "'br'")


def test_following_needs_a_format_with_positions() -> None:
    s = script(session(NDJSON(), follow=True), (OPEN, head()), (CLOSE, None))
    over(s, ConfigurationError, "and NDJSON() has none: follow Server-Sent Events")
    s = script(session(Own, follow=True), (OPEN, head()), (CLOSE, None))
    over(s, ConfigurationError, "and your own decoder has none")
    s = script(session(None, follow=True), (OPEN, head(200, "application/json")), (CLOSE, None))
    over(s, ConfigurationError, "and 'application/json' has none")


# Limits --------------------------------------------------------------------------------------


def test_max_items_delivers_that_many_and_says_so() -> None:
    s = script(
        session(limits=Limits(max_items=2)), (OPEN, head()), (READ, A + B + C), (["a", "b"], None)
    )
    s = script(s, (CLOSE, None))
    error = over(s, LimitExceeded, "more than Limits(max_items=2) items")
    assert (error.limit, error.setting, error.seen) == ("max_items", 2, 3)
    assert s.position.event_id == "2"


def test_max_items_met_exactly_is_no_error() -> None:
    s = script(
        session(limits=Limits(max_items=2)),
        (OPEN, head()),
        (READ, A + B),
        (["a", "b"], None),
        (READ, b""),
    )
    over(s)


def test_max_items_that_is_full_delivers_nothing_more() -> None:
    s = script(
        session(limits=Limits(max_items=1)),
        (OPEN, head()),
        (READ, A),
        (["a"], None),
        (READ, B),
        (CLOSE, None),
    )
    over(s, LimitExceeded)
    assert s.position.event_id == "1"


@pytest.mark.parametrize("cut", range(len(A + B)))
def test_max_stream_bytes_counts_exactly(cut: int) -> None:
    body, limit = A + B + C, len(A + B)
    s = script(session(limits=Limits(max_stream_bytes=limit)), (OPEN, head()))
    items: list[str] = []
    pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
    while s.effect is not None:
        if isinstance(s.effect, Emit):
            items += s.effect.batch.items
            s.reply()
        else:
            s.reply(pieces.pop(0) if s.effect == READ else None)
    assert items == ["a", "b"]
    assert over(s, LimitExceeded, "the stream is larger").setting == limit


def test_max_stream_bytes_counts_over_all_connections() -> None:
    s = script(
        session(limits=Limits(max_stream_bytes=len(A) + 3)),
        (OPEN, head()),
        (READ, A),
        (["a"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (OPEN, head()),
        (READ, B),
        (CLOSE, None),
    )
    over(s, LimitExceeded)


def test_a_large_item_is_refused() -> None:
    s = script(
        session(limits=Limits(max_item_bytes=10)), (OPEN, head()), (READ, b"data: " + b"x" * 20)
    )
    over(script(s, (CLOSE, None)), LimitExceeded, "max_item_bytes")


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
