from __future__ import annotations

import gzip
from typing import Any

import pytest
from playbook import (
    CLOSE,
    LOST,
    NO_TRY,
    OPEN,
    READ,
    A,
    After,
    B,
    C,
    head,
    over,
    script,
    session,
    soon,
)

from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._effects import Emit, Open, Sleep
from streamable_http._errors import (
    ConfigurationError,
    ContentTypeError,
    LimitExceeded,
    StatusError,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._values import Limits

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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_that_is_not_to_be_followed_is_a_status(status: int) -> None:
    s = script(
        session(follow_redirects=False),
        (OPEN, head(status, location="http://other/")),
        (soon(5), b"moved"),
        (soon(5), b""),
        (CLOSE, None),
    )
    error = over(s, StatusError)
    assert str(error) == (
        f"GET http://host/feed answered {status}, and follow_redirects=False: 'moved'"
    )
    assert (error.status_code, error.headers["location"]) == (status, "http://other/")


def test_other_refused_statuses_say_nothing_of_redirects() -> None:
    s = script(session(follow_redirects=False), (OPEN, head(304)), (soon(5), b""), (CLOSE, None))
    assert "follow_redirects" not in str(over(s, StatusError))


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
    error = over(s, LimitExceeded, "more items than Limits(max_items=2) allows: at least 3 seen")
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
