"""Who calls the store, and who lets the key go, when the stream is closed meanwhile."""

from __future__ import annotations

import threading

import pytest

from streamable_http import Checkpoint, ConfigurationError, Cursor, MemoryStore, StreamClosed
from streamable_http._claims import claim
from streamable_http._saving import Saver


def at(count: int) -> Cursor:
    return Cursor(kind="last-event-id", value=str(count), count=count)


class Slow(MemoryStore):
    """Waits in `put` and `get` until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Event(), threading.Event()
        self.puts: list[int] = []

    def get(self, key: str, /) -> Cursor | None:
        self._wait()
        return super().get(key)

    def put(self, key: str, cursor: Cursor, /) -> None:
        self._wait()
        self.puts.append(cursor.count)
        super().put(key, cursor)

    def _wait(self) -> None:
        self.entered.set()
        assert self.gate.wait(5)


def saver(store: MemoryStore, *, manual: bool = False) -> Saver:
    return Saver(Checkpoint(store, every=5, manual=manual), "k", lambda: 0.0)


def begun(store: MemoryStore) -> Saver:
    made = saver(store)
    made.begin(made.load(), 0)
    return made


def in_thread(call: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=call, args=arguments)  # type: ignore[arg-type]
    thread.start()
    return thread


def test_what_is_saved_when_a_store_is_in_use_is_saved_by_its_user() -> None:
    store = Slow()
    store.gate.set()
    one = begun(store)
    store.gate.clear()
    store.entered.clear()
    saving = in_thread(one.save, at(5), 5)
    assert store.entered.wait(5)
    one.finish(at(7))  # does not wait
    with pytest.raises(ConfigurationError, match="another stream"):
        claim(store, "k")
    store.gate.set()
    saving.join(5)
    assert store.puts == [5, 7]
    claim(store, "k")()


def test_closed_while_it_loads_it_lets_the_key_go() -> None:
    store = Slow()
    one = saver(store)
    loading = in_thread(one.load)
    assert store.entered.wait(5)
    one.finish(None)
    store.gate.set()
    loading.join(5)
    claim(store, "k")()
    assert store.puts == []


def test_nothing_is_saved_once_it_is_over() -> None:
    store = MemoryStore()
    one = begun(store)
    one.finish(at(3))
    one.save(at(4), 4)
    one.finish(at(5))
    assert store.get("k") == at(3)
    assert not one.due(100)
    with pytest.raises(StreamClosed):
        one.load()
    claim(store, "k")()


def test_what_did_not_move_is_not_saved() -> None:
    store = Slow()
    store.gate.set()
    one = begun(store)
    one.save(None, 0)
    one.save(at(5), 5)
    one.save(at(5), 5)
    one.finish(at(5))
    assert store.puts == [5]


def test_a_manual_one_saves_nothing() -> None:
    store = MemoryStore()
    one = saver(store, manual=True)
    one.begin(one.load(), 0)
    assert one.portion(0, ahead=False) is None
    assert not one.due(1000)
    one.save(None, 1000)
    one.finish(at(1000))
    assert store.get("k") is None
    claim(store, "k")()


def test_abandoned_it_saves_nothing() -> None:
    store = MemoryStore()
    one = begun(store)
    one.abandon()
    assert store.get("k") is None
    claim(store, "k")()
