"""Frames: each record is preceded by its length, as a whole number of a fixed width."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import frozen

from .._errors import ConfigurationError
from .engine import Batch, Context, Engine, Position, Spec, cut_in, too_large
from .line_engine import EndMarks

__all__ = ["LengthPrefixed"]

_SIZES = (1, 2, 4, 8)
_BYTEORDERS = ("big", "little")


@frozen(init=False)
class LengthPrefixed(Spec[bytes]):
    """Decodes frames, each preceded by its length in bytes, into their bytes without the length.

    A length of 0 is an empty frame, and an item. A length over `Limits(max_item_bytes)` is a
    `LimitExceeded` as soon as it is read, before any byte of the frame is kept. A body that ends
    inside a length or a frame is a `StreamTruncated`.

    Attributes:
        size: The width of the length in bytes: 1, 2, 4 or 8. It is unsigned.
        byteorder: "big" (network order) or "little".

    Raises:
        ConfigurationError: `size` or `byteorder` is none of these.
    """

    size: Literal[1, 2, 4, 8]
    byteorder: Literal["big", "little"]

    has_records: ClassVar[bool] = False

    def __init__(
        self, size: Literal[1, 2, 4, 8] = 4, byteorder: Literal["big", "little"] = "big"
    ) -> None:
        if type(size) is not int or size not in _SIZES:
            raise ConfigurationError(f"size={size!r} is no width of a length: pass 1, 2, 4 or 8")
        if byteorder not in _BYTEORDERS:
            raise ConfigurationError(
                f"byteorder={byteorder!r} is no byte order: pass 'big' or 'little'"
            )
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "byteorder", byteorder)

    def build(self, context: Context, /) -> Engine[bytes]:
        return _Frames(context, self.size, self.byteorder)


class _Frames(Engine[bytes]):
    starts_at_records = True

    def __init__(self, context: Context, size: int, byteorder: Literal["big", "little"]) -> None:
        self._limit = context.limits.max_item_bytes
        self._size = size
        self._byteorder: Literal["big", "little"] = byteorder
        self._tail = bytearray()  # the open frame with its length
        self._needed = size  # bytes of it without which nothing new is known
        self._offset = context.offset  # where it starts
        self._index = 0
        self._over = False

    def feed(self, data: bytes, /) -> Batch[bytes]:
        if self._over:
            return Batch([])
        if len(self._tail) + len(data) < self._needed:
            self._tail += data
            return Batch([])
        if self._tail:
            data = bytes(self._tail) + data
        return self._read(data)

    def finish(self, *, framed: bool = True) -> Batch[bytes]:
        if self._over:
            return Batch([])
        self._over = True
        error = cut_in(f"frame {self._index}") if self._tail else None
        return Batch([], error=error)

    def _read(self, data: bytes) -> Batch[bytes]:
        marks = EndMarks([])
        batch = Batch[bytes]([], marks)
        base, start, stop = self._offset, 0, self._size
        while stop <= len(data):
            length = int.from_bytes(data[start:stop], self._byteorder)
            if length > self._limit:
                batch.error = too_large("max_item_bytes", self._limit, length, "a frame")
                break
            end = stop + length
            if end > len(data):
                stop = end
                break
            batch.items.append(data[stop:end])
            marks.ends.append(base + end)
            start, stop = end, end + self._size
        self._over = batch.error is not None
        self._tail = bytearray() if self._over else bytearray(data[start:])
        self._needed = stop - start
        self._offset = base + start
        self._index += len(batch.items)
        batch.size = start
        batch.end = Position(offset=self._offset) if start else None
        return batch
