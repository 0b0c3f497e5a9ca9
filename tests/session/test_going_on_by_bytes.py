"""Range requests as scripts: the exact byte, or a `ResumeError`; never a splice."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from playbook import CLOSE, LOST, NO_TRY, OPEN, READ, URL, over, script, session

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE
from streamable_http._decoders.text import Lines, Raw
from streamable_http._effects import Close, Emit, Open, Read, Sleep
from streamable_http._errors import (
    ConfigurationError,
    ConnectionLost,
    ResumeError,
    RetriesExhausted,
    StreamTruncated,
)
from streamable_http._resume import ByteRange, NoResume, position_of
from streamable_http._retry import RetryPolicy
from streamable_http._session import Session
from streamable_http._values import Headers, ResponseInfo

BODY = b'{"n": 1}\n{"n": 2}\n{"n": 3}\n'
ONE, HALF, REST = BODY[:9], BODY[9:13], BODY[13:]
UNTOLD = {"etag": '"v1"', "accept_ranges": "bytes"}
FIRST = {"content_length": "27", **UNTOLD}


def answer(status: int = 200, /, **headers: str) -> ResponseInfo:
    pairs = [("content-type", "application/x-ndjson")]
    pairs += [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ResponseInfo(status, Headers(pairs), URL, media_type="application/x-ndjson")


def part(first: int = 13, last: int = 26, whole: str = "27", **headers: str) -> ResponseInfo:
    headers = {"etag": '"v1"', "content_range": f"bytes {first}-{last}/{whole}", **headers}
    return answer(206, **headers)


def begun(decoder: Any = None, *, first: dict[str, str] | None = None, **options: Any) -> Any:
    """A stream that lost its connection in the midst of the second record, and tries again."""
    return script(
        session(NDJSON() if decoder is None else decoder, **options),
        (OPEN, answer(**(FIRST if first is None else first))),
        (READ, ONE + HALF),
        (Emit, None),
        (READ, LOST),
        (CLOSE, None),
    )


def asks(s: Session[Any]) -> dict[str, str]:
    assert isinstance(s.effect, Open)
    return {name: value.decode() for name, value in s.effect.patch.headers}


@pytest.mark.parametrize("resume", [None, ByteRange()])
def test_it_goes_on_at_the_exact_byte_in_the_midst_of_a_record(resume: Any) -> None:
    s = script(begun(resume=resume), (Sleep(1.0), None))
    assert asks(s) == {"range": "bytes=13-", "if-range": '"v1"', "accept-encoding": "identity"}
    script(s, (OPEN, part()), (READ, REST), ([{"n": 2}, {"n": 3}], None), (READ, b""))
    over(s)
    assert (s.stats.resumes, s.stats.items, s.stats.ended) == (1, 3, "framing")


@pytest.mark.parametrize(
    "first",
    [
        {**FIRST, "etag": 'W/"v1"'},
        {"accept_ranges": "bytes"},
        {**FIRST, "accept_ranges": "none"},
        {"etag": '"v1"'},
    ],
    ids=["weak", "no etag", "no ranges", "ranges not offered"],
)
def test_by_itself_it_asks_for_no_range_that_proves_nothing(first: dict[str, str]) -> None:
    over(begun(first=first), ConnectionLost)


def test_a_coded_body_is_not_gone_on_with() -> None:
    first = {**FIRST, "content_encoding": "gzip"}
    s = script(session(NDJSON(), compress=True), (OPEN, answer(**first)), (READ, LOST))
    script(s, (CLOSE, None), (Sleep, None))
    assert asks(s) == {}


def test_asked_for_explicitly_the_server_need_not_offer_ranges() -> None:
    s = script(begun(resume=ByteRange(), first={"etag": '"v1"'}), (Sleep, None))
    assert asks(s)["range"] == "bytes=13-"


def test_asked_for_explicitly_a_missing_validator_is_said_so() -> None:
    error = over(begun(resume=ByteRange(), first={}), ResumeError, "no strong ETag")
    assert isinstance(error.__cause__, ConnectionLost)


def test_no_resume_is_no_range() -> None:
    over(begun(resume=NoResume()), ConnectionLost)


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (answer(200, etag='"v1"', content_length="27"), "answered 200 with a whole body"),
        (part(first=12), "those from 12 came"),
        (part(first=14), "those from 14 came"),
        (part(whole="28", last=27), "had 27 bytes, and now it has 28"),
        (part(etag='"v2"'), 'the ETag "v1" is gone'),
        (part(etag='W/"v1"'), "is gone"),
        (answer(206, etag='"v1"'), "does not say which bytes"),
        (part(first=13, last=12), "contradicts itself"),
        (part(last=27), "contradicts itself"),
        (part(content_length="13"), "disagree"),
        (part(content_encoding="gzip"), "is gone"),
        (answer(206, etag='"v1"', content_range="bytes */27"), "does not say which bytes"),
        (answer(206, etag='"v1"', content_range="items 13-26/27"), "does not say which bytes"),
    ],
)
def test_what_is_not_the_part_that_was_asked_for_is_refused(head: ResponseInfo, text: str) -> None:
    s = script(begun(), (Sleep, None), (OPEN, head), (CLOSE, None))
    over(s, ResumeError, text)
    assert (s.stats.connects, s.stats.resumes) == (2, 0)


# Where a redirect leads -------------------------------------------------------------------------


def led_to(url: str, head: ResponseInfo) -> ResponseInfo:
    return evolve(head, url=url)


def redirected(first: str, then: str, head: ResponseInfo) -> Session[Any]:
    """A stream that a redirect led to `first`, and after a cut to `then`."""
    s = script(session(NDJSON()), (OPEN, answer(302, location=first)), (CLOSE, None))
    script(s, (OPEN, led_to(first, answer(**FIRST))), (READ, ONE + HALF), (Emit, None))
    script(s, (READ, LOST), (CLOSE, None), (Sleep, None))
    return script(s, (OPEN, answer(302, location=then)), (CLOSE, None), (OPEN, led_to(then, head)))


@pytest.mark.parametrize(
    "then", ["http://host/v2", "http://other/v1", "https://host/v1", "http://host:81/v1"]
)
def test_equal_etags_of_two_resources_are_not_of_one_body(then: str) -> None:
    s = redirected("http://host/v1", then, part())
    over(
        script(s, (CLOSE, None)),
        ResumeError,
        f"came from http://host/v1, and a redirect led to {then}",
    )


def test_nothing_left_of_another_resource_proves_nothing() -> None:
    s = script(session(NDJSON()), (OPEN, answer(**UNTOLD)), (READ, ONE), (Emit, None))
    script(s, (READ, LOST), (CLOSE, None), (Sleep, None))
    refused = led_to("http://host/other", answer(416, content_range="bytes */9"))
    over(script(s, (OPEN, refused), (Read, b""), (CLOSE, None)), ResumeError, "answered 416")


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("http://cdn/v1?signature=1", "http://cdn/v1?signature=2"),
        ("http://cdn:80/v1", "http://me:secret@cdn/v1"),
    ],
)
def test_a_redirect_may_sign_each_time_anew(first: str, then: str) -> None:
    s = script(redirected(first, then, part()), (READ, REST), (Emit, None), (READ, b""))
    over(s)
    assert s.stats.items == 3


def test_a_start_is_of_where_the_first_answer_comes_from() -> None:
    s = session(Raw(), start=Position(offset=13, etag='"v1"'))
    script(s, (OPEN, led_to("http://host/v1", part())), (READ, BODY[13:18]), (Emit, None))
    script(s, (READ, LOST), (CLOSE, None), (Sleep, None))
    over(script(s, (OPEN, led_to("http://host/v2", part(18))), (CLOSE, None)), ResumeError)


@pytest.mark.parametrize("status", [204, 410, 412, 416])
def test_a_position_that_is_gone_is_said_so(status: int) -> None:
    s = script(begun(), (Sleep, None), (OPEN, answer(status)))
    while isinstance(s.effect, (Read, Close)):
        s.reply(b"" if isinstance(s.effect, Read) else None)
    over(s, ResumeError, f"answered {status} to a request to go on at 'byte 13'")


def test_a_part_of_the_part_is_not_the_end() -> None:
    s = script(
        begun(),
        (Sleep, None),
        (OPEN, part(last=17)),
        (READ, BODY[13:18]),
        ([{"n": 2}], None),
        (READ, b""),
        (CLOSE, None),
        (Sleep, None),
    )
    assert asks(s)["range"] == "bytes=18-"
    script(s, (OPEN, part(first=18)), (READ, BODY[18:]), ([{"n": 3}], None), (READ, b""))
    over(s)


@pytest.mark.parametrize("last", [26, 99])
def test_the_end_of_a_part_of_an_unknown_whole_is_no_end(last: int) -> None:
    """Only an answer that nothing is left behind it is: to the next range."""
    s = script(begun(first=UNTOLD), (Sleep, None), (OPEN, part(last=last, whole="*")))
    script(s, (READ, REST), (Emit, None), (READ, b""), (CLOSE, None), (Sleep, None))
    assert asks(s)["range"] == "bytes=27-"
    over(script(s, (OPEN, answer(416, content_range="bytes */27"))))
    assert (s.stats.items, s.stats.ended) == (3, "framing")


def test_parts_of_an_unknown_whole_that_bring_nothing_use_the_tries_up() -> None:
    s = begun(first=UNTOLD)
    while isinstance(s.effect, Sleep):
        script(s, (Sleep, None))
        at = int(asks(s)["range"][6:-1])
        script(s, (OPEN, part(at, at, whole="*")), (READ, b" "), (READ, b""), (CLOSE, None))
    over(s, RetriesExhausted, "the bytes up to 17 of an unknown number and no more")
    assert s.stats.connects == 5


def test_items_pay_for_parts_of_an_unknown_whole() -> None:
    s = script(session(Raw(), retry=NO_TRY), (OPEN, answer(**UNTOLD)), (READ, b"x"))
    over(script(s, (Emit, None), (READ, LOST), (CLOSE, None)), ConnectionLost)
    s = script(session(Raw(), retry=RetryPolicy(stop=2)), (OPEN, answer(**UNTOLD)), (READ, b"x"))
    script(s, (Emit, None), (READ, LOST), (CLOSE, None))
    for at in range(1, 20):
        script(s, (Sleep, None), (OPEN, part(at, at, whole="*")), (READ, b"x"), (Emit, None))
        script(s, (READ, b""), (CLOSE, None))
    script(s, (Sleep, None), (OPEN, answer(416, content_range="bytes */20")))
    over(s)
    assert s.stats.items == 20


def test_nothing_left_is_an_end_that_the_server_proves() -> None:
    """All bytes came, only their end was not seen: there is nothing to send any more."""
    s = script(
        session(NDJSON()),
        (OPEN, answer(etag='"v1"', accept_ranges="bytes", transfer_encoding="chunked")),
        (READ, BODY[:-1]),
        (Emit, None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (OPEN, answer(416, content_range="bytes */26")),
        ([{"n": 3}], None),
    )
    over(s)
    assert s.stats.ended == "framing"


def test_nothing_left_of_another_version_proves_nothing() -> None:
    refused = answer(416, content_range="bytes */13", etag='"v2"')
    s = script(begun(), (Sleep, None), (OPEN, refused), (Read, b""), (CLOSE, None))
    over(s, ResumeError)


def test_nothing_left_before_the_length_that_was_told_proves_nothing() -> None:
    refused = answer(416, content_range="bytes */13", etag='"v1"')  # of 27
    s = script(begun(require_proof=True), (Sleep, None), (OPEN, refused), (Read, b""))
    over(script(s, (CLOSE, None)), ResumeError, "answered 416")


def test_nothing_left_without_the_terminal_is_truncated() -> None:
    s = script(
        begun(terminal="[DONE]", first={"etag": '"v1"', "accept_ranges": "bytes"}),
        (Sleep, None),
        (OPEN, answer(416, content_range="bytes */13")),
        (CLOSE, None),
    )
    over(s, StreamTruncated, "inside")


def test_before_an_item_there_is_nothing_to_go_on_with() -> None:
    s = script(
        session(NDJSON()),
        (OPEN, answer(**FIRST)),
        (READ, HALF),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
    )
    assert asks(s) == {}
    script(s, (OPEN, answer(**{**FIRST, "etag": '"v2"'})), (READ, BODY), (Emit, None), (READ, b""))
    over(s)
    assert s.stats.items == 3


def test_a_post_is_not_asked_for_a_part_by_itself() -> None:
    over(begun(method="POST", resendable=False), ConnectionLost)


def test_events_without_ids_go_on_by_bytes_only_if_told_to() -> None:
    event = {"content_type": "text/event-stream", **FIRST}
    rows: Any = [(OPEN, answer(**event)), (READ, b"data: 1\n\n"), (Emit, None)]
    rows += [(READ, b"da"), (READ, LOST)]
    over(script(session(SSE()), *rows, (CLOSE, None)), ConnectionLost)
    s = script(session(SSE(), resume=ByteRange()), *rows, (CLOSE, None), (Sleep, None))
    script(s, (OPEN, part(11)), (READ, b"ta: 2\n\n"))
    assert isinstance(s.effect, Emit)
    assert s.effect.batch.items[0].data == "2"
    assert s.cursor(s.position, 2) is None


@pytest.mark.parametrize("terminal", [None, "[DONE]", lambda item: False])
def test_an_end_that_was_none_leaves_the_decoder_as_it_was(terminal: Any) -> None:
    """Nothing framed the body, so its end inside a record may be a cut."""
    first = {"etag": '"v1"', "accept_ranges": "bytes"}
    s = script(session(NDJSON(), terminal=terminal), (OPEN, answer(**first)), (READ, ONE + HALF))
    script(s, ([{"n": 1}], None), (READ, b""), (CLOSE, None), (Sleep, None))
    script(s, (OPEN, part()), (READ, REST), ([{"n": 2}, {"n": 3}], None), (READ, b""))
    if terminal is None:
        over(s)


def test_a_decoder_of_ones_own_that_was_told_of_an_end_takes_no_more() -> None:
    class Words:
        def decode(self, data: bytes) -> list[bytes]:
            return data.split()

        def flush(self) -> list[bytes]:
            return []

    first = {"etag": '"v1"', "accept_ranges": "bytes", "content_length": "4"}
    s = session(Words, terminal=lambda item: item == b"end")
    script(s, (OPEN, answer(**first)), (READ, b"a b "), ([b"a", b"b"], None), (READ, b""))
    over(script(s, (CLOSE, None)), StreamTruncated, "without the terminal")


@pytest.mark.parametrize("terminal", ["[DONE]", lambda item: False])
def test_where_a_terminal_is_to_come_a_last_line_without_end_is_no_item(terminal: Any) -> None:
    s = script(session(Lines(), terminal=terminal), (OPEN, answer(transfer_encoding="chunked")))
    script(s, (READ, b"one\nha"), (["one"], None), (READ, b""), (CLOSE, None))
    over(s, StreamTruncated)


@pytest.mark.parametrize("terminal", ["end", lambda item: item == "end"])
def test_a_terminal_may_be_a_last_line_without_end(terminal: Any) -> None:
    s = script(session(Lines(), terminal=terminal), (OPEN, answer(transfer_encoding="chunked")))
    script(s, (READ, b"one\nend"), (["one"], None), (READ, b""))
    if callable(terminal):
        script(s, (["end"], None))
    over(s)


def test_more_than_the_part_is_refused() -> None:
    s = script(begun(), (Sleep, None), (OPEN, part(last=17)), (READ, BODY[13:27]), (CLOSE, None))
    over(s, ResumeError, "more bytes came than its Content-Range told")


# Across processes ------------------------------------------------------------------------------


def test_the_cursor_stands_at_the_end_of_a_record_and_starts_there() -> None:
    s = begun()
    cursor = s.cursor(s.position, 1)
    assert cursor is not None
    assert (cursor.kind, cursor.value, cursor.etag) == ("byte-range", "9", '"v1"')
    other = session(NDJSON(), start=position_of(cursor, None))
    assert asks(other)["range"] == "bytes=9-"
    script(other, (OPEN, part(first=9)), (READ, BODY[9:]), ([{"n": 2}, {"n": 3}], None))
    end = other.cursor(other.position, 3)
    assert end is not None
    assert end.value == "27"
    script(other, (READ, b""))
    over(other)
    again = session(NDJSON(), start=position_of(end, ByteRange()))
    script(again, (OPEN, answer(416, content_range="bytes */27")))
    over(again)
    assert again.stats.items == 0


def test_a_start_is_kept_until_there_is_an_item() -> None:
    start = Position(offset=9, etag='"v1"')
    s = script(session(Lines(), start=start), (OPEN, part(first=9)), (READ, HALF), (READ, LOST))
    script(s, (CLOSE, None), (Sleep, None))
    assert asks(s)["range"] == "bytes=9-"
    script(s, (OPEN, part(first=9)), (READ, BODY[9:18]), (['{"n": 2}'], None), (READ, LOST))
    script(s, (CLOSE, None), (Sleep, None))
    assert asks(s)["range"] == "bytes=18-"


def test_a_start_that_was_changed_meanwhile_is_refused() -> None:
    s = session(Raw(), start=Position(offset=9, etag='"v1"'))
    over(script(s, (OPEN, answer(200, etag='"v2"')), (CLOSE, None)), ResumeError)


def test_a_format_that_must_be_read_from_its_start_is_said_so() -> None:
    s = session(None, start=Position(offset=9, etag='"v1"'))
    head = ResponseInfo(
        206,
        Headers([*part(first=9).headers.items(), ("content-type", "text/event-stream")][1:]),
        URL,
        media_type="text/event-stream",
    )
    over(script(s, (OPEN, head), (CLOSE, None)), ConfigurationError, "read from its start")


# However the bytes are cut ---------------------------------------------------------------------


@given(
    cuts=st.lists(st.integers(1, 200), max_size=12),
    pieces=st.integers(1, 40),
    kind=st.sampled_from(["ndjson", "lines", "raw"]),
    restart=st.booleans(),
)
def test_no_cut_loses_or_repeats_a_byte(
    cuts: list[int], pieces: int, kind: str, restart: bool
) -> None:
    decoder: Any = {"ndjson": NDJSON(), "lines": Lines(), "raw": Raw()}[kind]
    body = b"".join(b'{"n": %d, "t": "%b"}\n' % (n, b"x" * (n % 7)) for n in range(12))
    items: list[Any] = []
    faults = iter(cuts)

    def play(s: Session[Any]) -> None:
        left: list[Any] = []
        while (effect := s.effect) is not None:
            if isinstance(effect, Open):
                wanted = dict(effect.patch.headers).get("range", b"bytes=0-")
                first = int(wanted[6:-1])
                cut = next(faults, None)
                last = len(body) if cut is None else min(first + cut, len(body))
                sent = [body[at : min(at + pieces, last)] for at in range(first, last, pieces)]
                left = [*sent, b"" if last == len(body) else LOST]
                headers = {"etag": '"v"', "accept_ranges": "bytes"}
                if first:
                    size = f"bytes {first}-{len(body) - 1}/{len(body)}"
                    s.reply(answer(206, content_range=size, **headers))
                else:
                    s.reply(answer(content_length=str(len(body)), **headers))
            elif isinstance(effect, Read):
                piece = left.pop(0)
                s.fail(ConnectionLost("cut")) if piece is LOST else s.reply(piece)
            elif isinstance(effect, Emit):
                items.extend(effect.batch.items)
                if restart and next(stops, False):
                    return
                s.reply()
            else:
                s.reply()

    stops = iter([False, True, False, False, True])
    s = session(decoder)
    play(s)
    while s.effect is not None:
        cursor = s.cursor(s.position, len(items))
        assert cursor is not None
        s = session(decoder, start=position_of(cursor, None))
        play(s)
    if s.error is not None:  # cuts so close that no item came between them
        assert isinstance(s.error, RetriesExhausted)
        return
    expected = b"".join if kind == "raw" else list
    whole: Any = body if kind == "raw" else list(decoder().decode(body))
    assert expected(items) == whole


def test_every_single_cut_of_a_small_body() -> None:
    for first, second in itertools.product(range(1, len(BODY)), repeat=2):
        s = script(session(NDJSON()), (OPEN, answer(**FIRST)))
        items: list[Any] = []
        at, until = 0, [first, max(first, second), len(BODY)]
        while (effect := s.effect) is not None:
            if isinstance(effect, Open):
                at = int(dict(effect.patch.headers).get("range", b"bytes=0-")[6:-1])
                s.reply(part(first=at) if at else answer(**FIRST))
            elif isinstance(effect, Read):
                stop = until[0]
                piece, at = BODY[at:stop], max(at, stop)
                if piece:
                    s.reply(piece)
                elif stop == len(BODY):
                    s.reply(b"")
                else:
                    until.pop(0)
                    s.fail(ConnectionLost("cut"))
            else:
                items += effect.batch.items if isinstance(effect, Emit) else []
                s.reply()
        assert s.error is None, (first, second, s.error)
        assert items == [{"n": 1}, {"n": 2}, {"n": 3}], (first, second)
