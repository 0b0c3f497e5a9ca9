"""Multipart: parts behind boundaries, however the bytes are cut."""

from __future__ import annotations

import email.message
import email.parser
import email.policy
from typing import Any

import pytest
from decoder_harness import cut, cuts, every_cut, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http import ConfigurationError, Headers, Limits
from streamable_http._decoders.engine import Context, Position
from streamable_http._decoders.multipart import Multipart, Part
from streamable_http._errors import DecodeError, LimitExceeded, StreamTruncated

MIXED = Headers([("Content-Type", 'multipart/mixed; boundary="a/+b"')])
REPLACED = Headers([("Content-Type", "multipart/x-mixed-replace; boundary=a/+b")])


def read(body: bytes, *, headers: Headers = MIXED, **context: Any) -> Any:
    """What is told of a body, which is the same for every cut."""
    context["headers"] = headers
    whole, *others = (tell_spec(Multipart(), pieces, **context) for pieces in every_cut(body))
    assert all(other == whole for other in others)
    return whole


def fault(told: Any) -> Any:
    """The class of the error, or None."""
    return told.error and told.error[0]


def bodies(told: Any) -> list[bytes]:
    return [part.body for part in told.items]


BODY = (
    b"for readers that know nothing of parts\r\n"
    b"--a/+b\r\n"
    b"Content-Type: text/plain\r\nX-Note: folded\r\n over lines \r\n\r\n"
    b"one\r\n--a/+\r\n"
    b"\r\n--a/+b \t\r\n"
    b"\r\n\r\n--a/+b\r\n"
    b"\r\n--a/+b\r\n"
    b"content-length: 12\r\n\r\n\r\n--a/+b\r\n--"
    b"\r\n--a/+b\r\n"
    b"\r\nlast\r\r\n\n"
    b"\r\n--a/+b--and\r\n--a/+b\r\nno more"
)


def test_parts_as_they_are_written() -> None:
    told = read(BODY)
    assert told.error is None
    assert bodies(told) == [
        b"one\r\n--a/+\r\n",
        b"",
        b"",
        b"\r\n--a/+b\r\n--",
        b"last\r\r\n\n",
    ]
    assert told.items[0].headers == Headers(
        [("Content-Type", "text/plain"), ("X-Note", "folded over lines")]
    )
    assert told.items[1] == Part(Headers(), b"")
    assert repr(told.items[1]) == "Part(headers=Headers({}), body=<0 bytes>)"
    # With bare LFs, the same but for the bodies that held others.
    plain = BODY.replace(b"\r\n", b"\n").replace(b": 12", b": 10")
    assert bodies(read(plain)) == [
        b"one\n--a/+\n", b"", b"", b"\n--a/+b\n--", b"last\r\n\n",
    ]  # fmt: skip


def test_positions_are_behind_the_bodies() -> None:
    told = read(BODY)
    for index, position in enumerate(told.positions):
        rest = read(BODY[position.offset :], offset=position.offset)
        assert bodies(rest) == bodies(told)[index + 1 :]
        assert rest.positions == told.positions[index + 1 :]
        assert BODY[: position.offset].endswith(told.items[index].body)
    assert told.end == told.positions[-1]


@pytest.mark.parametrize(("headers", "framed"), [(MIXED, True), (MIXED, False), (REPLACED, False)])
def test_without_its_closing_boundary_it_is_cut(headers: Headers, framed: bool) -> None:
    closed = BODY.index(b"--and") + 2
    for place in range(len(BODY)):
        told = tell_spec(Multipart(), [BODY[:place]], headers=headers, framed=framed)
        if place < closed:
            assert fault(told) is StreamTruncated, place
        else:
            assert (told.error, told.ended) == (None, not framed), place


def test_what_is_replaced_ends_only_between_parts() -> None:
    closed = BODY.index(b"--and") + 2
    ends: list[bytes] = []
    for place in range(1, closed):
        told = tell_spec(Multipart(), [BODY[:place]], headers=REPLACED, framed=True)
        if told.error is None:
            ends.append(BODY[:place].rstrip(b"\r\n"))
        else:
            assert fault(told) is StreamTruncated, place
    # Behind each boundary, and behind the body whose length was told.
    assert {end[-6:] for end in ends} == {b"--a/+b", b"a/+b \t", b"+b\r\n--"}
    assert len(set(ends)) == 6 + 1 + 1  # one boundary with its blanks, and without


def test_what_is_replaced_may_end_behind_any_part_with_proof() -> None:
    frames = b"--a/+b\r\nContent-Length: 1\r\n\r\nx\r\n" * 2
    for body, fine in (
        (frames, True),
        (frames[:-2], True),
        (frames + b"--a/+b\r\n", True),
        (frames + b"--a/+b", True),
        (frames + b"--a/+", False),
        (frames + b"--a/+b\r\n\r\nx", False),
        (b"", True),
    ):
        told = read(body, headers=REPLACED)
        assert (told.error is None) == fine, body
        assert bodies(told) == [b"x", b"x"][: body.count(b"Content")]
        assert read(body, headers=REPLACED, framed=False).error is not None
        assert read(body).error[0] is StreamTruncated


def test_a_part_with_a_length_is_delivered_with_its_last_byte() -> None:
    engine = Multipart().build(Context(headers=REPLACED))
    head = b"--a/+b\r\nContent-Length: 3\r\n\r\n"
    assert engine.feed(head + b"ab").items == []
    batch = engine.feed(b"c")
    assert [part.body for part in batch.items] == [b"abc"]
    assert batch.end == Position(offset=len(head) + 3)


@pytest.mark.parametrize("policy", ["raise", "skip"])
def test_a_length_that_is_wrong(policy: str) -> None:
    for behind, place in ((b"c", 31), (b"\r\n-x", 33), (b"\r\n--a/+x", 33)):
        body = b"--a/+b\r\nContent-Length: 2\r\n\r\nab" + behind + b"\r\n--a/+b--"
        told = read(body, on_bad_item=policy)
        assert bodies(told) == [b"ab"]
        assert told.error[:2] == (
            DecodeError,
            f"item 1 at byte {place} cannot be decoded: behind a body comes no boundary",
        )  # fmt: skip


@pytest.mark.parametrize("head", [b"no header", b"Content-Length: x", b"a: b\r\n: c",
                                  b"Content-Length: 1\r\nContent-Length: 2"])  # fmt: skip
def test_headers_that_are_none_make_a_bad_part(head: bytes) -> None:
    body = b"--a/+b\r\n\r\n1\r\n--a/+b\r\n" + head + b"\r\n\r\n2\r\n--a/+b\r\n\r\n3\r\n--a/+b--"
    told = read(body)
    assert bodies(told) == [b"1"]
    assert told.error[2:5] == (1, 21, head)
    told = read(body, on_bad_item="skip")
    assert bodies(told) == [b"1", b"3"]
    assert (told.skipped, told.error) == (1, None)


def test_the_boundary_may_be_known_from_elsewhere() -> None:
    body = b"--x y \r\n\r\n1\r\n--x y--\r\n"
    assert bodies(read(body, headers=Headers())) == [b"1"]
    assert bodies(tell_spec(Multipart("x y"), [body], headers=MIXED)) == [b"1"]
    dashed = Headers([("Content-Type", "multipart/x-mixed-replace; boundary=--cam")])
    for line in (b"--cam", b"----cam"):
        body = line + b"\r\n\r\n1\r\n" + line + b"\r\n\r\n2\r\n--ca\r\n" + line + b"--"
        assert bodies(read(body, headers=dashed)) == [b"1", b"2\r\n--ca"]
        for before in (b"\r\n", b"\n", b"for others\r\n\r\n"):
            assert bodies(read(before + body, headers=dashed)) == [b"1", b"2\r\n--ca"]
    for before in (b"\n", b"\r\n\r\n"):
        body = before + b"--x\r\n\r\n1\r\n--x--"
        assert bodies(read(body, headers=Headers())) == [b"1"]
    nowhere = (b"x--y\r\n", b"-x", b"-\n", b"\n-\r\n", b"--\r\n", b"--" + b"x" * 1_000)
    for nothing in nowhere:
        told = read(nothing, headers=Headers())
        assert told.error[0] is DecodeError
        assert "names no boundary" in told.error[1]
    told = read(b"\r\n--x\r\n\r\n2\r\n--x--", headers=Headers(), offset=30)
    assert bodies(told) == [b"2"]


def test_who_goes_on_elsewhere_knows_the_boundary_that_the_body_named() -> None:
    body = b"--x y\r\n\r\n1\r\n--x y\r\n\r\n2\r\n--x y--\r\n"
    engine = Multipart().build(Context())
    first, second = engine.feed(body).items
    assert (first.body, second.body, engine.head) == (b"1", b"2", "--x y")
    for at, rest in ((body.index(b"1") + 1, [b"2"]), (body.index(b"2") + 1, [])):
        told = read(body[at:], headers=Headers(), offset=at, head=engine.head)
        assert (told.error, bodies(told)) == (None, rest)
    named = Multipart().build(Context(headers=MIXED))
    named.feed(BODY)
    assert named.head == ""


def test_line_breaks_in_the_place_of_a_boundary_are_not_kept() -> None:
    for headers, start in ((MIXED, b"--a/+b\r\nContent-Length: 1\r\n\r\nx"), (Headers(), b"")):
        engine: Any = Multipart().build(
            Context(headers=headers, limits=Limits(max_item_bytes=1000))
        )
        engine.feed(start)
        for _ in range(100):
            assert engine.feed(b"\r\n" * 50).error is None
        assert len(engine._data) < 100
        assert engine.feed(b"--a/+b\r\n\r\ny\r\n--a/+b--").items == [Part(Headers(), b"y")]


@pytest.mark.parametrize("body", [b"<html>\n\n\n", b"\r\n\r\n", b"for others\r\n"])
def test_what_has_no_part_is_not_complete(body: bytes) -> None:
    assert read(body, headers=REPLACED).error[0] is StreamTruncated


@pytest.mark.parametrize("limit", range(1, 40))
def test_parts_over_the_limit(limit: int) -> None:
    body = (
        b"preamble of no account, however long\r\n--a/+b\r\n\r\n12345\r\n--a/+\r\r\n--a/+b\r\n"
        b"a: bcdefgh\r\nb: c\r\n\r\nxyz\r\n--a/+b\r\ncontent-length: 25\r\n\r\n" + b"y" * 25
    )
    told = read(body, limits=Limits(max_item_bytes=limit))
    sizes = [0, 13, 16, 3, 18, 25]
    first = next((n for n, size in enumerate(sizes) if size > limit), None)
    if first is None:
        assert told.error[0] is StreamTruncated
    else:
        assert told.error[0] is LimitExceeded
        assert told.error[6] == (25 if first == 5 else limit + 1)
        assert len(told.items) == (0 if first < 2 else 1 if first < 4 else 2)


def test_nothing_but_one_part_is_kept() -> None:
    engine = Multipart().build(Context(headers=MIXED, limits=Limits(max_item_bytes=64)))
    for piece in (b"pre" * 9_999, b"\r\n--a/+b\r\n\r\nx" * 9_999, b"\r\n--a/+b--", b"epi" * 9_999):
        assert engine.feed(piece).error is None
        assert len(engine._data) <= 64 + 16  # type: ignore[attr-defined]


@pytest.mark.parametrize("behind", [b" " * 200, b"c", b" x", b"-x"])
def test_what_follows_a_boundary_on_its_line(behind: bytes) -> None:
    """The boundary is one, whatever comes: the part is complete, and no other can be trusted."""
    told = read(b"--a/+b\r\n\r\n1\r\n--a/+b" + behind + b"\r\n--a/+b--", on_bad_item="skip")
    assert bodies(told) == [b"1"]
    assert told.error[:2] == (
        DecodeError,
        "item 1 at byte 19 cannot be decoded: behind a boundary comes neither a line end nor `--`",
    )


def test_a_part_does_not_wait_for_what_follows_its_boundary() -> None:
    engine = Multipart().build(Context(headers=MIXED))
    assert engine.feed(b"--a/+b\r\n\r\n1\r\n--a/+").items == []
    assert [part.body for part in engine.feed(b"b").items] == [b"1"]


@pytest.mark.parametrize("boundary", ["é", "a\nb", 5])
def test_bad_arguments(boundary: Any) -> None:
    with pytest.raises(ConfigurationError, match="boundary="):
        Multipart(boundary)


# By chance ---------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [
        b"--a/+b",
        b"--a/+b--",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"a: b",
        b"content-length: 2",
        b"x",
        b"--",
    ]
)
torn = st.lists(pieces, max_size=24).map(lambda parts: b"--a/+b\r\n" + b"".join(parts))


@settings(max_examples=400, deadline=None)
@given(
    torn, cuts, st.sampled_from([MIXED, REPLACED, Headers()]), st.booleans(), st.integers(1, 12),
    st.sampled_from(["raise", "skip"]),
)  # fmt: skip
def test_cuts_change_nothing(
    body: bytes, places: list[int], headers: Headers, framed: bool, limit: int, policy: str
) -> None:
    limits = Limits(max_item_bytes=limit if limit < 12 else 1000)
    options: dict[str, Any] = {"headers": headers, "framed": framed, "limits": limits}
    whole = tell_spec(Multipart(), [body], on_bad_item=policy, **options)
    bytewise = [bytes([byte]) for byte in body]
    for pieces in (cut(body, places), bytewise):
        assert tell_spec(Multipart(), pieces, on_bad_item=policy, **options) == whole


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab -\n"), max_size=12), min_size=1, max_size=5))
def test_what_the_standard_library_reads_is_read_alike(texts: list[str]) -> None:
    lines = "".join(f"\r\n--a/+b\r\n\r\n{text}" for text in texts) + "\r\n--a/+b--\r\n"
    head = f"Content-Type: {MIXED['content-type']}\r\n\r\n"
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes((head + lines).encode())
    parts = [part.get_payload(decode=True) for part in message.get_payload()]  # type: ignore[union-attr]
    assert bodies(tell_spec(Multipart(), [lines.encode()], headers=MIXED)) == parts
