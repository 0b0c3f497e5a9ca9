"""The shortcut for whole blocks, where it must not differ from the exact path."""

from __future__ import annotations

from typing import Any

import pytest
from decoder_harness import tell_spec

from streamable_http._decoders import sse_engine
from streamable_http._decoders.sse import SSE, SSEData, SSEText
from streamable_http._decoders.sse_blocks import first_blank_line, plain_blocks
from streamable_http._errors import DecodeError, LimitExceeded
from streamable_http._values import Limits


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_engine, "_WORTH_A_SHORTCUT", 0)


@pytest.mark.parametrize("head", [b"", b"id: 1\n", b"event: e\n", b"id: 1\nevent: e\n"])
def test_the_data_of_blocks_is_strict_utf8_for_json_and_not_for_text(head: bytes) -> None:
    body = head + b'data: "\xff"\n\n' + head + b'data: "a"\n\n'
    told = tell_spec(SSEData(str), [body])
    assert told.items == []
    assert told.error is not None
    assert told.error[0] is DecodeError
    assert tell_spec(SSEText(), [body]).items == ['"\ufffd"', '"a"']
    assert [event.data for event in tell_spec(SSE(), [body]).items] == ['"\ufffd"', '"a"']


def test_where_the_first_blank_line_ends() -> None:
    assert first_blank_line(b"a\n\nb\n\n") == 3
    assert first_blank_line(b"a\r\n\r\nb\r\n\r\n") == 5
    assert first_blank_line(b"\n\n") == 2
    assert first_blank_line(b"\r\n\r\n") == 4
    assert first_blank_line(b"a\n") == 0


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_plain_blocks_are_read_at_once(end: bytes, text: bool) -> None:
    value: Any = "a" if text else b"a"
    only = b"data: a" + end * 2
    for count in (1, 2, 3):
        found = plain_blocks(only * count + b"data: x", 100, text=text)
        assert found is not None
        assert (found.events, found.ids, found.data) == (None, None, [value] * count)
        assert (found.size, found.separator) == (len(only) * count, end * 2)
    named = (b"event: e\nid: 1\ndata: a\n\n" * 2).replace(b"\n", end)
    found = plain_blocks(named + b": c" + end * 2, 100, text=text)
    assert found is not None
    assert found.events == ["e", "e"]
    assert found.ids == ["1" if text else b"1"] * 2
    assert found.data == [value] * 2
    assert found.size == len(named)


def test_a_region_of_the_limit_is_read_at_once_and_a_larger_one_is_not() -> None:
    body = b"data: abc\n\n"
    assert plain_blocks(body, len(body), text=True) is not None
    assert plain_blocks(body, len(body) - 1, text=True) is None
    told = tell_spec(SSEText(), [body], limits=Limits(max_item_bytes=8))
    assert told.error is not None
    assert told.error[0] is LimitExceeded
    assert "an event is larger than Limits(max_item_bytes=8)" in told.error[1]


def test_an_empty_first_chunk_does_not_hide_where_the_body_begins() -> None:
    told = tell_spec(SSE(), [b"", b"data:b\r\n\r\n", b"data: a\n\n", b"id: 7\ndata: c\n\n"])
    assert [position.offset for position in told.positions] == [9, 19, 34]
