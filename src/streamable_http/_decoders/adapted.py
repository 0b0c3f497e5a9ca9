"""An engine made of any decoder of a user's own, so that the session knows one shape only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar, cast

from .._errors import ConfigurationError, DecodeError, StreamError
from .ends import Ends
from .engine import EXCERPT, Batch, Decoder, Engine, Position

__all__ = ["Adapted"]

T = TypeVar("T")

_MISSING = object()


class Adapted(Engine[T]):
    """An engine made of a user's decoder: its own exceptions become part of the batch.

    Args:
        decoder: The decoder, a `PositionedDecoder` if it has an `offset`.
        offset: Bytes of the body before the first that comes.
    """

    portion = sys.maxsize  # it gets the bytes as they come

    def __init__(self, decoder: Decoder[T], offset: int = 0) -> None:
        self._decoder = decoder
        self._items = 0
        self._base = offset
        self._fed = 0
        self._end = 0  # of the last item, where the decoder tells
        self._over = False
        self.starts_at_records = getattr(decoder, "offset", _MISSING) is not _MISSING

    def feed(self, data: bytes, /) -> Batch[T]:
        return self._gather(self._decoder.decode, data)

    def finish(self, *, framed: bool = True) -> Batch[T]:
        return self._gather(lambda _: self._decoder.flush(), b"")

    def _gather(self, step: Callable[[bytes], Iterable[T]], data: bytes) -> Batch[T]:
        if self._over:
            return Batch([])
        items: list[T] = []
        ends: list[int] = []
        error: StreamError | None = None
        before = self._end
        self._fed += len(data)
        try:
            # A generator may raise half-way: what it gave before that is delivered first.
            for item in step(data):
                if self.starts_at_records:
                    ends.append(self._told_end())
                items.append(item)
        except StreamError as exc:
            error = exc
        except Exception as exc:
            error = self._failure(exc, len(items), data)
        self._over = error is not None
        self._items += len(items)
        if not ends:
            return Batch(items, error=error, size=len(data))
        marks = Ends([self._base + end for end in _settled(ends, before)])
        end = Position(offset=self._base + self._end) if self._end > before else None
        return Batch(items, marks, end, error, size=len(data))

    def _told_end(self) -> int:
        """Where the item ends that the decoder gave last, as it says itself."""
        told = cast("object", getattr(self._decoder, "offset", None))
        if not isinstance(told, int) or not self._end <= told <= self._fed:
            raise ConfigurationError(
                f"{type(self._decoder).__qualname__}.offset is {told!r} after an item, and must be "
                f"a number of bytes between {self._end}, where the items before it end, and "
                f"{self._fed}, which were fed"
            )
        self._end = told
        return told

    def _failure(self, exc: Exception, done: int, data: bytes) -> DecodeError:
        error = DecodeError(
            f"{type(self._decoder).__qualname__} failed: {exc!r}",
            index=self._items + done,
            offset=self._base + self._fed - len(data),
            excerpt=data[:EXCERPT],
        )
        error.__cause__ = exc
        return error


def _settled(ends: list[int], before: int) -> list[int]:
    """The ends, where each but the last of those that share one takes the end before them."""
    settled: list[int] = []
    for index, end in enumerate(ends):
        shared = index + 1 < len(ends) and ends[index + 1] == end
        earlier = settled[-1] if settled else before
        settled.append(earlier if shared else end)
    return settled
