"""A client for streaming data services: health, info, and streams by endpoint name.

The convention: `GET /health`, `GET /info/{endpoint}`, and `POST /stream/{endpoint}` with the
parameters as a JSON body, answered by Server-Sent Events whose data is JSON and whose last one is
`[DONE]`. The POST is a query: it changes nothing, so it may be sent again and resumed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Generic, Self, TypeVar, cast, overload

from attrs import field, frozen
from typing_extensions import Unpack

from ._async import AsyncStream
from ._clients import AsyncClient, Client
from ._decoders.engine import DecoderFactory
from ._decoders.sse import SSEData
from ._decoders.text import Raw
from ._errors import ConfigurationError, DecodeError, StreamError
from ._request import Request, SharedOptions, StreamOptions
from ._resume import LastEventID
from ._sync import Stream
from ._tasks import applied
from ._values import Failure, Limits, Outcome, Progress, Summary

__all__ = ["AsyncStreamService", "Health", "Processed", "StreamInfo", "StreamService"]

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

_ENDPOINT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]{0,127}")
_DOCUMENT_LIMITS = Limits(max_stream_bytes=1024 * 1024)
_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Health:
    """Whether a service answers; truthy if it does.

    Attributes:
        ok: Whether it answered with a success.
        details: What it said, if that was a JSON object.
        error: Why not, if it did not.
    """

    ok: bool
    details: Mapping[str, Any] = _NO_DETAILS
    error: StreamError | None = None

    def __bool__(self) -> bool:
        return self.ok


@frozen(kw_only=True)
class StreamInfo:
    """What a service says about one of its streams.

    Attributes:
        name: The endpoint.
        description: In words, or "".
        total: How many items it has, if told.
        details: All that the service said.
    """

    name: str
    description: str = ""
    total: int | None = None
    details: Mapping[str, Any] = field(default=_NO_DETAILS, repr=False)


@frozen(kw_only=True)
class Processed(Generic[R_co]):
    """What `process_stream` returns: the processor's results, and a summary of the stream."""

    results: list[R_co]
    summary: Summary


class StreamService:
    """A streaming data service. Close it, or use it in a `with`.

    Args:
        base_url: Where the service is, such as "http://127.0.0.1:3001".
        client: A client of your own (headers, auth, timeouts, retries), which stays yours to
            close. Default: one with default settings.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    def __init__(self, base_url: str, *, client: Client | None = None) -> None:
        self._base = _checked_base(base_url)
        self._client = Client() if client is None else client
        self._owned = client is None

    def health(self) -> Health:
        """Whether the service answers; never raises."""
        try:
            return _health(self._document("health"))
        except StreamError as exc:
            return Health(ok=False, error=exc)

    def get_stream_info(self, endpoint: str) -> StreamInfo:
        """What the service says about one of its streams.

        Raises:
            ConfigurationError: `endpoint` is not a plain name.
            StatusError: The service knows no such endpoint, or refuses.
            StreamError: It could not be reached, or its answer is no JSON object.
        """
        return _info(endpoint, self._document(f"info/{_checked_endpoint(endpoint)}"))

    def _document(self, path: str) -> dict[str, Any]:
        url = f"{self._base}/{path}"
        options = _document_options()
        with self._client.stream("GET", url, decoder=Raw(), **options) as stream:
            return _parsed(b"".join(stream))

    @overload
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: None = None,
        **options: Unpack[SharedOptions],
    ) -> Stream[Any]: ...
    @overload
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: DecoderFactory[T],
        **options: Unpack[SharedOptions],
    ) -> Stream[T]: ...
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> Stream[Any]:
        """One stream of the service, not yet opened.

        Args:
            endpoint: Its name: one plain path segment.
            data: Parameters for the service, sent as JSON. Default: `{}`.
            decoder: Default: `SSEData()`, with `terminal="[DONE]"` and `Failure(event="error")`.
            **options: As in `Client.stream`.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        return self._client.open_request(self._request(endpoint, data, decoder, options))

    def process_stream(
        self,
        endpoint: str,
        data: Any,
        processor: Callable[[Any], R],
        *,
        max_concurrent: int = 1,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> Processed[R]:
        """Runs `processor` on every item of a stream and keeps the results.

        Args:
            endpoint: As in `stream_data`.
            data: As in `stream_data`.
            processor: Called with one item.
            max_concurrent: How many calls may run at once; results are then in order of completion.
            on_progress: As in `Flow.process`.
            progress_every: As in `Flow.process`.
            decoder: As in `stream_data`.
            **options: As in `Client.stream`.

        Raises:
            StreamError: The stream failed; the results that came before are its `items`.
        """
        results: list[R] = []
        with self._client.open_request(self._request(endpoint, data, decoder, options)) as stream:
            try:
                summary = stream.process(
                    lambda item: results.append(processor(item)),
                    max_concurrent,
                    on_progress=on_progress,
                    progress_every=progress_every,
                )
            except StreamError as exc:
                exc.items = results
                raise
        return Processed(results=results, summary=summary)

    def batch_stream(
        self,
        endpoints: Iterable[str] | Mapping[str, Any],
        data: Any = None,
        *,
        max_items: int | None = None,
        max_concurrent: int | None = None,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> dict[str, Outcome[Any]]:
        """Reads several streams at once and returns what came of each.

        Args:
            endpoints: Their names, or a mapping of each name to its own parameters.
            data: The parameters for all, where `endpoints` holds names only.
            max_items: How many items to take from each. Default: all.
            max_concurrent: How many may be open at once. Default: all.
            decoder: As in `stream_data`.
            **options: As in `Client.stream`.

        Returns:
            `Succeeded` or `Failed` for each endpoint; a failed one keeps the items it had.
        """
        requests = self._requests(endpoints, data, decoder, options)
        return self._client.gather(requests, max_items=max_items, max_concurrent=max_concurrent)

    def _request(
        self, endpoint: str, data: Any, decoder: Any, options: SharedOptions
    ) -> Request[Any]:
        return _stream_request(self._base, endpoint, data, decoder, options)

    def _requests(
        self, endpoints: object, data: Any, decoder: Any, options: SharedOptions
    ) -> list[Request[Any]]:
        pairs = _endpoint_pairs(endpoints, data)
        return [self._request(name, value, decoder, options) for name, value in pairs]

    def close(self) -> None:
        """Closes the client, if it is the service's own."""
        if self._owned:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncStreamService:
    """A streaming data service. Close it, or use it in an `async with`.

    Args:
        base_url: Where the service is, such as "http://127.0.0.1:3001".
        client: A client of your own (headers, auth, timeouts, retries), which stays yours to
            close. Default: one with default settings.

    Raises:
        ConfigurationError: An argument is wrong.
    """

    def __init__(self, base_url: str, *, client: AsyncClient | None = None) -> None:
        self._base = _checked_base(base_url)
        self._client = AsyncClient() if client is None else client
        self._owned = client is None

    async def health(self) -> Health:
        """Whether the service answers; never raises."""
        try:
            return _health(await self._document("health"))
        except StreamError as exc:
            return Health(ok=False, error=exc)

    async def get_stream_info(self, endpoint: str) -> StreamInfo:
        """What the service says about one of its streams.

        Raises:
            ConfigurationError: `endpoint` is not a plain name.
            StatusError: The service knows no such endpoint, or refuses.
            StreamError: It could not be reached, or its answer is no JSON object.
        """
        return _info(endpoint, await self._document(f"info/{_checked_endpoint(endpoint)}"))

    async def _document(self, path: str) -> dict[str, Any]:
        url = f"{self._base}/{path}"
        options = _document_options()
        async with self._client.stream("GET", url, decoder=Raw(), **options) as stream:
            return _parsed(b"".join(await stream.collect()))

    @overload
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: None = None,
        **options: Unpack[SharedOptions],
    ) -> AsyncStream[Any]: ...
    @overload
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: DecoderFactory[T],
        **options: Unpack[SharedOptions],
    ) -> AsyncStream[T]: ...
    def stream_data(
        self,
        endpoint: str,
        data: Any = None,
        *,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> AsyncStream[Any]:
        """One stream of the service, not yet opened.

        Args:
            endpoint: Its name: one plain path segment.
            data: Parameters for the service, sent as JSON. Default: `{}`.
            decoder: Default: `SSEData()`, with `terminal="[DONE]"` and `Failure(event="error")`.
            **options: As in `AsyncClient.stream`.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        return self._client.open_request(self._request(endpoint, data, decoder, options))

    async def process_stream(
        self,
        endpoint: str,
        data: Any,
        processor: Callable[[Any], R | Awaitable[R]],
        *,
        max_concurrent: int = 1,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> Processed[R]:
        """Runs `processor` on every item of a stream and keeps the results.

        Args:
            endpoint: As in `stream_data`.
            data: As in `stream_data`.
            processor: Called with one item; it may be async.
            max_concurrent: How many calls may run at once; results are then in order of completion.
            on_progress: As in `AsyncFlow.process`.
            progress_every: As in `AsyncFlow.process`.
            decoder: As in `stream_data`.
            **options: As in `AsyncClient.stream`.

        Raises:
            StreamError: The stream failed; the results that came before are its `items`.
        """
        results: list[R] = []

        async def work(item: Any) -> None:
            results.append(await applied(processor, item))

        stream = self._client.open_request(self._request(endpoint, data, decoder, options))
        async with stream:
            try:
                summary = await stream.process(
                    work, max_concurrent, on_progress=on_progress, progress_every=progress_every
                )
            except StreamError as exc:
                exc.items = results
                raise
        return Processed(results=results, summary=summary)

    async def batch_stream(
        self,
        endpoints: Iterable[str] | Mapping[str, Any],
        data: Any = None,
        *,
        max_items: int | None = None,
        max_concurrent: int | None = None,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> dict[str, Outcome[Any]]:
        """Reads several streams at once and returns what came of each.

        Args:
            endpoints: Their names, or a mapping of each name to its own parameters.
            data: The parameters for all, where `endpoints` holds names only.
            max_items: How many items to take from each. Default: all.
            max_concurrent: How many may be open at once. Default: all.
            decoder: As in `stream_data`.
            **options: As in `AsyncClient.stream`.

        Returns:
            `Succeeded` or `Failed` for each endpoint; a failed one keeps the items it had.
        """
        requests = self._requests(endpoints, data, decoder, options)
        return await self._client.gather(
            requests, max_items=max_items, max_concurrent=max_concurrent
        )

    def _request(
        self, endpoint: str, data: Any, decoder: Any, options: SharedOptions
    ) -> Request[Any]:
        return _stream_request(self._base, endpoint, data, decoder, options)

    def _requests(
        self, endpoints: object, data: Any, decoder: Any, options: SharedOptions
    ) -> list[Request[Any]]:
        pairs = _endpoint_pairs(endpoints, data)
        return [self._request(name, value, decoder, options) for name, value in pairs]

    async def aclose(self) -> None:
        """Closes the client, if it is the service's own."""
        if self._owned:
            await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _checked_base(base_url: object) -> str:
    if not isinstance(base_url, str) or not re.match(r"https?://[^/?#]+[^?#]*\Z", base_url):
        raise ConfigurationError(
            f"base_url={base_url!r} is not where a service is: pass 'http://host:port', with a "
            f"path if need be, without query"
        )
    return base_url.rstrip("/")


def _checked_endpoint(endpoint: object) -> str:
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise ConfigurationError(
            f"endpoint={endpoint!r:.80} is not a plain name: pass letters, digits, '_', '-', '.' "
            f"and '~' only, as in 'users'"
        )
    return endpoint


def _stream_request(
    base: str, endpoint: str, data: Any, decoder: Any, options: SharedOptions
) -> Request[Any]:
    name = _checked_endpoint(endpoint)
    merged: StreamOptions = {"resume": LastEventID(), "json": {} if data is None else data}
    if decoder is None:
        decoder = SSEData()
        merged |= {"terminal": "[DONE]", "failure": Failure(event="error")}
    merged.update(options)  # type: ignore[typeddict-item]  # all of SharedOptions are in it
    request: Request[Any] = Request(
        "POST", f"{base}/stream/{name}", key=name, decoder=decoder, **merged
    )
    return request


def _endpoint_pairs(endpoints: object, data: Any) -> list[tuple[str, Any]]:
    if isinstance(endpoints, str) or not isinstance(endpoints, Iterable):
        raise ConfigurationError(
            f"endpoints={endpoints!r} are not several: pass a list of names, or a mapping of names "
            f"to parameters"
        )
    if isinstance(endpoints, Mapping):
        return list(cast("Mapping[str, Any]", endpoints).items())
    return [(name, data) for name in cast("Iterable[str]", endpoints)]


def _document_options() -> SharedOptions:
    return {"headers": {"Accept": "application/json"}, "limits": _DOCUMENT_LIMITS}


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as exc:
        raise DecodeError(f"the service's answer is not JSON: {exc}", excerpt=body[:64]) from exc
    if not isinstance(value, dict):
        raise DecodeError("the service's answer is not a JSON object", excerpt=body[:64])
    return cast("dict[str, Any]", value)


def _health(details: dict[str, Any]) -> Health:
    return Health(ok=True, details=MappingProxyType(details))


def _info(endpoint: str, details: dict[str, Any]) -> StreamInfo:
    total = details.get("total")
    return StreamInfo(
        name=str(details.get("name", endpoint)),
        description=str(details.get("description", "")),
        total=total if isinstance(total, int) else None,
        details=MappingProxyType(details),
    )
