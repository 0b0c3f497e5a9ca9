"""The response that hands a stream on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskGroup
from anyio.lowlevel import checkpoint
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from streamable_http import AsyncStream, ConfigurationError, StreamClosed, StreamError

from ._formats import EVENT_STREAM, Format, format_of, media_type_of
from ._refusal import refusal

__all__ = ["relay"]

T = TypeVar("T")

_NOTHING = frozenset({204, 205})
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def relay(
    stream: AsyncStream[T],
    *,
    heartbeat: float | None = 15.0,
    media_type: str | None = None,
    convert: Callable[[T], object] | None = None,
    terminal: str | None = None,
    failure: str | None = None,
    headers: Mapping[str, str] | None = None,
    refuse: Callable[[StreamError], Exception] = refusal,
) -> StreamingResponse:
    """A response that hands the items of a stream on, as fast as the client takes them.

    The stream is opened before the response starts, and closed as soon as the client leaves. If it
    fails afterwards the response is broken off, and the error reaches the server's log: a body
    that ends properly is complete, as far as the upstream proves it: make its client with
    `require_proof=True` where a body that ends with its connection is not enough.

    Args:
        stream: What to hand on, not opened; its own options say how it is retried and resumed.
        heartbeat: Seconds of silence after which an event stream sends a comment; None: never.
        media_type: The response's Content-Type, which also says how items are written. Default:
            `text/event-stream` for such an upstream. Otherwise the first item tells, and the
            response starts with it: the upstream's own type for bytes, plain lines for text, and
            NDJSON for all else.
        convert: Called with each item; what it returns is sent in its place, and None is left out.
        terminal: Sent behind the last item of a stream that is complete, such as "[DONE]".
        failure: Before the response is broken off, the client is told so: by an event of this
            type, such as "error", or in NDJSON by an object with this key. Its value is
            `{"type": …}`, the name of the error's class.
        headers: More headers of the response.
        refuse: Makes what is raised when the stream cannot be opened of the stream's error.

    Returns:
        The response. The endpoint returns it, and nothing happens before.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    given, seconds = cast("object", stream), cast("object", heartbeat)
    if not isinstance(given, AsyncStream):
        raise ConfigurationError(
            f"relay(stream=…) got an object of class {type(given).__qualname__}: pass what "
            f"AsyncClient.stream(…) returned, not opened"
        )
    if seconds is not None and not (isinstance(seconds, (int, float)) and seconds > 0):
        raise ConfigurationError(
            f"relay(heartbeat={heartbeat!r}) is no time: pass seconds above 0, or None for no "
            f"heartbeats"
        )
    return _Relay(
        stream,
        heartbeat=heartbeat,
        media_type=media_type,
        convert=convert,
        terminal=terminal,
        failure=failure,
        headers=headers,
        refuse=refuse,
    )


class _Relay(StreamingResponse):
    def __init__(
        self,
        stream: AsyncStream[Any],
        *,
        heartbeat: float | None,
        media_type: str | None,
        convert: Callable[[Any], object] | None,
        terminal: str | None,
        failure: str | None,
        headers: Mapping[str, str] | None,
        refuse: Callable[[StreamError], Exception],
    ) -> None:
        super().__init__((), headers={**_HEADERS, **(headers or {})})
        self._stream = stream
        # Lists, since a send costs more than an item; the cursor passes one that was sent.
        self._lists = stream.batches()
        self._heartbeat = heartbeat
        self._content_type = media_type
        self._convert = convert
        self._terminal = terminal
        self._failure = failure
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        error: Exception | None = None
        async with anyio.create_task_group() as tasks:
            leave = tasks.cancel_scope.cancel
            tasks.start_soon(_after_disconnect, receive, leave)
            outlet = _Outlet(send, leave)
            try:
                await self._hand_on(outlet, tasks, head_only=scope["method"] == "HEAD")
            except Exception as exc:
                error = exc  # raised outside the group, which would wrap it
            leave()
        if error is not None:
            # Behind the start of a response this makes the server drop the connection.
            raise error
        if self.background is not None:
            await self.background()

    async def _hand_on(self, outlet: _Outlet, tasks: TaskGroup, *, head_only: bool) -> None:
        try:
            content_type, items = await self._open()
            self.headers["content-type"] = content_type
            if self._stream.response.status_code in _NOTHING:
                del self.headers["content-type"]
                self.status_code, head_only = 204, True
            await outlet.start(self.status_code, self.raw_headers)
            if head_only:
                return await outlet.end()
            form = format_of(content_type)
            if self._heartbeat is not None and form.heartbeat:
                tasks.start_soon(outlet.keep_alive, form, self._heartbeat)
            await self._send_items(outlet, form, items)
        finally:
            await self._stream.aclose()

    async def _open(self) -> tuple[str, list[Any] | None]:
        """Opens the upstream; the type of the body, and the first items if they had to tell it."""
        try:
            await self._stream.open()
            head = self._stream.response
            if self._content_type is not None:
                return self._content_type, []
            if head.media_type == EVENT_STREAM:
                return EVENT_STREAM, []
            items = await self._next()
            while items is not None and not items:
                items = await self._next()
            return media_type_of(items, head.headers.get("content-type", "")), items
        except (ConfigurationError, StreamClosed):
            raise  # the gateway's own mistake
        except StreamError as exc:
            raise self._refuse(exc) from exc

    async def _send_items(self, outlet: _Outlet, form: Format, items: list[Any] | None) -> None:
        try:
            while items is not None:
                if items:
                    await outlet.write(form.encode(items))
                items = await self._next()
        except Exception as exc:
            if self._failure is not None:
                await outlet.write(form.failure(self._failure, exc))
            await outlet.break_off(exc)
            raise
        await outlet.end(b"" if self._terminal is None else form.terminal(self._terminal))

    async def _next(self) -> list[Any] | None:
        """The next items to send, perhaps none; or None at the end."""
        try:
            items = await anext(self._lists)
        except StopAsyncIteration:
            return None
        if self._convert is None:
            return items
        # (No `map`: a StopIteration of `convert` would end it as if there were no more.)
        convert = self._convert
        return [made for item in items if (made := convert(item)) is not None]


class _Outlet:
    """The client's side: sends one thing at a time, and knows for how long there was none.

    Only the relay and its heartbeats take turns here, and nearly all turns are the relay's: a lock
    for each would be a large part of what a chunk costs.
    """

    def __init__(self, send: Send, leave: Callable[[], None]) -> None:
        self._send, self._leave = send, leave
        self._busy = False
        self._beat: anyio.Event | None = None  # set at the end of the heartbeat that is being sent
        self._last = 0.0
        self._over = False

    async def start(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        await self._pass({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Returns once the server has room for more: that is the backpressure."""
        if self._beat is not None:
            await self._beat.wait()
        await self._pass(_body(data))

    async def end(self, data: bytes = b"") -> None:
        """What says that the body is complete."""
        self._over = True
        if self._beat is not None:
            await self._beat.wait()
        await self._pass(_body(data, last=True))

    async def break_off(self, error: Exception) -> None:
        """Sees to it that no middleware takes what was sent for all; the caller raises `error`."""
        self._over = True
        if self._beat is not None:
            await self._beat.wait()
        with contextlib.suppress(Exception):
            await self._send(_Broken(error))

    async def keep_alive(self, form: Format, seconds: float) -> None:
        """Sends a heartbeat after each so many seconds without anything else."""
        while not self._over:
            left = self._last + seconds - time.monotonic()
            if left > 0:
                await anyio.sleep(left)
            elif self._busy or not form.between_items:
                await anyio.sleep(seconds)  # a client that takes nothing needs none
            else:
                self._beat = anyio.Event()
                await self._pass(_body(form.heartbeat))
                self._beat.set()
                self._beat = None

    async def _pass(self, message: Message) -> None:
        self._busy = True
        try:
            await self._send(message)
        except OSError:  # the client has left, as some servers say it
            self._leave()
            await checkpoint()
        self._busy, self._last = False, time.monotonic()


class _Broken(dict[str, Any]):
    """A piece of a body that raises where it is looked into, and is an empty one to all others.

    Starlette's `BaseHTTPMiddleware`, and so `@app.middleware("http")`, ends a response properly
    when the app behind it raises half-way: to the client it would be complete. It does not when
    reading the app's messages fails.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(_body(b""))
        self._error = error

    def get(self, *args: Any) -> Any:
        raise self._error


def _body(data: bytes, *, last: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": not last}


async def _after_disconnect(receive: Receive, leave: Callable[[], None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    leave()
