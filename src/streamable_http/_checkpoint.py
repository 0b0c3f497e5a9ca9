"""What a caller says of checkpoints, and when one is due; pure."""

from __future__ import annotations

import os
from typing import Any, cast

from attrs import field, frozen

from ._checks import check_number, check_seconds, refuse_async
from ._errors import ConfigurationError
from ._stores import CursorStore, SQLiteStore

__all__ = ["Checkpoint", "Schedule", "checked_checkpoint"]

_GRAIN = 8
"""How many times in `seconds` control is to come back, at least, if the items allow it."""


def _as_store(store: CursorStore | str | os.PathLike[str]) -> CursorStore:
    return SQLiteStore(store) if isinstance(store, (str, os.PathLike)) else store


@frozen(eq=False)
class Checkpoint:
    """Where and when a stream's cursor is saved, so that the next run goes on from it.

    On opening, the stream starts at the cursor of its key, if there is one (`start=` wins). Then
    the public cursor is saved again and again; at the end; and when the stream is closed. So a
    process that is killed at any moment loses nothing, and does at most `every` items twice.

    Attributes:
        store: A `CursorStore`, or the path of an SQLite database.
        key: What the cursor is saved under, for one stream at a time. Default: the request's
            method and URL, with a digest of its query and body. So a request whose query changes,
            as a signed URL does, needs a key, or it begins anew.
        every: Items between two savings, at most (a list of `batches` is saved as a whole).
        seconds: Seconds between two savings; None: only `every` counts. It is looked at whenever an
            item is asked for, so what came right before a silence is saved after it.
        manual: Whether the stream only loads, and you save: `store.put(key, stream.cursor)`.
    """

    store: CursorStore = field(converter=_as_store)
    key: str | None = None
    every: int = field(default=100, kw_only=True)
    seconds: float | None = field(default=5.0, kw_only=True)
    manual: bool = field(default=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        store: Any = self.store
        if isinstance(store, type) or not isinstance(store, CursorStore):
            raise ConfigurationError(
                f"Checkpoint(store={store!r}) keeps no cursors: pass MemoryStore(), "
                f"SQLiteStore(path), a path, or an object with get(key) and put(key, cursor)"
            )
        for name in ("get", "put"):
            refuse_async(getattr(store, name), f"store.{name}")
        if self.key is not None and (not isinstance(cast("object", self.key), str) or not self.key):
            raise ConfigurationError(
                f"Checkpoint(key={self.key!r}) is no name: pass text, or None for the request's"
            )
        check_number(self.every, "every")
        if self.seconds is not None:
            check_seconds(self.seconds)
        if not isinstance(cast("object", self.manual), bool):
            raise ConfigurationError(f"manual={self.manual!r} is not on or off: pass True or False")


def checked_checkpoint(value: object) -> Checkpoint | None:
    """`checkpoint=` of a stream: a `Checkpoint`, or the path of an SQLite database."""
    if value is None or isinstance(value, Checkpoint):
        return value
    if isinstance(value, (str, os.PathLike)):
        return Checkpoint(cast("str | os.PathLike[str]", value))
    raise ConfigurationError(
        f"checkpoint={value!r} is no place for a cursor: pass Checkpoint(store), or the path of an "
        f"SQLite database"
    )


class Schedule:
    """When the next saving is due, by items and by time; it holds no clock.

    Args:
        every: Items between two savings, at most.
        seconds: Seconds between two savings, or None.
        passed: Items passed at the start.
        now: The time, in seconds.
    """

    def __init__(self, every: int, seconds: float | None, *, passed: int, now: float) -> None:
        self._every, self._seconds = every, seconds
        self._saved, self._since = passed, now
        self._portion, self._portioned = 1, now

    def due(self, passed: int, upcoming: int, now: float) -> bool:
        """Whether to save before `upcoming` more items are handed out.

        Args:
            passed: Items passed by the cursor.
            upcoming: Items that go out together next: a restart would repeat all of them.
            now: The time.
        """
        if passed == self._saved:
            return False
        if passed - self._saved + upcoming > self._every:
            return True
        return self._seconds is not None and now - self._since >= self._seconds

    def saved(self, passed: int, now: float) -> None:
        """The cursor behind `passed` items is safe."""
        self._saved, self._since = passed, now

    def portion(self, passed: int, now: float) -> int:
        """How many items to hand out before somebody looks whether a saving is due.

        As many as are left until one is, but few enough for `seconds`: that number doubles while
        portions are quick and halves when they are slow. So a quick consumer is not slowed down,
        and a slow one is not left alone for long.
        """
        left = max(self._every - (passed - self._saved), 1)
        if self._seconds is None:
            return left
        took, self._portioned = now - self._portioned, now
        if took * _GRAIN > self._seconds:
            self._portion = max(self._portion // 2, 1)
        elif self._portion < self._every:
            self._portion *= 2
        return min(left, self._portion)
