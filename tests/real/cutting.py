"""A proxy in front of a real server that breaks connections where a test says."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

__all__ = ["Cut", "CuttingProxy", "every"]

_JOIN_SECONDS = 10.0
_NO_LINGER = struct.pack("ii", 1, 0)


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Cut:
    """How one connection breaks.

    Attributes:
        after: How many bytes of the body get through; of everything, where the proxy sees no
            HTTP/1.1 head.
        how: A FIN, a RST, or no byte more.
        then: What happens to the server meanwhile.
    """

    after: int
    how: Literal["fin", "rst", "stall"] = "fin"
    then: Callable[[], object] = _nothing


def every(*sizes: int) -> tuple[Cut, ...]:
    """Cuts after so many bytes each, by FIN and RST in turn."""
    return tuple(Cut(size, "rst" if index % 2 else "fin") for index, size in enumerate(sizes))


class CuttingProxy:
    """The n-th connection that gets as far as the n-th cut breaks; all others are whole.

    Attributes:
        requests: The bytes that came from the client, for each connection.
        made: How many cuts were made.
    """

    def __init__(self, upstream: int, *cuts: Cut) -> None:
        self._upstream, self._cuts = upstream, [*cuts]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self.requests: list[bytearray] = []
        self.made = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        for one in [*self._open]:
            _shut(one)
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        self._listener.close()
        alive = [thread for thread in self._threads if thread.is_alive()]
        assert not alive, f"the proxy's threads hang: {alive}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def left(self) -> int:
        """How many cuts were not made."""
        return len(self._cuts)

    def sent(self, name: str) -> list[str | None]:
        """What each connection's first request had in a header."""
        found: list[str | None] = []
        for request in self.requests:
            head = bytes(request).partition(b"\r\n\r\n")[0].decode("latin-1")
            pairs = [line.partition(": ") for line in head.split("\r\n")[1:]]
            values = [value for key, _, value in pairs if key.lower() == name.lower()]
            found.append(values[0] if values else None)
        return found

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name="cutting-proxy")
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if self._stopping.is_set():
                client.close()
                return
            server = socket.create_connection(("127.0.0.1", self._upstream))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(one)
            asked = bytearray()
            self.requests.append(asked)
            self._start(self._relay, client, server, asked)

    def _relay(self, client: socket.socket, server: socket.socket, asked: bytearray) -> None:
        upward = self._start(self._upward, client, server, asked)
        with contextlib.suppress(OSError):
            cut = self._downward(client, server)
            if cut is not None:
                self.made += 1
                cut.then()
                self._break(cut, client, upward)
        for one in (client, server):
            _shut(one)
        upward.join()
        for one in (client, server):
            one.close()

    def _upward(self, client: socket.socket, server: socket.socket, asked: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                asked += data
                server.sendall(data)
        _shut(server)

    def _downward(self, client: socket.socket, server: socket.socket) -> Cut | None:
        """Passes the response on, as far as the cut that it returns."""
        head, passed = b"", -1
        while data := server.recv(65536):
            if passed < 0:
                head += data
                http = head.startswith(b"HTTP/1.")
                if http and b"\r\n\r\n" not in head:
                    continue
                before = head.find(b"\r\n\r\n") + 4 if http else 0
                client.sendall(head[:before])
                data, passed = head[before:], 0
            if self._cuts and passed + len(data) > self._cuts[0].after:
                cut = self._cuts.pop(0)
                client.sendall(data[: cut.after - passed])
                return cut
            client.sendall(data)
            passed += len(data)
        return None

    @staticmethod
    def _break(cut: Cut, client: socket.socket, upward: threading.Thread) -> None:
        if cut.how == "rst":
            # The kernel resets a connection only once nobody waits for its bytes.
            client.shutdown(socket.SHUT_RD)
            upward.join()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            client.close()
        elif cut.how == "stall":
            upward.join()


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
