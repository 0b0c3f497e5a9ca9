from __future__ import annotations

import copy
import itertools
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut, tell, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.text import Lines, Raw
from streamable_http._errors import (
    ConfigurationError,
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    StreamTruncated,
)
from streamable_http._values import Headers, Limits


def typed(charset: str) -> Headers:
    return Headers([("Content-Type", f"text/plain; charset={charset}")])


def test_lines_end_with_lf_or_crlf_only() -> None:
    body = "a\r\nb\n\nc\rd\x0b\x0c\u0085\u2028e\r\r\n".encode()
    for chunks in every_cut(body):
        told = tell_spec(Lines(), chunks)
        assert told.items == ["a", "b", "", "c\rd\x0b\x0c\u0085\u2028e\r"]
        assert [p.offset for p in told.positions] == [3, 5, 6, len(body)]


def test_the_last_line_is_delivered_framed_or_not() -> None:
    for framed in (True, False):
        told = tell_spec(Lines(), [b"a\nb"], framed=framed)
        assert (told.items, told.error) == (["a", "b"], None)
        assert told.end == Position(offset=3)
        assert tell_spec(Lines(), [b"a\n"], framed=framed).items == ["a"]
        assert tell_spec(Lines(), [b""], framed=framed).items == []


@pytest.mark.parametrize("rest", [b"b\xe2\x82", b"\xef\xbb", b"\xf0\x9f\x98"])
def test_half_a_character_at_the_end_is_truncated(rest: bytes) -> None:
    for chunks in every_cut(b"a\n" + rest):
        told = tell_spec(Lines(), chunks)
        assert told.items == ["a"]
        assert told.error is not None
        assert told.error[0] is StreamTruncated


@pytest.mark.parametrize("body", [b"a\n\xff\nb\n", b"a\n\xff", b"a\n\xe2\x82\nb\n"])
def test_bad_bytes_are_an_error(body: bytes) -> None:
    told = tell_spec(Lines(), [body])
    assert told.items == ["a"]
    assert told.error is not None
    assert (told.error[0], told.error[2:4]) == (DecodeError, (1, 2))
    assert tell_spec(Lines(), [b"a\n\xff\nb\n"], on_bad_item="skip").items == ["a", "b"]


def test_a_bom_is_removed_once() -> None:
    for chunks in every_cut(b"\xef\xbb\xbf\xef\xbb\xbfa\n\xef\xbb\xbfb\n"):
        assert tell_spec(Lines(), chunks).items == ["\ufeffa", "\ufeffb"]
    assert tell_spec(Lines(), [b"\xef\xbb\xbfa\n"], headers=typed("utf-8-sig")).items == ["a"]


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", "é€😀"), ("UTF8", "é"), ('"utf-8"', "é"), ("us-ascii", "a~\\+"),
        ("iso-8859-1", "é\x85"), ("windows-1252", "é€"), ("koi8-r", "привет"), ("gb18030", "汉字€"),
        ("gbk", "汉字"), ("big5", "漢字"), ("shift_jis", "表示ソ"),
        ("euc-jp", "漢字"), ("euc-kr", "한글"),
    ],
)  # fmt: skip
def test_charsets(charset: str, text: str) -> None:
    codec = charset.strip('"')
    body = f"{text}\r\n\n{text}".encode(codec)
    for chunks in every_cut(body):
        told = tell_spec(Lines(), chunks, headers=typed(charset))
        assert (told.items, told.error) == ([text, "", text], None)


@pytest.mark.parametrize(
    "charset",
    [
        "utf-16", "utf-16-le", "utf-32", "utf-7", "iso-2022-jp", "iso-2022-kr", "hz", "cp037",
        "idna", "punycode", "unicode_escape", "raw_unicode_escape", "rot13", "hex", "nonsense",
        "a\0b",
    ],
)  # fmt: skip
def test_charsets_that_are_refused(charset: str) -> None:
    with pytest.raises(ContentTypeError, match=r"pass decoder=Raw\(\)") as caught:
        Lines().build(Context(headers=typed(charset)))
    assert caught.value.content_type == f"text/plain; charset={charset}"


def test_bad_bytes_of_a_charset_are_an_error() -> None:
    told = tell_spec(Lines(), [b"a\n\x81\nb\n"], headers=typed("gbk"))
    assert told.items == ["a"]
    assert told.error is not None


def test_a_terminal_is_a_whole_line() -> None:
    for chunks in every_cut(b"a\n END\nxEND\nEND\r\nb\n"):
        told = tell_spec(Lines(), chunks, terminal="END")
        assert (told.items, told.ended) == (["a", " END", "xEND"], True)
    told = tell_spec(Lines(), ["é\n".encode("latin-1")], terminal="é", headers=typed("latin-1"))
    assert told.ended
    with pytest.raises(ConfigurationError, match="cannot be written in iso8859-1"):
        Lines().build(Context(terminal="€", headers=typed("latin-1")))


def test_a_line_that_outgrows_the_limit() -> None:
    for chunks in every_cut(b"1\n123\n1234"):
        told = tell_spec(Lines(), chunks, limits=Limits(max_item_bytes=3))
        assert told.items == ["1", "123"]
        assert told.error is not None
        assert told.error[0] is LimitExceeded


some_text = st.lists(
    st.sampled_from(
        [b"a", b"\n", b"\r", b"\r\n", b"\xc3\xa9", b"\xff", b"END", b"\xef\xbb\xbf", b"\x81"]
    )
).map(b"".join)
CONTEXTS: list[dict[str, Any]] = [
    {},
    {"terminal": "END"},
    {"on_bad_item": "skip"},
    {"headers": typed("latin-1")},
    {"headers": typed("gbk"), "on_bad_item": "skip"},
    {"limits": Limits(max_item_bytes=3)},
]


@settings(max_examples=400, deadline=None)
@given(some_text, cuts, st.sampled_from(CONTEXTS), st.booleans())
def test_cuts_change_nothing(
    body: bytes, places: list[int], context: dict[str, Any], framed: bool
) -> None:
    whole = tell_spec(Lines(), [body], framed=framed, **context)
    assert tell_spec(Lines(), cut(body, places), framed=framed, **context) == whole
    bytewise = [body[i : i + 1] for i in range(len(body))]
    assert tell_spec(Lines(), bytewise, framed=framed, **context) == whole


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])), cuts)
def test_lines_are_what_splitting_at_lf_gives(text: str, places: list[int]) -> None:
    expected = [line.removesuffix("\r") for line in text.removeprefix("\ufeff").split("\n")]
    told = tell_spec(Lines(), cut((text + "\n").encode(), places))
    assert told.items == expected


def test_raw_hands_over_what_comes() -> None:
    told = tell_spec(Raw(), [b"ab", b"", b"\xffc\n"])
    assert told.items == [b"ab", b"\xffc\n"]
    assert told.positions == [Position(offset=2), Position(offset=5)]
    assert told.digests == [None, None]
    assert told.end == Position(offset=5)


any_lines = st.lists(st.sampled_from([b"", b"\r", b"ab", b"\xff" * 9]) | st.binary(max_size=12))


@given(any_lines.map(b"\n".join), cuts, st.sampled_from([4, 8, 1000]))
def test_raw_may_be_cut_behind_lines_only(body: bytes, places: list[int], limit: int) -> None:
    context = Context(limits=Limits(max_item_bytes=limit))
    told = tell(Raw(whole_lines=True).build(context), cut(body, places))

    lines = [line + b"\n" for line in body.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    fits = [len(line.removesuffix(b"\n")) <= limit for line in lines]
    most = fits.index(False) if False in fits else len(lines)
    assert b"".join(told.items) == b"".join(lines[:most])
    assert all(piece.endswith(b"\n") for piece in told.items[:-1])
    assert (told.error is None) == (most == len(lines))
    assert told.error is None or told.error[0] is LimitExceeded
    offsets = [position.offset for position in told.positions]
    assert offsets == [*itertools.accumulate(map(len, told.items))]


def test_raw_lines_can_be_started_at_any_record() -> None:
    engine = Raw(whole_lines=True).build(Context(offset=10))

    batch = engine.feed(b"ab\ncd\nef")
    assert (batch.items, batch.end) == ([b"ab\ncd\n"], Position(offset=16))
    assert engine.starts_at_records
    assert copy.copy(engine).finish().items == [b"ef"]
    assert engine.feed(b"gh\n").items == [b"efgh\n"]
