"""Watches a stream for `check`: one connection for some seconds, then two short questions."""

from __future__ import annotations

import time
from typing import Any

from attrs import evolve, field, frozen

from streamable_http import (
    SSE,
    Client,
    LimitExceeded,
    Limits,
    Raw,
    ResponseInfo,
    RetryPolicy,
    StreamError,
    TimeoutExceeded,
    Timeouts,
)

from .arrivals import Arrivals
from .request import Target, shown_url

__all__ = ["Findings", "Resumption", "framing_of", "observe"]

_MOST_BYTES = 64 * 1024 * 1024
_QUESTION_SECONDS = 5.0
_TERMINALS = frozenset({"[DONE]"})


@frozen(kw_only=True)
class Resumption:
    """What came of asking the server to go on after an event.

    Attributes:
        after: The ID that was sent as `Last-Event-ID`.
        expected: The ID that had followed it.
        received: The ID that came now, or None.
        error: Why none came, or "".
    """

    after: str
    expected: str
    received: str | None = None
    error: str = ""

    @property
    def faithful(self) -> bool:
        """Whether the server went on where it was asked to."""
        return self.received == self.expected


@frozen(kw_only=True)
class Findings:
    """What was seen of one stream.

    Attributes:
        url: What answered, after redirects; without credentials and query.
        status: Its status.
        http_version: Such as "HTTP/1.1".
        content_type: As the server sent it, or "".
        framing: What marks the end of the body: "chunked", "content-length", "frames" (HTTP/2),
            or "close", which marks nothing.
        etag: The validator, or "".
        ranges: Whether the server says that it serves byte ranges, of what a GET returns.
        head_seconds: From the request to the complete head.
        watched_seconds: From the head to the last look.
        arrivals: What came when.
        ended: What proved the end of the body, or None if it was not seen.
        error: What broke it off, or "".
        compression: The coding that is used when gzip is accepted, "" for none; None: not asked.
        resumption: What came of a resume; None: not tried.
    """

    url: str
    status: int
    http_version: str
    content_type: str
    framing: str
    etag: str
    ranges: bool
    head_seconds: float
    watched_seconds: float = 0.0
    arrivals: Arrivals
    ended: str | None = None
    error: str = ""
    compression: str | None = None
    resumption: Resumption | None = field(default=None)

    @property
    def terminal(self) -> str:
        """The data of the last event, where it looks like a terminal; else ""."""
        last = self.arrivals.last_data
        return last if last in _TERMINALS else ""


def observe(target: Target, seconds: float) -> Findings:
    """Watches a stream for `seconds`.

    A GET is sent up to twice more: to see if the body would be compressed, and if the stream goes
    on after an event. Other methods may change something, so they are sent once.

    Raises:
        StreamError: There was no response to watch.
    """
    with Client(retry=RetryPolicy(stop=1), limits=Limits(max_stream_bytes=_MOST_BYTES)) as client:
        findings = _watch(client, target, seconds)
        if target.method != "GET":
            return findings
        ids = findings.arrivals.ids
        return evolve(
            findings,
            compression=_compression(target),
            resumption=_resumption(client, target, ids[0], ids[1]) if len(ids) > 1 else None,
        )


def _watch(client: Client, target: Target, seconds: float) -> Findings:
    sent = time.monotonic()
    with _open(client, target, Raw(), seconds) as stream:
        began = time.monotonic()
        arrivals = Arrivals(media_type=stream.response.media_type, start=began)
        error = ""
        try:
            for chunk in stream:
                arrivals.add(time.monotonic(), chunk)
        except (TimeoutExceeded, LimitExceeded):
            pass
        except StreamError as exc:
            error = f"{type(exc).__name__}: {exc}"
        arrivals.silence_until(time.monotonic())
        return Findings(
            **_head(target, stream.response),
            head_seconds=began - sent,
            watched_seconds=time.monotonic() - began,
            arrivals=arrivals,
            ended=stream.stats.ended,
            error=error,
        )


def _open(client: Client, target: Target, decoder: Any, seconds: float) -> Any:
    return client.stream(
        target.method,
        target.url,
        headers=target.headers,
        json=target.body,
        decoder=decoder,
        any_content_type=True,
        timeout=Timeouts(total=seconds),
    )


def _head(target: Target, response: ResponseInfo) -> dict[str, Any]:
    headers = response.headers
    ranges = headers.get("accept-ranges", "").strip().lower() == "bytes"
    return {
        "url": shown_url(response.url),
        "status": response.status_code,
        "http_version": response.http_version,
        "content_type": headers.get("content-type", ""),
        "framing": framing_of(response),
        "etag": headers.get("etag", ""),
        "ranges": ranges and target.method == "GET",
    }


def framing_of(response: ResponseInfo) -> str:
    """What marks the end of the body."""
    if not response.framed:
        return "close"
    if response.http_version not in {"HTTP/1.0", "HTTP/1.1"}:
        return "frames"
    return "chunked" if "transfer-encoding" in response.headers else "content-length"


def _compression(target: Target) -> str | None:
    with Client(retry=RetryPolicy(stop=1), compress=True) as client:
        try:
            with _open(client, target, Raw(), _QUESTION_SECONDS) as stream:
                return str(stream.response.headers.get("content-encoding", ""))
        except StreamError:
            return None


def _resumption(client: Client, target: Target, after: str, expected: str) -> Resumption:
    asked = evolve(target, headers=(*target.headers, ("Last-Event-ID", after)))
    answer = Resumption(after=after, expected=expected)
    try:
        with _open(client, asked, SSE(), _QUESTION_SECONDS) as stream:
            first = next((event for event in stream if event.id), None)
    except StreamError as exc:
        return evolve(answer, error=f"{type(exc).__name__}: {exc}")
    return evolve(answer, received=None if first is None else first.id)
