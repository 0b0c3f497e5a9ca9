"""Bytes that come close to what the formats allow."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable

from hypothesis import strategies as st

__all__ = [
    "CODINGS",
    "LIMITS",
    "coded",
    "cuts",
    "divided",
    "event_streams",
    "json_arrays",
    "json_bodies",
    "json_sequences",
    "mangled",
    "parts",
    "tables",
    "texts",
    "torn",
]

LIMITS = (1, 2, 5, 6, 7, 16, 63, 64, 65, 511, 512, 513, 1 << 20)
"""Sizes that items are limited to, and that long ones come close to."""

_BOM = b"\xef\xbb\xbf"
# What a mangled body has more of: bytes that mean something somewhere.
_SHARP = [bytes([byte]) for byte in b'\n\r\0 :[{"\\}]0a\x1f\x8b\xef\xbb\xbf\xff\xe2\x80']

cuts = st.lists(st.integers(0, 1 << 16), max_size=8)


def divided(body: bytes, places: list[int]) -> list[bytes]:
    """The body in pieces, some of them empty."""
    bounds = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(bounds)]


@st.composite
def mangled(draw: st.DrawFn, bodies: st.SearchStrategy[bytes]) -> bytes:
    """A body with a few bytes lost, changed, added or doubled; often none."""
    body = draw(bodies)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))):
        start = draw(st.integers(0, len(body)))
        stop = min(start + draw(st.sampled_from([0, 1, 1, 2, 7])), len(body))
        within = draw(st.sampled_from([b"", body[start:stop] * 2, *_SHARP]))
        body = body[:start] + within + body[stop:]
    return body


def torn(bodies: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """A body that perhaps stops early."""
    return st.builds(
        lambda body, share: body if share is None else body[: len(body) * share // 100],
        bodies,
        st.none() | st.none() | st.integers(0, 99),
    )


_long = st.builds(
    lambda size, more, unit: (unit * size)[: max(size + more, 0)],
    st.sampled_from(LIMITS[:-1]),
    st.integers(-8, 2),
    st.sampled_from([b"x", b"\xe2\x82\xac", b"1", b"\xff", b"a\x00", b"[", b"  "]),
)


def _bodies_of(lines: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Lines with ends of one kind or of all kinds; some of them many times over."""
    ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\n\r\n", b"\n\r", b""])
    mixed = st.lists(st.tuples(lines, ends).map(b"".join), max_size=8).map(b"".join)
    alike = st.builds(
        lambda parts, end: b"".join(part + end for part in parts),
        st.lists(lines, max_size=10),
        ends,
    )
    often = st.builds(lambda body, count: body * count, alike, st.sampled_from([2, 20, 120]))
    start = st.sampled_from([b"", b"", b"", _BOM, _BOM[:2], _BOM * 2])
    bodies = st.tuples(
        start, st.lists(mixed | alike | often, max_size=3).map(b"".join), lines | st.just(b"")
    )
    return torn(mangled(bodies.map(b"".join)))


_fields = st.tuples(
    st.sampled_from(
        [b"data", b"data", b"data", b"event", b"id", b"retry", b"", b"Data", b"dat", b"datas", b"x"]
    ),
    st.sampled_from([b": ", b": ", b":", b":  ", b"", b" :", b":\t", b"::"]),
    st.sampled_from(
        [
            b"", b"1", b"-2", b'"x"', b"tick", b"message", b"[DONE]", b" [DONE]", b"a\0b", b"\xff",
            b"\xc3\xa9", b"\xe2\x82", b"\xe2\x80\xa8", b"\x0b\x85", b"007", b"9" * 30, b"1e999",
            b'{"n":1}', b'{"n":', b"NaN",
        ]
    )
    | _long
    | st.binary(max_size=6),
).map(b"".join)  # fmt: skip
# As servers send them, or nearly so.
_blocks = st.builds(
    lambda fields, blank: b"\n".join(fields) + blank,
    st.lists(
        st.sampled_from(
            [b"data: a", b"data: 2", b"data:3", b"id: 1", b"id: 2", b"id:", b"event: tick", b": c"]
        ),
        max_size=4,
    ),
    st.sampled_from([b"\n", b"\n\n"]),
)
event_streams = _bodies_of(_fields | _blocks | _blocks | st.just(b""))

_json_words = st.sampled_from(
    [
        b"null", b"true", b"tru", b"0", b"-1", b"01", b"1.5e3", b"1e", b"1e999", b"NaN", b"9" * 400,
        b'""', b'"\\u00e9"', b'"\\ud800"', b'"\\x"', b'"\n"', b'"\xff"', b'"\xc3\xa9"', b"[", b"]",
        b"[]", b"{}", b"{", b'{"n":"1"}', b'{"n":1,"n":2}', b'{"m":', b",", b":", b"END",
        b"[DONE]", b'{"n":1}', b"[" * 3000, b"[" * 60 + b"]" * 60, b"1 2", b"//", b"'a'", _BOM, b"",
    ]
)  # fmt: skip
_json_lines = st.tuples(
    st.sampled_from([b"", b"", b"", b" ", b"\t", b"\x0b", b"\x1e"]),
    _json_words | _long | st.integers().map(lambda value: str(value).encode()),
    st.sampled_from([b"", b"", b"", b" ", b"\r", b"\t\r", b"\0"]),
).map(b"".join)
json_bodies = _bodies_of(_json_lines)

_json_items = st.lists(_json_words | _long, max_size=8)
json_sequences = torn(
    mangled(
        st.builds(
            lambda start, texts, end: start + b"".join(b"\x1e" + text + end for text in texts),
            st.sampled_from([b"", b"", _BOM, b"\n", b"1\n"]),
            _json_items,
            st.sampled_from([b"\n", b"\n", b"\n\n", b" ", b""]),
        )
    )
)
json_arrays = torn(
    mangled(
        st.builds(
            lambda around, items, comma: around[0] + comma.join(items) + around[1],
            st.sampled_from(
                [
                    (b"[", b"]"), (_BOM + b"\n[", b"]\n"), (b'{"data":{"items":[', b"]}}"),
                    (b'{"x":"\\u00e9\xc3\xa9",\n"d\\u0061ta":{"y":[{}],"items":[', b'],"z":1e5}}'),
                ]
            ),
            _json_items,
            st.sampled_from([b",", b",", b" ,\n", b"],["]),
        )
    )
)  # fmt: skip

_cells = st.sampled_from(
    [b"a", b"1", b"", b'"a"', b'""', b'"a""b"', b'"a,\nb"', b'"', b'a"', b'"a"b', b"\xe9", b"\x81,"]
)
_rows = st.builds(
    lambda cells, end: b",".join(cells) + end,
    st.lists(_cells | _long, max_size=4),
    st.sampled_from([b"\n", b"\r\n", b"\n", b"\r", b"\t"]),
)
tables = torn(
    mangled(
        st.builds(
            lambda start, rows: start + b"".join(rows),
            st.sampled_from([b"", _BOM, b"a,b\n", b"\n"]),
            st.lists(_rows | st.sampled_from([b"END\n", b"\n"]), max_size=8),
        )
    )
)
_pieces = st.sampled_from(
    [
        b"--b", b"--b\r\n", b"--b--", b"----b\n", b"\r\n", b"\n", b"\r", b" ", b"a: b\r\n", b"x",
        b"content-length: 2\r\n", b"content-length: x\r\n", b"--bc", b"--", b"\t",
    ]
)  # fmt: skip
parts = torn(
    mangled(
        st.builds(
            lambda start, pieces: start + b"".join(pieces),
            st.sampled_from([b"", b"--b\r\n", b"pre\r\n--b\r\n\r\n"]),
            st.lists(_pieces | _long, max_size=24),
        )
    )
)

texts = _bodies_of(
    st.sampled_from([b"", b"END", b"a", b"\xc3\xa9", b"\x81\x30", b"\x81", b"\x0c", b"\x1c"])
    | _long
)


def _raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, 1, mtime=0),
    "deflate": lambda data: zlib.compress(data, 1),
    "x-gzip": lambda data: gzip.compress(data, 0, mtime=0),
    "deflate, gzip": lambda data: gzip.compress(zlib.compress(data), 1, mtime=0),
    "Deflate": _raw_deflate,
}


def coded(
    coding: str, parts: st.SearchStrategy[list[bytes]]
) -> st.SearchStrategy[tuple[bytes, bytes]]:
    """What parts of a body are, and a coding of each; several are members where it is gzip's."""
    make = CODINGS[coding]
    plain = parts.map(b"".join)
    if coding not in {"gzip", "x-gzip"}:
        return plain.map(lambda data: (data, make(data)))
    return parts.map(lambda each: (b"".join(each), b"".join(map(make, each))))
