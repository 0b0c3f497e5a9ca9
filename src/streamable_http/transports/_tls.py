"""TLS taken apart in memory, over any connection, over TLS too (a proxy reached by https).

One large read brings many records, where an `SSLSocket`, or anyio's TLS, costs a system call or a
turn of the event loop for each. And a wake-up can shut the raw socket down without the TLS layer
handing out what is left as if it were data.

The two classes are the same story twice, in the same order; read them side by side.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import anyio
import httpcore

from .._lease import Lease, lease_of

__all__ = ["AsyncTLSStream", "TLSStream"]

R = TypeVar("R")

_READ = 256 * 1024

# No close_notify is common, and HTTP's own framing tells whether something is missing.
_ENDED = (ssl.SSLZeroReturnError, ssl.SSLEOFError)


class _TLS:
    """The state of one TLS connection, without I/O."""

    def __init__(self, inner: Any, context: ssl.SSLContext, hostname: str | None) -> None:
        self._inner = inner
        self._ready = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=hostname)

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._tls
        return self._inner.get_extra_info(info)

    def _received(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _with_records_at_hand(self, first: bytes, max_bytes: int) -> bytes:
        return b"".join((first, *self._records_at_hand(max_bytes - len(first))))

    def _records_at_hand(self, room: int) -> Iterator[bytes]:
        while room > 0:
            try:
                data = self._tls.read(room)
            except ssl.SSLError:
                return  # needs more input, or has ended: the next read will tell
            if not data:
                return
            room -= len(data)
            yield data

    def _sending(self, buffer: bytes, timeout: float | None) -> None:
        lease = lease_of(timeout)
        lease.sending(buffer, ready=self._ready)
        self._ready = lease.sent


class TLSStream(_TLS, httpcore.NetworkStream):
    """TLS for the sync client."""

    @classmethod
    def wrap(
        cls,
        inner: httpcore.NetworkStream,
        context: ssl.SSLContext,
        hostname: str | None,
        timeout: float | None,
    ) -> Self:
        """Performs the handshake; closes `inner` if that fails."""
        try:
            stream = cls(inner, context, hostname)
            stream._until_done(stream._tls.do_handshake, timeout)
        except httpcore.TimeoutException as exc:
            inner.close()
            raise httpcore.ConnectTimeout(str(exc)) from exc
        except (httpcore.NetworkError, ssl.SSLError) as exc:
            inner.close()
            raise httpcore.ConnectError(str(exc)) from exc
        except BaseException:
            inner.close()
            raise
        return stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            first = self._until_done(lambda: self._tls.read(max_bytes), timeout)
        except _ENDED:
            return b""
        except ssl.SSLError as exc:
            raise httpcore.ReadError(str(exc)) from exc
        return self._with_records_at_hand(first, max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sending(buffer, timeout)
        try:
            self._until_done(lambda: self._tls.write(buffer), timeout)
        except ssl.SSLError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    def _until_done(self, step: Callable[[], R], timeout: float | None) -> R:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(timeout)
                self._received(self._inner.read(_READ, timeout))
            else:
                self._flush(timeout)
                return result

    def _flush(self, timeout: float | None) -> None:
        data = self._outgoing.read()
        if data:
            self._inner.write(data, timeout)

    def let_go(self, lease: Lease) -> None:
        """As with the connection underneath."""
        self._inner.let_go(lease)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        return TLSStream.wrap(self, ssl_context, server_hostname, timeout)


class AsyncTLSStream(_TLS, httpcore.AsyncNetworkStream):
    """TLS for the async client."""

    @classmethod
    async def wrap(
        cls,
        inner: httpcore.AsyncNetworkStream,
        context: ssl.SSLContext,
        hostname: str | None,
        timeout: float | None,
    ) -> Self:
        """Performs the handshake; closes `inner` if that fails."""
        try:
            stream = cls(inner, context, hostname)
            await stream._until_done(stream._tls.do_handshake, timeout)
        except httpcore.TimeoutException as exc:
            await _closed(inner)
            raise httpcore.ConnectTimeout(str(exc)) from exc
        except (httpcore.NetworkError, ssl.SSLError) as exc:
            await _closed(inner)
            raise httpcore.ConnectError(str(exc)) from exc
        except BaseException:
            await _closed(inner)
            raise
        return stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            first = await self._until_done(lambda: self._tls.read(max_bytes), timeout)
        except _ENDED:
            return b""
        except ssl.SSLError as exc:
            raise httpcore.ReadError(str(exc)) from exc
        return self._with_records_at_hand(first, max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._sending(buffer, timeout)
        try:
            await self._until_done(lambda: self._tls.write(buffer), timeout)
        except ssl.SSLError as exc:
            raise httpcore.WriteError(str(exc)) from exc

    async def _until_done(self, step: Callable[[], R], timeout: float | None) -> R:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush(timeout)
                self._received(await self._inner.read(_READ, timeout))
            else:
                await self._flush(timeout)
                return result

    async def _flush(self, timeout: float | None) -> None:
        data = self._outgoing.read()
        if data:
            await self._inner.write(data, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await AsyncTLSStream.wrap(self, ssl_context, server_hostname, timeout)


async def _closed(inner: httpcore.AsyncNetworkStream) -> None:
    with anyio.CancelScope(shield=True), contextlib.suppress(Exception):
        await inner.aclose()
