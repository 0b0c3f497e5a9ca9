"""Cursors, out and back in: what is told of each kind, and what is not taken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from streamable_http._decoders.engine import Position
from streamable_http._errors import ConfigurationError
from streamable_http._resume import (
    ByteRange,
    ItemCursor,
    LastEventID,
    cursor_of,
    position_of,
    sends_again,
)
from streamable_http._values import Cursor

ITEM = ItemCursor("a", "b")


@pytest.mark.parametrize(
    ("position", "cursor"),
    [
        (Position("7", 99), Cursor(kind="last-event-id", value="7", count=3, request="GET x")),
        (
            Position("7", behind=(b"\x01\xff",)),
            Cursor(kind="last-event-id", value="7", count=3, behind=("01ff",), request="GET x"),
        ),
        (Position(value=0), Cursor(kind="item", value="0", count=3, request="GET x")),
        (Position(value="a"), Cursor(kind="item", value='"a"', count=3, request="GET x")),
        (
            Position(offset=9, etag='"v"', behind=(b"x",)),
            Cursor(kind="byte-range", value="9", etag='"v"', count=3, request="GET x"),
        ),
        (
            Position(offset=9, etag='"v"', head='["a"]'),
            Cursor(
                kind="byte-range", value="9", etag='"v"', count=3, request="GET x", head='["a"]'
            ),
        ),
        (
            Position("7", head="x"),
            Cursor(kind="last-event-id", value="7", count=3, request="GET x"),
        ),
        (Position(offset=9), None),
        (Position(etag='"v"'), None),
        (Position(), None),
        (Position("7", exact=False), None),
        (Position(value=7, exact=False), None),
    ],
)
def test_what_is_told_of_a_position(position: Position, cursor: Cursor | None) -> None:
    assert cursor_of(position, 3, "GET x") == cursor


@pytest.mark.parametrize(
    ("resume", "kinds"),
    [
        (None, "'last-event-id' or 'byte-range'"),
        (LastEventID(), "'last-event-id':"),
        (ByteRange(), "'byte-range':"),
        (ITEM, "'item':"),
    ],
)
def test_a_cursor_of_another_kind_is_refused_with_those_that_are_taken(
    resume: Any, kinds: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        position_of(Cursor(kind="other", value="7"), resume)
    assert f"of kind 'other', and this stream goes on with {kinds}" in str(caught.value)


@pytest.mark.parametrize(
    ("cursor", "resume", "what"),
    [
        (Cursor(kind="item", value="1", behind=("xy",)), ITEM, "with a digest that is not hex"),
        (Cursor(kind="byte-range", value="7", etag='"€"'), None, "with a text that no server sent"),
        (Cursor(kind="last-event-id", value="\ud800"), None, "with a text that no server sent"),
        (Cursor(kind="last-event-id", value="7", count=-7), None, "behind -7 items"),
        (Cursor(kind="item", value="{"), ITEM, "of an item whose value is no JSON text or number"),
        (Cursor(kind="item", value="[1]"), ITEM, "of an item whose value is no JSON text or numb"),
        *[
            (Cursor(kind="byte-range", value=value, etag=etag), ByteRange(),
             "of bytes without an offset or a strong ETag")
            for value, etag in (
                ("x", '"v"'), ("-1", '"v"'), ("", '"v"'), ("\xb2", '"v"'), ("\u0663", '"v"'),
                ("7", ""), ("7", 'W/"v"'),
            )
        ],
    ],
)  # fmt: skip
def test_a_cursor_that_was_tampered_with_is_said_so(cursor: Cursor, resume: Any, what: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        position_of(cursor, resume)
    assert str(caught.value).startswith(f"start= is a cursor {what}")
    assert str(caught.value).endswith(": pass stream.cursor or Cursor.from_json(…) unchanged")


def test_cursors_are_taken_back() -> None:
    for position, resume in (
        (Position("7", behind=(b"12345678",)), LastEventID()),
        (Position(offset=10, etag='"v"'), ByteRange()),
        (Position(value="a", behind=(b"1",)), ITEM),
        (Position(value=1.5), ITEM),
    ):
        cursor = cursor_of(position, 1, "GET x")
        assert cursor is not None
        assert position_of(Cursor.from_json(cursor.to_json()), resume) == position


def test_which_ways_send_the_request_again() -> None:
    again: list[Any] = [LastEventID(), LastEventID("request"), ByteRange(), ITEM]
    assert all(sends_again(resume) for resume in again)
    assert not any(
        sends_again(resume) for resume in (None, LastEventID("get"), LastEventID("location"))
    )


@pytest.mark.parametrize(("name", "value"), [("version", True), ("count", -7), ("count", True)])
def test_what_is_no_cursor_is_said_so(name: str, value: object) -> None:
    text = json.dumps({**json.loads(Cursor(kind="item", value="1").to_json()), name: value})
    with pytest.raises(ConfigurationError, match=r"cursor"):
        Cursor.from_json(text)
