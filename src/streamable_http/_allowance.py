"""What `Limits` lets a whole stream take: bytes of body and items, over all connections."""

from __future__ import annotations

from typing import TypeVar

from ._decoders.engine import Batch, too_large
from ._errors import LimitExceeded
from ._values import Limits

__all__ = ["Allowance"]

T = TypeVar("T")


class Allowance:
    """Cuts at the exact byte and item, so that how bytes were cut changes no item."""

    def __init__(self, limits: Limits) -> None:
        self._max_bytes = limits.max_stream_bytes
        self._max_items = limits.max_items
        self._bytes = 0

    def admit(self, piece: bytes) -> tuple[bytes, LimitExceeded | None]:
        """What of the next piece may be decoded, and the error to raise after its items."""
        self._bytes += len(piece)
        if self._max_bytes is None or self._bytes <= self._max_bytes:
            return piece, None
        excess = self._bytes - self._max_bytes
        # The byte that was too many: the same however the bytes were cut.
        over = too_large("max_stream_bytes", self._max_bytes, self._max_bytes + 1, "the stream")
        return piece[: max(len(piece) - excess, 0)], over

    def cap(self, batch: Batch[T], before: int) -> tuple[Batch[T], LimitExceeded | None]:
        """What of a batch may be delivered after `before` items, and the error to raise then."""
        limit = self._max_items
        if limit is None or before + len(batch.items) <= limit:
            return batch, None
        over = LimitExceeded(
            f"the stream holds more items than Limits(max_items={limit:,}) allows: at least "
            f"{limit + 1:,} seen; raise the limit, or take the first few by collect({limit})",
            limit="max_items",
            setting=limit,
            seen=limit + 1,
        )
        return batch.first(limit - before), over
