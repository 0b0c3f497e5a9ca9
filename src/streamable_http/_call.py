"""What goes to and comes from an HTTP client, sync or async, httpx or httpx2 alike."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import (
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from types import CoroutineType, ModuleType
from typing import Any, Protocol, TypeAlias
from urllib.parse import unquote_plus, urlencode

from attrs import evolve, field, frozen

from ._bodies import body_of_callers, set_plain_body
from ._checks import callers_own
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
from ._lease import Lease, LeaseTimeout
from ._redirects import DEFAULT_PORTS
from ._settings import checked_headers, layered
from ._values import Headers, ResponseInfo

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

_OF_A_BODY = frozenset(
    {
        "content-encoding",
        "content-language",
        "content-length",
        "content-location",
        "content-type",
        "digest",
        "last-modified",
        "transfer-encoding",
    }
)
"""Header fields that go where a redirect drops the body (RFC 9110, section 15.4)."""

Pairs: TypeAlias = tuple[tuple[str, str], ...]

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
    """The caller's own request, as it is sent when nothing redirects it.

    Attributes:
        fresh_headers: Where `headers` come from, if any of it is a function: the client's and the
            stream's, each to be asked anew for every attempt. The later ones win.
    """

    method: str
    url: str
    params: Any = None
    headers: Pairs = field(default=(), repr=False)
    fresh_headers: tuple[Pairs | Callable[[], Any], ...] = field(default=(), repr=False)
    cookies: Any = field(default=None, repr=False)
    json: Any = field(default=None, repr=False)
    data: Any = field(default=None, repr=False)
    content: Any = field(default=None, repr=False)
    auth: Any = field(default=USE_CLIENTS_AUTH, repr=False)

    @property
    def has_body(self) -> bool:
        """Whether there is a body to send, whatever the method."""
        return not (self.json is self.data is self.content is None)

    def for_attempt(self) -> Call:
        """The request with the headers of now."""
        if not self.fresh_headers:
            return self
        with callers_own():
            found: list[Any] = [one() if callable(one) else one for one in self.fresh_headers]
        for one in found:
            if isinstance(one, CoroutineType):
                one.close()
                raise ConfigurationError(
                    "headers= is an async function, which a Client cannot await: pass a plain one, "
                    "or use an AsyncClient"
                )
        return self._with(found)

    async def for_async_attempt(self) -> Call:
        """The same, where a function may have to be waited for."""
        if not self.fresh_headers:
            return self
        with callers_own():
            found: list[Any] = [one() if callable(one) else one for one in self.fresh_headers]
            found = [await one if inspect.isawaitable(one) else one for one in found]
        return self._with(found)

    def _with(self, layers: list[Any]) -> Call:
        checked = [checked_headers(layer, "headers") for layer in layers]
        return evolve(self, headers=layered(*checked))


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
            headers = _merged(evolve(call, headers=()), effect)
            bare = type(request)(target.method, target.url, headers=headers, extensions=extensions)
            return _at_position(bare, effect), {**options, "auth": None}
        body: dict[str, Any] = {}
        if effect.patch.json is not None and call.json is None:
            raise ConfigurationError(
                "ItemCursor(apply=…) changes the JSON body of the request, and it has none: pass "
                "json="
            )
        if target.body:
            content = body_of_callers(call.content)
            body = {"json": _json(call, effect), "data": call.data, "content": content}
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
    except (ValueError, TypeError, AttributeError, flavour_of(http).InvalidURL) as exc:
        raise ConfigurationError(f"the request cannot be built: {exc}") from exc
    if call.auth is not USE_CLIENTS_AUTH:
        options["auth"] = call.auth
    set_plain_body(request, flavour_of(http))
    return _at_position(request, effect), options


def _at_position(request: Any, effect: Open) -> Any:
    """The request with the query parameters that say where the stream goes on."""
    params = effect.patch.params
    if params:
        # Not by the client's own merging, which writes the caller's parameters anew: another
        # charset, or a signature over the query, would not survive that.
        query = request.url.query.decode("ascii")
        kept = [pair for pair in query.split("&") if pair and _name(pair) not in params]
        request.url = request.url.copy_with(query="&".join([*kept, urlencode(params)]).encode())
    return request


def _name(pair: str) -> str:
    return unquote_plus(pair.partition("=")[0])


def _json(call: Call, effect: Open) -> Any:
    patch = effect.patch.json
    return call.json if patch is None else _merge_patch(call.json, patch)


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
    patched = {name for name, _ in effect.patch.headers}
    gone = patched | _OF_A_BODY if call.has_body and not effect.target.body else patched
    kept = [pair for pair in call.headers if pair[0].lower() not in gone]
    own = {name.lower() for name, _ in call.headers} | patched
    added = [pair for pair in effect.headers if pair[0] not in own]
    return _bytes([*kept, *added, *effect.patch.headers])


def _merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, section 2."""
    if not isinstance(patch, Mapping):
        return patch
    merged: dict[Any, Any] = {**target} if isinstance(target, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]  # any JSON
    changes: Mapping[Any, Any] = patch  # pyright: ignore[reportUnknownVariableType]
    for name, value in changes.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge_patch(merged.get(name), value)
    return merged


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
    if isinstance(error, (flavour.UnsupportedProtocol, flavour.LocalProtocolError)) or (
        # That of the parser underneath: the body is not as long as its Content-Length says.
        type(error).__name__ == "LocalProtocolError"
    ):
        # What is wrong with a header stands before its value, which may be a secret.
        return ConfigurationError(f"the request cannot be sent: {str(error).partition(' b')[0]}")
    if isinstance(error, (flavour.ConnectError, flavour.ProxyError)):
        return _no_connection(error, lease)
    if isinstance(error, flavour.TransportError):
        if lease.managed and not lease.sent:
            return _no_connection(error, lease)
        return ConnectionLost(f"the connection was lost: {error}")
    return error


def _no_connection(error: Any, lease: Lease) -> ConnectError:
    try:
        url = error.request.url
    except RuntimeError:  # no request was told to it
        return ConnectError(f"no connection: {error}")
    where = f" to {url.netloc.decode()}"
    target = url.raw_host.decode(), url.port or DEFAULT_PORTS.get(url.scheme)
    if lease.dialled is not None and lease.dialled != target:
        where += " through the proxy {}:{}".format(*lease.dialled)
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
