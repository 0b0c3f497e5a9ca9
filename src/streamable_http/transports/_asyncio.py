"""A connection on asyncio itself.

anyio's costs two cancel scopes and two changes of the selector for each read, more than all else
that an event costs where events come one by one. Here a wait is a future: data, the lease's
deadline or `aclose()` resolves it, whichever comes first.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

import anyio
import httpcore

from .._lease import Interrupted, Lease, lease_of
from ._blocking import SocketOption, is_readable
from ._tls import AsyncTLSStream

__all__ = ["AsyncioStream"]

_MOST_BUFFERED = 256 * 1024


class _Wire(asyncio.Protocol):
    """What has come, and who waits for it."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._reading = True
        self.is_written = True
        self._waiter: asyncio.Future[None] | None = None
        self._deadline: float | None = None  # of that wait, in the loop's time
        self._timer: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport = cast("Any", None)
        self.ended = False
        self.error: Exception | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(0)  # written means: the kernel has it

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size >= _MOST_BUFFERED and self._reading:
            self._reading = False
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake()
        return True  # whoever reads closes

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended, self.error = True, exc
        self.is_written = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake()

    def pause_writing(self) -> None:
        self.is_written = False

    def resume_writing(self) -> None:
        self.is_written = True
        self._wake()

    @property
    def has_come(self) -> bool:
        """Whether there is something to read, an end included."""
        return bool(self._chunks) or self.ended

    def take(self, most: int) -> bytes:
        """What has come, up to so many bytes; nothing at the end."""
        if not self._chunks:
            if self.error is not None:
                raise self.error
            return b""
        data = self._chunks.popleft()
        if len(data) > most:
            self._chunks.appendleft(data[most:])
            data = data[:most]
        self._size -= len(data)
        if not self._reading and self._size < _MOST_BUFFERED and not self.ended:
            self._reading = True
            self.transport.resume_reading()
        return data

    async def change(self, within: float | None) -> None:
        """Waits until something comes, or was written.

        Raises:
            TimeoutError: Nothing did in time.
        """
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        self._deadline = None if within is None else loop.time() + within
        self._set_timer(loop)
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sees to it that something happens at the deadline.

        Most waits end long before theirs. So the timer of an earlier one is left as it is if it
        rings in time: it finds out then what it rings for.
        """
        deadline, timer = self._deadline, self._timer
        if deadline is None or (timer is not None and timer.when() <= deadline):
            return
        if timer is not None:
            timer.cancel()
        self._timer = loop.call_at(deadline, self._ring, loop)

    def _ring(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        waiter, deadline = self._waiter, self._deadline
        if waiter is None or waiter.done() or deadline is None:
            return
        if loop.time() < deadline:
            self._set_timer(loop)
        else:
            waiter.set_exception(TimeoutError())

    def interrupt(self) -> None:
        """Ends the wait."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Interrupted("the stream was closed"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class AsyncioStream(httpcore.AsyncNetworkStream):
    """A connection that waits under a lease, on asyncio."""

    def __init__(self, wire: _Wire) -> None:
        self._wire = wire
        self._ready = False

    @classmethod
    async def connect_tcp(
        cls,
        host: str,
        port: int,
        lease: Lease,
        local_address: str | None,
        options: Iterable[SocketOption],
    ) -> AsyncioStream:
        """Connects to the first address of the host that answers, each in its part of the time.

        One after another, as for threads: asyncio's own race between addresses leaves tasks behind
        when it is cancelled.
        """
        loop = asyncio.get_running_loop()
        try:
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError as exc:
            raise OSError(f"{host} is no name of a host: {exc}") from exc
        options = (*options, (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1))
        failure = OSError(f"no address for {host}")
        for tried, (family, kind, protocol, _, address) in enumerate(addresses):
            left = lease.wait()
            share = None if left is None else left / (len(addresses) - tried)
            sock = socket.socket(family, kind, protocol)
            try:
                with anyio.fail_after(share):
                    return await cls._connected(sock, address, options, local_address)
            except OSError as exc:
                failure = exc
        raise failure

    @classmethod
    async def connect_unix_socket(cls, path: str, options: Iterable[SocketOption]) -> AsyncioStream:
        """Connects to a Unix domain socket."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return await cls._connected(sock, path, options)

    @classmethod
    async def _connected(
        cls,
        sock: socket.socket,
        address: Any,
        options: Iterable[Any],
        local_address: str | None = None,
    ) -> AsyncioStream:
        loop = asyncio.get_running_loop()
        try:
            sock.setblocking(False)
            for option in options:
                sock.setsockopt(*option)
            if local_address is not None:
                sock.bind((local_address, 0))
            await loop.sock_connect(sock, address)
            _, wire = await loop.create_connection(_Wire, sock=sock)
        except BaseException:
            sock.close()
            raise
        return cls(wire)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        lease, wire = lease_of(timeout), self._wire
        lease.waker, lease.managed = self, True
        try:
            left = lease.wait()
            if not wire.has_come:
                await wire.change(left)
            lease.waited()
            return wire.take(max_bytes)
        except TimeoutError as exc:
            lease.expire()
            raise httpcore.ReadTimeout("timed out") from exc
        except OSError as exc:
            raise httpcore.ReadError(str(exc)) from exc
        finally:
            self._let_go(lease)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        lease, wire = lease_of(timeout), self._wire
        lease.sending(buffer, ready=self._ready)
        self._ready = lease.sent
        lease.waker, lease.managed = self, True
        try:
            lease.check()
            if wire.ended and wire.transport.is_closing():
                raise wire.error or ConnectionResetError("the connection is closed")
            wire.transport.write(buffer)
            while not wire.is_written:
                await wire.change(lease.wait(writing=True))
            lease.check()
            if wire.error is not None:
                raise wire.error
        except TimeoutError as exc:
            lease.expire()
            raise httpcore.WriteTimeout("timed out") from exc
        except OSError as exc:
            raise httpcore.WriteError(str(exc)) from exc
        finally:
            self._let_go(lease)
        lease.sent_some()

    def wake(self, lease: Lease, /) -> None:
        """The stream is closed while it waits here."""
        self._wire.interrupt()

    def _let_go(self, lease: Lease) -> None:
        if lease.waker is self:
            lease.waker = None

    async def aclose(self) -> None:
        self._wire.transport.abort()
        await asyncio.sleep(0)  # the loop closes the socket in its next round

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await AsyncTLSStream.wrap(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        match info:
            case "socket":
                return self._wire.transport.get_extra_info("socket")
            case "client_addr":
                return self._wire.transport.get_extra_info("sockname")
            case "server_addr":
                return self._wire.transport.get_extra_info("peername")
            case "is_readable":
                sock = self._wire.transport.get_extra_info("socket")
                return self._wire.has_come or is_readable(sock)
            case _:
                return None
