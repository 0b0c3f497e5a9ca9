"""Scripts as a server on the loopback interface: real sockets, real FINs and RSTs."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from .._errors import ConfigurationError
from ._connection import Connection
from ._playing import Playing
from ._script import Playable, RecordedRequest, Refuse, Reply, Response, Routes, ScriptExhausted

__all__ = ["ScriptedServer"]

_JOIN_SECONDS = 5.0


class ScriptedServer:
    """An HTTP/1.1 server on 127.0.0.1 that plays scripts. Start it with `with`, once.

    It has threads of its own and leaves none behind. Its time is real time.

    Attributes:
        port: The port.
        accepted: Connections so far.
        sent: Bytes that the kernel has taken so far, heads and framing included.
        changed: Notified with every request and every end of a connection.
    """

    def __init__(
        self,
        script: Routes | None = None,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        send_buffer: int | None = None,
    ) -> None:
        """A server.

        Args:
            script: A `Script`, a single answer, or a mapping of routes to these. A route is a
                path, as "/feed", or "POST /feed", or "*" for every other request.
            port: The port, or 0 for a free one.
            tls: A server's TLS context, or None for plain HTTP.
            send_buffer: The kernel's send buffer for each connection in bytes, or None for its
                default.

        Raises:
            ConfigurationError: A value is wrong, or an answer needs a transport.
        """
        self._playing = Playing(script, Refuse)
        self._wanted_port, self._tls, self._send_buffer = port, tls, send_buffer
        self._stopping = threading.Event()
        self._connections: list[Connection] = []
        self._threads: list[threading.Thread] = []
        self.port: int = port
        self.sent: int = 0
        self.changed: threading.Condition = self._playing.changed
        self._failure: BaseException | None = None
        self._begun = False

    def __enter__(self) -> Self:
        """Starts the server.

        Raises:
            ConfigurationError: It was started before.
        """
        if self._begun:
            raise ConfigurationError(
                "this ScriptedServer was started before, and its counts are of that time: make "
                "another (with port= it can have the same port)"
            )
        self._begun = True
        self._listener = socket.create_server(("127.0.0.1", self._wanted_port), backlog=512)
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="scripted-server")
        self._accepting.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the server.

        Raises:
            ScriptExhausted: There was a request without an answer for it.
            BaseException: The first that the function of an answer raised.
        """
        self._stopping.set()
        # A last connection wakes the thread that accepts, on every system.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._accepting.join(_JOIN_SECONDS)
        self._listener.close()
        for connection in self._connections:
            if connection.ended is None:
                connection.abort()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        alive = [one.name for one in (self._accepting, *self._threads) if one.is_alive()]
        if alive:
            raise RuntimeError(f"threads of the scripted server hang: {alive}")
        if exc is None and self._failure is not None:
            raise self._failure

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        if self._tls is None:
            return f"http://127.0.0.1:{self.port}"
        return f"https://localhost:{self.port}"

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, in order of arrival."""
        return self._playing.requests

    @property
    def accepted(self) -> int:
        """Connections so far."""
        return len(self._connections)

    @property
    def open(self) -> int:
        """Connections that nobody has ended yet."""
        return sum(connection.ended is None for connection in self._connections)

    @property
    def hung_up(self) -> int:
        """Connections that the client ended."""
        return sum(connection.ended == "client" for connection in self._connections)

    def serve(self, route: str, script: Playable) -> str:
        """Plays a script on a route, from its beginning.

        Returns:
            The URL.
        """
        return self.url + self._playing.serve(route, script)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 5.0) -> bool:
        """Blocks until a request or the end of a connection makes `condition` true.

        Returns:
            Whether it came true in time.
        """
        with self.changed:
            return self.changed.wait_for(condition, seconds)

    # For the connections ---------------------------------------------------------------------

    def _answer(self, request: RecordedRequest) -> Reply:
        try:
            return self._playing.answer(request)
        except ScriptExhausted as exc:
            self._failed(exc)
            return _told(501, str(exc))
        except BaseException as exc:  # pytest's own are no Exception
            self._failed(exc)
            return _told(500, f"the answer's function raised {exc!r}")

    def _failed(self, error: BaseException) -> None:
        """Keeps an error for the end: here nobody would see it."""
        with self.changed:
            if self._failure is None:
                self._failure = error

    def _rest(self, seconds: float) -> None:
        """Blocks for some time, or until the server stops."""
        self._stopping.wait(seconds)

    def _now(self) -> float:
        return time.monotonic()

    @property
    def _stopped(self) -> bool:
        return self._stopping.is_set()

    def _accept(self) -> None:
        while True:
            sock, _ = self._listener.accept()
            if self._stopped:
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._send_buffer is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer)
            connection = Connection(self, sock, len(self._connections), self._tls)
            thread = threading.Thread(target=connection.run, name="scripted-server-connection")
            self._threads.append(thread)
            self._connections.append(connection)
            thread.start()


def _told(status: int, text: str) -> Response:
    headers = [("Content-Type", "text/plain; charset=utf-8")]
    body = text.encode("utf-8", "backslashreplace")
    return Response(status=status, headers=headers, body=body, framing="length")
