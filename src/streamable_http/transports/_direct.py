"""Bodies that are read from the connection, past the HTTP parser that read the head.

Where chunks are merged, llhttp has taken the framing away already. To put it on again only for a
parser written in Python to take it off costs more than all else does where events come one by one.
So the bytes go straight to whoever reads, and the parser is handed the end of the message, by
which it knows that the connection can be used again.
"""

from __future__ import annotations

from typing import Any, Self, cast

import anyio
import httpcore

from ._merging import AsyncMergingStream, MergingStream

__all__ = ["AsyncDirectBody", "DirectBody", "can_be_direct", "twin"]

_TROUBLE = (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError)


def twin(exc: Exception, library: Any) -> Exception:
    """The error of a library that has the name of httpcore's."""
    kind: type[Exception] = getattr(library, type(exc).__name__)
    return kind(str(exc))


def can_be_direct(request: Any, response: Any) -> Any:
    """The connection to read the body of a response from directly; None if it cannot be."""
    wire = response.extensions.get("network_stream")
    wire = getattr(wire, "inner", wire)
    if not isinstance(wire, (MergingStream, AsyncMergingStream)) or not wire.merges:
        return None
    # Who traces what the parser does is to see that it does it.
    return None if "trace" in request.extensions else wire


class _Direct:
    """What both faces know.

    Args:
        inner: The body as the HTTP client would read it.
        wire: The connection.
        request: The request, for its timeout.
        library: httpx or httpx2, for its errors.
    """

    def __init__(self, inner: Any, wire: Any, request: Any, library: Any) -> None:
        self._inner = inner
        self._wire = wire
        self._timeout: float | None = request.extensions.get("timeout", {}).get("read")
        self._library = library
        self._rest: Any = None


class DirectBody(_Direct):
    """A body for a sync client."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._rest is None:
            try:
                data: bytes = self._wire.read_body(self._timeout)
            except BaseException as exc:
                self._inner.close()
                if isinstance(exc, _TROUBLE):
                    raise twin(exc, self._library) from exc
                raise
            if data:
                return data
            self._rest = iter(self._inner)
        return cast("bytes", next(self._rest))

    def close(self) -> None:
        """Gives the connection back, or closes it."""
        self._inner.close()


class AsyncDirectBody(_Direct):
    """A body for an async client."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._rest is None:
            try:
                data: bytes = await self._wire.read_body(self._timeout)
            except BaseException as exc:
                with anyio.CancelScope(shield=True):
                    await self._inner.aclose()
                if isinstance(exc, _TROUBLE):
                    raise twin(exc, self._library) from exc
                raise
            if data:
                return data
            self._rest = aiter(self._inner)
        return cast("bytes", await anext(self._rest))

    async def aclose(self) -> None:
        """Gives the connection back, or closes it."""
        await self._inner.aclose()
