"""The usual responses, ready made."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from math import ceil, inf
from typing import Any

import msgspec
from attrs import evolve

from .._decoders.sse_event import ServerSentEvent
from .._errors import ConfigurationError
from .._request import HeaderTypes
from ._script import Framing, Response
from ._steps import Act, Cut, Delay, Reset, Stall, Step, Steps, is_known, played

__all__ = [
    "dripped",
    "event",
    "events",
    "gzipped",
    "ndjson",
    "redirect",
    "retry_after",
    "truncated",
]

_GZIP = 31  # zlib's number for gzip's own head and trailer
_CUT: Steps = (Cut(),)


def event(
    data: object, *, id: str | int | None = None, event: str | None = None, retry: int | None = None
) -> bytes:
    """One server-sent event, as bytes (`ServerSentEvent.encode` writes them).

    Args:
        data: Text as it is, all else as JSON.
        id: Its id; "" forgets the one before.
        event: Its type.
        retry: The reconnection time that it asks for, in milliseconds.

    Raises:
        ConfigurationError: `id`, `event` or `retry` cannot be written so that it is read again.
    """
    # Lines with nothing in them: for an empty id or type, a `ServerSentEvent` has no such line.
    empty = (b"event:\n" if event == "" else b"") + (b"id:\n" if id == "" else b"")
    last_id = "" if id is None else str(id)
    return empty + _written(ServerSentEvent(event or "message", _text(data), last_id, retry))


def events(
    *data: object,
    start: int = 1,
    then: Steps = (),
    headers: HeaderTypes | None = None,
    framing: Framing = "chunked",
) -> Response:
    """A response of server-sent events, with the ids `start`, `start + 1` and so on.

    Args:
        *data: The data of each: text as it is, a `ServerSentEvent` with its own fields (one of
            the empty type as a comment), bytes as they are (see `event`), all else as JSON.
        start: The id of the first.
        then: Steps behind them, such as `[Cut()]`.
        headers: More headers.
        framing: As in `Response`.
    """
    encoded = [_encoded(one, number) for number, one in enumerate(data, start)]
    return _response("text/event-stream", [*encoded, then], headers, framing)


def ndjson(
    *values: object,
    then: Steps = (),
    headers: HeaderTypes | None = None,
    framing: Framing = "chunked",
) -> Response:
    """A response of JSON values, one a line; bytes stay as they are.

    Args:
        *values: The values.
        then: Steps behind them, such as `[Cut()]`.
        headers: More headers.
        framing: As in `Response`.
    """
    lines = [v if isinstance(v, bytes) else msgspec.json.encode(v) + b"\n" for v in values]
    return _response("application/x-ndjson", [*lines, then], headers, framing)


def gzipped(response: Response) -> Response:
    """The response in gzip. Each of its bytes can be decoded as it comes; pauses stay."""
    headers = (*response.headers, ("Content-Encoding", "gzip"))
    return evolve(response, headers=headers, body=[*_compressed(_known(response, "gzipped"))])


def truncated(response: Response, at: int, *, then: Steps = _CUT) -> Response:
    """The response up to a byte of its body.

    Args:
        response: The whole response.
        at: How many bytes of the body to keep; less than 0 counts from its end.
        then: What happens there. Default: the connection ends. With `[]` the body ends properly
            as far as HTTP can tell, and is short in itself, as gzip or JSON.
    """
    steps = [*played(_known(response, "truncated"))]
    size = sum(len(step) for step in steps if isinstance(step, bytes))
    keep = size + at if at < 0 else at
    if not 0 <= keep <= size:
        raise ConfigurationError(f"at={at} is outside the body of {size} bytes: pass less")
    return evolve(response, body=[*_until(steps, keep), *_tail(response, steps, keep, then)])


def retry_after(seconds: float | str, *, status: int = 429) -> Response:
    """A refusal that says when to come again (`Retry-After`).

    Args:
        seconds: The seconds, of which the header has whole ones (RFC 9110, section 10.2.3): a
            fraction is rounded up. Text, such as a date, is sent as it is.
        status: The status.

    Raises:
        ConfigurationError: It is no number of seconds.
    """
    value: Any = seconds
    if not isinstance(value, str):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < inf:
            raise ConfigurationError(
                f"retry_after({value!r}) is no number of seconds: pass 0 or more, or a date as text"
            )
        value = str(ceil(value))
    return Response(status=status, headers={"Retry-After": value}, framing="length")


def redirect(location: str, *, status: int = 307) -> Response:
    """A redirect to another URL."""
    return Response(status=status, headers={"Location": location}, framing="length")


def dripped(data: bytes, every: float, *, size: int = 1) -> tuple[Step, ...]:
    """Steps: `size` bytes at a time, with a `Delay` of `every` seconds behind each."""
    pieces = (data[start : start + size] for start in range(0, len(data), size))
    return tuple(step for piece in pieces for step in (piece, Delay(every)))


def _response(kind: str, body: Any, headers: HeaderTypes | None, framing: Framing) -> Response:
    more = Response(headers=headers).headers
    return Response(headers=(("Content-Type", kind), *more), body=body, framing=framing)


def _encoded(value: object, number: int) -> bytes:
    if isinstance(value, bytes):
        return value
    if isinstance(value, ServerSentEvent):
        return _written(value)
    return event(value, id=number)


def _written(value: ServerSentEvent) -> bytes:
    try:
        return value.encode()
    except ValueError as exc:
        raise ConfigurationError(str(exc)) from exc


def _text(data: object) -> str:
    return data if isinstance(data, str) else msgspec.json.encode(data).decode()


def _known(response: Response, function: str) -> Steps:
    if is_known(response.body):
        return response.body
    raise ConfigurationError(
        f"{function}(…) needs the whole body, and this one has no length: pass a response whose "
        f"body is a list"
    )


def _compressed(steps: Steps) -> Iterator[Step]:
    coder = zlib.compressobj(wbits=_GZIP)
    for step in played(steps):
        if isinstance(step, bytes):
            yield coder.compress(step) + coder.flush(zlib.Z_SYNC_FLUSH)
        else:
            yield step
    yield coder.flush()


def _until(steps: list[Act], keep: int) -> Iterator[Act]:
    for step in steps:
        if keep <= 0:
            return
        if isinstance(step, bytes):
            yield step[:keep]
            keep -= len(step)
        else:
            yield step


def _tail(response: Response, steps: list[Act], keep: int, then: Steps) -> Iterator[Act]:
    """What happens at the place; behind it the rest, which is never sent but counts as length."""
    ends = [*played(then)]
    yield from ends
    if response.framing == "length" and any(isinstance(step, (Cut, Reset, Stall)) for step in ends):
        yield b"".join(step for step in steps if isinstance(step, bytes))[keep:]
