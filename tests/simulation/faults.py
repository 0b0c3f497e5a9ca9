"""What a network, or a server on a bad day, does to one connection."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence

from attrs import frozen

from streamable_http import (
    ConnectError,
    ConnectionLost,
    ContentTypeError,
    DecodeError,
    RedirectError,
    StatusError,
    StreamError,
    StreamFailed,
    StreamTruncated,
    TimeoutExceeded,
    Timeouts,
)

from .scenario import Fault
from .server import Answer

__all__ = ["CLOCKS", "FAULTS", "Exchange", "Kind", "befall", "gzipped"]

CLOCKS = Timeouts(connect=10.0, first_byte=60.0, idle=300.0, between_items=900.0)


@frozen
class Exchange:
    """What the client meets of one connection.

    Attributes:
        failure: Instead of a head.
        status: Of the head.
        headers: Of the head, without framing.
        body: The bytes that come.
        last: What comes after them; None for an end.
        ends: As in `Answer`, as far as this body has them.
        seconds: How long the failure takes to show.
        length: How long the body was meant to be, if it is cut.
    """

    failure: StreamError | None = None
    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    last: StreamError | None = None
    ends: tuple[tuple[int, int], ...] = ()
    seconds: float = 0.0
    length: int | None = None


@frozen
class Kind:
    """A kind of fault.

    Attributes:
        errors: What the stream may fail with because of it.
        passes: Whether trying again helps, if the request may be sent again.
        do: What it makes of an answer; None if the network knows by itself.
    """

    errors: tuple[type[StreamError], ...]
    passes: bool
    do: Callable[[Fault, Answer, str], Exchange]


def befall(fault: Fault | None, answer: Answer, framing: str) -> Exchange:
    """What the client meets of `answer`."""
    return _whole(answer) if fault is None else FAULTS[fault.kind].do(fault, answer, framing)


def _whole(answer: Answer, body: bytes | None = None) -> Exchange:
    body = answer.body if body is None else body
    return Exchange(status=answer.status, headers=answer.headers, body=body, ends=answer.ends)


def _until(
    fault: Fault, answer: Answer, last: StreamError | None, seconds: float = 0.0
) -> Exchange:
    body = answer.body[: fault.at % (len(answer.body) + 1)]
    ends = tuple(pair for pair in answer.ends if pair[0] <= len(body))
    return Exchange(
        status=answer.status,
        headers=answer.headers,
        body=body,
        ends=ends,
        last=last,
        seconds=seconds,
        length=None if last is None else len(answer.body),
    )


def _cut(fault: Fault, answer: Answer, framing: str) -> Exchange:
    lost = None if framing == "close" else ConnectionLost("cut")
    return _until(fault, answer, lost)


def _reset(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return _until(fault, answer, ConnectionLost("reset by peer"))


def _end(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return _until(fault, answer, None)


def _stall(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return _until(fault, answer, TimeoutExceeded("idle", kind="idle"), CLOCKS.idle or 0.0)


def _heartbeats(fault: Fault, answer: Answer, framing: str) -> Exchange:
    error = TimeoutExceeded("between_items", kind="between_items")
    return _until(fault, answer, error, CLOCKS.between_items or 0.0)


def _before(error: Callable[[], StreamError], seconds: float) -> Kind:
    kinds = (type(error()),)
    return Kind(kinds, True, lambda *_: Exchange(failure=error(), seconds=seconds))


def _status(code: int, *, passes: bool) -> Kind:
    def do(fault: Fault, answer: Answer, framing: str) -> Exchange:
        headers = {"content-type": "text/plain"}
        if fault.value is not None:
            headers["retry-after"] = f"{fault.value:.0f}"
        return Exchange(status=code, headers=headers, body=b"not now")

    return Kind((StatusError,), passes, do)


def _redirect(code: int) -> Kind:
    def do(fault: Fault, answer: Answer, framing: str) -> Exchange:
        return Exchange(status=code, headers={"location": f"/moved/{fault.at % 3}"})

    return Kind((RedirectError,), True, do)  # more than 20 of them, one after another


def _elsewhere(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return Exchange(status=307, headers={"location": "http://other/feed"})


def _loop(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return Exchange(status=302, headers={"location": "/feed"})


def _nothing(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return Exchange(status=204)


def _page(fault: Fault, answer: Answer, framing: str) -> Exchange:
    return Exchange(headers={"content-type": "text/html"}, body=b"<html>Sign in, please")


def compressed(body: bytes, marks: Sequence[int] = ()) -> bytes:
    """A gzip body, flushed at `marks`, as servers do that compress a stream."""
    packer = zlib.compressobj(wbits=31)
    packed, before = b"", 0
    for mark in [*marks, len(body)]:
        packed += packer.compress(body[before:mark]) + packer.flush(zlib.Z_SYNC_FLUSH)
        before = mark
    return packed + packer.flush()


def _coded(answer: Answer) -> tuple[bytes, dict[str, str]]:
    packed = compressed(answer.body, [end for end, _ in answer.ends])
    return packed, {**answer.headers, "content-encoding": "gzip"}


def _gzip_cut(fault: Fault, answer: Answer, framing: str) -> Exchange:
    packed, headers = _coded(answer)
    return Exchange(headers=headers, body=packed[: 1 + fault.at % (len(packed) - 1)])


def _gzip_bad(fault: Fault, answer: Answer, framing: str) -> Exchange:
    packed, headers = _coded(answer)
    # At the start of a deflate block, where it shows at once: elsewhere only the checksum at the
    # very end would show it, behind items of any text.
    places = [10, *(found.end() for found in re.finditer(rb"\0\0\xff\xff", packed))]
    at = places[fault.at % len(places)]
    return Exchange(headers=headers, body=packed[:at] + b"\xff" * 16 + packed[at:])


def gzipped(answer: Answer) -> Exchange:
    """The answer, compressed and whole."""
    packed, headers = _coded(answer)
    return Exchange(status=answer.status, headers=headers, body=packed)


_BAD = {
    "text/event-stream": b"\xef\xbb\xbf\xff\xfe: \xff\r\ndata\xff: {oops\r\n\r\n",
    "application/x-ndjson": b'{"n": oops}\n',
    "application/json-seq": b'\x1e{"n": oops}\n',
    "application/json": b',{"n": oops}',
    "text/csv; charset=utf-8; header=present": b'"o"ops\n',
    "multipart/mixed; boundary=next": b"oops\r\n\r\n\r\n--next\r\n",
    "text/plain; charset=utf-8": b"\xff\xfe\n",
}
_FAILED = {
    "text/event-stream": b"event: error\ndata: out of memory\nid: failed\n\n",
    "application/x-ndjson": b'{"error": "out of memory"}\n',
    "application/json-seq": b'\x1e{"error": "out of memory"}\n',
}


def _inserted(pieces: Mapping[str, bytes]) -> Callable[[Fault, Answer, str], Exchange]:
    def do(fault: Fault, answer: Answer, framing: str) -> Exchange:
        piece = pieces.get(answer.headers.get("content-type", ""))
        if piece is None or not answer.blocks:
            return _whole(answer)
        at = answer.blocks[fault.at % len(answer.blocks)]
        body = answer.body[:at] + piece + answer.body[at:]
        ends = tuple(pair for pair in answer.ends if pair[0] <= at)
        return Exchange(status=answer.status, headers=answer.headers, body=body, ends=ends)

    return do


_CUT = (ConnectionLost, StreamTruncated)

FAULTS: Mapping[str, Kind] = {
    "cut": Kind(_CUT, True, _cut),
    "reset": Kind(_CUT, True, _reset),
    "early end": Kind(_CUT, True, _end),
    "stall": Kind((TimeoutExceeded,), True, _stall),
    "heartbeats only": Kind((TimeoutExceeded,), True, _heartbeats),
    "refused": _before(lambda: ConnectError("refused"), 0.0),
    "no connection": _before(lambda: TimeoutExceeded("connect", kind="connect"), 10.0),
    "lost before head": _before(lambda: ConnectionLost("lost"), 0.1),
    "no head": _before(lambda: TimeoutExceeded("first_byte", kind="first_byte"), 60.0),
    **{str(code): _status(code, passes=True) for code in (408, 425, 429, 500, 502, 503, 504)},
    **{str(code): _status(code, passes=False) for code in (400, 401, 403, 404, 410, 501)},
    **{f"redirect {code}": _redirect(code) for code in (301, 302, 307, 308)},
    "redirect elsewhere": Kind((RedirectError,), True, _elsewhere),
    "redirect loop": Kind((RedirectError,), False, _loop),
    "204": Kind((StreamTruncated,), False, _nothing),
    "web page": Kind((ContentTypeError,), False, _page),
    "gzip cut": Kind(_CUT, True, _gzip_cut),
    "gzip corrupt": Kind((DecodeError, *_CUT), False, _gzip_bad),
    "garbage": Kind((DecodeError,), False, _inserted(_BAD)),
    "failure inside": Kind((StreamFailed,), False, _inserted(_FAILED)),
}
