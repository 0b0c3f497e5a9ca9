"""What httpx-sse 0.4 exports, decoded by our rules: change one import.

`from streamable_http.compat.httpx_sse import connect_sse` in place of
`from httpx_sse import connect_sse`. httpx-sse itself is not needed. This differs:

- Events are decoded as the HTML standard says (WHATWG HTML, section 9.2.6): blocks without data are
  no events, the text is UTF-8 whatever the charset says, a byte order mark is skipped.
- A body that is cut raises an error, inside an event or inside gzip too. However it was cut, the
  error is an `httpx.ReadError` and an `httpx.RemoteProtocolError` (and our `StreamTruncated`).
- Memory is bounded by the defaults of `Limits`; what exceeds them raises `SSEError`. So does a
  content coding other than gzip and deflate, or more than four: httpx would undo them unbounded.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any, Self

import httpx

from .._content import ContentDecoder, content_decoder
from .._decoders.engine import Batch, Context
from .._decoders.media_types import parse_content_type
from .._errors import ContentTypeError, DecodeError, StreamError, StreamTruncated
from .._values import Headers, Limits
from ..decoders import SSE, ServerSentEvent

__all__ = ["EventSource", "SSEError", "ServerSentEvent", "aconnect_sse", "connect_sse"]

_EVENT_STREAM = "text/event-stream"


class SSEError(httpx.TransportError):
    """The response is no event stream, is coded in a way that is not read, or exceeds limits."""


# Its `request` is httpx's, as is whoever expects the error.
class _Cut(httpx.ReadError, httpx.RemoteProtocolError, StreamTruncated):  # type: ignore[misc]
    """The body ended too early: whichever error of httpx is expected then, this is it."""


_TO_TRANSLATE = (httpx.RemoteProtocolError, httpx.ReadError, StreamError)


class EventSource:
    """The events of a response that was opened with a client's `stream()`."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response

    @property
    def response(self) -> httpx.Response:
        """The response, such as for `raise_for_status()` before the first event."""
        return self._response

    def iter_sse(self) -> Iterator[ServerSentEvent]:
        """The events as they come.

        Raises:
            SSEError: The response's Content-Type is not `text/event-stream`, its Content-Encoding
                not gzip or deflate, or an event larger than the default of `Limits.max_item_bytes`.
            httpx.ReadError: The body was cut; raised behind the events before that.
            httpx.DecodingError: The content coding is corrupt.
        """
        reading = _Reading(self._response)
        try:
            for data in reading.chunks():
                yield from reading.feed(data)
            reading.finish()
        except _TO_TRANSLATE as exc:
            raise reading.translated(exc) from exc

    def aiter_sse(self) -> AsyncEvents:
        """The events as they come, of an async client: see `iter_sse`."""
        return AsyncEvents(self._response)


class AsyncEvents(AsyncIterator[ServerSentEvent]):
    """An async iterator over events."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self._reading: _Reading | None = None
        self._chunks: Any = None
        self._ready: Iterator[ServerSentEvent] = iter(())
        self._over = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        if self._over:
            raise StopAsyncIteration
        if self._reading is None:
            self._reading = _Reading(self._response)
            self._chunks = self._reading.async_chunks()
        try:
            while True:
                for event in self._ready:
                    return event
                data = await anext(self._chunks)
                self._ready = self._reading.feed(data)
        except StopAsyncIteration:
            self._over = True
            self._finish(self._reading)
            raise
        except _TO_TRANSLATE as exc:
            self._over = True
            raise self._reading.translated(exc) from exc

    def _finish(self, reading: _Reading) -> None:
        try:
            reading.finish()
        except _TO_TRANSLATE as exc:
            raise reading.translated(exc) from exc

    async def aclose(self) -> None:
        """Reads no more; the response stays open until its own context ends."""
        self._over = True
        if self._chunks is not None:
            await self._chunks.aclose()


@contextlib.contextmanager
def connect_sse(
    client: httpx.Client, method: str, url: httpx.URL | str, **kwargs: Any
) -> Generator[EventSource, None, None]:
    """Sends a request for events.

    Args:
        client: The client.
        method: The HTTP method.
        url: The URL.
        **kwargs: What `client.stream()` takes. Of `headers`, `Accept` and `Cache-Control` are
            replaced; no compression is asked for unless they do.
    """
    headers = _headers(kwargs.pop("headers", None))
    with client.stream(method, url, headers=headers, **kwargs) as response:
        yield EventSource(response)


@contextlib.asynccontextmanager
async def aconnect_sse(
    client: httpx.AsyncClient, method: str, url: httpx.URL | str, **kwargs: Any
) -> AsyncGenerator[EventSource, None]:
    """Sends a request for events with an async client: see `connect_sse`."""
    headers = _headers(kwargs.pop("headers", None))
    async with client.stream(method, url, headers=headers, **kwargs) as response:
        yield EventSource(response)


def _headers(given: Any) -> list[tuple[str, str]]:
    headers = httpx.Headers(given)
    headers["Accept"] = _EVENT_STREAM
    headers["Cache-Control"] = "no-store"
    # Intermediaries hold back what they compress, until they have enough of it.
    headers.setdefault("Accept-Encoding", "identity")
    return headers.multi_items()


class _Reading:
    """One body on its way from bytes to events."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        content_type: str = response.headers.get("content-type", "")
        if parse_content_type(content_type).media_type != _EVENT_STREAM:
            raise SSEError(
                f"Expected response header Content-Type to contain {_EVENT_STREAM!r}, "
                f"got {content_type!r}",
                request=_request_of(response),
            )
        headers = Headers(response.headers.multi_items())
        self._content = _content_of(response, headers)
        self._engine = SSE().build(Context(headers=headers))

    def chunks(self) -> Iterator[bytes]:
        """The body: as on the wire, where its coding is undone here."""
        return self._response.iter_bytes() if self._content is None else self._response.iter_raw()

    def async_chunks(self) -> AsyncIterator[bytes]:
        """The same of an async response."""
        if self._content is None:
            return self._response.aiter_bytes()
        return self._response.aiter_raw()

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """The events that a chunk completes."""
        for piece in (data,) if self._content is None else self._content.feed(data):
            yield from _unpack(self._engine.feed(piece))

    def finish(self) -> None:
        """The body has ended."""
        if self._content is not None:
            self._content.finish()
        for _ in _unpack(self._engine.finish()):
            pass

    def translated(self, error: Exception) -> Exception:
        """An error as the users of httpx-sse know it."""
        kind: type[httpx.RequestError] = SSEError
        if isinstance(error, (httpx.TransportError, StreamTruncated)):
            kind = _Cut
        elif isinstance(error, DecodeError):
            kind = httpx.DecodingError
        return kind(str(error), request=_request_of(self._response))


def _unpack(batch: Batch[ServerSentEvent]) -> Iterator[ServerSentEvent]:
    yield from batch.items
    if batch.error is not None:
        raise batch.error


def _content_of(response: httpx.Response, headers: Headers) -> ContentDecoder | None:
    """What undoes the coding; None where httpx has done it."""
    if response.is_stream_consumed:  # a mock's, whose content is there already
        return None
    try:
        return content_decoder(headers, Limits())
    except ContentTypeError as exc:
        # Left to httpx, one name that we do not know would undo the others without any bound.
        raise SSEError(str(exc), request=_request_of(response)) from exc


def _request_of(response: httpx.Response) -> httpx.Request | None:
    try:
        return response.request
    except RuntimeError:  # of a response that was made by hand
        return None
