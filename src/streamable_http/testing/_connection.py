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
from ._script import RecordedRequest, Reply, Response, Wire, is_bodiless
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
    def _failed(self, error: BaseException) -> None: ...
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
            self._shake_hands()
            while (request := self._receive()) is not None:
                self._play(self._host._answer(request), request)
            self._end("client")
        except _HungUp:
            self._end("client")
        except _Over:
            self._end("server")
        except BaseException as exc:  # pytest's own are no Exception
            self._host._failed(exc)
            self._end("server")
        finally:
            self._socket.close()

    def _shake_hands(self) -> None:
        if self._tls is None:
            return
        try:
            # The handshake comes on its own: until `wrap_socket` returns, nobody else can find the
            # descriptor that it took over from the raw socket, and so nobody could wake it.
            self._socket = self._tls.wrap_socket(
                self._raw, server_side=True, do_handshake_on_connect=False
            )
            if self._host._stopped:  # `abort` may have been too early to find it
                raise _Over
            self._socket.do_handshake()
        except OSError as exc:
            raise _HungUp from exc

    def abort(self) -> None:
        """Ends whatever the connection waits for, from the thread that stops the server."""
        self._end("server")
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._living, socket.SHUT_RDWR)

    # Answering -------------------------------------------------------------------------------

    def _play(self, reply: Reply, request: RecordedRequest) -> None:
        for step in _steps_of(reply, request.method):
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
                    with contextlib.suppress(OSError):
                        self._living.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                raise _Over
            case Until(event):
                while not event.wait(_POLL_SECONDS) and not self._host._stopped:
                    pass

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as exc:
            raise _HungUp from exc
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
        words = line.split(" ", 2)
        if len(words) != 3 or not all(":" in entry for entry in fields):
            raise ValueError(f"the client sent what is no request of HTTP/1.1: {raw!r:.200}")
        method, target, _ = words
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
        codings = headers.get("transfer-encoding", "").lower().split(",")
        if codings[-1].strip() == "chunked":
            body = b"".join(iter(self._chunk, b""))
            while self._line():  # the trailers, up to an empty line
                pass
            return body
        return self._exactly(int(headers.get("content-length", 0)))

    def _chunk(self) -> bytes:
        size, _, _ = self._line().partition(b";")  # behind it are extensions
        data = self._exactly(int(size, 16))
        if data:
            self._line()
        return data

    def _line(self) -> bytes:
        while b"\r\n" not in self._pending:
            self._pending += self._some()
        line, _, self._pending = self._pending.partition(b"\r\n")
        return line

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


def _steps_of(reply: Reply, method: str) -> Iterator[Act]:
    """A reply as steps whose bytes are those on the wire."""
    if isinstance(reply, Wire):
        yield from played(reply.steps)
    elif isinstance(reply, Response):
        yield from played(reply.before)
        yield _head(reply)
        chunked = ("Transfer-Encoding", "chunked") in reply.fields
        if is_bodiless(reply, method):
            if ("Connection", "close") in reply.fields:
                yield Cut()
            return
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
