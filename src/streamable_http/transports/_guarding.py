"""The guard, but for what differs between httpx and httpx2."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, ClassVar, Self

from .._content import CODINGS
from .._errors import ConfigurationError, ContentTypeError, StreamError, StreamTruncated
from .._settings import checked_instance
from .._values import Headers, Limits
from ._watched import EventTerminal, Watched, checked_terminal, is_watched

__all__ = ["AsyncGuarding", "AsyncWatchedBody", "Guarding", "WatchedBody"]


class _Told:
    """What both bodies have in common: a watch, and its problem as an error of the client's."""

    def __init__(self, inner: Any, watched: Watched, request: Any, flavour: Flavour) -> None:
        self._inner, self._watched = inner, watched
        self._request, self._flavour = request, flavour

    def _check(self) -> None:
        """Raises what the watch has found, and again for whoever asks again."""
        problem = self._watched.problem
        if isinstance(problem, StreamError):
            raise self._flavour.error(problem, self._request) from problem
        if problem is not None:  # of the caller's own function: not ours to wrap
            raise problem


class WatchedBody(_Told):
    """A body whose bytes pass through as they come, each chunk at once."""

    _chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        self._check()
        if self._chunks is None:
            self._chunks = iter(self._inner)
        for data in self._chunks:
            self._watched.feed(data)
            return data
        self._watched.finish()
        self._check()
        raise StopIteration

    def close(self) -> None:
        """Lets the connection go; what was not read is not judged."""
        self._inner.close()


class AsyncWatchedBody(_Told):
    """The same for an async client."""

    _chunks: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._check()
        if self._chunks is None:
            self._chunks = aiter(self._inner)
        async for data in self._chunks:
            self._watched.feed(data)
            return data
        self._watched.finish()
        self._check()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Lets the connection go; what was not read is not judged."""
        await self._inner.aclose()


class Flavour:
    """What a guard takes from the package whose client it is for.

    Attributes:
        package: httpx or httpx2.
        body: The class of the bodies, which that package's client must recognise.
        truncated: Its error for a stream that is not complete.
    """

    def __init__(self, package: ModuleType, body: type[_Told], truncated: type[Exception]) -> None:
        self.package: Any = package
        self.body = body
        self.truncated: Any = truncated

    def error(self, problem: Exception, request: Any) -> Exception:
        """A problem as an error that users of the package, and SDKs built on it, expect."""
        cut = isinstance(problem, StreamTruncated)
        kind = self.truncated if cut else self.package.RemoteProtocolError
        error: Exception = kind(str(problem), request=request)
        return error


class _Guard:
    """What both guards have in common, which never waits."""

    _flavour: ClassVar[Flavour]
    _method: ClassVar[str]

    def __init__(self, terminal: EventTerminal, transport: Any, limits: Limits | None) -> None:
        self._terminal = checked_terminal(terminal)
        self._limits: Limits = checked_instance(limits, "limits", (Limits,), Limits())
        if not callable(getattr(transport, self._method, None)):
            raise ConfigurationError(
                f"transport= of type {type(transport).__name__} has no {self._method}(): pass a "
                f"transport of {self._flavour.package.__name__}, of the same kind as the client"
            )
        self._transport = transport

    def _prepare(self, request: Any) -> None:
        """Asks for no coding that cannot be looked into."""
        asked = request.headers.get("accept-encoding", "")
        codings = [coding.strip() for coding in asked.split(",")]
        read = [one for one in codings if one.partition(";")[0].strip().lower() in _READ]
        if read != codings:
            request.headers["accept-encoding"] = ", ".join(read) or "identity"

    def _guarded(self, request: Any, response: Any) -> Any:
        """The same response with a body that is watched, if it is a stream.

        Raises:
            RemoteProtocolError: Of httpx or httpx2: the body cannot be watched.
        """
        raw: list[tuple[bytes, bytes]] = response.headers.raw
        headers = Headers((name.decode("latin-1"), text.decode("latin-1")) for name, text in raw)
        if not is_watched(response.status_code, headers):
            return response
        try:
            watched = Watched(headers, self._terminal, self._limits)
        except ContentTypeError as exc:
            raise self._flavour.error(exc, request) from exc
        return self._flavour.package.Response(
            response.status_code,
            headers=response.headers,
            stream=self._flavour.body(response.stream, watched, request, self._flavour),
            extensions=response.extensions,
        )


_READ = CODINGS | {"identity"}


class Guarding(_Guard):
    """A guard for sync clients."""

    _method = "handle_request"

    def _handle(self, request: Any) -> Any:
        self._prepare(request)
        response = self._transport.handle_request(request)
        with contextlib.ExitStack() as stack:
            stack.callback(response.close)
            guarded = self._guarded(request, response)
            stack.pop_all()
        return guarded

    def close(self) -> None:
        """Closes the transport behind it."""
        self._transport.close()


class AsyncGuarding(_Guard):
    """A guard for async clients."""

    _method = "handle_async_request"

    async def _handle(self, request: Any) -> Any:
        self._prepare(request)
        response = await self._transport.handle_async_request(request)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(response.aclose)
            guarded = self._guarded(request, response)
            stack.pop_all()
        return guarded

    async def aclose(self) -> None:
        """Closes the transport behind it."""
        await self._transport.aclose()
