"""Connections whose many small chunks arrive as few large ones: see `_chunks`."""

from __future__ import annotations

import ssl
from typing import Any

import httpcore

from .._lease import lease_of
from ._chunks import ChunkMerger, FramingError

__all__ = ["AsyncMergingStream", "MergingStream"]

_USUAL, _LARGE = 64 * 1024, 256 * 1024
"""How much is asked for at once. The parser behind takes whatever comes."""


class _Merging:
    """What both faces know: the connection underneath, and what came and went on it."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._merger = ChunkMerger()
        self._size = _USUAL

    def get_extra_info(self, info: str) -> Any:
        # A connection that has something to read before it was asked is not taken from the pool.
        return (info == "is_readable" and self._merger.soiled) or self._inner.get_extra_info(info)

    @property
    def merges(self) -> bool:
        """Whether the body that comes next can be read without its framing."""
        return self._merger.merging

    def _ready(self) -> bytes:
        """What is to be handed on before anything else."""
        try:
            self._merger.check()
            return self._merger.ready()
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc

    def _most(self, asked: int) -> int:
        # Less than the parser asks for is what a proxy is greeted with, and may be all there is.
        return asked if asked < _USUAL else self._size

    def _came(self, data: bytes) -> None:
        """Where much comes at once, more is asked for: large bodies come in fewer pieces."""
        self._size = _LARGE if len(data) > _USUAL // 2 else _USUAL

    def _received(self, data: bytes) -> bytes:
        self._came(data)
        try:
            return self._merger.received(data)
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc

    def _held(self) -> bytes:
        """The first bytes of a body, which came with its head."""
        try:
            self._merger.check()
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc
        return self._merger.held()

    def _body(self, data: bytes) -> bytes:
        self._came(data)
        try:
            return self._merger.body(data)
        except FramingError as exc:
            raise httpcore.RemoteProtocolError(str(exc)) from exc


class MergingStream(_Merging, httpcore.NetworkStream):
    """A sync connection that merges chunks."""

    @classmethod
    def around(cls, inner: httpcore.NetworkStream) -> httpcore.NetworkStream:
        """The connection, merging; or as it is, if it does not speak HTTP/1.1."""
        return inner if _speaks_http2(inner) else cls(inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if ready := self._ready():
            self._let_go(timeout)
            return ready
        # The lease is asked before each wait: framing alone does not hold up the clocks.
        while data := self._inner.read(self._most(max_bytes), timeout):
            if merged := self._received(data):
                self._let_go(timeout)
                return merged
        return b""

    def _let_go(self, timeout: float | None) -> None:
        # Before the pool has the connection again: who closes the stream is not to break it then.
        if self._merger.idle:
            self._inner.let_go(lease_of(timeout))

    def read_body(self, timeout: float | None) -> bytes:
        """The next bytes of a body that `merges`, past the parser behind.

        Nothing once there are no more of them, for whatever reason: it is the parser's to say.
        """
        held = self._held()
        while self._merger.merging:
            data, held = held or self._inner.read(self._size, timeout), b""
            if not data:
                break
            body = self._body(data)
            self._let_go(timeout)
            if body:
                return body
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
        if ready := self._ready():
            return ready
        while data := await self._inner.read(self._most(max_bytes), timeout):
            if merged := self._received(data):
                return merged
        return b""

    async def read_body(self, timeout: float | None) -> bytes:
        """The same for tasks: see `MergingStream.read_body`."""
        held = self._held()
        while self._merger.merging:
            data, held = held or await self._inner.read(self._size, timeout), b""
            if not data:
                break
            if body := self._body(data):
                return body
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
