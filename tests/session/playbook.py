"""Plays a session as a script: rows of what it must ask for, and what it is answered. No I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamable_http._decoders.choose import check_registry
from streamable_http._decoders.engine import DecoderFactory, Position
from streamable_http._decoders.sse import SSEText
from streamable_http._effects import Close, Effect, Emit, Open, Read, Sleep, Target
from streamable_http._errors import ConnectionLost, StreamError
from streamable_http._order import Order
from streamable_http._reports import StreamEvent
from streamable_http._retry import RetryPolicy
from streamable_http._session import Session
from streamable_http._values import Headers, Limits, ResponseInfo, Timeouts

URL = "http://host/feed"
READ, OPEN, CLOSE, DRAIN = Read(), Open, Close(), Close(drain=True)
A, B, C = b"id: 1\ndata: a\n\n", b"id: 2\ndata: b\n\n", b"id: 3\ndata: c\n\n"
LOST = ConnectionLost("cut")
NO_TRY = RetryPolicy(stop=1)
FIXED_WAIT = RetryPolicy(stop=5, wait=lambda _: 1.0)


class After(NamedTuple):
    """An answer that takes its time."""

    seconds: float
    answer: Any = None


BODILESS = frozenset({"GET", "HEAD"})
"""Methods of requests that have no body here, unless a test says so."""


def soon(seconds: float) -> Read:
    """A read for which only this long is left."""
    return Read(within=seconds)


def asked(
    *, after: str = "", method: str = "GET", url: str | None = None, **target: bool
) -> tuple[Target, str]:
    """What an `Open` must ask for: where to, and after which event."""
    return Target(method, url, **{"body": method not in BODILESS, **target}), after


def script(session: Session[Any], *rows: tuple[Any, Any]) -> Session[Any]:
    """Plays the rows; time passes in `Sleep` and `After` alone."""
    for number, (expected, answer) in enumerate(rows):
        effect, reply = session.effect, answer
        assert _is_as(effect, expected), f"row {number}: {effect!r} is not {expected!r}"
        if isinstance(effect, Sleep):
            session.now += effect.seconds
        if isinstance(answer, After):
            session.now += answer.seconds
            reply = answer.answer
        if isinstance(reply, StreamError):
            session.fail(reply)
        else:
            session.reply(reply)
    return session


def over(session: Session[Any], error: type[BaseException] | None = None, text: str = "") -> Any:
    """The session is over, with this error; returns the error."""
    assert session.effect is None, f"not over: {session.effect!r}"
    if error is None:
        assert session.error is None, repr(session.error)
    else:
        assert type(session.error) is error, repr(session.error)
        assert text in str(session.error)
    return session.error


def last_event_id(effect: Open) -> str:
    """The event after which an `Open` asks the server to go on."""
    return dict(effect.patch.headers).get("last-event-id", b"").decode()


def _is_as(effect: Effect | None, expected: Any) -> bool:
    if isinstance(expected, type):
        return isinstance(effect, expected)
    if isinstance(expected, list):
        return isinstance(effect, Emit) and effect.batch.items == expected
    if isinstance(expected, tuple):
        return isinstance(effect, Open) and (effect.target, last_event_id(effect)) == expected
    return bool(effect == expected)


def head(status: int = 200, media_type: str = "text/event-stream", **headers: str) -> ResponseInfo:
    """A response's head, framed by chunks unless `transfer_encoding=""` says otherwise."""
    headers = {"transfer_encoding": "chunked", "content_type": media_type, **headers}
    url = headers.pop("url", URL)
    pairs = [(name.replace("_", "-"), value) for name, value in headers.items() if value]
    return ResponseInfo(status, Headers(pairs), url, media_type=media_type)


def order(
    decoder: DecoderFactory[Any] | None = SSEText(),  # noqa: B008  # frozen
    registry: dict[str, Any] | None = None,
    **changes: Any,
) -> Order[Any]:
    """An order of a GET for text events, with changes."""
    settings: dict[str, Any] = {
        "label": "GET http://host/feed",
        "method": "GET",
        "resendable": True,
        "has_body": changes.get("method", "GET") not in BODILESS,
        "replayable": True,
        "follow_redirects": True,
        "refreshes": False,
        "terminal": None,
        "failure": None,
        "on_bad_item": "raise",
        "resume": None,
        "follow": False,
        "start": Position(),
        "retry": FIXED_WAIT,
        "timeouts": Timeouts(),
        "limits": Limits(),
        "any_content_type": False,
        "compress": False,
        "require_proof": False,
        **changes,
    }
    return Order(decoder=decoder, registry=check_registry(registry or {}), **settings)


def session(
    decoder: DecoderFactory[Any] | None = SSEText(),  # noqa: B008  # frozen
    *,
    told: list[StreamEvent] | None = None,
    jitter: float = 1.0,
    **changes: Any,
) -> Session[Any]:
    """A session at time 100."""
    tell = (lambda _: None) if told is None else told.append
    return Session(order(decoder, **changes), jitter=lambda: jitter, tell=tell, now=100.0)


def opened(**changes: Any) -> Session[Any]:
    """A session whose first response is there."""
    return script(session(**changes), (OPEN, head()))
