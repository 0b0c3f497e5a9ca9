"""Merged chunks: httpx's parser reads of them what it would have read without, byte for byte.

The reference is h11, which is that parser, fed with the same bytes as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamable_http.transports._chunks import ChunkMerger, FramingError

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Reading:
    """What h11 makes of a response."""

    def __init__(self, method: str = "GET") -> None:
        self.connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=100 * 1024)
        self.connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        self.connection.send(h11.EndOfMessage())
        self.body = b""
        self.events = 0
        self.complete = False
        self.refused = False

    def take(self, data: bytes) -> None:
        """Reads on, as httpx does: what fails stays failed."""
        if self.refused or self.complete or not data:
            return
        try:
            self.connection.receive_data(data)
            while (event := self.connection.next_event()) is not h11.NEED_DATA:
                if isinstance(event, h11.Data):
                    self.body += event.data
                    self.events += 1
                elif isinstance(event, h11.EndOfMessage):
                    self.complete = True
                    return
                elif isinstance(event, (h11.ConnectionClosed, h11._util.Sentinel)):
                    return
        except h11.RemoteProtocolError:
            self.refused = True


def plain(pieces: Iterable[bytes], method: str = "GET") -> Reading:
    reading = Reading(method)
    for piece in pieces:
        reading.take(piece)
    return reading


def merged(
    pieces: Iterable[bytes], method: str = "GET", *, direct: bool = False
) -> tuple[Reading, ChunkMerger]:
    """What is read of a response: by h11 behind the merger, or past it, where that can be."""
    reading, merger = Reading(method), ChunkMerger()
    merger.sent(REQUEST.replace(b"GET", method.encode()))
    try:
        for piece in pieces:
            merger.check()
            if direct and merger.merging:
                read_directly(reading, merger, piece)
            else:
                reading.take(merger.received(piece))
            if direct and merger.merging and (held := merger.held()):
                read_directly(reading, merger, held)
            reading.take(merger.ready())
        merger.check()
    except FramingError:
        reading.refused = True
    return reading, merger


def read_directly(reading: Reading, merger: ChunkMerger, piece: bytes) -> None:
    if body := merger.body(piece):
        reading.body += body
        reading.events += 1


def handed_on(merger: ChunkMerger, data: bytes) -> bytes:
    """All that is handed on of `data`."""
    return merger.received(data) + merger.ready()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(ends)]


def chunks(bodies: Sequence[bytes], *, extension: bytes = b"") -> bytes:
    return b"".join(b"%x%b\r\n%b\r\n" % (len(body), extension, body) for body in bodies)


TEXTS = st.lists(
    st.sampled_from([b"x", b"0\r\n\r\n", b"\r\n", b"5\r\nab", b"data: 1\n\n"]), max_size=5
)
BODIES = st.lists(
    st.one_of(st.binary(min_size=1, max_size=40), TEXTS.map(b"".join)).filter(bool), max_size=8
)
PLACES = st.lists(st.integers(0, 2000), max_size=12)
ENDS = st.sampled_from(
    [
        b"0\r\n\r\n",
        b"000\r\n\r\n",
        b"0;last\r\n\r\n",
        b"0\r\nX-A: b\r\n\r\n",
        b"0\r\nA: b\r\nC: d\r\n\r\n",
    ]
)
EXTENSIONS = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a=b;c=d"])


@given(BODIES, EXTENSIONS, ENDS, PLACES, st.booleans())
def test_any_framing_any_cuts(
    bodies: list[bytes], extension: bytes, last: bytes, places: list[int], direct: bool
) -> None:
    pieces = cut(CHUNKED + chunks(bodies, extension=extension) + last, places)
    reading, merger = merged(pieces, direct=direct)

    assert reading.complete
    assert reading.body == b"".join(bodies)
    assert not merger.soiled
    assert reading.events <= len(pieces)


@given(BODIES, st.integers(0, 1000), st.binary(min_size=1, max_size=3), PLACES, st.booleans())
def test_what_is_malformed_is_never_read_as_something_else(
    bodies: list[bytes], place: int, noise: bytes, places: list[int], direct: bool
) -> None:
    wire = chunks(bodies) + b"0\r\n\r\n"
    place %= len(wire)
    wire = wire[:place] + noise + wire[place + len(noise) :]
    pieces = cut(CHUNKED + wire, places)
    reading, _ = merged(pieces, direct=direct)
    reference = plain(pieces)

    shorter, longer = sorted((reading.body, reference.body), key=len)
    assert longer.startswith(shorter)
    if reading.complete and reference.complete:
        assert reading.body == reference.body


WAYS = pytest.mark.parametrize("direct", [False, True], ids=["by the parser", "directly"])


@WAYS
@pytest.mark.parametrize("last", [b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n"])
def test_truncated_at_every_byte(last: bytes, direct: bool) -> None:
    wire = CHUNKED + chunks([b"hello", b"world" * 9]) + last
    for size in range(len(wire)):
        reading, _ = merged([wire[:size]], direct=direct)
        assert not reading.complete
        assert not reading.refused
        assert reading.body == plain([wire[:size]]).body


def test_every_byte_is_handed_on_at_once() -> None:
    """Nobody waits for the rest of a chunk."""
    merger = ChunkMerger()
    merger.sent(REQUEST)
    merger.received(CHUNKED)
    assert merger.received(b"64\r\nhel") == b"3\r\nhel\r\n"
    assert merger.received(b"lo") == b"2\r\nlo\r\n"


@WAYS
def test_many_chunks_are_one(direct: bool) -> None:
    reading, _ = merged([CHUNKED, chunks([b"data: 1\n\n"] * 500)], direct=direct)
    assert (reading.events, reading.body) == (1, b"data: 1\n\n" * 500)


MALFORMED = [
    b"5 \n",
    b"-5\r\nhello\r\n",
    b"0x5\r\nhello\r\n",
    b"5\nhello\n",
    b"5\r\nhello0\r\n",
    b"5\r\nhello\r\n\r\n",
    b"fffffffffffffffff\r\n",
    b'5;a="b\r\nc"\r\nhello\r\n',
    b"\r\n5\r\nhello\r\n",
    b"5\rhello",
]


@WAYS
@pytest.mark.parametrize("wire", MALFORMED)
def test_bad_chunks_are_refused_behind_what_was_good(wire: bytes, direct: bool) -> None:
    reading, _ = merged([CHUNKED, chunks([b"good"]), wire], direct=direct)
    assert (reading.body.removesuffix(b"hello"), reading.refused) == (b"good", True)
    assert not reading.complete


@WAYS
def test_what_only_the_other_parser_knows_is_left_to_it(direct: bool) -> None:
    """Blanks behind a size, which old servers send: in the first chunk, or not at all."""
    wire = b"5  \r\nhello\r\n0\r\n\r\n"
    for pieces in ([CHUNKED, wire], [CHUNKED + wire]):
        reading, _ = merged(pieces, direct=direct)
        assert (reading.complete, reading.body) == (True, b"hello")

    reading, _ = merged([CHUNKED, chunks([b"good"]), wire], direct=direct)
    assert (reading.refused, reading.body) == (True, b"good")


SMUGGLED = {
    "both lengths": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two codings": b"Transfer-Encoding: gzip, chunked\r\n",
    "chunked is not the last": b"Transfer-Encoding: chunked, gzip\r\n",
    "twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "a blank before the colon": b"Transfer-Encoding : chunked\r\n",
    "a bare LF": b"X: y\nTransfer-Encoding: chunked\r\n",
    "a bare CR": b"X: y\rTransfer-Encoding: chunked\r\n",
    "another name": b"Xransfer-Encoding: chunked\r\n",
    "no length": b"",
}


@pytest.mark.parametrize("fields", SMUGGLED.values(), ids=SMUGGLED)
def test_a_head_that_leaves_a_doubt_is_passed_on_with_its_body(fields: bytes) -> None:
    wire = b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n" + chunks([b"hello"]) + b"0\r\n\r\n"
    merger = ChunkMerger()
    merger.sent(REQUEST)
    for piece in (wire, REQUEST, wire):  # and so is all that comes after it
        assert merger.received(piece) == piece
        merger.sent(REQUEST)


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", CHUNKED),
        ("GET", CHUNKED.replace(b"200 OK", b"204 None")),
        ("GET", CHUNKED.replace(b"200 OK", b"304 Same")),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_heads_without_a_body(method: str, head: bytes) -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST.replace(b"GET", method.encode()))
    assert merger.received(head) == head
    merger.sent(REQUEST)  # the next one is read as any other
    wire = CHUNKED + b"1\r\na\r\n2\r\nbc\r\n"
    assert handed_on(merger, wire) == CHUNKED + b"3\r\nabc\r\n"


@pytest.mark.parametrize(
    "head",
    [
        CHUNKED.replace(b"1.1", b"1.0"),
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        CHUNKED.replace(b"\r\n", b"\n"),
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 101 * 1024,
        b"220 smtp ready\r\n\r\n",
    ],
)
def test_what_is_no_plain_http_is_passed_on(head: bytes) -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST)
    assert merger.received(head) == head
    assert merger.received(chunks([b"a", b"b"])) == chunks([b"a", b"b"])


@pytest.mark.parametrize(
    "first", [b"CONNECT h:1 HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_tunnels_and_http2_are_passed_on(first: bytes) -> None:
    merger = ChunkMerger()
    merger.sent(first)
    answer = CHUNKED + chunks([b"a", b"b"])
    assert merger.received(answer) == answer


def test_a_greeting_of_a_proxy_does_not_count() -> None:
    merger = ChunkMerger()
    merger.sent(b"\x05\x01\x00")
    assert merger.received(b"\x05\x00") == b"\x05\x00"
    merger.sent(REQUEST)
    assert handed_on(merger, CHUNKED + chunks([b"a", b"b"])) == CHUNKED + chunks([b"ab"])


@WAYS
def test_interim_heads(direct: bool) -> None:
    early = b"HTTP/1.1 103 Early\r\nLink: <x>\r\n\r\n"
    for pieces in ([early, early + CHUNKED], cut(early * 2 + CHUNKED, range(200))):
        reading, _ = merged([*pieces, chunks([b"a"] * 9) + b"0\r\n\r\n"], direct=direct)
        assert (reading.complete, reading.body, reading.events) == (True, b"a" * 9, 1)


def test_many_exchanges_on_one_connection() -> None:
    merger = ChunkMerger()
    counted = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n1\r\n\r"
    for _ in range(3):
        merger.sent(b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\n")
        merger.sent(b"GET / HTTP/1.1\r\n"[:9])  # a body, whatever it looks like
        assert merger.received(CHUNKED) == CHUNKED
        assert merger.received(chunks([b"a", b"b"]) + LAST) == chunks([b"ab"]) + LAST
        merger.sent(REQUEST)
        assert merger.received(counted[:-2]) == counted[:-2]
        assert merger.received(counted[-2:]) == counted[-2:]


def test_a_body_longer_than_it_says_ends_the_trust() -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST)
    wire = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc"
    assert merger.received(wire) == wire
    assert merger.soiled
    merger.sent(REQUEST)
    assert merger.received(CHUNKED + chunks([b"a", b"b"])) == CHUNKED + chunks([b"a", b"b"])


def test_the_end_of_a_body_that_was_read_directly_is_the_parsers_to_see() -> None:
    merger = ChunkMerger()
    for _ in range(2):  # and the connection serves again
        merger.sent(REQUEST)
        assert merger.received(CHUNKED + b"1\r\na") == CHUNKED
        assert merger.body(merger.held()) == b"a"
        assert merger.body(b"\r\n1\r\nb\r\n0\r\n\r\n") == b"b"
        assert not merger.merging
        assert (merger.ready(), merger.ready()) == (LAST, b"")
    assert not merger.soiled


def test_sending_in_the_midst_of_a_response_ends_the_trust() -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST)
    merger.received(CHUNKED)
    merger.sent(b"more of the body")
    assert merger.received(chunks([b"a", b"b"])) == chunks([b"a", b"b"])


ANOTHER = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
]


@WAYS
@pytest.mark.parametrize(
    "behind",
    [
        *ANOTHER,
        ANOTHER[0] * 2,
        b"HTTP/1.1 200 OK\r\n",
        b"garbage",
        b"1\r\nx\r\n",
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
    ],
)
def test_what_comes_behind_a_body_soils_the_connection(behind: bytes, direct: bool) -> None:
    reading, merger = merged([CHUNKED, chunks([b"hello"]) + b"0\r\n\r\n" + behind], direct=direct)
    assert (reading.complete, reading.body) == (True, b"hello")
    assert merger.soiled
    assert reading.connection.trailing_data == (b"", False)


@pytest.mark.parametrize("another", ANOTHER)
@pytest.mark.parametrize(
    ("method", "first"),
    [
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 None\r\n\r\n"),
        ("HEAD", CHUNKED),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello"),
        ("GET", CHUNKED + b"5  \r\nhello\r\n" + LAST),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
        ("GET", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello"),
        ("GET", b"HTTP/1.1 103 Early\n\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ],
)
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_nobody_gets_the_answer_to_a_question_that_was_not_asked(
    method: str, first: bytes, another: bytes, ends: bytes
) -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST.replace(b"GET", method.encode()))
    handed_on(merger, first + another.replace(b"\r\n", ends))
    assert merger.soiled


def test_no_matter_how_many_heads_announce_it() -> None:
    early = b"HTTP/1.1 100 Continue\r\n\r\n" * 3000
    reading, merger = merged([early + CHUNKED + chunks([b"a"] * 9) + LAST])
    assert (reading.complete, reading.body) == (True, b"a" * 9)
    assert not merger.soiled


def test_framing_without_a_body_has_a_bound() -> None:
    merger = ChunkMerger()
    merger.sent(REQUEST)
    merger.received(CHUNKED)
    assert merger.received(b"5;") == b""
    for _ in range(99):
        assert merger.received(b"a" * 1024) == b""
    with pytest.raises(FramingError, match="bytes came without one of the body"):
        merger.received(b"a" * 1024)
