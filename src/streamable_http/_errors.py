"""Every error of the library, under one root.

StreamError
├── ConfigurationError (ValueError)     an argument is wrong: nothing was sent
├── StreamClosed                        used before it was opened, or after `close()`
├── ConnectError (ConnectionError)      no connection: not one byte of the request was sent
├── TimeoutExceeded (TimeoutError)      one of the five clocks ran out; `kind` names it
├── StatusError                         the server answered with an error status
├── ContentTypeError                    the response is of a type or coding that cannot be decoded
├── RedirectError                       a redirect that must not, or cannot, be followed
├── StreamTruncated (EOFError)          the body ended, but the stream is not complete
│   └── ConnectionLost (ConnectionError)  the connection broke before the body ended
├── DecodeError (ValueError)            an item is not what the decoder was promised
├── LimitExceeded                       an input outgrew one of the limits
├── StreamFailed                        the server reported a failure inside the stream
├── StreamsFailed                       some of many streams failed
├── ResumeError                         going on would not be faithful
└── RetriesExhausted                    two or more tries, none of which made progress

Errors are plain classes, so they survive `pickle` (process pools, task queues): the message is
the one positional argument, all evidence is attributes with defaults.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._reports import StreamStats
    from ._values import Cursor, Headers, ResponseInfo

__all__ = [
    "ConfigurationError",
    "ConnectError",
    "ConnectionLost",
    "ContentTypeError",
    "DecodeError",
    "LimitExceeded",
    "RedirectError",
    "ResumeError",
    "RetriesExhausted",
    "StatusError",
    "StreamClosed",
    "StreamError",
    "StreamFailed",
    "StreamTruncated",
    "StreamsFailed",
    "TimeoutExceeded",
]


class StreamError(Exception):
    """The root of all errors of this library.

    Attributes:
        stats: What the stream had done when the error was raised, or None before it was opened.
        cursor: Where a restart goes on without losing an item, or None where nothing is known.
        response: The head of the last response, or None if there was none.
        request: Method and URL, without query and credentials, or "" before there was a request.
        items: What a call that gathers items (`collect`, `gather`) already had.
    """

    stats: StreamStats | None = None
    cursor: Cursor | None = None
    response: ResponseInfo | None = None
    request: str = ""
    items: Sequence[Any] = ()


class ConfigurationError(StreamError, ValueError):
    """An argument is wrong. The message names the argument, the value and the fix."""


class StreamClosed(StreamError):
    """The stream was used before it was opened or after it was closed."""


class ConnectError(StreamError, ConnectionError):
    """No connection could be made; not one byte of the request was sent."""


class TimeoutExceeded(StreamError, TimeoutError):
    """One of the five clocks ran out.

    Attributes:
        kind: Which one: "connect", "first_byte", "idle", "between_items" or "total".
        seconds: The bound that was set for it.
    """

    def __init__(self, message: str, *, kind: str = "", seconds: float | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.seconds = seconds


class StatusError(StreamError):
    """The server answered with a status that is not a success.

    Attributes:
        status_code: The status.
        headers: The response headers.
        body: The start of the body, at most `Limits.error_excerpt` bytes.
        retry_after: What the server asked to wait, in seconds, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int = 0,
        headers: Headers | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.headers = headers
        self.body = body
        self.retry_after = retry_after

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: The body (perhaps cut at `Limits.error_excerpt`) is not JSON.
        """
        return json.loads(self.body)


class ContentTypeError(StreamError):
    """The response's media type or content coding is not one the stream can decode.

    Attributes:
        content_type: The value of the header, or "" if there was none.
        body: The start of the body, at most `Limits.error_excerpt` bytes.
    """

    def __init__(self, message: str, *, content_type: str = "", body: bytes = b"") -> None:
        super().__init__(message)
        self.content_type = content_type
        self.body = body


class RedirectError(StreamError):
    """A redirect that cannot be followed, or that must not be.

    Attributes:
        location: Where it pointed to, as the server sent it.
    """

    def __init__(self, message: str, *, location: str = "") -> None:
        super().__init__(message)
        self.location = location


class StreamTruncated(StreamError, EOFError):
    """The body ended, but something proves that the stream is not complete."""


class ConnectionLost(StreamTruncated, ConnectionError):
    """The connection broke before the body ended."""


class DecodeError(StreamError, ValueError):
    """An item could not be decoded.

    Attributes:
        index: The position of the item in the stream, counted from 0.
        offset: Where it starts, in bytes of the decoded body of this connection.
        excerpt: The start of the bytes in question.
    """

    def __init__(
        self, message: str, *, index: int = 0, offset: int = 0, excerpt: bytes = b""
    ) -> None:
        super().__init__(message)
        self.index = index
        self.offset = offset
        self.excerpt = excerpt


class LimitExceeded(StreamError):
    """An input outgrew one of the limits.

    Attributes:
        limit: The name of the limit, as in `Limits`.
        setting: Its value.
        seen: The size that was met (at least; reading stopped there).
    """

    def __init__(
        self, message: str, *, limit: str = "", setting: float = 0, seen: float = 0
    ) -> None:
        super().__init__(message)
        self.limit = limit
        self.setting = setting
        self.seen = seen


class StreamFailed(StreamError):
    """The server reported a failure inside its stream (see `failure=`).

    Attributes:
        item: The item that said so.
    """

    def __init__(self, message: str, *, item: Any = None) -> None:
        super().__init__(message)
        self.item = item


class StreamsFailed(StreamError):
    """Some of many streams failed; the others ran to their end first.

    Attributes:
        failures: The error of each failed stream by its key.
    """

    def __init__(self, message: str, *, failures: Mapping[Any, StreamError] | None = None) -> None:
        super().__init__(message)
        self.failures: Mapping[Any, StreamError] = {} if failures is None else failures


class ResumeError(StreamError):
    """The stream could go on only by guesswork, which might lose, repeat or splice items."""


class RetriesExhausted(StreamError):
    """At least two tries were made, and none brought a new item.

    Attributes:
        last_error: What ended the last try (also `__cause__`).
        tries: How many tries were made without progress.
    """

    def __init__(
        self, message: str, *, last_error: StreamError | None = None, tries: int = 0
    ) -> None:
        super().__init__(message)
        self.last_error = last_error
        self.tries = tries
