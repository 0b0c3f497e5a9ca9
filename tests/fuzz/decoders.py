"""Targets: every decoder, and the content codings.

Whatever the bytes, and however they are cut: the same items at the same positions, the same error,
which is a documented one, and never more bytes held than the limit allows.
"""

from __future__ import annotations

import time
from typing import Any

from decoder_harness import facts, tell
from hypothesis import assume
from hypothesis import strategies as st

from streamable_http._content import content_decoder
from streamable_http._decoders import sse_engine
from streamable_http._decoders.arrays import JSONArray
from streamable_http._decoders.choose import build_engine, check_registry
from streamable_http._decoders.csv_table import CSV
from streamable_http._decoders.engine import Context, DecoderFactory, Engine
from streamable_http._decoders.frames import LengthPrefixed
from streamable_http._decoders.json_sequence import JSONSeq
from streamable_http._decoders.multipart import Multipart
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, SSEData, SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._errors import (
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    StreamFailed,
    StreamTruncated,
)
from streamable_http._values import Failure, Headers, Limits, Terminal

from .grammar import (
    CODINGS,
    LIMITS,
    coded,
    cuts,
    divided,
    event_streams,
    json_arrays,
    json_bodies,
    json_sequences,
    mangled,
    parts,
    tables,
    texts,
    torn,
)

__all__ = [
    "arrays",
    "codings",
    "events",
    "frames",
    "json_by_type",
    "linear",
    "lines",
    "multiparts",
    "raw",
    "records",
    "sequences",
    "table",
]

_REGISTRY = check_registry({})
_DOCUMENTED = {DecodeError, LimitExceeded, StreamTruncated, StreamFailed, ContentTypeError}

policies = st.sampled_from(["raise", "skip"])
limits = st.sampled_from(LIMITS).map(lambda size: Limits(max_item_bytes=size))


def contexts(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of what an engine may be told about its stream."""
    return st.fixed_dictionaries({"limits": limits, "on_bad_item": policies}, optional=fields)


def _held(engine: Engine[Any]) -> int:
    kept = [value for value in vars(engine).values() if isinstance(value, (bytes, bytearray))]
    return sum(map(len, kept))


def _agree(
    decoder: DecoderFactory[Any] | None,
    context: dict[str, Any],
    body: bytes,
    places: list[int],
    *,
    framed: bool = True,
) -> None:
    def build() -> Engine[Any]:
        return build_engine(decoder, _REGISTRY, Context(**context))

    whole = tell(build(), [body], framed=framed)
    assert whole.error is None or whole.error[0] in _DOCUMENTED
    assert tell(build(), divided(body, places), framed=framed) == whole
    if len(body) < 5000:
        bytewise = [body[at : at + 1] for at in range(len(body))]
        assert tell(build(), bytewise, framed=framed) == whole
    _holds_no_more(build(), context["limits"], divided(body, places))


def _holds_no_more(engine: Engine[Any], limits: Limits, pieces: list[bytes]) -> None:
    """Between two pieces there is at most one item and a little."""
    before = _held(engine)
    for piece in pieces:
        if engine.feed(piece).error is not None:
            return
        assert _held(engine) <= before + limits.max_item_bytes + 8


def events(data: st.DataObject) -> None:
    draw = data.draw
    spec = draw(st.sampled_from([SSE(), SSE(comments=True), SSEText(), SSEData(), SSEData(int)]))
    context = draw(
        contexts(
            terminal=st.sampled_from(["[DONE]", "a", "", Terminal("tick"), Terminal("message")]),
            failure=st.sampled_from([Failure(event="tick"), Failure(event="message")]),
            event_id=st.sampled_from(["0", "\xe9"]),
            behind=st.sampled_from([(), (b"12345678",), (b"x",) * 256]),
        )
    )
    usual = sse_engine._WORTH_A_SHORTCUT
    sse_engine._WORTH_A_SHORTCUT = draw(st.sampled_from([0, usual]))
    try:
        _agree(spec, context, draw(event_streams), draw(cuts))
    finally:
        sse_engine._WORTH_A_SHORTCUT = usual


def records(data: st.DataObject) -> None:
    draw = data.draw
    spec: Any = draw(st.sampled_from([NDJSON(), NDJSON(int), NDJSON(dict[str, int] | str)]))
    context = draw(contexts(terminal=st.sampled_from(["END", "1", "[DONE]"])))
    _agree(spec, context, draw(json_bodies), draw(cuts), framed=draw(st.booleans()))


def sequences(data: st.DataObject) -> None:
    draw = data.draw
    spec: Any = draw(st.sampled_from([JSONSeq(), JSONSeq(int), JSONSeq(dict[str, int] | str)]))
    context = draw(contexts(terminal=st.sampled_from(["END", "1", "[DONE]"])))
    _agree(spec, context, draw(json_sequences), draw(cuts), framed=draw(st.booleans()))


def arrays(data: st.DataObject) -> None:
    draw = data.draw
    path = ("data", "items")
    spec: Any = draw(
        st.sampled_from([JSONArray(), JSONArray(int), JSONArray(path=path), JSONArray(str, path)])
    )
    context = draw(contexts(terminal=st.sampled_from(["END", "1", "[DONE]"])))
    _agree(spec, context, draw(json_arrays), draw(cuts), framed=draw(st.booleans()))


def json_by_type(data: st.DataObject) -> None:
    draw = data.draw
    kind = draw(st.sampled_from(["application/json", "Application/JSONL; charset=x"]))
    context = draw(contexts(headers=st.just(Headers([("content-type", kind)]))))
    assume("headers" in context)
    _agree(None, context, draw(json_bodies | json_arrays), draw(cuts), framed=draw(st.booleans()))


_CHARSETS = ["utf-8", "latin-1", "gbk", "gb18030", "cp037", "utf-16", "utf-7", "idna", "x\0", '"']


def lines(data: st.DataObject) -> None:
    draw = data.draw
    charset = draw(st.sampled_from(_CHARSETS) | st.text(max_size=6))
    kind = Headers([("content-type", f"text/plain; charset={charset}")])
    context = draw(contexts(terminal=st.sampled_from(["END", "a", ""]), headers=st.just(kind)))
    try:
        build_engine(Lines(), _REGISTRY, Context(**context))
    except ContentTypeError:
        return
    _agree(Lines(), context, draw(texts), draw(cuts), framed=draw(st.booleans()))


def raw(data: st.DataObject) -> None:
    draw = data.draw
    body, offset = draw(texts), draw(st.sampled_from([0, 7]))
    told = tell(Raw().build(Context(offset=offset)), divided(body, draw(cuts)))
    assert b"".join(told.items) == body
    assert told.error is None
    for item, position in zip(told.items, told.positions, strict=True):
        offset += len(item)
        assert position.offset == offset


def codings(data: st.DataObject) -> None:
    draw = data.draw
    coding = draw(st.sampled_from(sorted(CODINGS)))
    part = st.binary(max_size=60) | st.sampled_from([b"ab" * 40_000, bytes(70_000)])
    plain, good = draw(coded(coding, st.lists(part, max_size=3)))
    body = draw(torn(mangled(st.just(good))))
    headers = Headers([("content-encoding", coding)])

    def undone(pieces: list[bytes]) -> tuple[bytes, Any]:
        decoder, made = content_decoder(headers, Limits()), bytearray()
        try:
            for piece in pieces:
                for part in decoder.feed(piece):
                    assert 0 < len(part) <= 1 << 16
                    made += part
            decoder.finish()
        except (DecodeError, StreamTruncated) as error:
            return bytes(made), facts(error)
        return bytes(made), None

    whole = undone([body])
    assert undone(divided(body, draw(cuts))) == whole
    if body == good:
        assert whole == (plain, None)


def table(data: st.DataObject) -> None:
    draw = data.draw
    spec: Any = draw(
        st.sampled_from(
            [
                CSV(),
                CSV(list[str], header=False),
                CSV(dict[str, int], empty="0"),
                CSV(delimiter="\t"),
            ]
        )
    )
    context = draw(contexts(terminal=st.sampled_from(["END", "1", '"a"', ""])))
    charset = draw(st.sampled_from(["", "; charset=iso-8859-1", "; charset=gbk; header=present"]))
    context["headers"] = Headers([("content-type", f"text/csv{charset}")])
    _agree(spec, context, draw(tables), draw(cuts), framed=draw(st.booleans()))


def multiparts(data: st.DataObject) -> None:
    draw = data.draw
    kind = draw(st.sampled_from(["mixed", "x-mixed-replace"]))
    name = draw(st.sampled_from(["; boundary=b", "; boundary=--b", ""]))
    context = draw(contexts())
    context["headers"] = Headers([("content-type", f"multipart/{kind}{name}")])
    _agree(Multipart(), context, draw(parts), draw(cuts), framed=draw(st.booleans()))


def frames(data: st.DataObject) -> None:
    draw = data.draw
    spec = LengthPrefixed(
        draw(st.sampled_from([1, 2, 4, 8])), draw(st.sampled_from(["big", "little"]))
    )
    body = draw(st.lists(st.sampled_from([b"\0", b"\1", b"\2", b"\xff", b"a"]), max_size=60))
    _agree(spec, draw(contexts()), b"".join(body), draw(cuts), framed=draw(st.booleans()))


_PUMPED = 1 << 18
_TIMES = 8


def linear(data: st.DataObject) -> None:
    """Eight times the bytes take about eight times as long, not sixty-four times."""
    draw = data.draw
    decoder, bodies, headers = draw(
        st.sampled_from(
            [
                (SSE(), event_streams, Headers()),
                (SSEData(), event_streams, Headers()),
                (NDJSON(), json_bodies, Headers()),
                (JSONSeq(), json_sequences, Headers()),
                (JSONArray(), json_arrays, Headers()),
                (Lines(), texts, Headers()),
                (CSV(list[str], header=False), tables, Headers()),
                (Multipart("b"), parts, Headers()),
                (LengthPrefixed(1), parts, Headers()),
                (None, json_bodies, Headers([("content-type", "application/json")])),
            ]
        )
    )
    unit = draw(bodies)[:400]
    assume(unit)
    few = unit.count(b"\n") + unit.count(b"\r") <= len(unit) // 32
    size = _PUMPED if few else _PUMPED // 8
    piece = draw(st.sampled_from([256, 4096, size * _TIMES]))
    context = Context(headers=headers, on_bad_item="skip", limits=Limits(max_item_bytes=1 << 30))

    def seconds(length: int) -> float:
        body = (unit * (length // len(unit) + 1))[:length]
        pieces = [body[at : at + piece] for at in range(0, length, piece)]
        engine: Engine[Any] = build_engine(decoder, _REGISTRY, context)
        begun = time.process_time()
        for one in pieces:
            engine.feed(one)
        engine.finish()
        return time.process_time() - begun

    for _ in range(3):  # the machine may have been busy
        small, large = seconds(size), seconds(size * _TIMES)
        if large < 0.05 or large < small * _TIMES * 3:
            return
    raise AssertionError(f"{unit!r} in pieces of {piece}: {small:.3f} s, and {large:.3f} s for 8x")
