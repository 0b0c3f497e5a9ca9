"""A client for streaming data services: health, info, and streams by endpoint name.

The convention: `GET /health`, `GET /info/{endpoint}`, and `POST /stream/{endpoint}` with the
parameters as a JSON body, answered by Server-Sent Events whose data is JSON and whose last one is
`[DONE]`. The POST is a query: it changes nothing, so it may be sent again and resumed.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from typing_extensions import Unpack

from ._async import AsyncStream
from ._checks import check_callable, refuse_async
from ._clients import AsyncClient, Client
from ._convention import (
    Health,
    Processed,
    StreamInfo,
    checked_base,
    document_options,
    health_of,
    info_of,
    info_path,
    parsed,
    stream_request,
    stream_requests,
)
from ._decoders.engine import DecoderFactory
from ._decoders.text import Raw
from ._errors import ConfigurationError, StreamError
from ._reports import Outcome, Progress
from ._request import SharedOptions
from ._retry import RetryPolicy
from ._sync import Stream
from ._tasks import applied

__all__ = ["AsyncStreamService", "Health", "Processed", "StreamInfo", "StreamService"]

T = TypeVar("T")
R = TypeVar("R")


@functools.cache
def _once() -> RetryPolicy:
    """Whoever asks for the health wants to know it now."""
    return RetryPolicy(stop=1)


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
        self._base = checked_base(base_url)
        self._client = Client() if client is None else client
        self._owned = client is None

    def health(self, **options: Unpack[SharedOptions]) -> Health:
        """Whether the service answers; if it does not, that is told, not raised.

        Args:
            **options: As in `Client.stream`; by default there is only one try.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        try:
            return health_of(self._document("health", {"retry": _once(), **options}))
        except ConfigurationError:
            raise
        except StreamError as exc:
            return Health(ok=False, error=exc)

    def get_stream_info(self, endpoint: str, **options: Unpack[SharedOptions]) -> StreamInfo:
        """What the service says about one of its streams.

        Args:
            endpoint: As in `stream_data`.
            **options: As in `Client.stream`.

        Raises:
            ConfigurationError: An argument is wrong.
            StatusError: The service knows no such endpoint, or refuses.
            StreamError: It could not be reached, or its answer is no JSON object.
        """
        return info_of(endpoint, self._document(info_path(endpoint), options))

    def _document(self, path: str, options: SharedOptions) -> dict[str, Any]:
        url, options = f"{self._base}/{path}", document_options(options)
        with self._client.stream("GET", url, decoder=Raw(), **options) as stream:
            return parsed(b"".join(stream))

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
        request = stream_request(self._base, endpoint, data, decoder, options)
        return self._client.open_request(request)

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
        check_callable(processor, "processor")
        refuse_async(processor, "processor")
        results: list[R] = []
        request = stream_request(self._base, endpoint, data, decoder, options)
        with self._client.open_request(request) as stream:
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
        requests = stream_requests(self._base, endpoints, data, decoder, options)
        return self._client.gather(requests, max_items=max_items, max_concurrent=max_concurrent)

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
        self._base = checked_base(base_url)
        self._client = AsyncClient() if client is None else client
        self._owned = client is None

    async def health(self, **options: Unpack[SharedOptions]) -> Health:
        """Whether the service answers; if it does not, that is told, not raised.

        Args:
            **options: As in `AsyncClient.stream`; by default there is only one try.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        try:
            return health_of(await self._document("health", {"retry": _once(), **options}))
        except ConfigurationError:
            raise
        except StreamError as exc:
            return Health(ok=False, error=exc)

    async def get_stream_info(self, endpoint: str, **options: Unpack[SharedOptions]) -> StreamInfo:
        """What the service says about one of its streams.

        Args:
            endpoint: As in `stream_data`.
            **options: As in `AsyncClient.stream`.

        Raises:
            ConfigurationError: An argument is wrong.
            StatusError: The service knows no such endpoint, or refuses.
            StreamError: It could not be reached, or its answer is no JSON object.
        """
        return info_of(endpoint, await self._document(info_path(endpoint), options))

    async def _document(self, path: str, options: SharedOptions) -> dict[str, Any]:
        url, options = f"{self._base}/{path}", document_options(options)
        async with self._client.stream("GET", url, decoder=Raw(), **options) as stream:
            return parsed(b"".join(await stream.collect()))

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
        request = stream_request(self._base, endpoint, data, decoder, options)
        return self._client.open_request(request)

    @overload
    async def process_stream(
        self,
        endpoint: str,
        data: Any,
        processor: Callable[[Any], Awaitable[R]],
        *,
        max_concurrent: int = 1,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> Processed[R]: ...
    @overload
    async def process_stream(
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
    ) -> Processed[R]: ...
    async def process_stream(
        self,
        endpoint: str,
        data: Any,
        processor: Callable[[Any], Any],
        *,
        max_concurrent: int = 1,
        on_progress: Callable[[Progress], object] | None = None,
        progress_every: int = 100,
        decoder: DecoderFactory[Any] | None = None,
        **options: Unpack[SharedOptions],
    ) -> Processed[Any]:
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
        check_callable(processor, "processor")
        results: list[Any] = []

        async def work(item: Any) -> None:
            results.append(await applied(processor, item))

        request = stream_request(self._base, endpoint, data, decoder, options)
        async with self._client.open_request(request) as stream:
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
        requests = stream_requests(self._base, endpoints, data, decoder, options)
        return await self._client.gather(
            requests, max_items=max_items, max_concurrent=max_concurrent
        )

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
