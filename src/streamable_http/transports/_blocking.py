"""Sockets for the sync client, which obey the lease."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Generator, Iterable
from typing import Any, NamedTuple, TypeVar

import httpcore

from .._lease import Interrupted, Lease, lease_of
from ._merging import MergingStream
from ._tls import TLSStream

__all__ = ["BlockingBackend", "BlockingStream", "SocketOption", "is_readable"]

R = TypeVar("R")

SocketOption = (
    tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
)


class BlockingStream(httpcore.NetworkStream):
    """A connected socket.

    It knows which lease holds it, because a pooled connection outlives a stream: closing the
    stream must never shut down a connection that another one uses by now.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._holder: Lease | None = None
        self._lock = threading.Lock()
        self._ready = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        lease = self.hold(lease_of(timeout))
        try:  # not `_mapped`: a context manager costs as much as all else here
            self._socket.settimeout(lease.wait())
            data = self._socket.recv(max_bytes)
            lease.waited()
        except TimeoutError as exc:
            lease.expire()
            raise httpcore.ReadTimeout("timed out") from exc
        except OSError as exc:
            raise httpcore.ReadError(str(exc)) from exc
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        lease = self.hold(lease_of(timeout))
        lease.sending(buffer, ready=self._ready)
        self._ready = lease.sent
        view = memoryview(buffer)
        with _mapped(lease, httpcore.WriteTimeout, httpcore.WriteError):
            while view:
                self._socket.settimeout(lease.wait(writing=True))
                view = view[self._socket.send(view) :]
                lease.check()
        lease.sent_some()

    def hold(self, lease: Lease) -> Lease:
        """Makes the connection the lease's, so that the lease can wake it."""
        if self._holder is not lease:
            with self._lock:
                self._holder = lease
        # Each time: between two waits here the stream may have slept elsewhere.
        lease.waker, lease.managed = self, True
        return lease

    def let_go(self, lease: Lease) -> None:
        """The lease waits for nothing here any more: from now on it wakes nobody."""
        with self._lock:
            if self._holder is lease:
                self._holder = None
        if lease.waker is self:
            lease.waker = None

    def wake(self, lease: Lease, /) -> None:
        """Ends whatever the holder waits for on this connection."""
        with self._lock:
            if self._holder is lease:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def connect(self, route: _Route, lease: Lease, share: int = 1) -> BlockingStream:
        """Connects in one of `share` equal parts of the time left, or closes the socket."""
        self.hold(lease)
        try:
            for option in route.options:
                self._socket.setsockopt(*option)
            if route.local is not None:
                self._socket.bind(route.local)
            left = lease.wait()
            self._socket.settimeout(left if left is None else left / share)
            self._socket.connect(route.address)
            lease.check()
        except BaseException:
            self._socket.close()
            raise
        return self

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return TLSStream.wrap(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._socket
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
            case "is_readable":
                return is_readable(self._socket)
            case _:
                return None


class BlockingBackend(httpcore.NetworkBackend):
    """Opens connections in the time that the connect clock leaves, and lets `close()` end it."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        lease = lease_of(timeout)
        lease.dialled = host, port
        local = None if local_address is None else (local_address, 0)
        options = (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
        failure = OSError(f"no address for {host}")
        with _mapped(lease, httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = _resolve(host, port, lease)
            for tried, (family, kind, protocol, _, address) in enumerate(addresses):
                try:
                    stream = BlockingStream(socket.socket(family, kind, protocol))
                    # An address that swallows packets leaves time for the others.
                    share = len(addresses) - tried
                    stream.connect(_Route(address, options, local), lease, share)
                    return MergingStream.around(stream)
                except Interrupted:
                    raise
                except OSError as exc:
                    failure = exc
            raise failure

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.NetworkStream:
        lease = lease_of(timeout)
        with _mapped(lease, httpcore.ConnectTimeout, httpcore.ConnectError):
            stream = BlockingStream(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            stream.connect(_Route(path, (*(socket_options or ()),), None), lease)
            return MergingStream.around(stream)


class _Route(NamedTuple):
    """Where to connect to, and how."""

    address: Any
    options: tuple[Any, ...]
    local: tuple[str, int] | None


class _Resolution:
    """A name being resolved in a thread of its own, which cannot be stopped but be left."""

    def __init__(self, host: str, port: int) -> None:
        self.done = threading.Event()
        self.addresses: list[Any] = []
        self.error: OSError | UnicodeError | None = None
        self._asked = (host, port)

    def run(self) -> None:
        try:
            self.addresses = socket.getaddrinfo(*self._asked, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as exc:
            self.error = exc
        self.done.set()

    def wake(self, lease: Lease, /) -> None:
        self.done.set()


def _resolve(host: str, port: int, lease: Lease) -> list[Any]:
    """The addresses of a host; a name server that hangs costs no more than the connect clock."""
    with contextlib.suppress(socket.gaierror, UnicodeError):
        numeric = socket.AI_NUMERICHOST
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=numeric))
    resolution = _Resolution(host, port)
    lease.waker = resolution
    left = lease.wait()
    threading.Thread(target=resolution.run, name="streamable-http-resolve", daemon=True).start()
    if not resolution.done.wait(left):
        raise TimeoutError
    lease.check()
    if resolution.error is not None:
        raise OSError(f"{host}: {resolution.error}") from resolution.error
    return resolution.addresses


@contextlib.contextmanager
def _mapped(
    lease: Lease, timeout: type[Exception], error: type[Exception]
) -> Generator[None, None, None]:
    try:
        yield
    except TimeoutError as exc:
        lease.expire()
        raise timeout("timed out") from exc
    except OSError as exc:
        raise error(str(exc)) from exc


def is_readable(sock: socket.socket) -> bool:
    """Whether something came on an idle connection, which then cannot be used again."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
