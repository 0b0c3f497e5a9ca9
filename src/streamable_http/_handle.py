"""What the streams of both faces have in common: where they stand, and what they did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from contextvars import ContextVar
from typing import Any, Generic, Protocol, TypeVar

from ._delivery import Delivery, Mark
from ._errors import ConfigurationError, StreamClosed, StreamError
from ._opening import Opening
from ._reports import StreamStats
from ._saving import Saver
from ._values import Cursor, ResponseInfo

__all__ = ["Handle"]

T = TypeVar("T")


_LEFT = (
    "another operator has read items of this stream that nobody took, and going on without it "
    "would lose them: read on with what that map(…) or batches(…) returned, or open another stream "
    "with start=stream.cursor"
)

_pulled: ContextVar[object] = ContextVar("pulled", default=None)
"""The stream that an operator reads here and now, as no consumer does."""


class Governor(Protocol):
    """An operator that says how far the cursor is."""

    @property
    def cursor(self) -> Cursor | None: ...
    def ack(self) -> None: ...
    @property
    def _left(self) -> bool: ...
    def _chain(self) -> Iterator[Any]: ...
    def _start_over(self) -> None: ...


G = TypeVar("G", bound=Governor)


class Handle(Generic[T, G]):
    """The part of `Stream` and `AsyncStream` that is one and the same."""

    def __init__(self, opening: Opening[T]) -> None:
        self._opening = opening
        self._delivery = Delivery[T](opening.start, opening.count)
        self._items: Iterator[T] = iter(())
        self._governor: G | None = None  # of several operators in a row, the last
        self._running: list[G] = []
        self._closed = False
        self._failure: StreamError | None = None  # that it ended with
        self._closers: list[Callable[[], object]] = []

    @property
    def response(self) -> ResponseInfo:
        """The head of the last response.

        Raises:
            StreamClosed: The stream was not opened yet.
        """
        return self._opening.head()

    @property
    def stats(self) -> StreamStats:
        """What the stream did so far."""
        return self._opening.stats(self._delivery.handed)

    @property
    def cursor(self) -> Cursor | None:
        """Where a restart goes on (`start=`), or None where the stream has no positions."""
        if self._governor is not None:
            return self._governor.cursor
        return self._cursor_at(self._delivery.committed())

    def ack(self) -> None:
        """The item in hand is done: the cursor passes it without the next being asked for."""
        if self._governor is not None:
            self._governor.ack()
        else:
            self._delivery.acknowledge()

    def _mark(self) -> Mark:
        return self._delivery.after_handed()

    def _cursor_at(self, mark: Mark) -> Cursor | None:
        return self._opening.cursor(mark)

    def _read_by(self, reader: G | None) -> None:
        """A consumer asks for the next item, of an operator that reads ahead or of the stream.

        From now on that reader says how far the cursor is. All that was handed out is done, and
        nothing may be left behind with the one before it. While an operator reads, `_items` is
        empty, so that whoever asks the stream itself comes here first.

        Raises:
            ConfigurationError: There are items that would be lost.
        """
        former = self._governor
        if reader is former or self._shut or _pulled.get() is self:
            return
        if former is not None:
            _refuse_to_lose(former, reader)
            former.ack()
        self._delivery.acknowledge()
        if reader is not None:
            reader._start_over()
        self._governor = reader
        if former is None:  # a loop may hold `_items`: they move to where it does not look
            self._delivery.items = iter(self._delivery.rest())
        if reader is None:
            self._items = self._delivery.items

    @contextlib.contextmanager
    def _pulling(self) -> Generator[None]:
        """What is asked for meanwhile is asked for by an operator."""
        token = _pulled.set(self)
        try:
            yield
        finally:
            _pulled.reset(token)

    def _runs(self, operator: G) -> None:
        """An operator starts what runs by itself: closing the stream is to stop it."""
        self._running.append(operator)
        if self._shut:
            self._refuse_closed()

    def _at_close(self, action: Callable[[], object]) -> None:
        """What is to be done once the stream was closed."""
        self._closers.append(action)

    @property
    def _shut(self) -> bool:
        """Whether the stream was closed before its end."""
        return self._closed and not self._opening.settled

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StreamClosed("the stream was closed: open another one to read on")

    def _witnessed(self, error: StreamError) -> StreamError:
        self._opening.stop_clock()
        error.stats, error.cursor = self.stats, self.cursor
        self._failure = error
        return error

    def _is_own(self, error: StreamError) -> bool:
        """Whether an error is this stream's, not one of another that a function of the user reads.

        One that tells of no request is of the stream's own closing, or of its use.
        """
        return error is self._failure or not (error.request or error.items)

    def _portion(self) -> int | None:
        saver = self._opening.saver
        if saver is None:
            return None
        return saver.portion(self._delivery.handed, ahead=self._governor is not None)

    def _saver_due(self, mark: Mark, upcoming: int, by: G | None, *, at_end: bool) -> Saver | None:
        """Who is to save the cursor at `mark` now, if that is due.

        Whoever hands items to the consumer asks: the stream itself, or the operator that governs
        the cursor. All others only read ahead.
        """
        saver = self._opening.saver
        if saver is None or by is not self._governor:
            return None
        return saver if at_end or saver.due(mark.items, upcoming) else None

    def _gathering(self) -> contextlib.AbstractContextManager[None]:
        """See `Saver.holding`."""
        saver = self._opening.saver
        return contextlib.nullcontext() if saver is None else saver.holding()

    def _gathered(self) -> None:
        """See `Saver.release`."""
        if self._opening.saver is not None:
            self._opening.saver.release()

    def _release_key(self) -> None:
        if self._opening.saver is not None:
            self._opening.saver.abandon()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._opening.label}>"


def _refuse_to_lose(former: Governor, reader: Governor | None) -> None:
    """What `former` has read must go out, unless `reader` reads from the very same operator."""
    kept = () if reader is None else (*reader._chain(),)
    for link in former._chain():
        if link in kept:
            return
        if link._left:
            raise ConfigurationError(_LEFT)
