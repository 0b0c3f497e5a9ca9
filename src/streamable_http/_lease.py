"""The lease: what binds every wait on the network to its stream's clocks and to `close()`.

A `LeaseTimeout` is a float, so HTTP clients pass it down to the network as any other timeout;
there, our streams find the lease behind it. It knows how long this very wait may take, and
whoever closes the stream can end the wait through it, before there is a response too.
"""

from __future__ import annotations

from typing import Generic, Literal, Protocol, Self, TypeVar

from ._clock import SYSTEM, Clock
from ._values import Timeouts

__all__ = ["FOREVER", "FixedLease", "Interrupted", "Lease", "LeaseTimeout", "Nap", "lease_of"]

FOREVER = 7 * 24 * 3600.0
"""Stands for "no timeout" where only a number will do; poll() takes no much larger one."""

ClockName = Literal["connect", "first_byte", "idle", "between_items", "total"]


class Interrupted(OSError):
    """The stream was closed while it waited."""


class Waker(Protocol):
    """Something that waits on behalf of a lease and can be woken."""

    def wake(self, lease: Lease, /) -> None:
        """Ends the wait, if it still is `lease`'s."""
        ...


class Event(Protocol):
    """An event of threads or of tasks."""

    def set(self) -> object: ...


E = TypeVar("E", bound=Event)


class Nap(Generic[E]):
    """A wait for `woken` that ends when the stream is closed."""

    def __init__(self, woken: E) -> None:
        self.woken: E = woken

    def wake(self, lease: Lease, /) -> None:
        """The stream is closed."""
        self.woken.set()


class Lease:
    """The clocks of one stream, and the way to interrupt it.

    Attributes:
        clock: What the time is taken from.
        closed: Whether the stream was closed; then every wait raises `Interrupted`.
        expired: The clock that ran out in this attempt, or None.
        managed: Whether one of our own connections serves this attempt, so that the lease knows
            all of it; not so with a client, mounted transport or mock of somebody else's.
        dialled: The host and port that this attempt connects to, its proxy's if it has one; None
            where the connection is not new, or not ours.
        sent: Whether a byte of this attempt's request may have reached the server.
        waker: Who waits now.
        in_body: Whether the response's head is complete.
    """

    def __init__(self, timeouts: Timeouts, clock: Clock) -> None:
        self.timeouts = timeouts
        self.clock = clock
        self.closed: bool = False
        self.expired: ClockName | None = None
        self.managed: bool = False
        self.dialled: tuple[str, int] | None = None
        self.sent: bool = False
        self.waker: Waker | None = None
        self._now = clock.now
        self._total = _after(clock.now(), timeouts.total)
        self._phase_clock: ClockName = "connect"
        self._phase_end: float | None = None
        self.in_body: bool = False
        self._running: ClockName = "connect"
        self._since = 0.0
        self._itemless = 0.0

    def begin(self) -> None:
        """An attempt starts: the connect clock runs."""
        self.expired, self.managed, self.sent, self.dialled = None, False, False, None
        self.in_body, self._itemless = False, 0.0
        self._phase("connect", self.timeouts.connect)

    def sending(self, data: bytes, *, ready: bool) -> None:
        """`data` is about to be written; an HTTP request among it ends the connect phase.

        Args:
            data: What is written.
            ready: Whether the connection has carried a request before, so that this is one, too.
        """
        # What a proxy is told first (CONNECT, or a SOCKS greeting, which is not text) is still
        # part of connecting.
        if ready or (data[:1].isalpha() and not data.startswith(b"CONNECT ")):
            self.sent = True

    def sent_some(self) -> None:
        """A write is complete: if the request is on its way, the first-byte clock starts anew."""
        if self.sent and not self.in_body:
            self._phase("first_byte", self.timeouts.first_byte)

    def receive_body(self) -> None:
        """The head is complete: from here the idle and the between-items clock run."""
        self.in_body = True

    def hurry(self, seconds: float) -> None:
        """Only this long may be waited from now on."""
        self.in_body = False
        self._phase("idle", seconds)

    def item_decoded(self) -> None:
        """An item came: the between-items clock starts anew."""
        self._itemless = 0.0

    def wait(self, *, writing: bool = False) -> float | None:
        """Seconds that a wait which starts now may take; None if no clock runs.

        Raises:
            Interrupted: The stream was closed.
            TimeoutError: A clock has run out already.
        """
        self.check()
        now = self._since = self._now()
        end: float | None
        if writing and self.sent:
            self._running, end = "idle", _after(now, self.timeouts.idle)
        elif self.in_body:
            self._running, end = "idle", _after(now, self.timeouts.idle)
            if self.timeouts.between_items is not None:
                items_end = now + self.timeouts.between_items - self._itemless
                if end is None or items_end < end:
                    self._running, end = "between_items", items_end
        else:
            self._running, end = self._phase_clock, self._phase_end
        if self._total is not None and (end is None or self._total < end):
            self._running, end = "total", self._total
        if end is None:
            return None
        if end <= now:
            raise TimeoutError
        return min(end - now, FOREVER)

    def waited(self) -> None:
        """The wait brought something.

        Raises:
            Interrupted: The stream was closed meanwhile: what came must not be believed.
        """
        self.check()
        if self.in_body:
            self._itemless += self._now() - self._since

    def expire(self) -> None:
        """The wait took as long as it might: notes which clock that was."""
        self.expired = self._running

    def check(self) -> None:
        """Raises `Interrupted` if the stream was closed."""
        if self.closed:
            raise Interrupted("the stream was closed")

    def interrupt(self) -> None:
        """Closes the stream's waits: the one that runs, and all to come."""
        self.closed = True
        # The order matters: who waits registers first and looks at `closed` after that.
        waker = self.waker
        if waker is not None:
            waker.wake(self)

    def bound(self, clock: ClockName) -> float | None:
        """The setting of a clock."""
        value: float | None = getattr(self.timeouts, clock)
        return value

    def _phase(self, clock: ClockName, seconds: float | None) -> None:
        self._phase_clock, self._phase_end = clock, _after(self._now(), seconds)


class FixedLease(Lease):
    """A plain timeout in the shape of a lease, for requests that are not a stream's."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(Timeouts(), SYSTEM)
        self._seconds = seconds

    def wait(self, *, writing: bool = False) -> float | None:
        return self._seconds


class LeaseTimeout(float):
    """A timeout in seconds that carries the lease it belongs to."""

    lease: Lease

    def __new__(cls, seconds: float | None, lease: Lease) -> Self:
        self = super().__new__(cls, FOREVER if seconds is None else seconds)
        self.lease = lease
        return self


def lease_of(timeout: float | None) -> Lease:
    """The lease behind a timeout that arrived at the network."""
    return timeout.lease if isinstance(timeout, LeaseTimeout) else FixedLease(timeout)


def _after(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else now + seconds
