"""Connections for the async client, which obey the lease: asyncio's own, or anyio's for trio."""

from __future__ import annotations

import asyncio
import contextlib
import math
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import anyio
import httpcore

from .._lease import Lease, lease_of
from ._asyncio import AsyncioStream
from ._blocking import SocketOption
from ._merging import AsyncMergingStream
from ._tls import AsyncTLSStream

__all__ = ["LeasedBackend"]

R = TypeVar("R")


class _Wait:
    """One wait on the network that its lease's clocks and `close()` can end."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._scope = anyio.CancelScope()

    def wake(self, lease: Lease, /) -> None:
        self._scope.cancel()

    async def run(
        self,
        step: Callable[[], Awaitable[R]],
        timeout: type[Exception],
        error: type[Exception],
        *,
        writing: bool = False,
    ) -> R:
        lease = self._lease
        lease.waker, lease.managed = self, True
        try:
            left = lease.wait(writing=writing)
            self._scope.deadline = math.inf if left is None else anyio.current_time() + left
            # The scope lives for this one wait only, so a stream may change tasks between waits.
            with self._scope:
                result = await step()
                lease.waited()
                return result
            lease.check()
            raise TimeoutError
        except TimeoutError as exc:
            lease.expire()
            raise timeout("timed out") from exc
        except OSError as exc:  # interrupted; or a TLS alert, which anyio lets through on trio
            raise error(str(exc)) from exc
        finally:
            if lease.waker is self:
                lease.waker = None


class LeasedStream(httpcore.AsyncNetworkStream):
    """A stream of httpcore's that waits under a lease."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._ready = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        wait = _Wait(lease_of(timeout))
        return await wait.run(
            lambda: self._inner.read(max_bytes), httpcore.ReadTimeout, httpcore.ReadError
        )

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        lease = lease_of(timeout)
        lease.sending(buffer, ready=self._ready)
        self._ready = lease.sent
        await _Wait(lease).run(
            lambda: self._inner.write(buffer),
            httpcore.WriteTimeout,
            httpcore.WriteError,
            writing=True,
        )
        lease.sent_some()

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await AsyncTLSStream.wrap(self, ssl_context, server_hostname, timeout)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class LeasedBackend(httpcore.AsyncNetworkBackend):
    """Opens connections under a lease."""

    def __init__(self) -> None:
        self._inner: Any = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        lease = lease_of(timeout)
        lease.dialled = host, port
        if _on_asyncio():
            options = (*(socket_options or ()),)
            return await self._connected(
                timeout,
                lambda: AsyncioStream.connect_tcp(host, port, lease, local_address, options),
            )

        async def connect() -> httpcore.AsyncNetworkStream:
            return LeasedStream(
                await self._inner.connect_tcp(
                    host, port, local_address=local_address, socket_options=socket_options
                )
            )

        return await self._connected(timeout, connect)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        if _on_asyncio():
            options = (*(socket_options or ()),)
            return await self._connected(
                timeout, lambda: AsyncioStream.connect_unix_socket(path, options)
            )

        async def connect() -> httpcore.AsyncNetworkStream:
            return LeasedStream(
                await self._inner.connect_unix_socket(path, socket_options=socket_options)
            )

        return await self._connected(timeout, connect)

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    async def _connected(
        self, timeout: float | None, connect: Callable[[], Awaitable[httpcore.AsyncNetworkStream]]
    ) -> httpcore.AsyncNetworkStream:
        opened: list[httpcore.AsyncNetworkStream] = []

        async def step() -> None:
            opened.append(await connect())

        wait = _Wait(lease_of(timeout))
        try:
            await wait.run(step, httpcore.ConnectTimeout, httpcore.ConnectError)
        except BaseException:
            # The stream was closed just when the connection stood: nobody else will close it.
            with anyio.CancelScope(shield=True), contextlib.suppress(Exception):
                for stream in opened:
                    await stream.aclose()
            raise
        return AsyncMergingStream.around(opened[0])


def _on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
