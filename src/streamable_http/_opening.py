"""How one stream is opened: from the caller's options to a session on an HTTP client.

Shared by both faces; `Opening` makes the parts, the faces put them together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from ._call import Call, build_request
from ._clock import Clock
from ._decoders.engine import Position
from ._delivery import Delivery, Mark
from ._effects import Open, Target
from ._errors import ConfigurationError, StreamClosed
from ._lease import Lease
from ._logging import teller
from ._order import Order
from ._perform import AsyncPerformer, Performer
from ._pump import AsyncPump, Pump
from ._reports import EventHook, StreamStats
from ._resume import cursor_of
from ._saving import Saver
from ._session import Session
from ._values import Cursor, ResponseInfo

__all__ = ["Opening", "PrefetchBounds", "Restart"]

T = TypeVar("T")
B = TypeVar("B")

Restart = Callable[[Order[T], Cursor], Order[T]]
"""Makes an order that starts at a cursor of an earlier one, or refuses the cursor."""

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
        count: Items that earlier runs passed, according to `start=` or the checkpoint.
        saver: What `checkpoint=` asks for, or None.
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
        clock: Clock,
        saver: Saver | None,
        restart: Restart[T] | None,
    ) -> None:
        self.order: Order[T] = order
        self.prefetch = prefetch
        self.count: int = count
        self._call, self._http = call, http
        self._hooks = hooks
        self._clock = clock
        self.saver = saver
        self._restart = restart
        self._session: Session[T] | None = None
        self.settled: bool = False
        self._started = 0.0
        self._stopped: float | None = None

    @property
    def start(self) -> Position:
        """Where the stream starts."""
        return self.order.start

    @property
    def label(self) -> str:
        """Method and URL without query and credentials."""
        return self.order.label

    @property
    def begun(self) -> bool:
        """Whether somebody has opened the stream."""
        return self._session is not None

    @property
    def may_move(self) -> bool:
        """Whether it is open where the stream starts: nobody said `start=`."""
        return self._restart is not None

    def load(self) -> Delivery[T]:
        """Goes back to the checkpoint, if there is one and `start=` was not given; may block.

        Raises:
            ConfigurationError: Another stream has the key, or the cursor is another request's.
        """
        if self.saver is not None:
            cursor = self.saver.load()
            if cursor is not None and self._restart is not None:
                try:
                    self.order = self._restart(self.order, cursor)
                except ConfigurationError as exc:
                    raise ConfigurationError(f"checkpoint key {self.saver.key!r}: {exc}") from exc
                self.count = cursor.count
            self.saver.begin(self.cursor(Mark(self.start, self.count)), self.count)
        return Delivery(self.start, self.count)

    def begin_at(self, cursor: Cursor | None) -> Delivery[T]:
        """Makes the stream begin at a cursor, or at its start; it delivered nothing yet.

        Raises:
            ConfigurationError: The cursor is another request's, or of another kind.
        """
        if cursor is None:
            self.order, self.count = evolve(self.order, start=Position()), 0
        elif self._restart is not None:
            self.order, self.count = self._restart(self.order, cursor), cursor.count
        self._session = self._stopped = None
        return Delivery(self.start, self.count)

    def fingerprint(self) -> str:
        """What the request asks for: another URL differs, by its query, too, without showing it.

        Raises:
            ConfigurationError: The request cannot be built.
        """
        effect = Open(Target(self.order.method, body=False))
        lease = Lease(self.order.timeouts, self._clock)
        request, _ = build_request(self._http, self._call, effect, lease)
        return f"{self.label} {hashlib.sha256(str(request.url).encode()).hexdigest()}"

    def pump(self) -> Pump[T]:
        """A pump for threads. Each stream can be opened once."""
        session, lease = self._begin()
        performer = Performer(self._http, self._call, lease)
        return Pump(session, performer, self._clock.now)

    def async_pump(self) -> AsyncPump[T]:
        """A pump for tasks. Each stream can be opened once."""
        session, lease = self._begin()
        performer = AsyncPerformer(self._http, self._call, lease)
        return AsyncPump(session, performer, self._clock.now)

    def _begin(self) -> tuple[Session[T], Lease]:
        if self._session is not None:
            raise StreamClosed(
                f"{self.label}: a stream can be opened once: call client.stream(…) for another"
            )
        clock = self._clock
        now = self._started = clock.now()
        self._session = Session(self.order, jitter=clock.jitter, tell=teller(self._hooks), now=now)
        return self._session, Lease(self.order.timeouts, clock)

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
        until = self._clock.now() if self._stopped is None else self._stopped
        return evolve(
            stats,
            items=handed - self.count,
            elapsed=until - self._started,
            # Reading ahead may know the end already; it counts once the consumer has come there.
            ended=stats.ended if self.settled else None,
        )

    def stop_clock(self) -> None:
        """The consumer has done with the stream: `stats.elapsed` grows no more."""
        if self._stopped is None:
            self._stopped = self._clock.now()

    def cursor(self, mark: Mark) -> Cursor | None:
        """The public form of a place in the stream."""
        position = mark.resolve()
        if self._session is None:
            return cursor_of(position, mark.items, self.label)
        return self._session.cursor(position, mark.items)

    def settle(self, delivery: Delivery[T]) -> None:
        """A clean end: the cursor moves to the read position, past trailing blocks without data."""
        self.settled = True
        self.stop_clock()
        if self._session is not None:
            delivery.settle(self._session.position)
