"""What the client's request says to the upstream, and what the upstream's refusal says back."""

from __future__ import annotations

import math
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request

from streamable_http import RetriesExhausted, StatusError, StreamError, TimeoutExceeded

__all__ = ["last_event_id", "refusal"]

_BAD_GATEWAY, _UNAVAILABLE, _GATEWAY_TIMEOUT = 502, 503, 504

# They are about credentials, and those that the upstream saw were the gateway's.
_OURS = frozenset({401, 407})


def last_event_id(request: Request) -> str | None:
    """Where the client left off, for `start=`; also a dependency for FastAPI's `Depends`.

    Args:
        request: The client's request.

    Returns:
        Its `Last-Event-ID` (WHATWG HTML, section 9.2.4), or None without one.

    Raises:
        starlette.exceptions.HTTPException: 400: the header is not UTF-8, so it is no event's ID.
    """
    value = request.headers.get("last-event-id", "")
    try:
        # Starlette reads headers as Latin-1; this one is UTF-8.
        return value.encode("latin-1").decode() or None
    except UnicodeDecodeError as exc:
        raise HTTPException(400, "Last-Event-ID is not UTF-8") from exc


def refusal(error: StreamError) -> HTTPException:
    """The answer to a client whose upstream could not be opened.

    A client's error (4xx) and 503 are passed on, with `Retry-After`; but 401 and 407 are between
    the gateway and its upstream. A timeout is 504. All else is 502. Nothing of the upstream's text
    is in the answer.

    Args:
        error: Why it could not be opened.

    Returns:
        The exception for the app's own handlers.
    """
    if isinstance(error, RetriesExhausted) and error.last_error is not None:
        error = error.last_error
    if isinstance(error, TimeoutExceeded):
        return _answer(_GATEWAY_TIMEOUT)
    if isinstance(error, StatusError):
        return _answer(_passed_on(error.status_code), _retry_after(error))
    return _answer(_BAD_GATEWAY)


def _answer(status: int, headers: dict[str, str] | None = None) -> HTTPException:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:  # of a server's own making, such as 499
        phrase = "Refused"
    return HTTPException(status, phrase, headers)


def _passed_on(status: int) -> int:
    if status in {_UNAVAILABLE, _GATEWAY_TIMEOUT} or (400 <= status < 500 and status not in _OURS):
        return status
    return _BAD_GATEWAY


def _retry_after(error: StatusError) -> dict[str, str] | None:
    return None if error.retry_after is None else {"Retry-After": str(math.ceil(error.retry_after))}
