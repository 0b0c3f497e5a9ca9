"""The stores, alone, in the user's transaction, and among processes."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reader

from streamable_http import (
    AtomicCursorStore,
    ConfigurationError,
    Cursor,
    CursorStore,
    MemoryStore,
    SQLiteStore,
)
from streamable_http._claims import claim

ONE = Cursor(kind="last-event-id", value="1", count=3, behind=("ab",), request="GET http://h/")
TWO = Cursor(kind="byte-range", value="2", etag='"x"')


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        yield connection


@pytest.fixture(params=["memory", "path", "connection"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    match request.param:
        case "memory":
            return MemoryStore()
        case "path":
            return SQLiteStore(tmp_path / "cursors.db")
        case _:
            return SQLiteStore(request.getfixturevalue("database"))


def test_what_is_put_is_there(store: AtomicCursorStore) -> None:
    assert store.get("a") is None
    store.put("a", ONE)
    store.put("b", TWO)
    assert (store.get("a"), store.get("b"), store.get("c")) == (ONE, TWO, None)
    store.put("a", TWO)
    assert store.get("a") == TWO


def test_the_first_wins(store: AtomicCursorStore) -> None:
    assert store.put_if_absent("a", ONE) == ONE
    assert store.put_if_absent("a", TWO) == ONE
    assert store.get("a") == ONE


def test_stores_are_what_they_say(store: object) -> None:
    assert isinstance(store, CursorStore)
    assert isinstance(store, AtomicCursorStore)
    assert not isinstance(object(), CursorStore)


@pytest.mark.parametrize("key", ["", "ü \U0001f600", "a'b\"c%", "x" * 5000])
def test_any_text_is_a_key(store: AtomicCursorStore, key: str) -> None:
    store.put(key, ONE)
    assert store.get(key) == ONE
    claim(store, key)()


# SQLite ----------------------------------------------------------------------------------------


def test_a_database_keeps_its_cursors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = SQLiteStore("cursors.db")
    monkeypatch.chdir("/")
    relative.put("a", ONE)
    assert SQLiteStore(tmp_path / "cursors.db").get("a") == ONE
    assert [path.name for path in tmp_path.iterdir()] == ["cursors.db"]
    assert repr(relative) == f"SQLiteStore({str(tmp_path / 'cursors.db')!r})"


def test_your_transaction_is_yours(database: sqlite3.Connection) -> None:
    store = SQLiteStore(database)
    store.put("a", ONE)
    database.commit()
    with pytest.raises(ZeroDivisionError), database:
        database.execute("CREATE TABLE rows (number)")
        store.put("a", TWO)
        assert store.put_if_absent("b", TWO) == TWO
        assert database.in_transaction
        raise ZeroDivisionError
    assert store.get("a") == ONE
    assert store.get("b") is None
    assert not database.in_transaction  # reading begins none


def test_your_rows_may_look_as_you_like(database: sqlite3.Connection) -> None:
    database.row_factory = lambda cursor, row: {"first": row[0]}
    database.text_factory = bytes
    store = SQLiteStore(database)
    store.put("a", ONE)
    assert store.get("a") == ONE
    assert Path(os.fsdecode(store.file)).name == "rows.db"


def test_a_connection_without_a_file() -> None:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        store = SQLiteStore(connection)
        store.put("a", ONE)
        assert store.get("a") == ONE
        claim(store, "a")()


@pytest.mark.parametrize("database", [":memory:", "", "file:x?mode=memory", None, 7, b"x", "no/x"])
def test_what_is_no_database_is_refused(database: Any) -> None:
    with pytest.raises(ConfigurationError, match="SQLite database"):
        SQLiteStore(database)


def test_a_directory_is_no_database(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be there"):
        SQLiteStore(tmp_path)


def test_errors_of_sqlite_are_its_own(tmp_path: Path) -> None:
    path = tmp_path / "cursors.db"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(sqlite3.DatabaseError):
        SQLiteStore(path).get("a")
    with pytest.raises(sqlite3.DatabaseError):
        SQLiteStore(path).put("a", ONE)


def test_what_is_no_cursor_is_said(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "cursors.db")
    store.put("a", ONE)
    with contextlib.closing(sqlite3.connect(store.file)) as connection, connection:
        connection.execute("UPDATE streamable_http_cursors SET cursor = 'x'")
    with pytest.raises(ConfigurationError, match="is not a cursor"):
        store.get("a")


# Claims ----------------------------------------------------------------------------------------


def test_a_key_has_one_reader(store: AtomicCursorStore) -> None:
    release = claim(store, "a")
    other = claim(store, "b")
    with pytest.raises(ConfigurationError, match="another stream reads with the key 'a' of"):
        claim(store, "a")
    release()
    claim(store, "a")()
    other()


def test_a_file_is_known_by_any_name(tmp_path: Path) -> None:
    one = SQLiteStore(tmp_path / "cursors.db")
    one.put("a", ONE)
    (tmp_path / "link.db").symlink_to(tmp_path / "cursors.db")
    release = claim(one, "a")
    with contextlib.closing(sqlite3.connect(tmp_path / "cursors.db")) as connection:
        for other in (SQLiteStore(tmp_path / "link.db"), SQLiteStore(connection)):
            with pytest.raises(ConfigurationError, match="another stream"):
                claim(other, "a")
    release()


def test_a_claim_writes_nothing_to_the_database(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "cursors.db")
    release = claim(store, "a")
    store.put("a", ONE)  # and it may be written meanwhile, by anybody
    SQLiteStore(tmp_path / "cursors.db").put("b", ONE)
    release()
    (lock,) = [path for path in tmp_path.iterdir() if path.suffix == ".lock"]
    assert lock.name.startswith("cursors.db-")
    assert lock.read_bytes() == b""


def test_a_claim_that_cannot_be_made_leaves_none(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "cursors.db")
    claim(store, "a")()
    (lock,) = tmp_path.iterdir()
    lock.unlink()
    lock.mkdir()
    with pytest.raises(sqlite3.OperationalError):
        claim(store, "a")
    lock.rmdir()
    claim(store, "a")()


def test_a_key_is_claimed_across_processes_until_they_die(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    store = SQLiteStore(tmp_path / "cursors.db")
    ready = context.Event()
    process = context.Process(target=reader.hold, args=(tmp_path / "cursors.db", ready))
    process.start()
    try:
        assert ready.wait(30)
        with pytest.raises(ConfigurationError, match=f"the key '{reader.KEY}' of SQLiteStore"):
            claim(store, reader.KEY)
        claim(store, "another")()
    finally:
        process.kill()
        process.join(30)
    claim(store, reader.KEY)()


def test_a_race_has_one_winner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    start, results = context.Barrier(2), context.Queue()
    processes = [
        context.Process(
            target=reader.race, args=(tmp_path / "cursors.db", name, 100, start, results)
        )
        for name in ("a", "b")
    ]
    for process in processes:
        process.start()
    one, two = results.get(timeout=60), results.get(timeout=60)
    for process in processes:
        process.join(30)
    assert one == two
    store = SQLiteStore(tmp_path / "cursors.db")
    assert [getattr(store.get(str(n)), "value", None) for n in range(100)] == one
