"""Our network under httpcore2, whose interface is httpcore's with classes of its own.

One implementation serves both: here its streams are handed on, and its errors become those of the
same name.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Generator, Iterable
from typing import Any

import httpcore
import httpcore2

from ._async import LeasedBackend
from ._blocking import BlockingBackend, SocketOption
from ._direct import twin

__all__ = ["AsyncTranslatedBackend", "TranslatedBackend"]


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as exc:
        raise twin(exc, httpcore2) from exc


class _Stream(httpcore2.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self.inner = self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:  # not `_translated`: it would cost as much as all else here
            return self._inner.read(max_bytes, timeout)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as exc:
            raise twin(exc, httpcore2) from exc

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated():
            self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.NetworkStream:
        with _translated():
            return _Stream(self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class TranslatedBackend(httpcore2.NetworkBackend):
    """`BlockingBackend` for httpcore2."""

    def __init__(self) -> None:
        self._inner = BlockingBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        with _translated():
            return _Stream(
                self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
            )

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        with _translated():
            return _Stream(self._inner.connect_unix_socket(path, timeout, socket_options))


class _AsyncStream(httpcore2.AsyncNetworkStream):
    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self.inner = self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return await self._inner.read(max_bytes, timeout)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as exc:
            raise twin(exc, httpcore2) from exc

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _translated():
            await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        with _translated():
            return _AsyncStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class AsyncTranslatedBackend(httpcore2.AsyncNetworkBackend):
    """`LeasedBackend` for httpcore2."""

    def __init__(self) -> None:
        self._inner = LeasedBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        with _translated():
            return _AsyncStream(
                await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
            )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        with _translated():
            return _AsyncStream(
                await self._inner.connect_unix_socket(path, timeout, socket_options)
            )

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
