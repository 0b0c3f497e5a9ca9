"""Performs the session's effects on an HTTP client: once with threads, once with tasks.

The two classes are the same story twice, in the same order; read them side by side. A body dies
with its first exception (HTTP clients then say "end"), so after one the connection counts as
lost, whatever the client would answer next.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any

import anyio
from anyio.lowlevel import current_token

from ._call import (
    AsyncHTTPClient,
    Call,
    HTTPClient,
    build_request,
    clock_ran_out,
    flavour_of,
    head_of,
    read_under_idle_clock,
    translated,
)
from ._checks import CallersError
from ._effects import Close, Effect, Emit, Open, Read, Sleep
from ._errors import ConfigurationError, ConnectError, ConnectionLost, StreamClosed, StreamError
from ._lease import Lease, Nap
from ._plug import Plug
from ._values import ResponseInfo

__all__ = ["AsyncPerformer", "Performer"]

_CLOSED = "the stream was closed"

# What is read after a terminal so that the connection can be used again.
_DRAIN_BYTES = 64 * 1024
_DRAIN_SECONDS = 0.1


class _Base:
    """What both performers know.

    Attributes:
        torn: Whether an effect was performed, or begun, of which the session does not know what it
            brought. Whoever hands the reply to the session sets it back.
    """

    def __init__(self, call: Call, lease: Lease, flavour: ModuleType) -> None:
        self.lease = lease
        self._call = call
        self._flavour = flavour
        self._response: Any = None
        self.torn: bool = False
        self._plug: Plug | None = None

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, CallersError):
            return error
        return translated(error, self._flavour, self.lease)

    def _refuse_closed_client(self, http: object) -> None:
        if getattr(http, "is_closed", False):
            raise StreamClosed(
                "the client was closed: read its streams before you close it, or make another"
            )

    def _tear(self) -> None:
        self.torn = True

    def _refuse_torn(self) -> None:
        """An effect that was cut off is not simply repeated: the request may have been sent."""
        self._refuse_closed()
        if self.torn:
            self.torn = False
            if self.lease.sent or self.lease.in_body or not self.lease.managed:
                raise ConnectionLost("the connection was given up when a read was interrupted")
            raise ConnectError("connecting was interrupted")

    def _accept(self, request: Any, response: Any) -> None:
        """From the head on other clocks run, and closing the stream ends reads on any client."""
        self.lease.receive_body()
        read_under_idle_clock(request, self.lease)
        self._response = response
        if not self.lease.managed:
            self._plug = self.lease.waker = Plug(response)
            self._refuse_closed()

    def _read_already(self) -> list[bytes]:
        """The bytes of a response that somebody has read: a mock's, or an event hook or an auth."""
        response = self._response
        stream = getattr(response.stream, "_stream", response.stream)
        if isinstance(stream, self._flavour.ByteStream):
            return [b"".join(stream)]
        if response.is_closed and "content-encoding" not in response.headers:
            with contextlib.suppress(self._flavour.ResponseNotRead):
                return [response.content]
        raise ConfigurationError(
            "an event hook or auth of the HTTP client has read the response before the stream "
            "could: let it look at the head only"
        )

    def _refuse_closed(self) -> None:
        if self.lease.closed:
            raise StreamClosed(_CLOSED)

    def _unplug(self) -> None:
        """The connection may be in its pool soon: closing the stream is not to touch it then."""
        plug, self._plug = self._plug, None
        if plug is not None:
            plug.release()
        self.lease.waker = None

    def _check_clocks(self) -> None:
        """The clocks that a client without leases does not know are looked at before a read."""
        try:
            self.lease.wait()
        except TimeoutError:
            self.lease.expire()
            raise clock_ran_out(self.lease) from None


class Performer(_Base):
    """Performs effects on a sync client, for one thread at a time."""

    def __init__(self, http: HTTPClient, call: Call, lease: Lease) -> None:
        super().__init__(call, lease, flavour_of(http))
        self._http = http
        self._body: Iterator[bytes] = iter(())

    def perform(self, effect: Effect) -> object:
        """The reply to `effect`; raises what the session's `fail` takes, or what is not for it."""
        try:
            match effect:
                case Read():
                    data = self._read(effect.within)
                    self._tear()
                    return data
                case Open():
                    head = self._open(effect)
                    self._tear()
                    return head
                case Sleep():
                    self._sleep(effect.seconds)
                case Close():
                    self.release(drain=effect.drain)
                case Emit():
                    pass
            return None
        except StreamError:
            raise
        except Exception as exc:
            self.release()
            error = self._translated(exc)
            if error is exc:
                raise
            raise error from exc
        except BaseException:
            if isinstance(effect, (Open, Read)):
                self._tear()
            self.release()
            raise

    def _open(self, effect: Open) -> ResponseInfo:
        self._refuse_torn()
        self._refuse_closed_client(self._http)
        call = self._call.for_attempt()
        self.lease.begin()
        request, options = build_request(self._http, call, effect, self.lease)
        response = self._http.send(request, **options)
        self._accept(request, response)
        read = response.is_stream_consumed
        self._body = filter(None, iter(self._read_already()) if read else response.iter_raw())
        return head_of(response)

    def _read(self, within: float | None) -> bytes:
        if self.torn or self.lease.closed:
            self._refuse_torn()
        if within is not None:
            self.lease.hurry(within)
        self._check_clocks()
        data = next(self._body, b"")
        if not data:
            self._unplug()
        if self.lease.closed:
            self._refuse_closed()
        return data

    def _sleep(self, seconds: float) -> None:
        nap = Nap(threading.Event())
        self.lease.waker = nap
        self.lease.check()
        self.lease.clock.wait(nap.woken, seconds)
        self.lease.check()

    def release(self, *, drain: bool = False) -> None:
        """Gives the response up, if there is one; never raises."""
        response, self._response = self._response, None
        body, self._body = self._body, iter(())
        if response is None:
            return
        with contextlib.suppress(Exception):
            if drain and self.lease.managed:
                self.lease.hurry(_DRAIN_SECONDS)
                left = _DRAIN_BYTES
                while left > 0 and (data := next(body, b"")):
                    left -= len(data)
        self._unplug()
        with contextlib.suppress(Exception):
            response.close()


class AsyncPerformer(_Base):
    """Performs effects on an async client, for one task at a time, on asyncio or trio."""

    def __init__(self, http: AsyncHTTPClient, call: Call, lease: Lease) -> None:
        super().__init__(call, lease, flavour_of(http))
        self._http = http
        self._body: AsyncIterator[bytes] | None = None
        self._loop: object = None

    async def perform(self, effect: Effect) -> object:
        """The reply to `effect`; raises what the session's `fail` takes, or what is not for it."""
        try:
            match effect:
                case Read():
                    data = await self._read(effect.within)
                    self._tear()
                    return data
                case Open():
                    head = await self._open(effect)
                    self._tear()
                    return head
                case Sleep():
                    await self._sleep(effect.seconds)
                case Close():
                    await self.release(drain=effect.drain)
                case Emit():
                    pass
            return None
        except StreamError:
            raise
        except Exception as exc:
            await self.release()
            error = self._translated(exc)
            if error is exc:
                raise
            raise error from exc
        except BaseException:
            if isinstance(effect, (Open, Read)):
                self._tear()
            await self.release()
            raise

    async def _open(self, effect: Open) -> ResponseInfo:
        self._refuse_torn()
        self._refuse_closed_client(self._http)
        call = await self._call.for_async_attempt()
        self.lease.begin()
        request, options = build_request(self._http, call, effect, self.lease)
        response = await self._http.send(request, **options)
        self._accept(request, response)
        self._loop = current_token()
        read = response.is_stream_consumed
        self._body = _pieces(self._read_already()) if read else response.aiter_raw()
        return head_of(response)

    async def _read(self, within: float | None) -> bytes:
        if self.torn or self.lease.closed:
            self._refuse_torn()
        if within is not None:
            self.lease.hurry(within)
        self._check_clocks()
        if self._body is None:
            return b""
        data = b""
        async for data in self._body:  # the first that holds anything
            if data:
                break
        if not data:
            self._refuse_other_loop()
            self._unplug()
        if self.lease.closed:
            self._refuse_closed()
        return data

    def _refuse_other_loop(self) -> None:
        """An event loop that stops ends the bodies that are read in it, and they look complete."""
        if self._loop != current_token():
            raise ConfigurationError(
                "the stream was opened in another event loop, which took its connection along: "
                "open and read a stream, and use its client, in one event loop"
            )

    async def _sleep(self, seconds: float) -> None:
        nap = Nap(anyio.Event())
        self.lease.waker = nap
        self.lease.check()
        await self.lease.clock.wait_async(nap.woken, seconds)
        self.lease.check()

    async def release(self, *, drain: bool = False) -> None:
        """Gives the response up, if there is one; never raises, and is not cancelled half-way."""
        response, self._response = self._response, None
        body, self._body = self._body, None
        if response is None:
            return
        with anyio.CancelScope(shield=True):
            if body is not None:
                if drain and self.lease.managed:
                    self.lease.hurry(_DRAIN_SECONDS)
                    await _pull_on(body)
                # Pulling on ends the HTTP client's generators, which trio would miss; the scope
                # makes the first pull that needs the network fail instead of reading on.
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await _pull_on(body)
            self._unplug()
            with contextlib.suppress(Exception):
                await response.aclose()


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def _pull_on(body: AsyncIterator[bytes]) -> None:
    left = _DRAIN_BYTES
    with contextlib.suppress(Exception):
        while left > 0 and (data := await anext(body, b"")):
            left -= len(data)
