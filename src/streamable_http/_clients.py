"""The clients: where streams come from, sync and async."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, overload

import httpx
from typing_extensions import Unpack

from ._async import AsyncStream
from ._async_many import AsyncMerged
from ._call import AsyncHTTPClient, HTTPClient
from ._clock import Clock, checked_clock
from ._decoders.choose import check_registry
from ._decoders.engine import DecoderFactory
from ._errors import ConfigurationError
from ._gather import gather, gather_async
from ._many import Merged
from ._opening import Opening
from ._options import Defaults, opening_of
from ._reports import EventHook, Outcome
from ._request import HeaderSource, Request, StreamOptions
from ._retry import RetryPolicy
from ._roster import FailureHook
from ._settings import (
    check_auth,
    check_pairs,
    check_transport,
    checked_base_url,
    checked_flag,
    checked_header_source,
    checked_hooks,
    checked_http,
    checked_instance,
    checked_prefetch,
    checked_timeouts,
    refuse_beside_http,
)
from ._sync import Stream
from ._values import Limits, Timeouts
from ._version import __version__

__all__ = ["AsyncClient", "Client"]

T = TypeVar("T")
H = TypeVar("H")

_USER_AGENT = ("user-agent", f"streamable-http/{__version__}")


class _BaseClient(abc.ABC, Generic[H]):
    _is_async: ClassVar[bool]
    _transport_kind: ClassVar[type]

    def __init__(
        self,
        base_url: str = "",
        *,
        headers: HeaderSource | None = None,
        params: Any = None,
        cookies: Any = None,
        auth: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxy: Any = None,
        trust_env: bool = True,
        mounts: Mapping[str, Any] | None = None,
        timeout: float | Timeouts | None = None,
        retry: RetryPolicy | None = None,
        limits: Limits | None = None,
        prefetch: int = 0,
        decoders: Mapping[str, DecoderFactory[Any]] | None = None,
        compress: bool = False,
        require_proof: bool = False,
        on_event: EventHook | None = None,
        http: H | None = None,
        transport: Any = None,
        clock: Clock | None = None,
    ) -> None:
        """A client; all its settings are keyword arguments with defaults.

        Args:
            base_url: Put before relative URLs.
            headers: Sent with every request to the URL asked for, never to another origin; or a
                function that returns them, called for each attempt.
            params: Query parameters for every request, as in httpx.
            cookies: As in httpx.
            auth: As in httpx.
            verify: As in httpx.
            cert: As in httpx.
            proxy: As in httpx.
            trust_env: Whether proxies and certificates are taken from the environment.
            mounts: As in httpx.
            timeout: The five clocks; a number means `Timeouts(idle=…)`.
            retry: How often and how fast failed attempts are repeated.
            limits: The bounds of each stream.
            prefetch: Items to read ahead in the background; 0 reads when asked.
            decoders: Decoders by media type, before the built-in ones.
            compress: Whether to ask for gzip and deflate. Off by default: what can be resumed at
                a byte must not be recoded on the way.
            require_proof: Whether a stream whose end nothing proves is an error
                (`StreamTruncated` instead of `stats.ended == "closed"`).
            on_event: Called with every `StreamEvent` of every stream.
            http: A client of your own, httpx's or httpx2's, which stays yours to close. Its
                settings apply; the clocks are then only as exact as its own timeouts, and
                `close()` cannot interrupt a wait for the response head.
            transport: "httpx" for httpx's own transport (with the same tolerances as `http`), or
                a transport to use.
            clock: Where time and jitter come from, for tests: `testing.VirtualClock()`. It needs a
                `transport` without real sockets.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        if http is not None:
            refuse_beside_http(
                base_url=base_url,
                params=params,
                cookies=cookies,
                auth=auth,
                verify=verify is not True,
                cert=cert,
                proxy=proxy,
                trust_env=not trust_env,
                mounts=mounts,
                transport=transport,
            )
        check_auth(auth)
        check_pairs(params, "params")
        check_pairs(cookies, "cookies")
        check_transport(transport, self._transport_kind)
        self._defaults = Defaults(
            base_url=checked_base_url(base_url) or str(getattr(http, "base_url", "")),
            headers=((_USER_AGENT,), checked_header_source(headers)),
            timeouts=checked_timeouts(timeout, Timeouts()),
            retry=checked_instance(retry, "retry", (RetryPolicy,), RetryPolicy()),
            limits=checked_instance(limits, "limits", (Limits,), Limits()),
            prefetch=checked_prefetch(prefetch, 0),
            registry=check_registry({} if decoders is None else decoders),
            compress=checked_flag(compress, "compress"),
            require_proof=checked_flag(require_proof, "require_proof"),
            hooks=checked_hooks(on_event),
            clock=checked_clock(clock, transport=transport, http=http),
        )
        self._owned = http is None
        if http is not None:
            self._http: Any = checked_http(http, is_async=self._is_async)
            return
        network = {"verify": verify, "cert": cert, "trust_env": trust_env}
        try:
            self._http = self._build(
                self._transports(network, proxy, transport, mounts),
                base_url=base_url,
                params=params,
                cookies=cookies,
                auth=auth,
                trust_env=trust_env,
            )
        except (ValueError, TypeError, OSError, ImportError, httpx.InvalidURL) as exc:
            raise ConfigurationError(f"no HTTP client can be made of the settings: {exc}") from exc

    @abc.abstractmethod
    def _build(self, transports: tuple[Any, dict[str, Any]], **settings: Any) -> Any:
        """The HTTP client underneath."""

    @abc.abstractmethod
    def _transport(self, kind: Literal["httpx", "ours"], **network: Any) -> Any:
        """A transport, httpx's or ours."""

    def _transports(
        self, network: dict[str, Any], proxy: Any, transport: Any, mounts: Mapping[str, Any] | None
    ) -> tuple[Any, dict[str, Any]]:
        """The default transport, and one for each proxy, as plain httpx arranges them."""
        if transport is not None and transport != "httpx":
            return transport, dict(mounts or {})
        kind: Literal["httpx", "ours"] = "httpx" if transport == "httpx" else "ours"
        proxies: dict[str, Any] = {}
        if proxy is not None:
            proxies = {"all://": proxy}
        elif network["trust_env"]:
            from .transports._httpx import environment_proxies

            proxies = environment_proxies()
        mounted = {
            pattern: None if url is None else self._transport(kind, proxy=url, **network)
            for pattern, url in proxies.items()
        }
        return self._transport(kind, **network), {**mounted, **(mounts or {})}

    def _opening(self, request: Request[T]) -> Opening[T]:
        return opening_of(request, self._defaults, self._http)


class Client(_BaseClient[HTTPClient]):
    """Opens streams over HTTP. Safe to share between threads; close it, or use it in a `with`."""

    _is_async = False
    _transport_kind = httpx.BaseTransport

    def _build(self, transports: tuple[Any, dict[str, Any]], **settings: Any) -> Any:
        transport, mounts = transports
        return httpx.Client(transport=transport, mounts=mounts, **settings)

    def _transport(self, kind: Literal["httpx", "ours"], **network: Any) -> Any:
        from .transports import HTTPTransport  # httpcore comes with it

        return (HTTPTransport if kind == "ours" else httpx.HTTPTransport)(**network)

    @overload
    def stream(
        self, method: str, url: str, *, decoder: None = None, **options: Unpack[StreamOptions]
    ) -> Stream[Any]: ...
    @overload
    def stream(
        self, method: str, url: str, *, decoder: DecoderFactory[T], **options: Unpack[StreamOptions]
    ) -> Stream[T]: ...
    def stream(
        self,
        method: str,
        url: str,
        *,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[StreamOptions],
    ) -> Stream[Any]:
        """A stream, not yet opened: nothing is sent before `with` or `open()`.

        Args:
            method: The HTTP method.
            url: The URL, absolute or relative to `base_url`.
            decoder: What turns bytes into items, such as `SSE()`, `NDJSON(User)`, or a class of
                your own. Default: by the response's Content-Type.
            **options: See `StreamOptions`.

        Returns:
            The stream, an iterator of items and a context manager.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        return Stream(self._opening(Request(method, url, decoder=decoder, **options)))

    def merge(
        self,
        requests: Iterable[Request[T]],
        *,
        max_concurrent: int | None = None,
        on_failure: FailureHook | None = None,
    ) -> Merged[T]:
        """Many streams at once, as one iterator of `(key, item)` in order of arrival.

        Args:
            requests: The sources, with different keys. More can be added while it runs.
            max_concurrent: How many may be open at once. Default: all.
            on_failure: Called with `Failed(error, items=[], stats, key)` when a source fails; the
                others go on. Without it the loop ends, after all others have, with
                `StreamsFailed`.

        Raises:
            ConfigurationError: An argument is wrong, or two sources have one key.
        """
        return Merged(requests, self.open_request, max_concurrent, on_failure)

    def gather(
        self,
        requests: Iterable[Request[T]],
        *,
        max_items: int | None = None,
        max_concurrent: int | None = None,
    ) -> dict[Any, Outcome[T]]:
        """Reads many streams to their ends and returns what came of each, by key.

        Args:
            requests: The sources, with different keys.
            max_items: How many items to take from each. Default: all.
            max_concurrent: How many may be open at once. Default: all.

        Returns:
            `Succeeded(items, stats)` or `Failed(error, items, stats)` for each key, in the order
            of the requests. A failed one is no exception.
        """
        return gather(requests, self.open_request, max_items, max_concurrent)

    def open_request(self, request: Request[T]) -> Stream[T]:
        """The stream that a `Request` describes, not yet opened."""
        return Stream(self._opening(request))

    def close(self) -> None:
        """Closes the connections. Streams that are still open must be closed first."""
        if self._owned:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncClient(_BaseClient[AsyncHTTPClient]):
    """Opens streams over HTTP, on asyncio or trio. Close it, or use it in an `async with`."""

    _is_async = True
    _transport_kind = httpx.AsyncBaseTransport

    def _build(self, transports: tuple[Any, dict[str, Any]], **settings: Any) -> Any:
        transport, mounts = transports
        return httpx.AsyncClient(transport=transport, mounts=mounts, **settings)

    def _transport(self, kind: Literal["httpx", "ours"], **network: Any) -> Any:
        from .transports import AsyncHTTPTransport

        return (AsyncHTTPTransport if kind == "ours" else httpx.AsyncHTTPTransport)(**network)

    @overload
    def stream(
        self, method: str, url: str, *, decoder: None = None, **options: Unpack[StreamOptions]
    ) -> AsyncStream[Any]: ...
    @overload
    def stream(
        self, method: str, url: str, *, decoder: DecoderFactory[T], **options: Unpack[StreamOptions]
    ) -> AsyncStream[T]: ...
    def stream(
        self,
        method: str,
        url: str,
        *,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[StreamOptions],
    ) -> AsyncStream[Any]:
        """A stream, not yet opened: nothing is sent before `async with` or `await open()`.

        Args:
            method: The HTTP method.
            url: The URL, absolute or relative to `base_url`.
            decoder: What turns bytes into items, such as `SSE()`, `NDJSON(User)`, or a class of
                your own. Default: by the response's Content-Type.
            **options: See `StreamOptions`.

        Returns:
            The stream, an async iterator of items and an async context manager.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        return AsyncStream(self._opening(Request(method, url, decoder=decoder, **options)))

    def merge(
        self,
        requests: Iterable[Request[T]],
        *,
        max_concurrent: int | None = None,
        on_failure: FailureHook | None = None,
    ) -> AsyncMerged[T]:
        """Many streams at once, as one async iterator of `(key, item)` in order of arrival.

        Args:
            requests: The sources, with different keys. More can be added while it runs.
            max_concurrent: How many may be open at once. Default: all.
            on_failure: Called with `Failed(error, items=[], stats, key)` when a source fails; the
                others go on. Without it the loop ends, after all others have, with
                `StreamsFailed`.

        Raises:
            ConfigurationError: An argument is wrong, or two sources have one key.
        """
        return AsyncMerged(requests, self.open_request, max_concurrent, on_failure)

    async def gather(
        self,
        requests: Iterable[Request[T]],
        *,
        max_items: int | None = None,
        max_concurrent: int | None = None,
    ) -> dict[Any, Outcome[T]]:
        """Reads many streams to their ends and returns what came of each, by key.

        Args:
            requests: The sources, with different keys.
            max_items: How many items to take from each. Default: all.
            max_concurrent: How many may be open at once. Default: all.

        Returns:
            `Succeeded(items, stats)` or `Failed(error, items, stats)` for each key, in the order
            of the requests. A failed one is no exception.
        """
        return await gather_async(requests, self.open_request, max_items, max_concurrent)

    def open_request(self, request: Request[T]) -> AsyncStream[T]:
        """The stream that a `Request` describes, not yet opened."""
        return AsyncStream(self._opening(request))

    async def aclose(self) -> None:
        """Closes the connections. Streams that are still open must be closed first."""
        if self._owned:
            await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()
