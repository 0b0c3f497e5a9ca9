"""The options of one stream, named in one place for `stream`, `Request` and the service."""

from __future__ import annotations

import os
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypedDict, TypeVar, cast, overload

from typing_extensions import Unpack

from ._checkpoint import Checkpoint
from ._decoders.engine import BadItem, DecoderFactory
from ._errors import ConfigurationError
from ._reports import EventHook
from ._resume import Resume
from ._retry import RetryPolicy
from ._values import Cursor, Failure, Limits, Terminal, Timeouts, without_secrets

__all__ = [
    "HeaderSource",
    "HeaderTypes",
    "Request",
    "SharedOptions",
    "StreamOptions",
    "checked_request",
    "checked_requests",
    "shown_key",
]

T_co = TypeVar("T_co", covariant=True)

HeaderTypes: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]
HeaderSource: TypeAlias = HeaderTypes | Callable[[], HeaderTypes | Awaitable[HeaderTypes]]


class SharedOptions(TypedDict, total=False):
    """The keyword options that every way to open a stream has; all are optional.

    Attributes:
        params: Query parameters, as in httpx.
        headers: Headers, as in httpx; they win over the client's and over ours. Or a function
            that returns them (an async one on an `AsyncClient`), called for each attempt: for
            tokens that expire. A 401 is then tried once more.
        cookies: Cookies, as in httpx.
        auth: As in httpx; None sends none. Default: the client's.
        follow_redirects: Whether to go where a redirect points; without it, a redirect is a
            `StatusError`.
        terminal: What ends the stream from inside; without it the stream counts as truncated.
            Text such as "[DONE]" is compared with the raw data and not delivered; `Terminal` and
            a function of the item decide on the item, which is delivered.
        failure: What reports a failure from inside: it raises `StreamFailed`.
        resume: How to go on after a fault. Default: what is provably faithful and may be sent
            again: events by their IDs, bytes by ranges with a strong ETag.
        follow: Whether the end of a response is only a pause, as in a feed; 204 ends it.
        start: Where to start: a `Cursor` of an earlier run, a last event ID, or with
            `ItemCursor` the position of an item.
        checkpoint: Where the cursor is saved, so that the next run goes on from it: a `Checkpoint`,
            or the path of an SQLite database. `start=` wins over what is saved.
        retry: Default: the client's.
        timeout: The clocks; a number means `Timeouts(idle=…)`. Default: the client's.
        limits: Default: the client's.
        prefetch: Items to read ahead in the background; 0 reads when asked.
        on_bad_item: For an item that cannot be decoded: "raise", "skip", or a function that
            gets the `DecodeError` and returns (to skip it) or raises.
        on_event: Called with every `StreamEvent`, besides the client's.
        any_content_type: Whether an explicit decoder takes an HTML page, too.
    """

    params: Any
    headers: HeaderSource
    cookies: Any
    auth: Any
    follow_redirects: bool
    terminal: str | Terminal | Callable[[Any], bool] | None
    failure: Failure | Callable[[Any], bool] | None
    resume: Resume | None
    follow: bool
    start: Cursor | str | float | None
    checkpoint: Checkpoint | str | os.PathLike[str] | None
    retry: RetryPolicy | None
    timeout: float | Timeouts | None
    limits: Limits | None
    prefetch: int | None
    on_bad_item: BadItem
    on_event: EventHook | None
    any_content_type: bool


class StreamOptions(SharedOptions, total=False):
    """The keyword options of `Client.stream`: `SharedOptions`, and the request's body.

    Attributes:
        json: A body, sent as JSON.
        data: A body, sent as a form.
        content: A body as bytes or text, or an iterator of bytes, which can be sent only once.
    """

    json: Any
    data: Mapping[str, Any]
    content: str | bytes | Iterable[bytes] | AsyncIterable[bytes]


class Request(Generic[T_co]):
    """One of many streams, for `merge` and `gather`: what `Client.stream` takes, and a key.

    Attributes:
        method: The HTTP method.
        url: The URL, absolute or relative to the client's `base_url`.
        key: What the stream is called in results. Default: the URL.
        decoder: As in `Client.stream`.
        options: The other options.
    """

    __slots__ = ("decoder", "key", "method", "options", "url")

    @overload
    def __init__(
        self: Request[Any],
        method: str,
        url: str,
        *,
        key: Any = None,
        decoder: None = None,
        **options: Unpack[StreamOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        method: str,
        url: str,
        *,
        key: Any = None,
        decoder: DecoderFactory[T_co],
        **options: Unpack[StreamOptions],
    ) -> None: ...
    def __init__(
        self,
        method: str,
        url: str,
        *,
        key: Any = None,
        decoder: DecoderFactory[T_co] | None = None,
        **options: Unpack[StreamOptions],
    ) -> None:
        self.method: str = method
        self.url: str = url
        self.key: Any = url if key is None else key
        self.decoder: DecoderFactory[T_co] | None = decoder
        self.options: StreamOptions = options

    def __repr__(self) -> str:
        url = without_secrets(str(self.url))
        return f"Request({self.method!r}, {url!r}, key={shown_key(self.key)!r})"


def checked_requests(requests: object) -> list[Request[Any]]:
    """The sources of `merge` and `gather`.

    Raises:
        ConfigurationError: It is not some `Request`s.
    """
    if isinstance(requests, Request) or not isinstance(requests, Iterable):
        raise ConfigurationError(
            f"requests={requests!r:.80} are not several: pass a list of Request(method, url)"
        )
    return [checked_request(request) for request in cast("Iterable[object]", requests)]


def checked_request(request: object) -> Request[Any]:
    """One source.

    Raises:
        ConfigurationError: It is no `Request`, or nothing can be found by its key.
    """
    if not isinstance(request, Request):
        shown = without_secrets(request) if isinstance(request, str) else request
        raise ConfigurationError(f"{shown!r:.80} is no source: pass Request(method, url)")
    try:
        hash(request.key)
    except TypeError:
        raise ConfigurationError(
            f"Request(key={request.key!r:.80}) is no key of a mapping: pass text, or another "
            f"hashable value"
        ) from None
    return request  # pyright: ignore[reportUnknownVariableType]  # of any type


def shown_key(key: object) -> object:
    """A key for messages: by default it is a URL, which may hold secrets."""
    is_url = isinstance(key, str) and ("?" in key or "://" in key)
    return without_secrets(str(key)) if is_url else key
