from __future__ import annotations

import dataclasses
import json
import math
import time
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.records import NDJSON
from streamable_http._errors import DecodeError, LimitExceeded, StreamTruncated
from streamable_http._values import Limits

ACCEPTED = [
    b"null", b"true", b"false", b"0", b"-0", b"-1", b"1.5", b"1e5", b"1E+2", b"0e-1", b"1.0e0",
    b"123456789012345678901234567890", b'""', b'"a"', b'"\\u00e9\\n\\/\\b\\f\\r\\t\\"\\\\"',
    b'"\\ud83d\\ude00"', b'"\x7f"', b'"\xe2\x82\xac"', b'"\xf0\x9f\x98\x80"', b'"\xe2\x80\xa8"',
    b"[]", b"[1]", b"[[[]]]", b"[1, 2,3 ]", b"{}", b'{"a":1}', b'{"a":{"b":[null]}}', b'{"":0}',
    b' {"a" : 1 } ', b"\t[\t]\t", b'{"a":1,"a":2}', b'"\\u0000"', b"[" * 200 + b"]" * 200,
]  # fmt: skip
REFUSED = [
    b"NaN", b"Infinity", b"-Infinity", b"nul", b"TRUE", b"None", b"01", b"-", b"+1", b"1.", b".5",
    b"1e", b"1e+", b"0x1", b"1 2", b"1,", b"--1", b"1e999", b"-1e999", b"[1,]", b"[,1]", b"[1 2]",
    b"[", b"]", b"[1", b"[1}", b'{"a"}', b'{"a":}', b'{"a":1,}', b"{a:1}", b"{'a':1}", b"{1:1}",
    b'{"a":1 "b":2}', b'{"a":1}}', b'{"a":1}x', b'"', b'"a', b"'a'", b'"\\x"', b'"\\u12"',
    b'"\\u12g4"', b'"\t"', b'"\x00"', b'"\x1f"', b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\ud800"',
    b'"\\ud800x"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"',
    b'"\xe2\x82"',
    b"\xff", b"\x0b1", b"\x0c1", b"1\x00", b"\xc2\xa01", b"\xef\xbb\xbf1", b"//c", b"/**/1", b"# c",
    b"[" * 100_000, b'{"a":' * 100_000, b'"\\', b'{"\xff":1}', b"1" * 5000,
]  # fmt: skip


@dataclasses.dataclass
class User:
    id: int
    name: str = ""


@pytest.mark.parametrize("text", ACCEPTED)
def test_json_that_is_accepted(text: bytes) -> None:
    # Behind a first line, so that no byte of it is at the start of the body.
    told = tell_spec(NDJSON(), [b"1\n" + text + b"\n"])
    assert told.error is None
    assert told.items == [1, json.loads(text)]


@pytest.mark.parametrize("text", REFUSED, ids=[repr(text[:20]) for text in REFUSED])
def test_json_that_is_refused(text: bytes) -> None:
    told = tell_spec(NDJSON(), [b"1\n" + text + b"\n2\n"])
    assert told.items == [1]
    assert told.error is not None
    kind, message, index, offset, excerpt = told.error[:5]
    assert (kind, index, offset, excerpt) == (DecodeError, 1, 2, text[:64])
    assert len(message) < 300
    assert tell_spec(NDJSON(), [b"1\n" + text + b"\n2\n"], on_bad_item="skip").items == [1, 2]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab\\é"), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(json_values, max_size=5), st.booleans(), cuts)
def test_values_are_those_of_the_standard_library(
    values: list[Any], ascii: bool, places: list[int]
) -> None:
    texts = [json.dumps(value, ensure_ascii=ascii) for value in values]
    body = "".join(text + "\n" for text in texts).encode()
    told = tell_spec(NDJSON(), cut(body, places))
    assert told.error is None
    # By their text: it tells 1 from 1.0 and True.
    assert list(map(repr, told.items)) == [repr(json.loads(text)) for text in texts]


pieces = st.sampled_from(
    [
        b"1", b'{"a":1}', b'"x"', b"", b" ", b"\r", b'{"a":', b"1}", b"1 2", b"[1", b"]", b"\xff",
        b"\xef\xbb\xbf", b"END", b" END\r", b"\xe2\x82\xac", b'"\xe2\x82\xac"', b"true",
        b"12345678",
    ]
)  # fmt: skip
bodies = st.lists(st.tuples(pieces, st.sampled_from([b"\n", b"\r\n", b"\n\n", b""])).map(b"".join))
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"terminal": "END"},
    {"on_bad_item": "skip"},
    {"on_bad_item": "skip", "terminal": "END"},
    {"limits": Limits(max_item_bytes=6)},
]


@settings(max_examples=500, deadline=None)
@given(bodies.map(b"".join), cuts, st.sampled_from(CONTEXTS), st.booleans())
def test_cuts_change_nothing(
    body: bytes, places: list[int], context: dict[str, Any], framed: bool
) -> None:
    for spec in (NDJSON(), NDJSON(dict[str, int])):
        whole = tell_spec(spec, [body], framed=framed, **context)
        assert tell_spec(spec, cut(body, places), framed=framed, **context) == whole
        bytewise = [body[i : i + 1] for i in range(len(body))]
        assert tell_spec(spec, bytewise, framed=framed, **context) == whole


@settings(max_examples=300, deadline=None)
@given(bodies.map(b"".join))
def test_each_line_is_decoded_by_itself(body: bytes) -> None:
    """Two bad lines never add up to good items."""
    expected = []
    lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for line in lines[:-1]:
        try:
            expected += [json.loads(line.decode())] if line.strip(b" \t\r") else []
        except ValueError:
            break
    told = tell_spec(NDJSON(), [body[: body.rfind(b"\n") + 1]])
    assert told.items == expected


def test_positions_are_the_ends_of_lines() -> None:
    body = b'\xef\xbb\xbf{"a":1}\r\n\n2\n \n'
    told = tell_spec(NDJSON(), [body])
    assert told.items == [{"a": 1}, 2]
    assert told.positions == [Position(offset=12), Position(offset=15)]
    assert told.end == Position(offset=len(body))
    assert told.digests == [None, None]
    assert tell_spec(NDJSON(), [b"1\n22\n"]).positions == [Position(offset=2), Position(offset=5)]
    assert tell_spec(NDJSON(), [b"1\n22\n"]).digests == [None, None]


def test_only_lf_ends_a_line() -> None:
    for line_end in (b"\r", b"\x0b", b"\x0c", b"\x85", "\u2028".encode()):
        assert tell_spec(NDJSON(), [b"1" + line_end + b"2\n"]).error is not None
    assert tell_spec(NDJSON(), ['"a\u2028b\u0085c"\n'.encode()]).items == ["a\u2028b\u0085c"]


@pytest.mark.parametrize(
    ("rest", "framed", "unframed"),
    [
        (b"", [], []), (b"  \r", [], []), (b"1", [1], None), (b"true", [True], None),
        (b" null ", [None], None), (b"1.5", [1.5], None), (b"[1]", [[1]], [[1]]),
        (b"{}", [{}], [{}]),
        (b'"a"', ["a"], ["a"]), (b'\xef\xbb\xbf"a"', ["a"], ["a"]),
        (b'{"a":1}\r', [{"a": 1}], [{"a": 1}]),
        (b"[1", None, None), (b'"a', None, None), (b"tru", None, None), (b'"\xe2\x82', None, None),
        (b"\xef\xbb", None, None), (b"1 2", None, None),
    ],
)  # fmt: skip
def test_the_last_line_without_lf(
    rest: bytes, framed: list[Any] | None, unframed: list[Any] | None
) -> None:
    for proof, items in ((True, framed), (False, unframed)):
        for chunks in every_cut(rest):
            told = tell_spec(NDJSON(), chunks, framed=proof)
            if items is None:
                assert told.error is not None
                assert told.error[0] is StreamTruncated
                assert told.items == []
            else:
                assert (told.items, told.error) == (items, None)
                assert told.positions == [Position(offset=len(rest))] * len(items)


@pytest.mark.parametrize("rest", [b'{"id": "x"}', b"1e999", b"[" * 100_000 + b"]" * 100_000])
def test_a_whole_but_bad_last_line_is_no_cut_one(rest: bytes) -> None:
    told = tell_spec(NDJSON(User), [b'{"id": 1}\n', rest])
    assert told.items == [User(1)]
    assert told.error is not None
    assert (told.error[0], told.error[2:4]) == (DecodeError, (1, 10))
    assert tell_spec(NDJSON(User), [rest], on_bad_item="skip").skipped == 1


def test_the_terminal_ends_the_stream() -> None:
    for body in (b"1\n END \r\nbad\n", b"1\nEND", b"1\nEND\n"):
        for chunks in every_cut(body):
            told = tell_spec(NDJSON(), chunks, framed=False, terminal="END")
            assert (told.items, told.ended, told.error) == ([1], True, None)
    assert not tell_spec(NDJSON(), [b'"END"\n'], terminal="END").ended


def test_a_line_that_outgrows_the_limit() -> None:
    limits = Limits(max_item_bytes=4)
    for body in (b"1\n2\n12345\n3\n", b"1\n2\n12345"):
        for chunks in every_cut(body):
            told = tell_spec(NDJSON(), chunks, limits=limits)
            assert told.items == [1, 2]
            assert told.error is not None
            assert told.error[0] is LimitExceeded
            assert told.end == Position(offset=4)
    assert tell_spec(NDJSON(), [b"1234\n" * 3], limits=limits).items == [1234] * 3
    assert tell_spec(NDJSON(), [b"\xef\xbb\xbf1234"], limits=limits).items == [1234]


def test_bad_items_can_be_asked_about() -> None:
    met: list[DecodeError] = []
    told = tell_spec(NDJSON(User), [b'{"id":1}\n{"id":null}\n{"id":3}\n'], on_bad_item=met.append)
    assert [user.id for user in told.items] == [1, 3]
    assert told.skipped == 1
    assert [(error.index, error.offset) for error in met] == [(1, 9)]
    assert told.positions == [Position(offset=9), Position(offset=30)]


def test_the_users_own_exception_is_not_wrapped() -> None:
    @dataclasses.dataclass
    class Fussy:
        n: int

        def __post_init__(self) -> None:
            raise KeyError("mine")

    told = tell_spec(NDJSON(Fussy), [b'{"n":1}\n'], on_bad_item="skip")
    assert told.error is not None
    assert told.error[:2] == (KeyError, "'mine'")


def test_nothing_is_read_after_an_error() -> None:
    engine = NDJSON().build(Context())
    assert engine.feed(b"x\n").error is not None
    assert engine.feed(b"1\n").items == []
    assert engine.finish().error is None
    assert engine.finish().error is None


def test_a_large_line_in_small_pieces_takes_linear_time() -> None:
    def seconds(size: int) -> float:
        line = b'"' + b"x" * size + b'"\n'
        engine = NDJSON().build(Context(limits=Limits(max_item_bytes=2 * size)))
        started = time.process_time()
        items = [
            x for i in range(0, len(line), 1024) for x in engine.feed(line[i : i + 1024]).items
        ]
        assert math.isclose(len(items[0]), size)
        return time.process_time() - started

    small, large = (min(seconds(size << 20) for _ in range(2)) for size in (4, 16))
    assert large < 12 * small
