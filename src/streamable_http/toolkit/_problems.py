"""What a model may learn of an error: a short code and a sentence of ours, never the error's own.

An error's text may hold what a server said, or where it is. Both stay on this side.
"""

from __future__ import annotations

import logging
import secrets
from typing import Any

from attrs import frozen

from streamable_http import (
    ConfigurationError,
    ConnectError,
    ContentTypeError,
    DecodeError,
    LimitExceeded,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamError,
    StreamFailed,
    StreamTruncated,
    TimeoutExceeded,
)

__all__ = ["Problem", "ToolProblem", "problem_of"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ELSEWHERE = "The data service points somewhere else; that is not followed."
logger = logging.getLogger("streamable_http.toolkit")


@frozen
class Problem:
    """An error, as a model sees it.

    Attributes:
        code: One of a fixed set, for programs.
        message: A sentence for the model: what is wrong, and what to do.
        status: The HTTP status, where the service answered with one.
    """

    code: str
    message: str
    status: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The problem as it stands in an answer."""
        shown: dict[str, Any] = {"code": self.code, "message": self.message}
        return shown if self.status is None else {**shown, "status": self.status}


class ToolProblem(Exception):
    """A tool cannot do what it was asked."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(code, message)


# The first row that fits counts: special kinds come before general ones.
_TABLE: tuple[tuple[type[StreamError], str, str], ...] = (
    (ConfigurationError, "invalid_arguments", "The service cannot be asked for that."),
    (ConnectError, "connection", "The data service cannot be reached."),
    (TimeoutExceeded, "timeout", "The data service took too long."),
    (StreamTruncated, "stream_incomplete", "The stream broke off before its end."),
    (StreamFailed, "stream_failed", "The data service reported a failure inside the stream."),
    (DecodeError, "bad_data", "The data service sent something that is not a record."),
    (ContentTypeError, "bad_data", "The data service sent no stream of records."),
    (LimitExceeded, "too_large", "The data service sent more than may be read."),
    (ResumeError, "invalid_cursor", "The stream cannot be continued there: start without cursor."),
)


def problem_of(error: Exception) -> Problem:
    """What may be told of any error; one that nobody foresaw is logged under a number."""
    if isinstance(error, ToolProblem):
        return error.problem
    if isinstance(error, RetriesExhausted) and error.last_error is not None:
        return problem_of(error.last_error)
    if isinstance(error, StatusError):
        status = error.status_code
        if status in _REDIRECTS:
            return Problem("redirect", _ELSEWHERE, status)
        return Problem("http_status", f"The data service answered with status {status}.", status)
    for kind, code, message in _TABLE:
        if isinstance(error, kind):
            return Problem(code, message)
    reference = secrets.token_hex(4)
    logger.error("a tool failed (%s)", reference, exc_info=error)
    return Problem("internal", f"The tool failed; the operator finds it in the log: {reference}.")
