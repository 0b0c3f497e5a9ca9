"""The scripted server as our own tests speak of it: responses by hand, byte by byte.

    with Server() as server:
        url = server.serve("/feed", streamed(events(1, 2), cut()), streamed(events(3)))

The first request to `/feed` gets two events and a hang-up in the middle of the body, the second
one and all after it the whole rest. The engine is `streamable_http.testing`'s; what this adds are
steps for the bytes on the wire, framing included.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from streamable_http import testing
from streamable_http.testing import Cut, Delay, Reset, ScriptedServer, Stall, Until, Wire, dripped

__all__ = [
    "Received",
    "Script",
    "Server",
    "Step",
    "chunk",
    "closing",
    "cut",
    "delay",
    "drip",
    "end",
    "events",
    "flood",
    "head",
    "hold",
    "reply",
    "reset",
    "send",
    "stall",
    "streamed",
    "unreachable",
]

Received = testing.RecordedRequest
Step: TypeAlias = testing.Step | testing.Steps
Script: TypeAlias = Sequence[Step]
Answer: TypeAlias = Script | Callable[[Received], Script]


class Server(ScriptedServer):
    """A scripted server that takes lists of steps, and knows no other paths. Use it with `with`."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, send_buffer: int | None = None, port: int = 0
    ) -> None:
        unknown = Wire(reply(b"no such path", status=404, content_type="text/plain"))
        super().__init__({"*": unknown}, tls=tls, send_buffer=send_buffer, port=port)

    def serve(self, path: str, *answers: Any) -> str:
        """The n-th request to `path` gets the n-th answer, and the last one all after it.

        Returns:
            The URL.
        """
        return super().serve(path, testing.Script(*map(_answer, answers)))


def _answer(answer: Answer) -> testing.Answer:
    if callable(answer):
        return lambda request: Wire(answer(request))
    return Wire(answer)


# Steps -----------------------------------------------------------------------------------------


def send(data: bytes) -> Step:
    """Bytes as they are."""
    return data


def head(
    status: int = 200, content_type: str | None = "text/event-stream", **headers: str
) -> bytes:
    """The response's head; write `transfer_encoding=` for Transfer-Encoding."""
    lines = [f"HTTP/1.1 {status} Scripted"]
    if content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def end() -> Step:
    """The last chunk of a chunked body."""
    return b"0\r\n\r\n"


def delay(seconds: float) -> Step:
    """Nothing for some time."""
    return Delay(seconds)


def stall(gate: threading.Event) -> Step:
    """Nothing until the test opens the gate."""
    return Until(gate)


def hold() -> Step:
    """Nothing until the client hangs up."""
    return Stall()


def cut() -> Step:
    """Closes the connection (FIN), wherever the response is."""
    return Cut()


def reset() -> Step:
    """Resets the connection (RST)."""
    return Reset()


def drip(data: bytes, every: float, size: int = 1) -> Step:
    """A few bytes at a time, with pauses."""
    return dripped(data, every, size=size)


def flood(data: bytes, times: int) -> Step:
    """The same chunk again and again; `Server.sent` tells how much the kernel has taken."""
    return itertools.repeat(chunk(data), times)


# Scripts ---------------------------------------------------------------------------------------


def events(*numbers: int) -> Step:
    """One chunk for each number: an event with the number as its id and data."""
    return [chunk(b"id: %d\ndata: %d\n\n" % (number, number)) for number in numbers]


def streamed(*steps: Step, content_type: str = "text/event-stream", **headers: str) -> Script:
    """A chunked response; it is ended properly unless a step closes the connection before."""
    return [head(200, content_type, transfer_encoding="chunked", **headers), *steps, end()]


def closing(*steps: Step, content_type: str = "text/event-stream", **headers: str) -> Script:
    """A response whose body lasts until the server closes the connection."""
    return [head(200, content_type, connection="close", **headers), *steps, cut()]


def reply(
    body: bytes = b"", *, status: int = 200, content_type: str = "text/event-stream", **headers: str
) -> Script:
    """A response with a Content-Length."""
    return [head(status, content_type, content_length=str(len(body)), **headers), body]


@contextlib.contextmanager
def unreachable() -> Iterator[str]:
    """A URL where connecting neither succeeds nor fails: the queue of the listener is full."""
    with contextlib.ExitStack() as stack:
        listener: Any = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
