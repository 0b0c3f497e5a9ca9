"""Where cursors are kept between two runs: in memory, or in an SQLite database."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ._errors import ConfigurationError
from ._values import Cursor

if TYPE_CHECKING:  # most programs keep no cursors
    import sqlite3

__all__ = ["AtomicCursorStore", "CursorStore", "MemoryStore", "SQLiteStore"]

_BUSY_SECONDS = 30.0

_CREATE = """
CREATE TABLE IF NOT EXISTS streamable_http_cursors (key TEXT PRIMARY KEY, cursor TEXT NOT NULL)
"""
_KNOWN = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'streamable_http_cursors'"
_GET = "SELECT cursor FROM streamable_http_cursors WHERE key = ?"
_PUT = """
INSERT INTO streamable_http_cursors (key, cursor) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET cursor = excluded.cursor
"""
_PUT_IF_ABSENT = """
INSERT INTO streamable_http_cursors (key, cursor) VALUES (?, ?) ON CONFLICT (key) DO NOTHING
"""


@runtime_checkable
class CursorStore(Protocol):
    """Keeps a cursor for each key. A store of your own has these two methods.

    They may block; streams on an event loop call them in a worker thread. What they raise reaches
    the stream's reader unwrapped.
    """

    def get(self, key: str, /) -> Cursor | None:
        """The cursor of a key, or None if there is none."""
        ...

    def put(self, key: str, cursor: Cursor, /) -> None:
        """Keeps the cursor, in place of the key's last one; it is safe once this returns."""
        ...


@runtime_checkable
class AtomicCursorStore(CursorStore, Protocol):
    """A store that can decide a race, for programs in which many begin the same work."""

    def put_if_absent(self, key: str, cursor: Cursor, /) -> Cursor:
        """Keeps the cursor unless the key has one; returns the one that the key has now."""
        ...


class MemoryStore:
    """Keeps cursors for as long as the process lives: for tests, and to open a stream again."""

    def __init__(self) -> None:
        self._cursors: dict[str, Cursor] = {}

    def get(self, key: str, /) -> Cursor | None:
        """The cursor of a key, or None if there is none."""
        return self._cursors.get(key)

    def put(self, key: str, cursor: Cursor, /) -> None:
        """Keeps the cursor."""
        self._cursors[key] = cursor

    def put_if_absent(self, key: str, cursor: Cursor, /) -> Cursor:
        """Keeps the cursor unless the key has one; returns the one that the key has now."""
        return self._cursors.setdefault(key, cursor)

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._cursors)} cursors)"


class SQLiteStore:
    """Keeps cursors in the table `streamable_http_cursors` of an SQLite database.

    With a path, each call is a transaction of its own, on a connection of its own: a cursor is on
    the disk once `put` returns, and threads and processes may share the database.

    With your own connection, each call is a part of *your* transaction: nothing is committed or
    rolled back here. So rows and cursor can be written together, or not at all. The connection
    needs `check_same_thread=False` where streams are opened in other threads than yours: by
    `AsyncClient`, and by `merge`.

    Args:
        database: The file, which is made if need be, or an open `sqlite3.Connection`.

    Raises:
        ConfigurationError: It is neither, or the file's directory does not exist.
    """

    def __init__(self, database: str | os.PathLike[str] | sqlite3.Connection) -> None:
        import sqlite3

        self._connection = database if isinstance(database, sqlite3.Connection) else None
        self._path = "" if isinstance(database, sqlite3.Connection) else _checked_path(database)
        self._using = threading.Lock()
        self.file: str = self._path if self._connection is None else _file_of(self._connection)
        """The database's file; "" for a connection to one that has none."""

    def get(self, key: str, /) -> Cursor | None:
        """The cursor of a key, or None if there is none.

        Raises:
            ConfigurationError: What is there is not a cursor, or one of a later version.
            sqlite3.Error: The database cannot be read.
        """
        with self._transaction("BEGIN") as cursor:
            return _found(cursor, key) if cursor.execute(_KNOWN).fetchone() else None

    def put(self, key: str, cursor: Cursor, /) -> None:
        """Keeps the cursor, in place of the key's last one.

        Raises:
            sqlite3.Error: The database cannot be written.
        """
        with self._transaction() as writing:
            writing.execute(_CREATE)
            writing.execute(_PUT, (key, cursor.to_json()))

    def put_if_absent(self, key: str, cursor: Cursor, /) -> Cursor:
        """Keeps the cursor unless the key has one; returns the one that the key has now.

        Of all that call it at the same time, in whatever process, all get the same answer.

        Raises:
            sqlite3.Error: The database cannot be written.
        """
        with self._transaction() as writing:
            writing.execute(_CREATE)
            writing.execute(_PUT_IF_ABSENT, (key, cursor.to_json()))
            return _found(writing, key) or cursor

    @contextlib.contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Generator[sqlite3.Cursor]:
        """A cursor inside the user's transaction, or inside one that is committed behind it."""
        with self._using:
            if self._connection is not None:
                with contextlib.closing(_plain_cursor(self._connection)) as cursor:
                    yield cursor
                return
            import sqlite3

            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            with contextlib.closing(connection), contextlib.closing(connection.cursor()) as cursor:
                cursor.execute(begin)
                yield cursor
                cursor.execute("COMMIT")

    def __repr__(self) -> str:
        return f"SQLiteStore({self.file!r})"


def _plain_cursor(connection: sqlite3.Connection) -> sqlite3.Cursor:
    cursor = connection.cursor()
    cursor.row_factory = None  # the connection's own may make anything of a row
    return cursor


def _found(cursor: sqlite3.Cursor, key: str) -> Cursor | None:
    row = cursor.execute(_GET, (key,)).fetchone()
    return None if row is None else Cursor.from_json(row[0])


def _file_of(connection: sqlite3.Connection) -> str:
    rows = _plain_cursor(connection).execute("PRAGMA database_list").fetchall()
    main: list[str | bytes] = [file for number, _, file in rows if number == 0]
    return os.fsdecode(main[0])  # bytes, if that is how the connection returns text


def _checked_path(database: object) -> str:
    if isinstance(database, (str, os.PathLike)):
        path: str | bytes = os.fspath(database)
        if isinstance(path, str) and path and not path.startswith((":memory:", "file:")):
            file = Path(os.path.realpath(path))  # as SQLite names it, for claims
            if file.parent.is_dir() and not file.is_dir():
                return str(file)
            raise ConfigurationError(
                f"the SQLite database {path!r} cannot be there: pass the path of a file in a "
                f"directory that exists"
            )
    raise ConfigurationError(
        f"{database!r} is no SQLite database: pass the path of a file, or a sqlite3.Connection "
        f"(to keep cursors in memory, use MemoryStore())"
    )
