from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http._content import content_decoder
from streamable_http._errors import (
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    StreamError,
    StreamTruncated,
)
from streamable_http._values import Headers, Limits

MIB = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(data) + deflater.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def undone(
    coding: str | None, chunks: list[bytes], limits: Limits | None = None
) -> tuple[bytes, type[StreamError] | None]:
    headers = Headers() if coding is None else Headers([("Content-Encoding", coding)])
    decoder = content_decoder(headers, limits or Limits())
    made = b""
    try:
        for chunk in chunks:
            for piece in decoder.feed(chunk):
                assert piece
                assert coding is None or len(piece) <= 64 * 1024
                made += piece
        decoder.finish()
    except StreamError as exc:
        return made, type(exc)
    return made, None


@pytest.mark.parametrize("coding", [None, "", "identity", "Identity, "])
def test_identity_passes_bytes_through(coding: str | None) -> None:
    assert undone(coding, [b"ab", b"", b"c"]) == (b"abc", None)
    assert undone(coding, []) == (b"", None)


@pytest.mark.parametrize("coding", [*CODINGS, "GZIP", " gzip , identity"])
def test_codings_at_every_cut(coding: str) -> None:
    data = b"some data, some data, some more"
    body = CODINGS[coding.split(",", maxsplit=1)[0].strip().lower()](data)
    for chunks in every_cut(body):
        assert undone(coding, chunks) == (data, None)


def test_raw_deflate_at_every_cut() -> None:
    for data in (b"", b"x", b"some data, some data" * 9):
        for chunks in every_cut(raw_deflate(data)):
            assert undone("deflate", chunks) == (data, None)


def test_several_codings_are_undone_last_first() -> None:
    assert undone("gzip, gzip", [gzip.compress(gzip.compress(b"x"))]) == (b"x", None)
    assert undone("deflate, gzip", [gzip.compress(zlib.compress(b"x"))]) == (b"x", None)
    assert undone("gzip, deflate", [zlib.compress(gzip.compress(b"x"))]) == (b"x", None)
    headers = Headers([("Content-Encoding", "deflate"), ("Content-Encoding", "gzip")])
    decoder = content_decoder(headers, Limits())
    assert b"".join(decoder.feed(gzip.compress(zlib.compress(b"x")))) == b"x"


def test_all_members_of_gzip_are_read() -> None:
    body = gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(b"b")
    for chunks in every_cut(body):
        assert undone("gzip", chunks) == (b"ab", None)
    assert undone("gzip", [gzip.compress(b"x") * 2000]) == (b"x" * 2000, None)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_cut_body_is_truncated_wherever_it_is_cut(coding: str) -> None:
    data = b"some data, some data"
    body = CODINGS[coding](data)
    for place in range(1, len(body)):
        made, error = undone(coding, [body[:place]])
        assert error is StreamTruncated
        assert data.startswith(made)


def test_a_cut_second_member_or_raw_body_is_truncated() -> None:
    member = gzip.compress(b"x")
    for place in range(1, len(member)):
        assert undone("gzip", [member + member[:place]])[1] is StreamTruncated
    body = raw_deflate(b"some data, some data")
    for place in range(1, len(body)):
        assert undone("deflate", [body[:place]])[1] is StreamTruncated
    assert undone("gzip, gzip", [gzip.compress(member[:-1])])[1] is StreamTruncated


def test_an_empty_body_is_whole() -> None:
    for coding in (*CODINGS, "gzip, gzip"):
        assert undone(coding, []) == (b"", None)
        assert undone(coding, [b""]) == (b"", None)


def test_what_stands_behind_the_end() -> None:
    body = gzip.compress(b"x")
    for chunks in every_cut(body + b"\0\0\0"):
        assert undone("gzip", chunks) == (b"x", None)
    for rest in (b"x", b"\0x", b"\0" + body, b"\x1fx", b"<html>"):
        for chunks in every_cut(body + rest):
            assert undone("gzip", chunks) == (b"x", DecodeError)
    for chunks in every_cut(zlib.compress(b"x") + b"\0"):
        assert undone("deflate", chunks) == (b"x", DecodeError)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"plain text"), ("gzip", zlib.compress(b"x")), ("deflate", b"\xff\xff\xff"),
        ("gzip", gzip.compress(b"some data")[:-8] + b"12345678"),
        ("deflate", zlib.compress(b"some data")[:-4] + b"1234"),
    ],
)  # fmt: skip
def test_a_corrupt_body_is_an_error_that_names_the_coding(coding: str, body: bytes) -> None:
    for chunks in every_cut(body):
        assert undone(coding, chunks)[1] is DecodeError
    decoder = content_decoder(Headers([("content-encoding", coding)]), Limits())
    with pytest.raises(DecodeError, match=f"the {coding} body is corrupt after"):
        list(decoder.feed(body))


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "compress", "gzip" + ",gzip" * 4])
def test_other_codings_are_refused(coding: str) -> None:
    headers = Headers([("Content-Encoding", coding), ("Content-Type", "text/plain")])
    with pytest.raises(ContentTypeError, match="content coding") as caught:
        content_decoder(headers, Limits())
    assert caught.value.content_type == "text/plain"
    if "br" in coding:
        assert "'br'" in str(caught.value)


def test_what_the_server_flushed_comes_out_at_once() -> None:
    deflater = zlib.compressobj(wbits=31)
    decoder = content_decoder(Headers([("Content-Encoding", "gzip")]), Limits())
    for number in range(5):
        text = f"data: {number}\n\n".encode()
        flushed = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
        assert b"".join(decoder.feed(flushed)) == text


def test_nothing_that_could_be_inflated_is_held_back() -> None:
    deflater = zlib.compressobj(wbits=31)
    body = deflater.compress(bytes(3 * 65536 + 7)) + deflater.flush(zlib.Z_SYNC_FLUSH)
    for place in range(len(body) + 1):
        decoder = content_decoder(Headers([("Content-Encoding", "gzip")]), Limits())
        expected = zlib.decompressobj(wbits=31).decompress(body[:place])
        assert b"".join(decoder.feed(body[:place])) == expected


def test_a_body_that_grows_too_much_is_stopped() -> None:
    body = gzip.compress(bytes(100 * MIB))
    for coding, bomb in (("gzip", body), ("gzip, gzip", gzip.compress(body))):
        made, error = undone(coding, [bomb])
        assert error is LimitExceeded
        assert len(made) <= max(10 * MIB, 200 * len(bomb))
    decoder = content_decoder(Headers([("Content-Encoding", "gzip")]), Limits())
    with pytest.raises(LimitExceeded, match="max_decompressed_ratio=200") as caught:
        for _ in decoder.feed(body):
            pass
    assert (caught.value.limit, caught.value.setting) == ("max_decompressed_ratio", 200)
    assert caught.value.seen > 100


def test_a_stage_that_swallows_what_the_one_before_it_makes_is_stopped() -> None:
    # A gzip header with an endless file name decodes to nothing.
    endless = b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (50 * MIB)
    assert undone("gzip, gzip", [gzip.compress(endless)]) == (b"", LimitExceeded)


def test_the_ratio_can_be_raised_and_small_bodies_may_grow() -> None:
    assert undone("gzip", [gzip.compress(bytes(9 * MIB))])[1] is None
    body = gzip.compress(bytes(11 * MIB))
    assert undone("gzip", [body])[1] is LimitExceeded
    assert undone("gzip", [body], Limits(max_decompressed_ratio=None))[1] is None
    assert undone("gzip", [body], Limits(max_decompressed_ratio=2000))[1] is None


def test_pieces_are_made_when_asked_for() -> None:
    decoder = content_decoder(Headers([("Content-Encoding", "gzip")]), Limits())
    pieces = iter(decoder.feed(gzip.compress(bytes(9 * MIB))))
    assert len(next(pieces)) == 64 * 1024
    assert decoder._stages[0].made == 64 * 1024


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.binary(max_size=200) | st.sampled_from([bytes(300_000), b"ab" * 70_000]), max_size=4
    ),
    st.sampled_from(list(CODINGS)),
    cuts,
)
def test_cuts_change_nothing(parts: list[bytes], coding: str, places: list[int]) -> None:
    data = b"".join(parts)
    body = zlib.compress(data) if coding == "deflate" else b"".join(map(gzip.compress, parts))
    result: Any = undone(coding, cut(body, places))
    assert result == (data, None)
