from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut, tell, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import json_values, strictly

from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.json_sequence import JSONSeq
from streamable_http._errors import ConfigurationError, DecodeError, LimitExceeded, StreamTruncated
from streamable_http._values import Limits

RS = b"\x1e"
CUT = StreamTruncated


@dataclasses.dataclass
class User:
    id: int


def read(body: bytes, spec: JSONSeq[Any] | None = None, **context: Any) -> Any:
    """What there is to be told, the same for every cut."""
    whole, *others = (tell_spec(spec or JSONSeq(), pieces, **context) for pieces in every_cut(body))
    assert all(other == whole for other in others)
    return whole


# RFC 7464, sections 2.1 to 2.4: the bytes, the items, how many are bad, and whether the end is cut.
SEQUENCES: list[tuple[bytes, list[Any], int, bool]] = [
    (b"", [], 0, False),
    (b'\x1e{"a":1}\n', [{"a": 1}], 0, False),
    (b"\x1e12\x1e3\n", [3], 1, False),
    (b"\x1e1\n\x1e12", [1], 0, True),
    (b'\x1e{"a":\n\x1e{"b":2}\n', [{"b": 2}], 1, False),
    (b'\x1e\x1e{"a":1}\n', [{"a": 1}], 0, False),
    (b'{"a":1}\n\x1e{"b":2}\n', [{"b": 2}], 1, False),
    (b'\x1e"a"', ["a"], 0, False),
    (b"\x1etrue\x1enull \x1efalse\t\x1e1\r\x1e2\n", [None, False, 1, 2], 1, False),
    (b'\x1e{\n "a": [\n1,\n2\n]\n}\n\x1e[]\n', [{"a": [1, 2]}, []], 0, False),
    (b'\x1e{"a":"}\\"\n\x1e{}\n', [{}], 1, False),
    (b"\x1e{}{}\n\x1e1\n", [1], 1, False),
    (b"\x1e1\n2\n3\n\x1e4\n", [1, 4], 1, False),
    (b"\x1e]\n]\n\x1e4\n", [4], 1, False),
    (b"\n\n\x1e1\n\n \n\x1e2\n\n", [1, 2], 0, False),
    (b"\xef\xbb\xbf\x1e1\n", [1], 0, False),
    (b"\x1e\n\x1e \n\x1e\n7\n", [7], 0, False),
    (b"\x1eNaN\n\x1e\xff\n\x1e\"\xff\"\n\x1e1 2\n\x1e[1,]\n\x1e'a'\n\x1e0\n", [0], 6, False),
    (b'\x1e{"a":1', [], 0, True),
    (b'\x1e{"a":\n', [], 0, True),
    (b'\x1e"a', [], 0, True),
    (b"\x1etru", [], 0, True),
    (b"\x1e12 ", [12], 0, False),
    (b"\x1e[1]\x1e{}", [[1], {}], 0, False),
    (b"junk", [], 1, False),
]


@pytest.mark.parametrize(("body", "items", "bad", "is_cut"), SEQUENCES, ids=repr)
def test_sequences(body: bytes, items: list[Any], bad: int, is_cut: bool) -> None:
    for framed in (True, False):
        pieces = every_cut(body)
        whole = tell_spec(JSONSeq(), pieces[0], framed=framed, on_bad_item="skip")
        assert (whole.items, whole.skipped) == (items, bad)
        assert (whole.error and whole.error[0]) == (CUT if is_cut else None)
        for cut_body in pieces:
            assert tell_spec(JSONSeq(), cut_body, framed=framed, on_bad_item="skip") == whole
    strict = read(body)
    assert (strict.error and strict.error[0]) == (DecodeError if bad else CUT if is_cut else None)


@pytest.mark.parametrize(
    ("body", "index", "offset", "excerpt", "reason"),
    [
        (b"\x1e1\n\x1e12\x1e3\n", 1, 4, b"12", "without whitespace behind it, it may be cut"),
        (b"\x1e1\n\n2\n\x1e3\n", 1, 4, b"2\n", "no RS begins it"),
        (b'\x1e1\n\x1e\x1e {"a":\n\x1e3\n', 1, 6, b'{"a":\n', ""),
        (b"\x1e1\n\x1e[nul]\n", 1, 4, b"[nul]\n", ""),
        (b"x\x1e1\n", 0, 0, b"x", "no RS begins it"),
    ],
)
def test_what_is_said_of_a_bad_text(
    body: bytes, index: int, offset: int, excerpt: bytes, reason: str
) -> None:
    told = read(body)
    assert told.error is not None
    assert told.error[0] is DecodeError
    assert told.error[2:5] == (index, offset, excerpt)
    assert reason in told.error[1]


def test_an_rs_alone_at_the_end_is_cut_unless_the_body_is_proven() -> None:
    assert read(b"\x1e1\n\x1e").error is None
    told = tell_spec(JSONSeq(), [b"\x1e1\n\x1e"], framed=False)
    assert told.error is not None
    assert told.error[0] is StreamTruncated


def test_a_text_is_there_with_its_lf() -> None:
    engine = JSONSeq()()
    assert engine.feed(b'\x1e{"a":\n1}').items == []
    assert engine.feed(b"\n").items == [{"a": 1}]
    assert engine.feed(b"\x1e1").items == []
    assert engine.feed(b"\n").items == [1]


def test_items_of_a_type() -> None:
    body = b'\x1e{"id":1}\n\x1e{"id":"x"}\n\x1e{"id":3}\n'
    told = read(body, JSONSeq(User))
    assert told.items == [User(1)]
    assert told.error is not None
    assert told.error[:1] + told.error[2:4] == (DecodeError, 1, 11)
    told = read(body, JSONSeq(User), on_bad_item="skip")
    assert (told.items, told.skipped) == ([User(1), User(3)], 1)


def test_the_terminal_is_a_text_of_its_own() -> None:
    for end in (b"\n", b"", b"\n\x1e1\n", b"\x1e"):
        told = read(b"\x1e[1]\n\x1e[DONE]" + end, terminal="[DONE]")
        assert (told.items, told.ended, told.error) == ([[1]], True, None)
    assert read(b'\x1e"[DONE]"\n\x1e1\n', terminal="[DONE]").items == ["[DONE]", 1]


def test_a_text_larger_than_the_limit() -> None:
    limits = Limits(max_item_bytes=5)
    told = read(b'\x1e12345\n\x1e"abc"\n\x1e   [123]\n\x1e"abcd"\n\x1e1\n', limits=limits)
    assert told.items == [12345, "abc", [123]]
    assert told.error is not None
    assert (told.error[0], told.error[6]) == (LimitExceeded, 6)
    assert "a JSON text is larger than Limits(max_item_bytes=5)" in told.error[1]


words = st.sampled_from(
    [
        RS, RS, RS, b"\n", b"\n", b" ", b"1", b'{"a":1}', b'{"a":', b"}", b"]", b"[", b'"', b"\\",
        b"true", b'\x1e{"a":1}\n' * 3, b"\x1e12\n", b"\xff", b"\xef\xbb\xbf", b"\xc3\xa9", b"END",
        b"\x1eEND\n", b"\r\n", b"[[[1]]]", b'"\x1e"', b"123456",
    ]
)  # fmt: skip
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"terminal": "END"},
    {"on_bad_item": "skip"},
    {"on_bad_item": "skip", "terminal": "END"},
    {"limits": Limits(max_item_bytes=6), "on_bad_item": "skip"},
]


@settings(max_examples=800, deadline=None)
@given(st.lists(words, max_size=12).map(b"".join), cuts, st.sampled_from(CONTEXTS), st.booleans())
def test_cuts_change_nothing(
    body: bytes, places: list[int], context: dict[str, Any], framed: bool
) -> None:
    for spec in (JSONSeq(), JSONSeq(dict[str, int])):
        whole = tell_spec(spec, [body], framed=framed, **context)
        assert tell_spec(spec, cut(body, places), framed=framed, **context) == whole
        bytewise = [body[i : i + 1] for i in range(len(body))]
        assert tell_spec(spec, bytewise, framed=framed, **context) == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(json_values, max_size=5), st.booleans(), st.booleans(), cuts)
def test_values_are_those_of_the_standard_library(
    values: list[Any], ascii: bool, spaced: bool, places: list[int]
) -> None:
    indent = 1 if spaced else None
    texts = [json.dumps(value, ensure_ascii=ascii, indent=indent) for value in values]
    body = "".join(f"\x1e{text}\n" for text in texts).encode()
    told = tell_spec(JSONSeq(), cut(body, places))
    assert told.error is None
    assert list(map(repr, told.items)) == [repr(json.loads(text)) for text in texts]
    offsets = [position.offset for position in told.positions]
    sizes = [len(text.encode()) + 2 for text in texts]
    assert offsets == [sum(sizes[: n + 1]) for n in range(len(sizes))]


@settings(max_examples=400, deadline=None)
@given(st.lists(words, max_size=12).map(b"".join))
def test_texts_are_those_of_a_slow_reading(body: bytes) -> None:
    """Where every text ends with its only LF or at an RS, splitting says it all."""
    pieces = body.removeprefix(b"\xef\xbb\xbf").split(RS)
    if pieces[0].strip(b" \t\r\n") or any(piece.count(b"\n") > 1 for piece in pieces):
        return
    if any(b"\n" in piece and not piece.endswith(b"\n") for piece in pieces):
        return
    items: list[Any] = []
    for piece in pieces[1:]:
        try:
            value = strictly(piece)
        except ValueError:
            continue
        if isinstance(value, (dict, list, str)) or piece[-1:] in b" \t\r\n":
            items.append(value)
    assert tell_spec(JSONSeq(), [body], on_bad_item="skip").items == items


@settings(max_examples=200, deadline=None)
@given(st.lists(words, max_size=12).map(b"".join))
def test_one_can_begin_behind_any_text(body: bytes) -> None:
    whole = tell_spec(JSONSeq(), [body], on_bad_item="skip")
    for index, position in enumerate(whole.positions):
        rest = body[position.offset :]
        told = tell_spec(JSONSeq(), [rest], offset=position.offset, on_bad_item="skip")
        assert told.items == whole.items[index + 1 :]
        assert told.positions == whole.positions[index + 1 :]


def test_a_start_in_the_midst() -> None:
    engine = JSONSeq().build(Context(offset=100))
    assert engine.starts_at_records
    assert tell(engine, [b"\x1e1\n"]).positions == [Position(offset=103)]


def test_nothing_but_one_text_is_kept() -> None:
    engine = JSONSeq().build(Context(limits=Limits(max_item_bytes=64), on_bad_item="skip"))
    for piece in (b"\x1e" + b"\n" * 10_000, b"x\n" + b"y" * 100_000, b"z" * 100_000, b"\x1e" * 10):
        assert engine.feed(piece).error is None
        assert len(engine._text) <= 64  # type: ignore[attr-defined]


def test_a_type_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="type="):
        JSONSeq(object())  # type: ignore[call-overload]


def test_a_text_that_is_cut_off_by_whole_ones_leaves_nothing_open() -> None:
    body = b'\x1e{"a":\x1e1\njunk\nmore junk\nmore junk\nmore junk\n\x1e2\n'
    options: dict[str, Any] = {"on_bad_item": "skip", "limits": Limits(max_item_bytes=20)}
    whole = tell_spec(JSONSeq(), [body], **options)
    assert (whole.items, whole.error) == ([1, 2], None)
    for first in range(len(body)):
        for second in range(first, len(body), 3):
            pieces = [body[:first], body[first:second], body[second:]]
            assert tell_spec(JSONSeq(), pieces, **options) == whole
