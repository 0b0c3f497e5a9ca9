"""Target: the life of a stream against servers that answer anything."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from hypothesis import strategies as st
from playbook import head, order

import streamable_http._errors as errors
from streamable_http._decoders.engine import Position
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, SSEData, SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._effects import Close, Emit, Open, Read, Sleep
from streamable_http._resume import (
    ByteRange,
    ItemCursor,
    LastEventID,
    NoResume,
    position_of,
    sends_again,
)
from streamable_http._retry import RetryPolicy
from streamable_http._session import Session
from streamable_http._values import Cursor, Failure, Limits, ResponseInfo, Timeouts

from .grammar import CODINGS, cuts, divided, event_streams, json_bodies, mangled, texts

__all__ = ["lives"]

_DOCUMENTED = {getattr(errors, name) for name in errors.__all__} - {errors.StreamError}
_MOST_STEPS = 5000


@frozen
class Answer:
    """What comes of one request: an error, or a head and a body that ends somehow."""

    head: ResponseInfo | errors.StreamError
    body: bytes = b""
    end: errors.StreamError | None = None


_words = st.text(max_size=8)
_numbers = st.sampled_from(["0", "1", "5", "7", "12", "-1", "1" * 5000, "\xb2", ""])
_ranges = st.builds(
    lambda first, last, whole: f"bytes {first}-{last}/{whole}",
    _numbers,
    _numbers,
    _numbers | st.just("*"),
)
_HEADERS: dict[str, st.SearchStrategy[str]] = {
    "transfer_encoding": st.sampled_from(["", "chunked", "gzip, chunked", "chunked, x"]),
    "content_length": _numbers,
    "etag": st.sampled_from(['"a"', '"b"', 'W/"a"', '"', "a", '"\xff"']),
    "accept_ranges": st.sampled_from(["bytes", "none", "x, Bytes"]),
    "content_range": _ranges | _numbers.map("bytes */{}".format) | _words,
    "location": st.sampled_from(
        ["/next", "", "//other/x", "http://[", "//h:99999", "ftp://h/", "http://user@host/a", "?a"]
    )
    | _words,
    "retry_after": _numbers | st.sampled_from(["Wed, 21 Oct 2015 07:28:00 GMT", "x"]),
    "date": st.sampled_from(["Wed, 21 Oct 2015 07:27:59 GMT", "Wed, 99 Oct 99999 99:99:99 GMT"]),
}
_STATUSES = [200] * 12 + [206] * 4 + [
    100, 204, 205, 299, 301, 302, 303, 304, 307, 308, 400, 401, 404, 408, 410, 412, 416, 416, 425,
    429, 500, 502, 503, 504, 599,
]  # fmt: skip
_KINDS = ["text/event-stream", "application/x-ndjson", "application/json", "text/html", "x", ""]


def _errors(*kinds: str) -> st.SearchStrategy[errors.StreamError]:
    lost = st.builds(errors.ConnectionLost, st.just("lost"))
    return lost | st.builds(
        lambda kind: errors.TimeoutExceeded(kind, kind=kind), st.sampled_from(kinds)
    )


@st.composite
def _answers(draw: st.DrawFn, bodies: st.SearchStrategy[bytes], kind: str) -> Answer:
    if draw(st.integers(0, 7)) == 0:
        refused = st.builds(errors.ConnectError, st.just("refused"))
        return Answer(draw(refused | _errors("connect", "first_byte", "total")))
    given = {name: draw(_HEADERS[name]) for name in draw(st.sets(st.sampled_from([*_HEADERS])))}
    kind = draw(st.sampled_from([kind] * 9 + _KINDS))
    body = draw(bodies)
    coding = draw(st.sampled_from([""] * 12 + [*CODINGS, "br", "identity"]))
    if coding in CODINGS:
        body = draw(mangled(st.just(CODINGS[coding](body))))
    answer = head(draw(st.sampled_from(_STATUSES)), kind, content_encoding=coding, **given)
    return Answer(answer, body, draw(st.none() | _errors("idle", "between_items")))


_numbered = st.lists(
    st.builds(
        lambda seq, fields: fields % ((seq,) * fields.count(b"%d")),
        st.integers(0, 9),
        st.sampled_from(
            [
                b"id: %d\ndata: %d\n\n",
                b'id: %d\ndata: {"n": %d}\n\n',
                b"data: %d\n\n",
                b"id\ndata: 1\n\n",
            ]
        ),
    ),
    max_size=8,
).map(b"".join)
_numbered_lines = st.lists(
    st.builds(lambda seq: b'{"n": %d}\n' % seq, st.integers(0, 9)) | st.just(b'{"m": 1}\n'),
    max_size=8,
).map(b"".join)
_FORMATS: list[tuple[Any, str, st.SearchStrategy[bytes]]] = [
    (SSE(), "text/event-stream", mangled(_numbered) | event_streams),
    (SSEText(), "text/event-stream", mangled(_numbered) | event_streams),
    (SSEData(), "text/event-stream", mangled(_numbered) | event_streams),
    (NDJSON(), "application/x-ndjson", mangled(_numbered_lines) | json_bodies),
    (None, "application/json", mangled(_numbered_lines) | json_bodies),
    (Lines(), "text/plain", texts),
    (Raw(), "application/octet-stream", texts),
]
_RESUMES: list[Any] = [
    None,
    None,
    NoResume(),
    LastEventID(),
    LastEventID(by="get"),
    LastEventID(by="location"),
    ByteRange(),
    ItemCursor(get="n", apply="since"),
    ItemCursor(get="n", apply=lambda n: {"json": {"after": n}, "headers": {"X": n}}, key="n"),
    ItemCursor(get="n", apply="since", gone=lambda item: item == {"m": 1}),
]


@st.composite
def _orders(draw: st.DrawFn, decoder: Any) -> dict[str, Any]:
    resume = draw(st.sampled_from(_RESUMES))
    method = draw(st.sampled_from(["GET", "GET", "POST"]))
    start = Position()
    if isinstance(resume, ItemCursor):
        start = Position(value=draw(st.sampled_from([None, None, 3, "x", 0.5, 10**40])))
    elif isinstance(resume, ByteRange):
        start = draw(st.sampled_from([Position(), Position(offset=7, etag='"a"')]))
    elif not isinstance(resume, NoResume):
        start = Position(event_id=draw(st.sampled_from(["", "", "3", "\xe9\u20ac", " 1", "a\nb"])))
    some: dict[str, st.SearchStrategy[Any]] = {
        "terminal": st.sampled_from(["[DONE]", "1", lambda item: item == {"n": 9}]),
        "failure": st.sampled_from([Failure(path="m"), lambda item: item == "2"]),
        "limits": st.builds(
            Limits,
            max_item_bytes=st.sampled_from([5, 16, 1 << 20]),
            max_items=st.none() | st.integers(1, 9),
            max_stream_bytes=st.none() | st.integers(1, 300),
        ),
        "on_bad_item": st.just("skip"),
        "follow": st.just(True),
        "follow_redirects": st.just(False),
        "replayable": st.just(False),
        "refreshes": st.just(True),
        "require_proof": st.just(True),
        "any_content_type": st.just(True),
        "compress": st.just(True),
        "timeouts": st.builds(Timeouts, total=st.sampled_from([1.0, 20.0])),
        "retry": st.builds(RetryPolicy, stop=st.integers(1, 4)),
    }
    if isinstance(decoder, Raw):
        some["terminal"] = some["failure"] = st.just(lambda item: item.endswith(b"END"))
    given = draw(st.fixed_dictionaries({}, optional=some))
    resendable = method == "GET" or sends_again(resume)
    return {"resume": resume, "method": method, "start": start, "resendable": resendable, **given}


def lives(data: st.DataObject) -> None:
    """Any life ends, in good order or with a documented error, whatever the cuts."""
    decoder, kind, bodies = data.draw(st.sampled_from(_FORMATS))
    settings = data.draw(_orders(decoder), label="order")
    answers = data.draw(st.lists(_answers(bodies, kind), max_size=6), label="answers")
    told = _live(decoder, settings, [(one, [one.body]) for one in answers])
    if isinstance(decoder, Raw):
        return  # its items are the cuts
    places = data.draw(cuts, label="cuts")
    assert _live(decoder, settings, [(one, divided(one.body, places)) for one in answers]) == told


def _live(
    decoder: Any, settings: dict[str, Any], answers: list[tuple[Answer, list[bytes]]]
) -> tuple[Any, ...]:
    """Plays a life, and tells what came of it."""
    ordered = order(decoder, **settings)
    life = Session(ordered, jitter=lambda: 0.5, tell=lambda _: None, now=0.0)
    items: list[Any] = []
    slept: list[float] = []
    body: list[Any] = []
    for _ in range(_MOST_STEPS):
        reply: Any = None
        match life.effect:
            case None:
                break
            case Open():
                answer, pieces = answers.pop(0) if answers else (_NOBODY, [])
                reply = answer.head
                body = [*filter(None, pieces), answer.end or b""]
            case Read():
                reply = body.pop(0) if body else b""
            case Emit(batch):
                assert batch.items
                items += batch.items
                _marks(life, batch)
            case Sleep(seconds):
                assert 0 <= seconds <= ordered.retry.max_delay
                life.now += seconds
                slept.append(seconds)
            case Close():
                body = []
        if isinstance(reply, errors.StreamError):
            life.fail(_anew(reply))
        else:
            life.reply(reply)
    assert life.effect is None, "it does not end"
    assert life.error is None or type(life.error) in _DOCUMENTED, repr(life.error)
    assert life.decoded == life.stats.items == len(items)
    assert len(items) <= (ordered.limits.max_items or len(items))
    assert (life.stats.ended is None) == (life.error is not None)
    return items, type(life.error), str(life.error), life.position, slept


_NOBODY = Answer(errors.ConnectError("nobody is there"))


def _anew(error: errors.StreamError) -> errors.StreamError:
    """The same error; the session writes its evidence on it."""
    if isinstance(error, errors.TimeoutExceeded):
        return errors.TimeoutExceeded(str(error), kind=error.kind)
    return type(error)(str(error))


def _marks(life: Session[Any], batch: Any) -> None:
    """Every item has its place, and a cursor that is given out is taken back."""
    for index in range(len(batch.items)):
        cursor = life.cursor(batch.marks.position(index), index)
        if cursor is not None:
            assert Cursor.from_json(cursor.to_json()) == cursor
            position_of(cursor, life.order.resume)
