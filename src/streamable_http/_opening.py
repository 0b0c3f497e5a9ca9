"""How one stream is opened: from the caller's options to a session on an HTTP client.

Shared by both faces; `Opening` makes the parts, the faces put them together.
"""

from __future__ import annotations

import random
import time
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from ._call import Call
from ._decoders.engine import Position
from ._delivery import Delivery, Mark
from ._errors import StreamClosed
from ._logging import teller
from ._order import Order
from ._perform import AsyncPerformer, Performer
from ._pump import AsyncPump, Pump
from ._reports import EventHook, StreamStats
from ._resume import cursor_of
from ._session import Session
from ._values import Cursor, ResponseInfo
from .transports._lease import Lease

__all__ = ["Opening", "PrefetchBounds"]

T = TypeVar("T")
B = TypeVar("B")

_NOT_OPEN = "the stream is not open: use it in a with block, or call open() first"


@frozen
class PrefetchBounds:
    """How much may be read ahead, in items and in bytes."""

    items: int
    bytes: int


class Opening(Generic[T]):
    """Everything about one stream but its face.

    Attributes:
        order: What the session acts on.
        prefetch: How much to read ahead, or None.
        count: Items that earlier runs passed, according to `start=`.
        settled: Whether the consumer has come to the stream's clean end.
    """

    def __init__(
        self,
        order: Order[T],
        call: Call,
        http: Any,
        *,
        prefetch: PrefetchBounds | None,
        count: int,
        hooks: list[EventHook],
    ) -> None:
        self.order = order
        self.prefetch = prefetch
        self.count = count
        self._call, self._http = call, http
        self._hooks = hooks
        self._session: Session[T] | None = None
        self.settled: bool = False
        self._started = self._stopped = 0.0

    @property
    def start(self) -> Position:
        """Where the stream starts."""
        return self.order.start

    @property
    def label(self) -> str:
        """Method and URL without query and credentials."""
        return self.order.label

    def pump(self) -> Pump[T]:
        """A pump for threads. Each stream can be opened once."""
        session, lease = self._begin()
        performer = Performer(self._http, self._call, lease)
        return Pump(session, performer, time.monotonic)

    def async_pump(self) -> AsyncPump[T]:
        """A pump for tasks. Each stream can be opened once."""
        session, lease = self._begin()
        performer = AsyncPerformer(self._http, self._call, lease)
        return AsyncPump(session, performer, time.monotonic)

    def _begin(self) -> tuple[Session[T], Lease]:
        if self._session is not None:
            raise StreamClosed(
                f"{self.label}: a stream can be opened once: call client.stream(…) for another"
            )
        now = self._started = time.monotonic()
        self._session = Session(self.order, jitter=random.random, tell=teller(self._hooks), now=now)
        return self._session, Lease(self.order.timeouts, time.monotonic)

    def opened(self, batches: B | None) -> B:
        """`batches`, or a clear error if the stream was not opened."""
        if batches is None:
            raise StreamClosed(f"{self.label}: {_NOT_OPEN}")
        return batches

    def head(self) -> ResponseInfo:
        """The head of the last response."""
        response = None if self._session is None else self._session.response
        if response is None:
            raise StreamClosed(f"{self.label}: {_NOT_OPEN}")
        return response

    def stats(self, handed: int) -> StreamStats:
        """What the stream did so far; `handed` items were handed out, earlier runs included."""
        if self._session is None:
            return StreamStats()
        stats = self._session.stats
        return evolve(
            stats,
            items=handed - self.count,
            elapsed=(self._stopped or time.monotonic()) - self._started,
            # Reading ahead may know the end already; it counts once the consumer has come there.
            ended=stats.ended if self.settled else None,
        )

    def stop_clock(self) -> None:
        """The consumer has done with the stream: `stats.elapsed` grows no more."""
        self._stopped = self._stopped or time.monotonic()

    def cursor(self, mark: Mark) -> Cursor | None:
        """The public form of a place in the stream."""
        return cursor_of(mark.resolve(), mark.items, self.label)

    def settle(self, delivery: Delivery[T]) -> None:
        """A clean end: the cursor moves to the read position, past trailing blocks without data."""
        self.settled = True
        self.stop_clock()
        if self._session is not None:
            delivery.settle(self._session.position)
