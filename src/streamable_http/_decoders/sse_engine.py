"""Reads an event stream: line by line, or whole blocks at once where they are plain.

There is one exact path, `_read_lines`, which takes any bytes cut anywhere, and a shortcut for what
most servers send, `_read_blocks`: it gives the same events or keeps its hands off.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable
from itertools import repeat
from typing import Any, TypeVar, cast

from .._errors import StreamFailed
from .._values import Failure, Terminal
from .bom import LeadingBOM
from .convert import bad_item
from .engine import BadItem, Batch, Context, Engine, Position, cut_in, too_large
from .sse_blocks import Plain, as_text, first_blank_line, one_block, plain_blocks
from .sse_event import ServerSentEvent
from .sse_marks import Blocks, OneMark, Run, SSEMarks

__all__ = ["SSEEngine"]

T = TypeVar("T")

_FIELDS = frozenset({b"data", b"event", b"id", b"retry"})
_LINE_ENDS = (b"\n", b"\r", b"")
_LONGEST_FIELD = 5
_LONGEST_RETRY = 10**18
_WORTH_A_SHORTCUT = 512  # bytes; fewer are read sooner line by line


class SSEEngine(Engine[T]):
    """The engine of all event stream decoders, which differ in the items they make.

    The offset of an item is that of the byte that dispatches it: the LF, or the CR, of the blank
    line. Its start is where its block starts, comments included.
    """

    reconnects = True
    reads_bytes: bool = False
    """Whether `make_all` is given data as bytes."""

    def __init__(self, context: Context, *, comments: bool = False) -> None:
        self.event_id = context.event_id
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        self._meaningful = _FIELDS | {b""} if comments else _FIELDS
        terminal, failure = context.terminal, context.failure
        self._terminal = terminal.encode() if isinstance(terminal, str) else None
        # The same, as plain blocks give their data.
        self._terminal_data = self._terminal if self.reads_bytes or not self._terminal else terminal
        self._last_event = terminal.event if isinstance(terminal, Terminal) else None
        self._failure_event = failure.event if isinstance(failure, Failure) else None
        self._watched = {self._last_event, self._failure_event}
        self._plain = not comments and "message" not in self._watched

        self._over = False
        self._read = 0  # bytes read
        self._end = 0  # the end of the last block
        self._start = 0  # the start of the current one
        self._index = 0  # items so far, bad ones included
        self._run = Run(context.behind)
        self._bom = LeadingBOM()
        self._after_cr = False
        self._tail = bytearray()  # the unfinished line
        self._quick = False  # whether a plain event may come next
        self._clear()

    def _clear(self) -> None:
        """Forgets the current block."""
        self._held = 0  # bytes of its lines
        self._data: bytes | bytearray | None = None
        self._type = b""
        self._id: str | None = None
        self._retry: int | None = None

    @abc.abstractmethod
    def make(self, event: str, data: bytes, event_id: str, retry: int | None, /) -> T:
        """The item for one event; raises if it cannot be made of `data`."""

    @abc.abstractmethod
    def make_all(self, events: Iterable[str], data: list[Any], ids: Iterable[str]) -> list[T]:
        """The items for many events, none of which sets a reconnection time."""

    def make_plain(self, found: Plain) -> list[T]:
        """The items for a run of plain blocks; raises if there is one that is no item."""
        ids = found.ids or repeat("")
        return self.make_all(found.events or repeat("message"), found.data, ids)

    def feed(self, data: bytes, /) -> Batch[T]:
        if not self._quick or len(data) > self._limit:
            return self._feed_any(data)
        # The commonest chunk of all by far: one event of one line.
        if data[:6] == b"data: " and data[-2:] == b"\n\n" and not self.event_id:
            text = data[6:-2]
            if not (10 in text or 13 in text or text == self._terminal):
                try:
                    item = self.make("message", text, "", None)
                except Exception:
                    return self._feed_any(data)
                self._index += 1
                self._end = self._start = self._read = self._read + len(data)
                end = Position("", self._end)
                return Batch([item], OneMark(end), end, None, False, len(data))
        elif (one := one_block(data)) is not None and (one[2] or not self.event_id):
            return self._feed_one(*one, data)
        return self._feed_any(data)

    def _feed_one(self, kind: bytes, text: bytes, own_id: bytes, data: bytes) -> Batch[T]:
        """Reads `data`, which is one plain block; without an ID only if there is none in force."""
        event, event_id = as_text(kind) or "message", as_text(own_id)
        if text == self._terminal or event in self._watched:
            return self._feed_any(data)
        try:
            item = self.make(event, text, event_id, None)
        except Exception:
            return self._feed_any(data)
        if event_id:
            self.event_id = event_id
            if self._run.length:
                self._run = Run()
        self._index += 1
        self._start = self._read = self._read + len(data)
        self._end = self._read - (data[-2] == 13)  # the CR dispatches, not its LF
        end = Position(event_id, self._end)
        return Batch([item], OneMark(end), end, None, False, len(data))

    def _feed_any(self, data: bytes) -> Batch[T]:
        before = self._end
        self._items: list[T] = []
        self._marks = SSEMarks()
        self._error: Exception | None = None
        self._ended = False
        if not self._over:
            self._read_chunk(data)
            # Whether a BOM leads the body must be known by then: an empty chunk does not tell.
            self._quick = self._plain and self._bom.held is None and self._between_blocks()
        if self._end == before and not self._items:
            return Batch(self._items, error=self._error, ended=self._ended)
        run = self._run
        end = run.position(self.event_id, self._end, run.length)
        size = self._end - before or len(data)
        return Batch(self._items, self._marks, end, self._error, self._ended, size)

    def finish(self, *, framed: bool = True) -> Batch[T]:
        if self._over:
            return Batch([])
        self._over = True
        unfinished = self._tail or self._bom.held
        if self._data is not None or (unfinished and unfinished[:1] != b":"):
            return Batch([], error=cut_in("an event"))
        return Batch([])

    def _read_chunk(self, data: bytes) -> None:
        if self._bom.held is not None:
            data = self._bom.strip(data)
            self._read = self._start = self._bom.size
        if self._after_cr and data:
            self._after_cr = False
            if data[0] == 10:  # LF: the other half of a line end
                self._start += self._start == self._read
                self._read += 1
                data = data[1:]
        if not data:
            return
        if self._plain and len(data) >= _WORTH_A_SHORTCUT:
            if not self._between_blocks():
                # Finish the block that is open: there may be plain ones behind it.
                cut = first_blank_line(data)
                self._read_lines(data[:cut])
                data = data[cut:]
            if self._between_blocks():
                data = data[self._read_blocks(data) :]
        if data and not self._over:
            self._read_lines(data)

    def _between_blocks(self) -> bool:
        return not (self._held or self._tail or self._after_cr or self._over or self._bom.held)

    def _read_blocks(self, data: bytes) -> int:
        """Reads the plain blocks that `data` starts with, and returns how many bytes they are."""
        found = plain_blocks(data, self._limit, text=not self.reads_bytes)
        if found is None:
            return 0
        if self._terminal_data is not None and self._terminal_data in found.data:
            return 0
        if found.ids is None and self.event_id:  # items that need digests
            return 0
        if found.events is not None and not self._watched.isdisjoint(found.events):
            return 0
        before = len(self._items)
        try:
            self._items += self.make_plain(found)
        except Exception:
            return 0
        ids, text = found.ids, data[: found.size]
        self._marks.blocks = Blocks(before, self._read, text, found.separator, ids)
        if ids is not None:
            self.event_id = as_text(ids[-1])
            if self._run.length:
                self._run = Run()
        self._index += len(found.data)
        self._read += found.size
        self._start = self._read
        self._end = self._read - (len(found.separator) == 4)
        return found.size

    def _read_lines(self, data: bytes) -> None:
        """Reads any bytes, cut anywhere."""
        pieces = data.splitlines(keepends=True)
        self._after_cr = data[-1:] == b"\r"
        unfinished = data[-1:] not in _LINE_ENDS and pieces.pop()
        if self._tail and pieces:
            self._read -= len(self._tail)
            pieces[0] = bytes(self._tail) + pieces[0]
            self._tail = bytearray()
        for piece in pieces:
            self._read += len(piece)
            line = piece.rstrip(b"\r\n")
            if line:
                self._read_line(line)
            else:
                self._dispatch(self._read - len(piece) + 1)
            if self._over:
                return
        if unfinished:
            self._hold(unfinished)

    def _hold(self, piece: bytes) -> None:
        """Keeps what there is of an unfinished line, as far as it may mean something."""
        self._read += len(piece)
        tail = self._tail
        tail += piece
        name, colon, _ = tail[: _LONGEST_FIELD + 1].partition(b":")
        if bytes(name) in self._meaningful and colon:
            if len(tail) + self._held > self._limit:
                self._outgrown()
        elif colon or len(tail) > _LONGEST_FIELD:
            del tail[_LONGEST_FIELD + 1 :]

    def _read_line(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name not in self._meaningful:
            return
        self._held += len(line)
        if self._held > self._limit:
            self._outgrown()
            return
        if value and value[0] == 32:
            value = value[1:]
        if name == b"data":
            if self._data is None:
                self._data = value
                return
            if isinstance(self._data, bytes):
                self._data = bytearray(self._data)
            self._data += b"\n"
            self._data += value
        elif name == b"event":
            self._type = value
        elif name == b"id":
            if b"\0" not in value:
                self._id = as_text(value)
        elif not name:
            self._held -= len(line)
            self._index += 1
            comment = ServerSentEvent("", as_text(value))
            self._append(cast("T", comment), self._end, self.event_id)
        elif value.isdigit():
            digits = value.lstrip(b"0")
            self._retry = self.retry_ms = int(digits or 0) if len(digits) < 19 else _LONGEST_RETRY

    def _dispatch(self, end: int) -> None:
        """Acts on the blank line whose first byte ends at `end`."""
        event_id = self.event_id if self._id is None else self._id
        if self._data is not None and not self._deliver(bytes(self._data), event_id, end):
            return
        if self._id is not None:
            # A block that only tells the ID in force again moves nothing: what came behind that ID
            # may be sent again all the same.
            again = self._data is None and event_id == self.event_id
            self.event_id = event_id
            if self._run.length and not again:
                self._run = Run()
        self._end = end
        self._start = self._read
        self._clear()

    def _deliver(self, data: bytes, event_id: str, end: int) -> bool:
        """Makes the item of the block, and tells whether the block is done with."""
        event = as_text(self._type) if self._type else "message"
        if event == self._failure_event:
            item = ServerSentEvent(event, as_text(data), event_id, self._retry)
            self._stop(StreamFailed(f"the server reported a failure: {item!r:.200}", item=item))
            return False
        if data == self._terminal:
            self._over = self._ended = True
            return True
        try:
            made = self.make(event, data, event_id, self._retry)
        except Exception as exc:
            error = bad_item(
                exc, self._on_bad_item, index=self._index, offset=self._start, data=data
            )
            if error is not None:
                self._stop(error)
                return False
            self.skipped += 1
        else:
            if event_id and self._id is None:
                self._marks.digests[len(self._items)] = self._run.add(event, data)
            self._append(made, end, event_id)
        self._index += 1
        self._over = self._ended = event == self._last_event
        return True

    def _append(self, item: T, end: int, event_id: str) -> None:
        if self._run.length and self._id is None:
            self._marks.runs[len(self._items)] = self._run, self._run.length
        self._marks.ends.append(end)
        self._marks.ids.append(event_id)
        self._items.append(item)

    def _outgrown(self) -> None:
        # The byte that was too many: the same however the bytes were cut.
        self._stop(too_large("max_item_bytes", self._limit, self._limit + 1, "an event"))

    def _stop(self, error: Exception) -> None:
        self._over = True
        self._error = error
        self._tail = bytearray()
        self._clear()
