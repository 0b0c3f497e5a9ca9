"""What the streams of both faces have in common: where they stand, and what they did."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar

from ._delivery import Delivery, Mark
from ._errors import StreamClosed, StreamError
from ._opening import Opening
from ._reports import StreamStats
from ._saving import Saver
from ._values import Cursor, ResponseInfo

__all__ = ["Handle"]

T = TypeVar("T")


class Governor(Protocol):
    """An operator that says how far the cursor is."""

    @property
    def cursor(self) -> Cursor | None: ...
    def ack(self) -> None: ...


G = TypeVar("G", bound=Governor)


class Handle(Generic[T, G]):
    """The part of `Stream` and `AsyncStream` that is one and the same."""

    def __init__(self, opening: Opening[T]) -> None:
        self._opening = opening
        self._delivery = Delivery[T](opening.start, opening.count)
        self._items: Iterator[T] = iter(())
        self._governors: list[G] = []
        self._closed = False
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
        if self._governors:
            return self._governors[-1].cursor
        return self._cursor_at(self._delivery.committed())

    def ack(self) -> None:
        """The item in hand is done: the cursor passes it without the next being asked for."""
        if self._governors:
            self._governors[-1].ack()
        else:
            self._delivery.acknowledge()

    def _mark(self) -> Mark:
        return self._delivery.after_handed()

    def _cursor_at(self, mark: Mark) -> Cursor | None:
        return self._opening.cursor(mark)

    def _govern(self, operator: G) -> None:
        """From now on an operator that reads ahead says how far the cursor is."""
        self._governors.append(operator)

    def _at_close(self, action: Callable[[], object]) -> None:
        """What is to be done once the stream was closed."""
        self._closers.append(action)

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StreamClosed("the stream was closed: open another one to read on")

    def _witnessed(self, error: StreamError) -> StreamError:
        self._opening.stop_clock()
        error.stats, error.cursor = self.stats, self.cursor
        return error

    def _portion(self) -> int | None:
        saver = self._opening.saver
        if saver is None:
            return None
        return saver.portion(self._delivery.handed, ahead=bool(self._governors))

    def _saver_due(self, mark: Mark, upcoming: int, by: G | None, *, at_end: bool) -> Saver | None:
        """Who is to save the cursor at `mark` now, if that is due.

        Whoever hands items to the consumer asks: the stream itself, or the last operator that
        governs the cursor. All others only read ahead.
        """
        saver = self._opening.saver
        if saver is None or by is not (self._governors[-1] if self._governors else None):
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
