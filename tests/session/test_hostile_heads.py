"""Heads and bodies that no honest server sends: a documented error, however they are cut."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from playbook import CLOSE, LOST, OPEN, READ, A, head, over, script, session

from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._effects import Close, Emit, Read, Sleep
from streamable_http._errors import ConfigurationError, DecodeError, LimitExceeded, ResumeError
from streamable_http._resume import ByteRange, LastEventID, position_of
from streamable_http._retry import RetryPolicy
from streamable_http._values import Cursor, Limits

HUGE = "9" * 5000  # more digits than `int` reads


@pytest.mark.parametrize("location", ["http://[", "//host:port/", "//host:99999/", "http://[v1]/"])
def test_a_location_that_is_no_url_is_refused(location: str) -> None:
    s = script(
        session(resume=LastEventID(by="location")),
        (OPEN, head(location=location)),
        (READ, A),
        (["a"], None),
        (READ, LOST),
        (CLOSE, None),
        (Sleep, None),
        (CLOSE, None),
    )
    over(s, ResumeError, "no Location of its own origin")


@pytest.mark.parametrize("told", [f"{HUGE}-{HUGE}/*", f"2-3/{HUGE}", f"2-{HUGE}/*"])
def test_numbers_of_thousands_of_digits_are_no_range(told: str) -> None:
    tag: Any = {"etag": '"v"', "media_type": "application/x-ndjson"}
    s = script(session(NDJSON(), resume=ByteRange()), (OPEN, head(**tag)), (READ, b"1\n"))
    script(s, (Emit, None), (READ, LOST), (CLOSE, None), (Sleep, None))
    script(s, (type(s.effect), head(206, content_range=f"bytes {told}", **tag)), (CLOSE, None))
    over(s, ResumeError, "does not say which bytes it holds")


def test_a_length_of_thousands_of_digits_is_none() -> None:
    assert head(content_length=HUGE).content_length is None
    assert head(content_length="9" * 18).content_length == int("9" * 18)


def test_an_offset_of_thousands_of_digits_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="without an offset"):
        position_of(Cursor(kind="byte-range", value=HUGE, etag='"v"'), ByteRange())
    assert position_of(Cursor(kind="byte-range", value="9" * 18, etag='"v"'), None) == Position(
        offset=int("9" * 18), etag='"v"'
    )


def played(body: list[bytes], **options: Any) -> tuple[list[Any], BaseException | None]:
    answer = head(content_encoding=options.pop("coding", ""))
    s = script(session(retry=RetryPolicy(stop=1), **options), (OPEN, answer))
    items: list[Any] = []
    while s.effect is not None:
        if isinstance(s.effect, Emit):
            items += s.effect.batch.items
        assert isinstance(s.effect, (Emit, Read, Close))
        s.reply((body.pop(0) if body else b"") if isinstance(s.effect, Read) else None)
    return items, s.error


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
def test_events_before_a_corrupt_byte_are_delivered_however_they_are_cut(size: int) -> None:
    body = bytearray(gzip.compress(b"".join(b"data: %d\n\n" % n for n in range(300)), mtime=0))
    body[-8] ^= 1  # of the checksum
    pieces = [bytes(body[at : at + size]) for at in range(0, len(body), size)]
    items, error = played(pieces, coding="gzip")
    assert items == [str(number) for number in range(300)]
    assert isinstance(error, DecodeError)
    assert "corrupt after 3,190 bytes" in str(error)


@pytest.mark.parametrize("size", [1, 7, 100])
def test_the_byte_that_was_too_many_is_the_same_however_they_are_cut(size: int) -> None:
    body = b"data: 1\n\n" * 10
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    items, error = played(pieces, limits=Limits(max_stream_bytes=20))
    assert items == ["1", "1"]
    assert isinstance(error, LimitExceeded)
    assert (error.limit, error.setting, error.seen) == ("max_stream_bytes", 20, 21)
