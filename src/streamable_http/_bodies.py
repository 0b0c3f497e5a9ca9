"""Bodies of requests, as HTTP clients iterate over them."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from types import ModuleType
from typing import Any, Generic, Self, TypeVar

from ._checks import CallersError, callers_own
from ._errors import ConfigurationError

__all__ = ["body_of_callers", "set_plain_body"]

P = TypeVar("P")


def set_plain_body(request: Any, flavour: ModuleType) -> None:
    """Bytes to send come from an iterator that needs no end.

    Clients use an async generator for them, and leave it half-way when a connection breaks: trio
    warns of each.
    """
    if type(request.stream) is flavour.ByteStream:
        request.stream = _plain_body(flavour)(request.content)


@functools.cache
def _plain_body(flavour: ModuleType) -> Any:
    base: Any = flavour.ByteStream
    return type("PlainBody", (base,), {"__aiter__": _once})


def _once(body: Any) -> _OneItem:
    return _OneItem(b"".join(body))


class _OneItem:
    """An async iterator of one item."""

    def __init__(self, data: bytes) -> None:
        self._left = [data]

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


def body_of_callers(content: Any) -> Any:
    """A body that is made while it is sent; what goes wrong in it is the caller's own affair."""
    if isinstance(content, (str, bytes)) or hasattr(content, "read"):
        return content
    if isinstance(content, AsyncIterable):
        return _AsyncBody(content)  # pyright: ignore[reportUnknownArgumentType]  # checked as sent
    return _Body(content) if isinstance(content, Iterable) else content  # pyright: ignore[reportUnknownArgumentType]


class _OneBody(Generic[P]):
    """Pieces of a body that is asked for again only if it can be."""

    def __init__(self, pieces: P) -> None:
        self._pieces = pieces
        self._begun = False

    def _begin(self, pieces: object) -> None:
        """`pieces` is what iterates over them."""
        if self._begun and pieces is self._pieces:
            raise ConfigurationError(
                "content= can be read only once, and its authentication has the client send the "
                "request again: pass bytes"
            )
        self._begun = True


class _Body(_OneBody[Iterable[bytes]]):
    def __iter__(self) -> Iterator[bytes]:
        pieces = iter(self._pieces)
        self._begin(pieces)
        with callers_own():
            yield from pieces


class _AsyncBody(_OneBody[AsyncIterable[bytes]]):
    def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = aiter(self._pieces)
        self._begin(pieces)
        return _AsyncPieces(pieces)


class _AsyncPieces:
    """No generator: one that is left half-way would be reported by trio."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            raise
        except Exception as exc:
            raise CallersError(exc) from exc
