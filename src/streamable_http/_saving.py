"""Loads a stream's cursor and saves it, for both faces; every call that takes long is marked.

The store may block, fail, or be in use when the stream is closed from elsewhere. So there is one
call to it at a time, and whoever makes it when the stream is closed also lets the key go.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Generator
from typing import cast

from ._checkpoint import Checkpoint, Schedule
from ._claims import claim
from ._errors import ConfigurationError, StreamClosed
from ._values import Cursor

__all__ = ["Saver", "beside"]


@contextlib.contextmanager
def beside(error: BaseException | None) -> Generator[None]:
    """Around a `close`: what that raises must not hide an error that is on its way already."""
    try:
        yield
    except Exception as exc:
        if error is None:
            raise
        error.add_note(f"besides, the stream could not be closed in order: {exc!r}")


class Saver:
    """What one stream has to do with its store.

    Attributes:
        key: What the stream's cursor is saved under.
        over: Whether the stream was closed: nothing more is saved.
    """

    def __init__(self, checkpoint: Checkpoint, key: str, clock: Callable[[], float]) -> None:
        self.key = key
        self._checkpoint = checkpoint
        self._store = checkpoint.store
        self._clock = clock
        self._schedule: Schedule | None = None
        self._saved: Cursor | None = None
        self._release: Callable[[], None] | None = None
        self._busy = threading.Lock()  # held while the store is called; `finish` never waits for it
        self.over: bool = False
        self._held = False
        self._last: Cursor | None = None

    def load(self) -> Cursor | None:
        """Makes the key this stream's own and returns its cursor; blocks.

        Raises:
            ConfigurationError: Another stream has the key.
            StreamClosed: The stream is over already.
        """
        with self._busy:
            if self.over:
                raise StreamClosed("the stream was closed, or failed to open: make another one")
            self._release = claim(self._store, self.key)
            try:
                cursor = self._store.get(self.key)
                if not isinstance(cast("object", cursor), Cursor | None):
                    raise ConfigurationError(
                        f"checkpoint=: {self._store!r:.80} gave an object of type "
                        f"{type(cursor).__name__} for the key {self.key!r}: its get(key) must "
                        f"return a Cursor or None (Cursor.from_json(text) makes one)"
                    )
            except BaseException:
                self._let_go()
                raise
        self._settle()
        return cursor

    def begin(self, cursor: Cursor | None, passed: int) -> None:
        """The stream starts here: at what was loaded, or elsewhere by `start=`."""
        if not self._checkpoint.manual:
            every, seconds = self._checkpoint.every, self._checkpoint.seconds
            self._schedule = Schedule(every, seconds, passed=passed, now=self._clock())
        self._saved = cursor

    @property
    def every(self) -> int | None:
        """How many items may be done again after a crash; None: the user decides."""
        return None if self._checkpoint.manual else self._checkpoint.every

    def portion(self, passed: int, *, ahead: bool) -> int | None:
        """How many items to hand out until `due` is asked again; None: all there are.

        `ahead` says that an operator asks by itself, and only needs no more than `every` at once.
        """
        if self._schedule is None:
            return None
        return self._checkpoint.every if ahead else self._schedule.portion(passed, self._clock())

    def due(self, passed: int, upcoming: int = 1) -> bool:
        """Whether to save before `upcoming` more items are handed out."""
        if self._schedule is None or self.over or self._held:
            return False
        return self._schedule.due(passed, upcoming, self._clock())

    @contextlib.contextmanager
    def holding(self) -> Generator[None]:
        """Nothing is saved while items are gathered that the caller gets all at once, or never.

        If the gathering is broken off, what it had is lost: nothing more is saved then, and a
        restart begins before it. `release` says that it is not lost.
        """
        self._held = True
        try:
            yield
        except (StopIteration, StopAsyncIteration):
            self.release()
            raise
        self.release()

    def release(self) -> None:
        """What was gathered is the caller's now."""
        self._held = False

    def save(self, cursor: Cursor | None, passed: int) -> None:
        """Saves the cursor behind `passed` items; blocks.

        Raises:
            ConfigurationError: The stream has no position here.
        """
        if (
            self._schedule is None
            or self._held
            or (cursor == self._saved and (cursor or not passed))
        ):
            return
        if cursor is None:
            raise ConfigurationError(
                f"checkpoint=: there is nothing to save after {passed} items, since the stream has "
                f"no position there: it needs events with IDs (and fewer than `every` items behind "
                f"each), resume=ItemCursor(…), or byte ranges; or leave checkpoint= out"
            )
        with self._busy:
            if not self.over:
                self._put(cursor)
                self._schedule.saved(passed, self._clock())
        self._settle()

    def _put(self, cursor: Cursor) -> None:
        self._store.put(self.key, cursor)
        self._saved = cursor

    def finish(self, cursor: Cursor | None) -> None:
        """The stream is closed: saves where it stands and lets the key go; blocks only to save.

        If the store is being called at this moment, the caller of that does it instead.
        """
        if not self.over and not self._held and self._schedule is not None:
            self._last = cursor
        self.over = True
        self._settle()

    def abandon(self) -> None:
        """Nobody will ever close the stream: lets the key go, and saves nothing."""
        self.over = True
        self._settle()

    def _settle(self) -> None:
        if self.over and self._release is not None and self._busy.acquire(blocking=False):
            try:
                self._conclude()
            finally:
                self._busy.release()

    def _conclude(self) -> None:
        last, self._last = self._last, None
        try:
            if last is not None and last != self._saved:
                self._put(last)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        release, self._release = self._release, None
        if release is not None:
            release()
