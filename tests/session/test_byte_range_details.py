"""What a range request rests on, at its edges: validators, lengths, and what a refusal proves."""

from __future__ import annotations

from typing import Any

import pytest
from playbook import URL

from streamable_http._decoders.engine import Position
from streamable_http._effects import Target
from streamable_http._errors import ResumeError, StreamTruncated
from streamable_http._values import Headers, ResponseInfo
from streamable_http._ways.byte_range import ByBytes, offers_ranges
from streamable_http._ways.way import Plan

HERE = Target("GET", URL)
TAG = {"etag": '"v"'}


def head(status: int = 200, /, **headers: str) -> ResponseInfo:
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return ResponseInfo(status, Headers(pairs), URL)


def part(range_: str, **headers: str) -> ResponseInfo:
    return head(206, content_range=f"bytes {range_}", **{**TAG, **headers})


def at(count: int, **first: str) -> tuple[ByBytes, Plan]:
    """A way that has received so many bytes of a first response, and what it asks for now."""
    way = ByBytes(Position())
    way.connected(head(**{**TAG, **first}), Position(), None)
    way.received(count)
    return way, planned(way)


def planned(way: ByBytes) -> Plan:
    plan = way.plan(HERE, Position(), begun=True)
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("units", "offered"),
    [
        ("bytes", True), ("Bytes", True), ("items, bytes", True), ("items,BYTES ", True),
        ("", False), ("none", False), ("items bytes", False), ("xbytes", False),
    ],
)  # fmt: skip
def test_units_of_ranges(units: str, offered: bool) -> None:
    assert offers_ranges(head(accept_ranges=units, **TAG)) is offered


@pytest.mark.parametrize(
    ("headers", "strong"),
    [
        (TAG, True), ({"etag": ' "v" '}, True), ({"etag": '""'}, True),
        ({**TAG, "content_encoding": "Identity "}, True),
        ({**TAG, "content_encoding": "gzip"}, False),
        ({**TAG, "content_encoding": "identity, gzip"}, False),
        ({"etag": '"'}, False), ({"etag": "v"}, False), ({"etag": '"v'}, False),
        ({"etag": 'v"'}, False), ({"etag": 'W/"v"'}, False), ({}, False),
    ],
)  # fmt: skip
def test_a_validator_is_strong_and_of_plain_bytes(headers: dict[str, str], strong: bool) -> None:
    assert offers_ranges(head(accept_ranges="bytes", **headers)) is strong
    way = ByBytes(Position())
    way.connected(head(**headers), Position(), None)
    assert bool(way.etag) is strong
    assert (way.refusal(Position(), live=False) == "") is strong


def test_the_request_goes_where_the_stream_came_from_with_the_tag_as_it_was() -> None:
    _, plan = at(5, etag='"\xe9"')
    assert plan.target is HERE
    assert plan.partial
    assert plan.shown == "byte 5"
    assert dict(plan.patch.headers) == {
        "range": b"bytes=5-",
        "if-range": b'"\xe9"',
        "accept-encoding": b"identity",
    }


def test_a_start_in_the_midst_is_asked_for_until_an_item_is_there() -> None:
    way = ByBytes(Position(offset=9, etag='"v"'))
    plan = way.plan(HERE, Position(), begun=False)
    assert plan is not None
    way.connected(part("9-29/30"), Position(), plan)
    way.received(4)
    again = way.plan(HERE, Position(), begun=False)
    assert again is not None
    assert again.shown == "byte 9"
    assert planned(way).shown == "byte 9"  # it had gone back to it
    way.received(4)
    assert planned(way).shown == "byte 13"


def test_the_length_of_a_part_is_that_of_its_range() -> None:
    for length, fits in ((20, True), (19, False), (21, False), (18, False), (40, False)):
        way, plan = at(10)
        answer = part("10-29/30", content_length=str(length))
        if fits:
            way.connected(answer, Position(), plan)
            continue
        with pytest.raises(ResumeError, match="its Content-Length and its Content-Range disagree"):
            way.connected(answer, Position(), plan)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (part("10-9/30"), "the Content-Range 'bytes 10-9/30' contradicts itself"),
        (part("10-30/30"), "the Content-Range 'bytes 10-30/30' contradicts itself"),
        (part("10-29"), "the answer does not say which bytes it holds (Content-Range)"),
        (head(206, **TAG), "the answer does not say which bytes it holds (Content-Range)"),
    ],
)
def test_a_refused_part_is_told_in_words(answer: ResponseInfo, words: str) -> None:
    way, plan = at(10)
    with pytest.raises(ResumeError) as caught:
        way.connected(answer, Position(), plan)
    assert str(caught.value) == f"the stream cannot go on at a byte (byte-range): {words}"


def test_one_byte_is_a_part() -> None:
    way, plan = at(29)
    way.connected(part("29-29/30", content_length="1"), Position(), plan)
    way.received(1)
    assert way.finish()


def test_a_length_once_told_is_kept() -> None:
    way, plan = at(10)  # a first response without a length
    way.connected(part("10-19/*"), Position(), plan)
    way.received(5)
    with pytest.raises(StreamTruncated, match="bytes up to 15 of an unknown number and no more"):
        way.finish()

    plan = planned(way)
    way.connected(part("15-29/30"), Position(), plan)
    plan = planned(way)
    way.connected(part("15-29/*"), Position(), plan)
    way.received(14)
    with pytest.raises(StreamTruncated, match="bytes up to 29 of 30 and no more"):
        way.finish()
    with pytest.raises(ResumeError, match="had 30 bytes, and now it has 31"):
        way.connected(part("29-30/31"), Position(), planned(way))


def test_a_length_that_the_first_response_told_outlives_a_part_that_tells_none() -> None:
    way, plan = at(10, content_length="30")
    way.connected(part("10-29/*"), Position(), plan)
    way.received(19)
    with pytest.raises(StreamTruncated, match="bytes up to 29 of 30 and no more"):
        way.finish()


def test_a_whole_response_is_measured_by_its_own_framing() -> None:
    assert not ByBytes(Position()).finish()
    way, _ = at(10, content_length="30")
    assert not way.finish()


@pytest.mark.parametrize(
    ("answer", "nothing"),
    [
        (head(416, content_range="bytes */10"), True),
        (head(416, content_range=" bytes */10 ", **TAG), True),
        (head(416, content_range="bytes */11"), False),
        (head(416, content_range="bytes */9"), False),
        (head(416, content_range="bytes */10", etag='"w"'), False),
        (head(416), False),
        (head(200, content_range="bytes */10"), False),
    ],
)
def test_what_proves_that_nothing_is_left(answer: ResponseInfo, nothing: bool) -> None:
    way, _ = at(10)
    assert way.nothing_left(answer) is nothing


def test_a_unit_may_be_of_any_case() -> None:
    way, plan = at(10)
    way.connected(head(206, content_range="Bytes 10-29/30", **TAG), Position(), plan)
    way.received(20)
    assert way.finish()
    assert way.nothing_left(head(416, content_range="BYTES */30"))


def test_nothing_is_left_only_at_the_length_that_was_told() -> None:
    for length, nothing in (("10", True), ("20", False)):
        way, _ = at(10, content_length=length)
        assert way.nothing_left(head(416, content_range="bytes */10")) is nothing
    way, plan = at(10)
    way.connected(part("10-19/30"), Position(), plan)
    way.received(5)
    assert not way.nothing_left(head(416, content_range="bytes */15"))


@pytest.mark.parametrize("way", [ByBytes(Position())])
def test_why_it_cannot_go_on(way: Any) -> None:
    why = "the response has no strong ETag to know the same bytes by"
    assert way.refusal(Position(), live=False) == why
    assert way.refusal(Position(), live=True) == why
