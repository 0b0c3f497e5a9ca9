"""The server's end of one connection: takes requests apart, and plays answers onto the socket."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from http import HTTPStatus
from typing import Literal, Protocol

from .._values import Headers
from ._script import RecordedRequest, Reply, Response, Wire
from ._steps import Act, Cut, Delay, Reset, Stall, Until, played

__all__ = ["Connection"]

_RECEIVE = 65536
_POLL_SECONDS = 0.02
# Lingering for no time makes the kernel send a RST instead of a FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class Host(Protocol):
    """What a connection needs of its server."""

    sent: int
    changed: threading.Condition

    @property
    def url(self) -> str: ...
    @property
    def _stopped(self) -> bool: ...
    def _answer(self, request: RecordedRequest) -> Reply: ...
    def _rest(self, seconds: float) -> None: ...
    def _now(self) -> float: ...


class _Over(Exception):
    """The script closed the connection."""


class _HungUp(Exception):
    """The client closed the connection."""


class Connection:
    """One connection; `run` is its thread.

    Attributes:
        ended: Who ended it, or None.
    """

    def __init__(
        self, host: Host, raw: socket.socket, number: int, tls: ssl.SSLContext | None
    ) -> None:
        self._host, self._number, self._tls = host, number, tls
        self._raw, self._socket = raw, raw
        self._pending = b""
        self.ended: Literal["client", "server"] | None = None

    def run(self) -> None:
        """Answers requests until somebody ends the connection."""
        try:
            if self._tls is not None:
                self._socket = self._tls.wrap_socket(self._raw, server_side=True)
            while (request := self._receive()) is not None:
                self._play(self._host._answer(request))
            self._end("client")
        except (_HungUp, OSError):
            self._end("client")
        except _Over:
            self._end("server")
        finally:
            self._socket.close()

    def abort(self) -> None:
        """Ends whatever the connection waits for, from the thread that stops the server."""
        self._end("server")
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._living, socket.SHUT_RDWR)

    # Answering -------------------------------------------------------------------------------

    def _play(self, reply: Reply) -> None:
        for step in _steps_of(reply):
            self._act(step)

    def _act(self, step: Act) -> None:
        match step:
            case bytes():
                self._send(step)
            case Delay(seconds):
                self._host._rest(seconds)
            case Stall():
                while self._more():
                    pass
                raise _HungUp
            case Cut() | Reset():
                if isinstance(step, Reset):
                    self._living.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                raise _Over
            case Until(event):
                while not event.wait(_POLL_SECONDS) and not self._host._stopped:
                    pass

    def _send(self, data: bytes) -> None:
        self._socket.sendall(data)
        with self._host.changed:
            self._host.sent += len(data)

    def _end(self, who: Literal["client", "server"]) -> None:
        with self._host.changed:
            self.ended = self.ended or who
            self._host.changed.notify_all()

    @property
    def _living(self) -> socket.socket:
        """The socket that holds the descriptor: TLS takes it over from the raw one."""
        return self._socket if self._socket.fileno() >= 0 else self._raw

    # Receiving -------------------------------------------------------------------------------

    def _receive(self) -> RecordedRequest | None:
        """The next request, or None if the client hung up instead."""
        while b"\r\n\r\n" not in self._pending:
            data = self._more()
            if not data:
                return None
            self._pending += data
        raw, _, self._pending = self._pending.partition(b"\r\n\r\n")
        line, *fields = raw.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ", 2)
        pairs = [entry.split(":", 1) for entry in fields]
        headers = Headers((name, value.strip()) for name, value in pairs)
        return RecordedRequest(
            method=method,
            url=self._absolute(target, headers),
            headers=headers,
            body=self._body(headers),
            at=self._host._now(),
            connection=self._number,
        )

    def _absolute(self, target: str, headers: Headers) -> str:
        scheme, _, netloc = self._host.url.partition("://")
        return f"{scheme}://{headers.get('host', netloc)}{target}"

    def _body(self, headers: Headers) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self._exactly(int(headers.get("content-length", 0)))

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._pending:
            self._pending += self._some()
        size, _, self._pending = self._pending.partition(b"\r\n")
        return self._exactly(int(size, 16) + 2)[:-2]

    def _exactly(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._pending += self._some()
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _some(self) -> bytes:
        data = self._more()
        if not data:
            raise _HungUp
        return data

    def _more(self) -> bytes:
        """What the client sends next; b"" once it has hung up."""
        try:
            return self._socket.recv(_RECEIVE)
        except OSError:
            return b""


def _steps_of(reply: Reply) -> Iterator[Act]:
    """A reply as steps whose bytes are those on the wire."""
    if isinstance(reply, Wire):
        yield from played(reply.steps)
    elif isinstance(reply, Response):
        yield from played(reply.before)
        yield _head(reply)
        chunked = ("Transfer-Encoding", "chunked") in reply.fields
        for step in played(reply.body):
            if not isinstance(step, bytes):
                yield step
            elif step:
                yield b"%x\r\n%b\r\n" % (len(step), step) if chunked else step
        if chunked:
            yield b"0\r\n\r\n"
        elif reply.framing == "close":
            yield Cut()


def _head(response: Response) -> bytes:
    try:
        phrase = HTTPStatus(response.status).phrase
    except ValueError:
        phrase = "Scripted"
    lines = [f"HTTP/1.1 {response.status} {phrase}"]
    lines += [f"{name}: {value}" for name, value in response.fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")
