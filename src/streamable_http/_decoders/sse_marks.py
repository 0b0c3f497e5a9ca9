"""Where the events of one batch stand in their stream; worked out when somebody asks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from .engine import Position
from .sse_blocks import as_text

__all__ = ["Blocks", "OneMark", "Run", "SSEMarks"]

_BEHIND = 256


class Run:
    """The items since the one, or the block, that set the last event ID, over all connections.

    At most 256 digests are kept. With more items than that the position is not exact: its
    `behind` is empty, and `Position.exact` says so.
    """

    __slots__ = ("_digests", "_repeated", "_repeating", "length")

    def __init__(self, behind: tuple[bytes, ...] = ()) -> None:
        self._digests = list(behind)
        # Items of an earlier connection are counted once, though the server may repeat them.
        self._repeated = iter(behind)
        self._repeating = bool(behind)
        self.length = len(behind)

    def add(self, event: str, data: bytes) -> bytes | None:
        """Takes the next item without an ID of its own, and returns its digest, if it has one."""
        if self.length >= _BEHIND and not self._repeating:
            self.length += 1
            return None
        digest = hashlib.blake2b(b"%b\0%b" % (event.encode(), data), digest_size=8).digest()
        if self._repeating and next(self._repeated, None) == digest:
            return digest
        self._repeating = False
        if self.length < _BEHIND:
            self._digests.append(digest)
        self.length += 1
        return digest

    def position(self, event_id: str, offset: int, length: int) -> Position:
        """The position after the first `length` items of the run."""
        if not length:
            return Position(event_id, offset)
        if length > _BEHIND:
            return Position(event_id, offset, (), exact=False)
        return Position(event_id, offset, tuple(self._digests[:length]))


class Blocks(NamedTuple):
    """Whole blocks that were read at once, one item each, not yet measured."""

    first: int
    """The index of the first of their items in the batch."""
    base: int
    """The offset of the first block."""
    text: bytes
    separator: bytes
    ids: Sequence[str | bytes] | None
    """Their IDs; None if no block has one."""

    def ends(self) -> list[int]:
        """Where each block ends: at the byte that dispatches its event."""
        size = len(self.separator)
        ends: list[int] = []
        stop = 0
        while stop < len(self.text):
            stop = self.text.index(self.separator, stop) + size
            # The CR of the blank line dispatches; its LF belongs to no event.
            ends.append(self.base + stop - (size == 4))
        return ends


class OneMark(msgspec.Struct, gc=False):
    """The marks of a batch of one item without an ID."""

    end: Position

    def position(self, index: int, /) -> Position:
        return self.end

    def digest(self, index: int, /) -> bytes | None:
        return None


class SSEMarks(msgspec.Struct):
    """The marks of one batch of events."""

    ends: list[int] = []
    ids: list[str] = []
    blocks: Blocks | None = None
    runs: dict[int, tuple[Run, int]] = {}
    """The run that an item belongs to, and its length with it; only items with one."""
    digests: dict[int, bytes | None] = {}

    def position(self, index: int, /) -> Position:
        self._measure()
        event_id, end = self.ids[index], self.ends[index]
        if index not in self.runs:
            return Position(event_id, end)
        run, length = self.runs[index]
        return run.position(event_id, end, length)

    def digest(self, index: int, /) -> bytes | None:
        return self.digests.get(index)

    def _measure(self) -> None:
        if self.blocks is not None:
            at = self.blocks.first
            self.ends[at:at] = self.blocks.ends()
            ids = self.blocks.ids
            self.ids[at:at] = (
                [""] * (len(self.ends) - len(self.ids)) if ids is None else map(as_text, ids)
            )
            self.blocks = None
