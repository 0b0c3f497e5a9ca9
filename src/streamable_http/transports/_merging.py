"""Connections whose many small chunks arrive as few large ones: see `_chunks`."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore

from ._chunks import ChunkMerger, FramingError

__all__ = ["AsyncMergingStream", "MergingStream"]


class _Merging:
    """What both faces know: the connection underneath, and what came and went on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._merger = ChunkMerger()

    def get_extra_info(self, info: str) -> Any:
        # A connection that has something to read before it was asked is not taken from the pool.
        return (info == "is_readable" and self._merger.soiled) or self._inner.get_extra_info(info)

    def _check(self) -> None:
        try:
            self._merger.check()
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc

    def _received(self, data: bytes) -> bytes:
        try:
            return self._merger.received(data)
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc


class MergingStream(_Merging, httpcore.NetworkStream):
    """A sync connection that merges chunks."""

    @classmethod
    def around(cls, inner: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """The connection, merging; or as it is, if it does not speak HTTP/1.1."""
        return inner if _speaks_http2(inner) else cls(inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._check()
        # The lease is asked before each wait: framing alone does not hold up the clocks.
        while data := self._inner.read(max_bytes, timeout):
            if merged := self._received(data):
                return merged
        return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._merger.sent(buffer)
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return self.around(self._inner.start_tls(ssl_context, server_hostname, timeout))


class AsyncMergingStream(_Merging, httpcore.AsyncNetworkStream):
    """An async connection that merges chunks."""

    @classmethod
    def around(cls, inner: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        """The connection, merging; or as it is, if it does not speak HTTP/1.1."""
        return inner if _speaks_http2(inner) else cls(inner)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._check()
        while data := await self._inner.read(max_bytes, timeout):
            if merged := self._received(data):
                return merged
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._merger.sent(buffer)
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return self.around(await self._inner.start_tls(ssl_context, server_hostname, timeout))


def _speaks_http2(stream: httpcore.NetworkStream | httpcore.AsyncNetworkStream) -> bool:
    tls = stream.get_extra_info("ssl_object")
    return tls is not None and tls.selected_alpn_protocol() == "h2"
