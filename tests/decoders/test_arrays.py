from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut, tell, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st
from json_texts import json_values, strictly

from streamable_http._decoders import arrays
from streamable_http._decoders.arrays import JSONArray
from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.json_walk import MAX_DEPTH
from streamable_http._errors import (
    ConfigurationError,
    DecodeError,
    LimitExceeded,
    StreamTruncated,
)
from streamable_http._values import Limits

PATH = ("data", "items")


@dataclasses.dataclass
class User:
    id: int


def read(body: bytes, spec: JSONArray[Any] | None = None, **context: Any) -> Any:
    """What there is to be told, the same for every cut."""
    whole, *others = (
        tell_spec(spec or JSONArray(), pieces, **context) for pieces in every_cut(body)
    )
    assert all(other == whole for other in others)
    return whole


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"[]", ()), (b" [ ] \n", ()), (b"[1]", ()), (b"\xef\xbb\xbf[1 , 2]\r\n", ()),
        (b'["a,]","\\"[",[],{},[[[[[[[1]]]]]]],{"a":{"b":[{"c":[{"d":{}}]}]}},null,-1e5]', ()),
        (b'{"data":{"items":[1,2]}}', PATH), (b'{ "data" : { "items" : [ ] } }', PATH),
        (b'{"a":{"data":{"items":[0]}},"data":{"x":[[]],"items":["i"],"y":"\\u00e9"},"z":0}', PATH),
        (b'{"d\\u0061t\\u0061":{"\\u0069tems":[3]}}', PATH),
        (b'{"x":"\\\\\\"\xc3\xa9\\ud83d\\ude00","data":{"items":[1]},"b":{"data":{}}}', PATH),
        (b'{"":[7]}', ("",)), ('{"ö😀":[7]}'.encode(), ("ö😀",)),
        (b'{"\\u00f6\\ud83d\\ude00":[7]}', ("ö😀",)),
    ],
)  # fmt: skip
def test_items_and_positions(body: bytes, path: tuple[str, ...]) -> None:
    value = strictly(body.removeprefix(b"\xef\xbb\xbf"))
    for key in path:
        value = value[key]
    told = read(body, JSONArray(path=path))
    assert (told.items, told.error, told.ended) == (value, None, False)
    ends = [position.offset for position in told.positions]
    for start, end in zip([0, *ends], ends, strict=False):
        assert start < end
        assert body[end:].lstrip()[:1] in {b",", b"]"}
    assert told.end == (Position(offset=ends[-1]) if ends else None)


@pytest.mark.parametrize(
    ("body", "items", "offset", "reason"),
    [
        (b"[1,]", [1], 3, "an item was expected"), (b"[,1]", [], 1, "an item"),
        (b"[1,,2]", [1], 3, "an item"), (b"[1 2,3]", [1], 3, "`,` or `]`"),
        (b'[{"a":1}x,2]', [{"a": 1}], 8, "`,` or `]`"), (b"[1}", [1], 2, "`,` or `]`"),
        (b"[NaN,1]", [], 1, ""), (b"[1,tru,2]", [1], 3, ""), (b"[01]", [], 1, ""),
        (b'["\xff",1]', [], 1, "invalid start byte|UTF-8|utf-8|malformed|invalid"),
        (b'["\\x"]', [], 1, ""), (b'["\n"]', [], 1, ""), (b'["\\ud800"]', [], 1, ""),
        (b'[{"a":1],2]', [], 1, ""), (b"[\x0b1]", [], 1, ""), (b"[1]x", [1], 3, "end of the body"),
        (b"[1]]", [1], 3, "end of the body"), (b"[1][2]", [1], 3, "end of the body"),
        (b"x", [], 0, "a value was expected"), (b'{"a":1}', [], 0, "the body is an object"),
        (b"12 ", [], 0, "the body is a number"), (b'"a"', [], 0, "the body is a string"),
        (b"[" * 100_000 + b"]" * 100_000, [], 1, ""),
    ],
)  # fmt: skip
def test_what_is_no_json(body: bytes, items: list[Any], offset: int, reason: str) -> None:
    for policy in ("raise", "skip"):
        if len(body) < 1000:
            told = read(body, on_bad_item=policy)
        else:
            told = tell_spec(JSONArray(), [body], on_bad_item=policy)
        assert told.items == items
        assert told.error is not None
        assert (told.error[0], told.error[2], told.error[3]) == (DecodeError, len(items), offset)
        assert any(part in told.error[1] for part in reason.split("|"))


@pytest.mark.parametrize(
    ("body", "offset", "reason"),
    [
        (b'{"data":{}}', 9, "the object at path=('data',) has no key 'items'"),
        (b'{"a":{"data":{}}}', 16, "the object has no key 'data'"),
        (b'{"data":[1]}', 8, "the value at path=('data',) is an array, not an object"),
        (b'{"data":{"items":{}}}', 17, "the value at path=('data', 'items') is an object, not an"),
        (b'{"data":{"items":null}}', 17, "is a number, true, false or null, not an array"),
        (b"[1]", 0, "the body is an array, not an object"),
        (b'{"data":{"items":[],"items":[]}}', 26, "the key 'items' of path= comes a second time"),
        (b'{"data":{"items":[]},"data":1}', 26, "the key 'data' of path= comes a second time"),
        (b'{"data":{"items":[]},}', 21, "a key in double quotes was expected"),
        (b'{"data":{"items":[]}]', 20, "`,` or the closing bracket was expected"),
        (b'{"a":[1,],"data":{"items":[]}}', 8, "a value was expected"),
        (b'{"a":nul,"data":{"items":[]}}', 5, "this is no JSON value"),
        (b'{"a":01,"data":{"items":[]}}', 5, "this is no JSON value"),
        (b'{"a":NaN,"data":{"items":[]}}', 5, "a value was expected"),
        (b'{"a":"\\x","data":{"items":[]}}', 7, "JSON has no such escape"),
        (b'{"a":"\\u12g4","data":{"items":[]}}', 10, "JSON has no such escape"),
        (b'{"a":"\x01","data":{"items":[]}}', 6, "a control character"),
        (b'{"a":"\xc3","data":{"items":[]}}', 6, "a string is not UTF-8"),
        (b'{"a":"x\xed\xa0\x80","data":{"items":[]}}', 7, "a string is not UTF-8"),
        (b'{"data":{"items":[]},"a":"\xff"}', 26, "a string is not UTF-8"),
        (b'{"a" 1}', 5, "`:` was expected"), (b"{1:1}", 1, "a key in double quotes or `}`"),
        (b'{"a":}', 5, "a value was expected"), (b'{"a":[}', 6, "a value or `]`"),
        (b'{"a":' + b"[" * MAX_DEPTH, 4 + MAX_DEPTH, "nested deeper than 1000"),
    ],
)  # fmt: skip
def test_documents_that_are_wrong(body: bytes, offset: int, reason: str) -> None:
    told = (
        read(body, JSONArray(path=PATH), on_bad_item="skip")
        if len(body) < 200
        else tell_spec(JSONArray(path=PATH), [body])
    )
    assert told.error is not None
    assert (told.items, told.error[0], told.error[3]) == ([], DecodeError, offset)
    assert reason in told.error[1]


@settings(max_examples=200, deadline=None)
@given(st.lists(json_values, max_size=5), json_values, st.booleans(), st.booleans(), cuts)
def test_values_are_those_of_the_standard_library(
    values: list[Any], other: Any, ascii: bool, spaced: bool, places: list[int]
) -> None:
    document = {"x": other, "data": {"y": other, "items": values, "z": other}, "w": other}
    body = json.dumps(document, ensure_ascii=ascii, indent=1 if spaced else None).encode()
    told = tell_spec(JSONArray(path=PATH), cut(body, places))
    assert told.error is None
    # By their text: it tells 1 from 1.0 and True.
    assert list(map(repr, told.items)) == list(map(repr, json.loads(body)["data"]["items"]))


words = st.sampled_from(
    [
        b"[", b"]", b",", b"{", b"}", b":", b"1", b'"a"', b'"', b"\\", b'{"a":1}', b" ", b"\n",
        b"x", b"\xff", b"\xc3\xa9", b"nul", b"true", b"[[[[[]]]]]", b'"data":',
        b'"items":[', b'{"data":{', b'{"a":1},' * 3, b'"\\u00e9",', b"1,2,3,", b"END,",
        b'"a","b",',
    ]
)  # fmt: skip
near_misses = st.builds(
    lambda start, parts, end: start + b"".join(parts) + end,
    st.sampled_from([b"[", b"", b'{"data":{"items":[', b"\xef\xbb\xbf[", b"[["]),
    st.lists(words, max_size=10),
    st.sampled_from([b"]", b"", b"]}}", b"]]"]),
)
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"terminal": "END"},
    {"on_bad_item": "skip"},
    {"limits": Limits(max_item_bytes=6)},
    {"limits": Limits(max_item_bytes=1), "on_bad_item": "skip"},
]


@settings(max_examples=600, deadline=None)
@given(near_misses, cuts, st.sampled_from(CONTEXTS), st.booleans())
def test_cuts_change_nothing(
    body: bytes, places: list[int], context: dict[str, Any], framed: bool
) -> None:
    for spec in (JSONArray(), JSONArray(int), JSONArray(dict[str, int], PATH)):
        whole = tell_spec(spec, [body], framed=framed, **context)
        assert tell_spec(spec, cut(body, places), framed=framed, **context) == whole
        bytewise = [body[i : i + 1] for i in range(len(body))]
        assert tell_spec(spec, bytewise, framed=framed, **context) == whole


@settings(max_examples=600, deadline=None)
@given(near_misses)
def test_complete_is_what_the_standard_library_reads(body: bytes) -> None:
    told = tell_spec(JSONArray(), [body])
    try:
        value = strictly(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError:
        value = None
    if isinstance(value, list):
        assert (told.items, told.error) == (value, None)
    else:
        assert told.error is not None


@settings(max_examples=200, deadline=None)
@given(st.lists(json_values, max_size=4))
def test_a_body_that_ends_early_is_truncated(values: list[Any]) -> None:
    body = json.dumps({"a": [1], "data": {"items": values}, "b": None}).encode()
    for end in range(len(body)):
        for framed in (True, False):
            told = tell_spec(JSONArray(path=PATH), [body[:end]], framed=framed)
            assert told.items == values[: len(told.items)]
            assert told.error is not None
            assert told.error[0] is StreamTruncated


def test_what_is_missing_is_said() -> None:
    told = tell_spec(JSONArray(), [b"[1,2"])
    assert told.error is not None
    assert "inside the array, after 1 of its items" in told.error[1]
    told = tell_spec(JSONArray(path=PATH), [b'{"data":{"items":[1]}'])
    assert told.error is not None
    assert "the JSON document around the array" in told.error[1]


def test_an_item_is_there_with_its_last_byte() -> None:
    engine = JSONArray()()
    assert engine.feed(b'[{"a":1}').items == [{"a": 1}]
    assert engine.feed(b', "x"').items == ["x"]
    assert engine.feed(b",1").items == []
    assert engine.feed(b" ").items == [1]


def test_the_document_proves_the_end_where_http_does_not() -> None:
    for framed, terminal, ended in ((True, None, False), (False, None, True), (False, "x", False)):
        context = Context(terminal=terminal)
        assert tell(JSONArray().build(context), [b"[1]"], framed=framed).ended is ended


def test_items_of_another_type() -> None:
    body = b'[{"id":1},{"id":"x"},7,{"id":4}]'
    told = read(body, JSONArray(User))
    assert told.items == [User(1)]
    assert told.error is not None
    assert told.error[:1] + told.error[2:5] == (DecodeError, 1, 10, b'{"id":"x"}')
    told = read(body, JSONArray(User), on_bad_item="skip")
    assert (told.items, told.skipped, told.error) == ([User(1), User(4)], 2, None)
    # What is both of another type and no JSON cannot be passed over.
    told = read(b'[{"id":1},{"id":"x",},{"id":2}]', JSONArray(User), on_bad_item="skip")
    assert told.items == [User(1)]
    assert told.error is not None
    assert told.error[0] is DecodeError


def test_an_item_larger_than_the_limit() -> None:
    limits = Limits(max_item_bytes=5)
    told = read(b'[12345,   "abc",[123] , "abcd",1]', limits=limits)
    assert told.items == [12345, "abc", [123]]
    assert told.error is not None
    assert (told.error[0], told.error[6]) == (LimitExceeded, 6)
    assert "an item is larger than Limits(max_item_bytes=5)" in told.error[1]
    assert read(b'{"a":123456,"data":{"items":[]}}', JSONArray(path=PATH), limits=limits).error[
        0
    ] is (LimitExceeded)


def test_nothing_but_one_item_is_kept() -> None:
    engine = JSONArray(path=PATH).build(Context(limits=Limits(max_item_bytes=64)))
    long = b"x" * 100_000
    pieces = [b'{"' + long + b'":"' + long, long + b'",   ' + b" " * 100_000, b'"data":{"items":[']
    for piece in [*pieces, b" " * 100_000, b"1" + b" " * 100_000, b"]" + b" " * 100_000]:
        assert engine.feed(piece).error is None
        assert len(engine._item) <= 64  # type: ignore[attr-defined]
        assert len(engine._walk._key or b"") <= 64  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", ["data", ["data"], ("data", 0), None])
def test_a_path_that_is_none(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"pass one such as \('data', 'items'\)"):
        JSONArray(path=path)


def test_a_type_that_is_none() -> None:
    with pytest.raises(ConfigurationError, match="type="):
        JSONArray(object())  # type: ignore[call-overload]


@pytest.mark.parametrize("unit", [b"[[[[[[[[1]]]]]]]],", b'"\\"",', b'{"a":[1,2]},', b"x,", b"1 ,"])
@pytest.mark.parametrize("size", [1, 100, 1 << 30])
def test_time_is_linear(unit: bytes, size: int) -> None:
    """In steps of the interpreter, which no busy machine changes."""

    def steps(count: int) -> int:
        body = b"[" + unit * count + b"0]"
        engine = JSONArray(int).build(Context(on_bad_item="skip"))
        return _calls(lambda: [engine.feed(body[i : i + size]) for i in range(0, len(body), size)])

    small, large = steps(200), steps(1600)
    assert large < small * 8 * 1.5


def test_bad_items_are_not_looked_for_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pattern, looked_at = arrays._items(), 0

    class Counting:
        @staticmethod
        def findall(data: bytes, at: int) -> list[bytes]:
            nonlocal looked_at
            found = pattern.findall(data, at)
            looked_at += sum(map(len, found))
            return found

    monkeypatch.setattr(arrays, "_items", Counting)
    body = b"[" + b'1,"x",' * 1000 + b"2]"
    told = tell_spec(JSONArray(int), [body], on_bad_item="skip")
    assert (len(told.items), told.skipped) == (1001, 1000)
    assert 0 < looked_at <= len(body)


def _calls(work: Any) -> int:
    import sys

    count = 0

    def step(*_: Any) -> None:
        nonlocal count
        count += 1

    before = sys.getprofile()
    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


around = st.recursive(
    st.sampled_from(
        [
            "1",
            "-0.5e+3",
            "true",
            "null",
            '"a"',
            '"\\u00e9\\n"',
            '"é😀"',
            '"\\x"',
            "01",
            "nul",
            '"',
            "",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: "[" + " ,".join(parts) + "]")
        | st.lists(inner, max_size=3).map(lambda parts: '{"k":' + ', "q" : '.join(parts) + "\n}")
    ),
    max_leaves=8,
)


def test_a_character_that_an_escape_cuts_is_refused_at_the_same_place_however_it_is_cut() -> None:
    told = read(b'{"x":"\xc2\\n","data":[7]}', JSONArray(path=("data",)))
    assert (told.error[0], told.error[3]) == (DecodeError, 6)


@settings(max_examples=500, deadline=None)
@given(around, st.binary(max_size=3), st.integers(0, 200), st.sampled_from([3, 1 << 20]))
def test_what_is_passed_over_is_read_strictly(
    text: str, noise: bytes, place: int, limit: int
) -> None:
    other = text.encode()
    place = place % (len(other) + 1)
    for value in (other, other[:place] + noise + other[place:]):
        body = b'{"x":[' + value + b',0],"data":[7]}'
        limits = Limits(max_item_bytes=limit)
        told = read(body, JSONArray(path=("data",)), limits=limits)
        if limit == 3 and told.error is not None and told.error[0] is LimitExceeded:
            continue
        try:
            good = strictly(body)["data"] == [7] and b"\\ud" not in value
        except ValueError:
            good = False
        assert (told.error is None) == good
