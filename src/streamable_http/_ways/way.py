"""What every way to go on with a broken stream can be asked.

A `Way` knows what to ask a server for, whether its answer is what was asked for, and which of the
items that come were had before. The session asks it, and holds none of that itself.
"""

from __future__ import annotations

from typing import TypeVar

from attrs import frozen

from .._decoders.engine import Batch, Position
from .._effects import Patch, Target
from .._values import ResponseInfo

__all__ = ["Plan", "Way"]

T = TypeVar("T")


@frozen
class Plan:
    """What to ask for so that the server goes on where the stream was.

    Attributes:
        target: Where to ask.
        patch: What to change in the caller's request.
        shown: The position, for messages.
        partial: Whether the answer must be a 206.
    """

    target: Target
    patch: Patch
    shown: str
    partial: bool = False


class Way:
    """How one stream goes on. This one knows none.

    Attributes:
        etag: The validator of the bytes that positions count, or "".
        same_engine: Whether the engine in use goes on, in the midst of an item.
    """

    etag: str = ""
    same_engine: bool = False

    @property
    def dropped(self) -> int:
        """Items that the server sent again and that were dropped, on all connections."""
        return 0

    def plan(self, target: Target, position: Position, *, begun: bool) -> Plan | None:
        """What to ask for to go on; None where the stream begins at its start.

        Args:
            target: Where the caller's own request goes.
            position: The read position.
            begun: Whether an item was decoded.

        Raises:
            ResumeError: It cannot be asked for.
        """
        return None

    def bodiless(self, position: Position) -> bool:
        """Whether going on at `position` sends no body again, whatever the caller's request is."""
        return False

    def connected(self, head: ResponseInfo, position: Position, plan: Plan | None) -> None:
        """A response was accepted as the answer to `plan`.

        Raises:
            ResumeError: It is not what was asked for.
        """

    def received(self, count: int) -> None:
        """So many bytes of the body came, and will be decoded."""

    def finish(self) -> bool:
        """The body has ended. Returns whether it is known to be all that there is.

        Raises:
            StreamTruncated: It is not.
        """
        return False

    def concluded(self) -> None:
        """The decoder in use was told that there are no more bytes, and takes none."""

    def nothing_left(self, head: ResponseInfo) -> bool:
        """Whether a refusal says that the stream has no more than what came."""
        return False

    def keep(self, batch: Batch[T], before: Position) -> Batch[T]:
        """What of a batch is new; `before` is the read position."""
        return batch

    def refusal(self, position: Position, *, live: bool) -> str:
        """Why the stream cannot go on faithfully at `position`; "" if it can.

        Args:
            position: The read position, behind at least one item.
            live: Whether it may go on with what comes, as a feed without positions does.
        """
        return "it has no positions"
