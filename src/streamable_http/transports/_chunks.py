"""Makes one HTTP chunk of the many that a read may hold; no I/O.

Servers send a chunk for each event, and httpx's HTTP parser, which is written in Python, takes
longer over a chunk than all else takes over the event. So the chunks of a body are taken apart by
llhttp (httptools), and what one read brought is handed on as a single chunk. The parser behind
still reads the head, and decides by itself where the message ends. Whoever wants the bytes alone
(`body`) goes past it: it is handed the end of the message then, as if nothing had been in between.

Two parsers are a danger where they read one message differently. Hence:

- The head is passed on as it came. A body is merged only where the head leaves no doubt: HTTP/1.1,
  `chunked` alone, no Content-Length, not folded, lines that end with CRLF. All else is passed on
  untouched, and so is the rest of the connection if there is any doubt about where it ends.
- Of a merged body only the bytes go on, in framing that is ours. What llhttp refuses is refused,
  or, where it refuses the very first read of a body, left to the parser behind from there on.
- Bytes that come behind a message belong to nobody: they go into no body, and the connection is
  not used again. Neither is one that is passed on untouched, since nobody here knows where its
  messages end.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httptools

__all__ = ["ChunkMerger", "FramingError"]

_REQUEST = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.1\r\n")
_STATUS = re.compile(rb"HTTP/1\.1 ([1-9][0-9]{2})(?: [^\r\n]*)?")
_NOT_MERGED = frozenset({b"CONNECT", b"PRI"})
_LARGEST_HEAD = 100 * 1024
_MOST_FRAMING = 100 * 1024
"""What httpx allows a head, and the line of a chunk, to be."""

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_BLANK_LINE = b"\r\n\r\n"
_ANY_BLANK_LINE = re.compile(rb"\n\r?\n")
_LAST = b"0" + _BLANK_LINE


class FramingError(Exception):
    """The body's chunks are not what HTTP says they are (RFC 9112, section 7.1)."""


class ChunkMerger:
    """Sees what one connection sends and receives, and rewrites what is received.

    Attributes:
        soiled: Whether something came behind a message, or may have: the connection must not be
            used again.
        idle: Whether no exchange is under way: what was to come has come.
        merging: Whether the body of a response is being read, and its chunks are taken apart.
    """

    def __init__(self) -> None:
        self.soiled = self.merging = False
        self._held = b""  # the first of a body, which came with its head
        self._due = b""  # what the parser behind is to have next
        self._read: Callable[[bytes], bytes] = self._pass
        self.idle = True  # no exchange is under way
        self._untouched = False  # for good
        self._method = b""
        self._head = bytearray()
        self._left = 0
        self._chunks = _Chunks()
        self._fresh = True  # nothing of the body was read yet
        self._tail = _BLANK_LINE  # what came last
        self._silent = 0  # bytes since the last one of the body
        self._failure: FramingError | None = None

    def sent(self, data: bytes) -> None:
        """`data` is sent: if it begins a request, what comes next is a response's head."""
        if self._untouched or self._read == self._begin:
            return
        if not self.idle:
            # Nobody sends while a response is being read: this is no plain exchange.
            self._give_up()
            return
        request = _REQUEST.match(data)
        if request is None:
            return  # a proxy is being greeted
        self._method = request[1]
        if self._method in _NOT_MERGED:
            self._untouched = True
            return
        self.idle, self._read = False, self._begin

    def received(self, data: bytes) -> bytes:
        """What to hand on in place of `data`; nothing, if it was only framing.

        Raises:
            FramingError: The framing is broken, or there is no end to it.
        """
        return self._read(data)

    def ready(self) -> bytes:
        """What to hand on before anything is received; nothing, if there is nothing.

        Raises:
            FramingError: As for `received`.
        """
        due, self._due = self._due, b""
        return due or (self._read(self.held()) if self._held else b"")

    def held(self) -> bytes:
        """The first bytes of a body that came with its head; each is told once."""
        held, self._held = self._held, b""
        return held

    def body(self, data: bytes) -> bytes:
        """The bytes of the body in `data`, without framing; nothing, if there is none.

        Raises:
            FramingError: As for `received`.
        """
        body = self._take(data)
        if body is None:
            self._due = data
            return b""
        if self.idle:
            self._due = _LAST
        elif not body:
            self.check()
        return body

    def check(self) -> None:
        """Raises the `FramingError` that came behind bytes which were handed on first."""
        if self._failure is not None:
            raise self._failure

    def _give_up(self) -> None:
        self._untouched = self.soiled = True
        self._read, self.merging = self._pass, False

    def _pass(self, data: bytes) -> bytes:
        return data

    def _begin(self, data: bytes) -> bytes:
        self._read = self._read_head
        return self._read_head(data)

    def _read_head(self, data: bytes) -> bytes:
        """Reads the response's head, and those before it that only announce it."""
        start, looked_at = 0, max(len(self._head) - 3, 0)
        self._head += data
        while blank := _ANY_BLANK_LINE.search(self._head, max(start, looked_at)):
            end = blank.start() - 1
            if end < start or bytes(self._head[end : blank.end()]) != _BLANK_LINE:
                # The parser behind takes that for the end of a head, too: nobody here knows what
                # it makes of the rest.
                self._give_up()
                return data
            head, start = bytes(self._head[start:end]), blank.end()
            if not self._take_head(head):
                return self._behind_head(data, len(self._head) - start)
        del self._head[:start]
        if not self._head:
            self._read = self._begin
        elif len(self._head) > _LARGEST_HEAD:
            self._give_up()
        return data

    def _take_head(self, head: bytes) -> bool:
        """Decides how the body is read; returns whether another head comes."""
        status, fields = _fields(head)
        length = fields.get(b"content-length")
        coding = fields.get(b"transfer-encoding")
        if status is None or status == 101:
            self._give_up()
        elif status < 200:
            return True
        elif self._method == b"HEAD" or status in {204, 304}:
            self._finish()
        elif coding is not None:
            if length is not None or coding.lower() != b"chunked":
                self._give_up()
            else:
                self._chunks, self._silent, self._fresh = _Chunks(), 0, True
                self._tail = _BLANK_LINE
                self._read, self.merging = self._merge, True
        elif length is not None and length.isdigit():
            self._left, self._read = int(length), self._count
            if not self._left:
                self._finish()
        else:
            self._give_up()  # it lasts as long as the connection
        return False

    def _behind_head(self, data: bytes, size: int) -> bytes:
        """What to hand on of `data`, of which the last `size` bytes come behind the head."""
        self._head = bytearray()
        stop = len(data) - size
        if self.merging:
            self._held = data[stop:]
            return data[:stop]
        if not size:
            return data
        if self.idle:  # there is no body that they could be of
            self._give_up()
        return data[:stop] + self._read(data[stop:])

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left == 0:
            self._finish()
        elif self._left < 0:
            self._give_up()
        return data

    def _merge(self, data: bytes) -> bytes:
        body = self._take(data)
        if body is None:
            return data
        merged = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
        if self.idle:
            return merged + _LAST
        if not merged:
            self.check()
        return merged

    def _take(self, data: bytes) -> bytes | None:
        """The bytes of the body in `data`; None if the parser behind is to have all of it."""
        chunks, fresh = self._chunks, self._fresh
        self._fresh = False
        tail = self._tail = (self._tail + data[-6:])[-6:]
        try:
            chunks.feed(data)
        except httptools.HttpParserError as exc:
            if fresh and not chunks.complete:
                # All of this body is still at hand, so one parser can have the whole of it.
                self._give_up()
                return None
            self._fail(f"the response's chunks are malformed: {exc}", unless=chunks.complete)
        body = chunks.taken()
        self._silent = 0 if body else self._silent + len(data)
        if self._silent > _MOST_FRAMING:
            self._fail(f"{self._silent:,} bytes came without one of the body")
        if chunks.complete:
            # llhttp passes over blank lines behind a message, and h11 would not.
            strange = not tail.endswith(_BLANK_LINE) or tail == b"\r\n" * 3
            self.soiled = self.soiled or chunks.begun or strange
            self._finish()
        return body

    def _fail(self, why: str, *, unless: bool = False) -> None:
        """The framing is broken; or, behind a body that is complete, it is none of the body's."""
        if unless:
            self.soiled = True
        else:
            self._failure = FramingError(why)

    def _finish(self) -> None:
        self.idle, self._read, self.merging = True, self._pass, False
        if self.soiled:
            self._give_up()


class _Chunks:
    """The chunks of one body, read by llhttp.

    Attributes:
        complete: Whether the body has ended.
        begun: Whether another message began behind it.
    """

    def __init__(self) -> None:
        self._bodies: list[bytes] = []
        self._own: int | None = None  # how many of them are of this body, once it has ended
        # llhttp calls these; bytes go straight into the list, without a function of ours.
        self.on_body = self._bodies.append
        self._parser: Any = httptools.HttpResponseParser(self)
        self._parser.feed_data(_CHUNKED)
        self.begun = False

    @property
    def complete(self) -> bool:
        return self._own is not None

    def on_message_begin(self) -> None:
        """Another message begins: its body, too, comes into the list."""
        self.begun = True

    def on_message_complete(self) -> None:
        if self._own is None:
            self._own = len(self._bodies)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes; raises httptools' `HttpParserError`."""
        self._parser.feed_data(data)

    def taken(self) -> bytes:
        """The bytes of the body that came since the last call."""
        if self._own is not None:
            del self._bodies[self._own :]
        body = self._bodies[0] if len(self._bodies) == 1 else b"".join(self._bodies)
        self._bodies.clear()
        return body


def _fields(head: bytes) -> tuple[int | None, dict[bytes, bytes]]:
    """Status and header fields; no status where another parser might read them differently."""
    lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(lines[0])
    fields: dict[bytes, bytes] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        name = name.lower()
        doubled = name in fields and name in {b"content-length", b"transfer-encoding"}
        if not colon or doubled or name.strip() != name or b"\n" in line or b"\r" in line:
            return None, {}
        fields[name] = value.strip(b" \t")
    return (int(status[1]) if status else None), fields
