"""What goes to and comes from an HTTP client, sync or async, httpx or httpx2 alike."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Protocol

from attrs import field, frozen

from ._decoders.media_types import parse_content_type
from ._effects import Open
from ._errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    RedirectError,
    StreamClosed,
    StreamError,
    TimeoutExceeded,
)
from ._resume import LAST_EVENT_ID
from ._values import Headers, ResponseInfo
from .transports._lease import Lease, LeaseTimeout

__all__ = [
    "AsyncHTTPClient",
    "Call",
    "HTTPClient",
    "build_request",
    "clock_ran_out",
    "flavour_of",
    "head_of",
    "read_under_idle_clock",
    "translated",
]

_BAD_LOCATION = "Invalid URL in location header"

USE_CLIENTS_AUTH: Any = object()
"""Stands for "the auth that the client was built with"."""


class HTTPClient(Protocol):
    """What a sync client must have for `Client(http=…)`: `httpx.Client`, `httpx2.Client`."""

    @property
    def build_request(self) -> Callable[..., Any]: ...
    @property
    def send(self) -> Callable[..., Any]: ...
    def close(self) -> None: ...


class AsyncHTTPClient(Protocol):
    """What an async client must have for `AsyncClient(http=…)`."""

    @property
    def build_request(self) -> Callable[..., Any]: ...
    @property
    def send(self) -> Callable[..., Awaitable[Any]]: ...
    async def aclose(self) -> None: ...


@frozen(kw_only=True)
class Call:
    """The caller's own request, as it is sent when nothing redirects it."""

    method: str
    url: str
    params: Any = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    cookies: Any = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    data: Any = field(default=None, repr=False)
    content: Any = field(default=None, repr=False)
    auth: Any = field(default=USE_CLIENTS_AUTH, repr=False)


def build_request(http: Any, call: Call, effect: Open, lease: Lease) -> tuple[Any, dict[str, Any]]:
    """The client's own request object for an `Open`, and the options to send it with.

    Raises:
        ConfigurationError: The client refuses the request, which thus can never be sent.
    """
    target = effect.target
    options: dict[str, Any] = {"stream": True, "follow_redirects": False}
    extensions = {"timeout": _timeouts(lease)}
    try:
        if target.bare:
            # Another origin gets a request from scratch: nothing of the client's may leak to it.
            request = http.build_request(target.method, target.url)
            bare = type(request)(
                target.method, target.url, headers=_bytes(effect.headers), extensions=extensions
            )
            return bare, {**options, "auth": None}
        body: dict[str, Any] = {}
        if target.body:
            body = {"json": call.json, "data": call.data, "content": call.content}
        request = http.build_request(
            target.method,
            call.url if target.url is None else target.url,
            params=call.params if target.url is None else None,
            headers=_merged(call, effect),
            cookies=call.cookies,
            extensions=extensions,
            **body,
        )
        if target.url is not None:
            # The client's own parameters belong to the URL that was asked for, not to this one.
            request.url = type(request.url)(target.url)
    except (ValueError, TypeError, UnicodeError, flavour_of(http).InvalidURL) as exc:
        raise ConfigurationError(f"the request cannot be built: {exc}") from exc
    if call.auth is not USE_CLIENTS_AUTH:
        options["auth"] = call.auth
    return request, options


def _timeouts(lease: Lease) -> dict[str, LeaseTimeout]:
    clocks = lease.timeouts
    return {
        "pool": LeaseTimeout(clocks.connect, lease),
        "connect": LeaseTimeout(clocks.connect, lease),
        "write": LeaseTimeout(clocks.idle, lease),
        "read": LeaseTimeout(clocks.first_byte, lease),
    }


def read_under_idle_clock(request: Any, lease: Lease) -> None:
    """From the head on, a client that knows no leases is to bound each read by the idle clock.

    It works because clients read this dict once more when the body starts.
    """
    request.extensions["timeout"]["read"] = LeaseTimeout(lease.timeouts.idle, lease)


def _merged(call: Call, effect: Open) -> list[tuple[bytes, bytes]]:
    """The caller's headers win over what we ask for, but not over where the stream goes on."""
    own = {name.lower() for name, _ in call.headers}
    going_on = any(name == LAST_EVENT_ID for name, _ in effect.headers)
    kept = [pair for pair in call.headers if not (going_on and pair[0].lower() == LAST_EVENT_ID)]
    added = [pair for pair in effect.headers if pair[0] == LAST_EVENT_ID or pair[0] not in own]
    return _bytes([*kept, *added])


def _bytes(pairs: Iterable[tuple[str, str | bytes]]) -> list[tuple[bytes, bytes]]:
    return [
        (name.encode(), value.encode() if isinstance(value, str) else value)
        for name, value in pairs
    ]


def head_of(response: Any) -> ResponseInfo:
    """The head of a client's response, in our own terms."""
    raw: list[tuple[bytes, bytes]] = response.headers.raw
    headers = Headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
    extensions: Mapping[str, Any] = response.extensions
    return ResponseInfo(
        status_code=response.status_code,
        headers=headers,
        url=str(response.url),
        http_version=extensions.get("http_version", b"HTTP/1.1").decode("ascii", "replace"),
        media_type=parse_content_type(headers.get("content-type", "")).media_type,
    )


def flavour_of(http: object) -> ModuleType:
    """The module whose exceptions a client raises: httpx or httpx2."""
    roots = [kind.__module__.partition(".")[0] for kind in type(http).__mro__]
    name = next((root for root in roots if root in {"httpx", "httpx2"}), "httpx")
    return importlib.import_module(name)


def translated(error: Exception, flavour: ModuleType, lease: Lease) -> Exception:
    """What an exception of the HTTP client means for the stream; others are returned as they are.

    Args:
        error: What the client raised.
        flavour: Whose exceptions it raises.
        lease: Of the stream.
    """
    if lease.closed:
        return StreamClosed("the stream was closed")
    if isinstance(error, flavour.TimeoutException):
        return _timeout(error, flavour, lease)
    if isinstance(error, flavour.InvalidURL) or _BAD_LOCATION in str(error):
        # HTTP clients look at the Location of a redirect even where they do not follow it.
        return RedirectError("the Location of the redirect is not a URL")
    if isinstance(error, (flavour.UnsupportedProtocol, flavour.LocalProtocolError)):
        # What is wrong with a header stands before its value, which may be a secret.
        return ConfigurationError(f"the request cannot be sent: {str(error).partition(' b')[0]}")
    if isinstance(error, (flavour.ConnectError, flavour.ProxyError)):
        return _no_connection(error)
    if isinstance(error, flavour.TransportError):
        if lease.managed and not lease.sent:
            return _no_connection(error)
        return ConnectionLost(f"the connection was lost: {error}")
    return error


def _no_connection(error: Any) -> ConnectError:
    try:
        where = f" to {error.request.url.netloc.decode()}"
    except RuntimeError:  # no request was told to it
        where = ""
    return ConnectError(f"no connection{where}: {error}")


def _timeout(error: Exception, flavour: ModuleType, lease: Lease) -> StreamError:
    if lease.expired is None:
        # A client that knows no leases: its own exception tells roughly which clock it was.
        connecting = isinstance(error, (flavour.ConnectTimeout, flavour.PoolTimeout))
        lease.expired = "connect" if connecting else "idle" if lease.in_body else "first_byte"
    return clock_ran_out(lease)


def clock_ran_out(lease: Lease) -> TimeoutExceeded:
    """The error for the clock that the lease found run out."""
    kind = lease.expired or "total"
    seconds = lease.bound(kind)
    message = f"the clock Timeouts({kind}={seconds}) ran out"
    return TimeoutExceeded(message, kind=kind, seconds=seconds)
