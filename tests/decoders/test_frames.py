"""LengthPrefixed: frames preceded by their length, however the bytes are cut."""

from __future__ import annotations

import copy
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamable_http import ConfigurationError, LimitExceeded, Limits, StreamTruncated
from streamable_http._decoders.engine import Context
from streamable_http.decoders import LengthPrefixed

SIZES = st.sampled_from([1, 2, 4, 8])
ORDERS = st.sampled_from(["big", "little"])


def body(frames: list[bytes], size: int, order: Literal["big", "little"]) -> bytes:
    return b"".join(len(frame).to_bytes(size, order) + frame for frame in frames)


@given(st.lists(st.binary(max_size=40)), SIZES, ORDERS, st.integers(0, 99), st.data())
def test_cuts_change_neither_frames_nor_offsets(
    frames: list[bytes], size: Any, order: Any, offset: int, data: st.DataObject
) -> None:
    whole = body(frames, size, order)
    engine = LengthPrefixed(size, order).build(Context(offset=offset))
    items, ends, rest = [], [], whole
    while rest:
        cut = data.draw(st.integers(1, len(rest)))
        batch = engine.feed(rest[:cut])
        rest = rest[cut:]
        items += batch.items
        ends += [batch.marks.position(index).offset for index in range(len(batch.items))]
        assert (batch.end.offset if batch.end else None) == (ends[-1] if batch.items else None)
    assert engine.finish().error is None
    assert items == frames
    sums = [len(body(frames[: count + 1], size, order)) for count in range(len(frames))]
    assert ends == [offset + end for end in sums]


def test_an_end_inside_a_length_or_a_frame_is_a_truncation() -> None:
    whole = body([b"ab", b"cde"], 4, "big")
    for cut in range(len(whole) + 1):
        engine = LengthPrefixed().build(Context())
        engine.feed(whole[:cut])
        error = copy.copy(engine).finish().error
        assert (error is None) == (cut in (0, 6, len(whole))), cut
        assert error is None or isinstance(error, StreamTruncated)


def test_a_frame_over_the_limit_is_refused_by_its_length_alone() -> None:
    engine = LengthPrefixed(8).build(Context(limits=Limits(max_item_bytes=5)))
    batch = engine.feed(body([b"12345"], 8, "big") + (1 << 63).to_bytes(8, "big"))
    assert batch.items == [b"12345"]
    assert isinstance(batch.error, LimitExceeded)
    assert batch.error.seen == 1 << 63
    assert engine.feed(b"more").items == []


@pytest.mark.parametrize("arguments", [(3,), (True,), ("4",), (4, "middle")])
def test_arguments_that_make_no_length_are_refused(arguments: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"pass "):
        LengthPrefixed(*arguments)
