"""A loopback HTTP/1.1 server that plays scripts, for what only real sockets can show.

A script is a list of steps, one script for each request:

    with Server() as server:
        url = server.serve("/feed", streamed(events(1, 2), cut()), streamed(events(3)))

The first request to `/feed` gets two events and a hang-up in the middle of the body, the second
one and all after it the whole rest. The server notes every request and who ended each connection,
and leaves no thread and no socket behind.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

__all__ = [
    "Exchange",
    "Received",
    "Script",
    "Server",
    "Step",
    "chunk",
    "closing",
    "cut",
    "delay",
    "drip",
    "end",
    "events",
    "flood",
    "head",
    "hold",
    "reply",
    "reset",
    "send",
    "stall",
    "streamed",
    "unreachable",
]

_RECEIVE = 65536
_JOIN_SECONDS = 5.0


@dataclass(frozen=True)
class Received:
    """A request as it arrived; header names are in lower case, the last of each name is kept."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


Step: TypeAlias = "Callable[[Exchange], None]"
Script: TypeAlias = Sequence[Step]
Answer: TypeAlias = Script | Callable[[Received], Script]


class _Over(Exception):
    """The script closed the connection."""


class _HungUp(Exception):
    """The client closed the connection."""


@dataclass
class Exchange:
    """One request and the connection that its answer goes to; what steps work on."""

    server: Server
    connection: _Connection
    request: Received

    def send(self, data: bytes) -> None:
        """Sends all of it; ends the script if the client has hung up."""
        self.connection.send(data)


class _Connection:
    """The server's end of one connection."""

    def __init__(self, server: Server, raw: socket.socket, number: int) -> None:
        self.number = number
        self._server, self._raw, self._socket = server, raw, raw
        self._pending = b""
        self.ended: Literal["client", "server"] | None = None

    def run(self) -> None:
        try:
            if self._server.tls is not None:
                self._socket = self._server.tls.wrap_socket(self._raw, server_side=True)
            while (request := self._receive()) is not None:
                for step in self._server.answer(request):
                    step(Exchange(self._server, self, request))
            self._end("client")
        except (_HungUp, OSError):
            self._end("client")
        except _Over:
            self._end("server")
        finally:
            self._socket.close()

    def _end(self, who: Literal["client", "server"]) -> None:
        with self._server.changed:
            self.ended = self.ended or who
            self._server.changed.notify_all()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def more(self) -> bytes:
        """What the client sends next; b"" once it has hung up."""
        try:
            return self._socket.recv(_RECEIVE)
        except OSError:
            return b""

    def close(self, *, abruptly: bool) -> None:
        if abruptly:
            # Lingering for no time makes the kernel send a RST instead of a FIN.
            linger = struct.pack("ii", 1, 0)
            self._raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._end("server")
        raise _Over

    def abort(self) -> None:
        """Ends whatever the connection waits for, from the thread that stops the server."""
        self._end("server")
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._raw_socket, socket.SHUT_RDWR)

    @property
    def _raw_socket(self) -> socket.socket:
        return self._socket if self._socket.fileno() >= 0 else self._raw

    def _receive(self) -> Received | None:
        """The next request, or None if the client hung up instead."""
        while b"\r\n\r\n" not in self._pending:
            data = self.more()
            if not data:
                return None
            self._pending += data
        raw, _, self._pending = self._pending.partition(b"\r\n\r\n")
        line, *fields = raw.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ", 2)
        pairs = [entry.split(":", 1) for entry in fields]
        headers = {name.lower(): value.strip() for name, value in pairs}
        request = Received(method, target, headers, self._body(headers), self.number)
        with self._server.changed:
            self._server.requests.append(request)
            self._server.changed.notify_all()
        return request

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self._take(int(headers.get("content-length", 0)))

    def _chunk(self) -> bytes:
        while b"\r\n" not in self._pending:
            self._pending += self._some()
        size, _, self._pending = self._pending.partition(b"\r\n")
        return self._take(int(size, 16) + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._pending += self._some()
        taken, self._pending = self._pending[:size], self._pending[size:]
        return taken

    def _some(self) -> bytes:
        data = self.more()
        if not data:
            raise _HungUp
        return data


@dataclass
class _Route:
    answers: list[Answer]
    served: int = 0


@dataclass
class Server:
    """The server. Start it with `with`.

    Attributes:
        tls: The server's TLS context, or None for plain HTTP.
        send_buffer: The kernel's send buffer for each connection, in bytes, or None: its default.
        on_port: The port, or 0 for a free one.
        requests: Every request so far, in order of arrival.
        changed: Notified with every request and every end of a connection.
        sent: Body bytes that `flood` has handed to the kernel.
    """

    tls: ssl.SSLContext | None = None
    send_buffer: int | None = None
    on_port: int = 0
    requests: list[Received] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    sent: int = 0

    def __enter__(self) -> Self:
        self._routes: dict[str, _Route] = {}
        self._stopping = threading.Event()
        self._gates: set[threading.Event] = {self._stopping}
        self.connections: list[_Connection] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", self.on_port), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="test-server")
        self._accepting.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        for gate in list(self._gates):
            gate.set()
        # A last connection wakes the thread that accepts, on every system.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._accepting.join(_JOIN_SECONDS)
        self._listener.close()
        for connection in self.connections:
            if connection.ended is None:
                connection.abort()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        alive = [thread for thread in (self._accepting, *self._threads) if thread.is_alive()]
        assert not alive, f"the server's threads hang: {alive}"

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        scheme = "http" if self.tls is None else "https"
        host = "127.0.0.1" if self.tls is None else "localhost"
        return f"{scheme}://{host}:{self.port}"

    def serve(self, path: str, *answers: Answer) -> str:
        """The n-th request to `path` gets the n-th answer, and the last one all after it.

        Returns:
            The URL.
        """
        self._routes[path] = _Route(list(answers))
        return self.url + path

    def answer(self, request: Received) -> Script:
        """The script for a request."""
        with self.changed:
            route = self._routes.get(urlsplit(request.target).path)
            if route is None:
                return reply(b"no such path", status=404, content_type="text/plain")
            answer = route.answers[min(route.served, len(route.answers) - 1)]
            route.served += 1
        return answer(request) if callable(answer) else answer

    @property
    def open(self) -> int:
        """Connections that nobody has ended yet."""
        return sum(connection.ended is None for connection in self.connections)

    @property
    def hung_up(self) -> int:
        """Connections that the client ended."""
        return sum(connection.ended == "client" for connection in self.connections)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Blocks until a request or the end of a connection makes `condition` true."""
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    def pause(self, gate: threading.Event, seconds: float | None = None) -> None:
        """Blocks until the gate opens, the time is over or the server stops."""
        self._gates.add(gate)
        if not self._stopping.is_set():
            gate.wait(seconds)

    def rest(self, seconds: float) -> None:
        """Blocks for some time, or until the server stops."""
        self._stopping.wait(seconds)

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopping.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.send_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.send_buffer)
            connection = _Connection(self, sock, len(self.connections))
            thread = threading.Thread(target=connection.run, name="test-server-connection")
            self._threads.append(thread)
            self.connections.append(connection)
            thread.start()


# Steps -----------------------------------------------------------------------------------------


def send(data: bytes) -> Step:
    """Bytes as they are."""
    return lambda exchange: exchange.send(data)


def head(status: int = 200, content_type: str | None = "text/event-stream", **headers: str) -> Step:
    """The response's head; write `transfer_encoding=` for Transfer-Encoding."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return send("\r\n".join([*lines, "", ""]).encode("latin-1"))


def chunk(data: bytes) -> Step:
    """One chunk of a chunked body."""
    return send(b"%x\r\n%b\r\n" % (len(data), data))


def end() -> Step:
    """The last chunk of a chunked body."""
    return send(b"0\r\n\r\n")


def delay(seconds: float) -> Step:
    """Nothing for some time."""
    return lambda exchange: exchange.server.rest(seconds)


def stall(gate: threading.Event, seconds: float | None = None) -> Step:
    """Nothing until the test opens the gate."""
    return lambda exchange: exchange.server.pause(gate, seconds)


def hold() -> Step:
    """Nothing until the client hangs up."""

    def step(exchange: Exchange) -> None:
        while exchange.connection.more():
            pass
        raise _HungUp

    return step


def cut() -> Step:
    """Closes the connection (FIN), wherever the response is."""
    return lambda exchange: exchange.connection.close(abruptly=False)


def reset() -> Step:
    """Resets the connection (RST)."""
    return lambda exchange: exchange.connection.close(abruptly=True)


def drip(data: bytes, every: float, size: int = 1) -> Step:
    """A few bytes at a time, with pauses."""

    def step(exchange: Exchange) -> None:
        for start in range(0, len(data), size):
            exchange.send(data[start : start + size])
            exchange.server.rest(every)

    return step


def flood(data: bytes, times: int) -> Step:
    """The same chunk again and again; `Server.sent` tells how much the kernel has taken."""

    def step(exchange: Exchange) -> None:
        for _ in range(times):
            chunk(data)(exchange)
            exchange.server.sent += len(data)

    return step


# Scripts ---------------------------------------------------------------------------------------


def events(*numbers: int) -> Step:
    """One chunk for each number: an event with the number as its id and data."""
    steps = [chunk(b"id: %d\ndata: %d\n\n" % (number, number)) for number in numbers]

    def step(exchange: Exchange) -> None:
        for one in steps:
            one(exchange)

    return step


def streamed(*steps: Step, content_type: str = "text/event-stream", **headers: str) -> Script:
    """A chunked response; it is ended properly unless a step closes the connection before."""
    return [head(200, content_type, transfer_encoding="chunked", **headers), *steps, end()]


def closing(*steps: Step, content_type: str = "text/event-stream", **headers: str) -> Script:
    """A response whose body lasts until the server closes the connection."""
    return [head(200, content_type, connection="close", **headers), *steps, cut()]


def reply(
    body: bytes = b"", *, status: int = 200, content_type: str = "text/event-stream", **headers: str
) -> Script:
    """A response with a Content-Length."""
    return [head(status, content_type, content_length=str(len(body)), **headers), send(body)]


@contextlib.contextmanager
def unreachable() -> Iterator[str]:
    """A URL where connecting neither succeeds nor fails: the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener: Any = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
