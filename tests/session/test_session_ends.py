from __future__ import annotations

import pytest
from playbook import (
    CLOSE,
    DRAIN,
    LOST,
    NO_TRY,
    OPEN,
    READ,
    A,
    After,
    B,
    C,
    asked,
    head,
    opened,
    over,
    script,
    session,
)

from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, SSEData
from streamable_http._effects import Emit, Sleep
from streamable_http._errors import (
    ConnectError,
    DecodeError,
    StreamFailed,
    StreamTruncated,
)
from streamable_http._reports import Connected, Connecting, Ended, StreamEvent
from streamable_http._values import Failure, Terminal

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
