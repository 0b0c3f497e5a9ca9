"""Who reads a key of a cursor store: one stream at a time, or each would spoil the other's cursor.

Within a process a set knows it. Across processes it is a lock of the operating system on a small
file beside the SQLite database, held by an exclusive transaction on that file: it dies with its
process, however that dies, so there is no stale lock.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._errors import ConfigurationError
from ._stores import CursorStore, SQLiteStore

if TYPE_CHECKING:
    import sqlite3

__all__ = ["claim"]

_changing = threading.Lock()
_claimed: dict[tuple[object, str], CursorStore] = {}
"""With the stores themselves: as long as one is here, no other has its id."""


def claim(store: CursorStore, key: str) -> Callable[[], None]:
    """Makes the key of the store the caller's own, until the returned function is called.

    Raises:
        ConfigurationError: Somebody has it.
        sqlite3.Error: The file beside the database cannot be locked.
    """
    file = store.file if isinstance(store, SQLiteStore) else ""
    entry = (file or id(store), key)
    with _changing:
        if entry in _claimed:
            raise _taken(store, key)
        _claimed[entry] = store

    def forget() -> None:
        with _changing:
            _claimed.pop(entry, None)

    if not file:
        return forget
    try:
        locked = _locked(file, key)
    except BaseException:
        forget()
        raise
    if locked is None:
        forget()
        raise _taken(store, key)

    def release() -> None:
        locked.close()
        forget()

    return release


def _locked(file: str, key: str) -> sqlite3.Connection | None:
    """An exclusive transaction on the key's file, or None if another process has one."""
    import sqlite3

    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    connection = sqlite3.connect(
        f"{file}-{digest}.lock", timeout=0.0, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as exc:
        connection.close()
        if exc.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return None
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _taken(store: CursorStore, key: str) -> ConfigurationError:
    return ConfigurationError(
        f"checkpoint=: another stream reads with the key {key!r} of {store!r}: close that one "
        f"first, or pass a key of its own to each, as in Checkpoint(store, key=…)"
    )
