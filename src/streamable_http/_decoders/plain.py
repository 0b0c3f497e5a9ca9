"""The same decoding over any bytes: files, uploads, the bodies of other HTTP clients."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Generic, TypeVar, cast

from .._errors import ConfigurationError
from .choose import build_engine
from .engine import Batch, Context, DecoderFactory

__all__ = ["adecode", "decode"]

T = TypeVar("T")


def decode(chunks: Iterable[bytes], decoder: DecoderFactory[T]) -> Iterator[T]:
    """Decodes bytes, cut anywhere, into items; nothing is decompressed, resumed or retried.

    The end of `chunks` counts as the proven end of the body.

    Args:
        chunks: The bytes.
        decoder: What to decode them with, such as `SSE()` or `NDJSON(User)`.

    Raises:
        ConfigurationError: `decoder` makes no decoder.
        StreamTruncated: The bytes ended inside an item; raised after the items before it.
        DecodeError: An item cannot be decoded; raised after the items before it.
    """
    return _Decoded(chunks, decoder)


def adecode(chunks: AsyncIterable[bytes], decoder: DecoderFactory[T]) -> AsyncIterator[T]:
    """Decodes bytes that come asynchronously: see `decode`."""
    return _AsyncDecoded(chunks, decoder)


class _Items(Generic[T]):
    """The items of the current batch, and what comes after them."""

    def __init__(self, decoder: DecoderFactory[T]) -> None:
        self._engine = build_engine(decoder, {}, Context())
        self._ready: Iterator[T] = iter(())
        self._error: Exception | None = None
        self._over = False

    def _take(self, batch: Batch[T]) -> None:
        self._ready = iter(batch.items)
        self._error = batch.error
        self._over = self._over or batch.ended

    def _feed(self, chunk: object) -> None:
        if not isinstance(chunk, (bytes, bytearray, memoryview)):
            raise ConfigurationError(
                f"a chunk is of class {type(chunk).__qualname__}: pass an iterable of bytes"
            )
        self._take(self._engine.feed(bytes(cast("bytes", chunk))))

    def _finish(self) -> None:
        self._over = True
        self._take(self._engine.finish())

    def _pass_batch(self) -> bool:
        """Raises what the batch ended with, and tells whether there may be another."""
        error, self._error = self._error, None
        if error is not None:
            self._over = True
            raise error
        return not self._over


class _Decoded(_Items[T], Iterator[T]):
    def __init__(self, chunks: Iterable[bytes], decoder: DecoderFactory[T]) -> None:
        super().__init__(decoder)
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[T]:  # noqa: PYI034  # not itself, but what goes on with it
        # A generator hands a batch out without a call of ours for each item.
        while True:
            yield from self._ready
            if not self._load():
                return

    def __next__(self) -> T:
        while True:
            for item in self._ready:
                return item
            if not self._load():
                raise StopIteration

    def _load(self) -> bool:
        """Goes on to the next batch; whether there is one."""
        if not self._pass_batch():
            return False
        try:
            chunk = next(self._chunks)
        except StopIteration:
            self._finish()
        else:
            self._feed(chunk)
        return True


class _AsyncDecoded(_Items[T], AsyncIterator[T]):
    def __init__(self, chunks: AsyncIterable[bytes], decoder: DecoderFactory[T]) -> None:
        super().__init__(decoder)
        self._chunks = aiter(chunks)

    async def __anext__(self) -> T:
        while True:
            for item in self._ready:
                return item
            if not self._pass_batch():
                raise StopAsyncIteration
            try:
                chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._finish()
            else:
                self._feed(chunk)
