"""A store that notes what is saved, and streams to read with it."""

from __future__ import annotations

import threading
from typing import Any

from server import Received, Script, chunk, reply, streamed

from streamable_http import Checkpoint, Cursor, MemoryStore, RetryPolicy, SSEData

NUMBERS = SSEData(int)
ONCE = RetryPolicy(stop=1)


class Recorder(MemoryStore):
    """Notes what is saved, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.puts: list[tuple[str, int]] = []
        self.threads: set[str] = set()
        self.broken = False

    def put(self, key: str, cursor: Cursor, /) -> None:
        self.threads.add(threading.current_thread().name)
        if self.broken:
            raise OSError("the disk is full")
        super().put(key, cursor)
        self.puts.append((key, int(cursor.value)))

    @property
    def values(self) -> list[int]:
        return [value for _, value in self.puts]


def at_once(total: int) -> Any:
    """Events up to `total` behind the last one had, in one chunk."""

    def answer(request: Received) -> Script:
        first = int(request.headers.get("last-event-id", "0")) + 1
        data = b"".join(b"id: %d\ndata: %d\n\n" % (n, n) for n in range(first, total + 1))
        return streamed(chunk(data)) if data else reply()

    return answer


def by_count(store: Any, every: int = 10, key: str | None = "k") -> Checkpoint:
    return Checkpoint(store, key, every=every, seconds=None)


def through(stream: Any, how: str, function: Any) -> Any:
    match how:
        case "map":
            return stream.map(function, 8)
        case "unordered":
            return stream.map(function, 8, ordered=False)
        case "mapped":
            return stream.map(function)
        case "lists":
            return stream.batches(7)
        case "chunks":
            return stream.batches()
        case "timed":
            return stream.batches(7, seconds=0.05)
        case _:
            return stream.map(function, 8).batches(7)


OPERATORS = ("map", "unordered", "mapped", "lists", "chunks", "timed", "both")
