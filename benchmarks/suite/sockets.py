"""The limits: a socket that is only read, and one whose HTTP is parsed in C."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from .contender import Target, sync

SIZE = 64 * 1024


class Body:
    """What httptools says of a response."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.whole = False

    def on_body(self, data: bytes) -> None:
        self.parts.append(data)

    def on_message_complete(self) -> None:
        self.whole = True


@contextmanager
def connected(target: Target) -> Iterator[socket.socket]:
    """A socket on which the request is sent, and from which the head is read no further."""
    url = urlsplit(target.url)
    with socket.create_connection((url.hostname, url.port)) as plain:
        wire = plain
        if isinstance(target.verify, ssl.SSLContext):
            wire = target.verify.wrap_socket(plain, server_hostname=url.hostname)
        with wire:
            wire.sendall(f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
            yield wire


def raw(target: Target) -> Iterator[Iterator[bytes]]:
    """All bytes, framing too, up to the last chunk: what no client can be faster than."""

    def blocks() -> Iterator[bytes]:
        tail = b""
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            data = wire.recv(SIZE)
            tail = (tail + data)[-7:]
            yield data

    with connected(target) as wire:
        yield blocks()


def bodies(wire: socket.socket) -> Iterator[bytes]:
    import httptools

    body = Body()
    parser = httptools.HttpResponseParser(body)
    while not body.whole:
        data = wire.recv(SIZE)
        if not data:
            raise EOFError
        parser.feed_data(data)
        if body.parts:
            yield b"".join(body.parts)
            body.parts.clear()


def parsed(target: Target) -> Iterator[Iterator[bytes]]:
    with connected(target) as wire:
        yield bodies(wire)


def decoding(make: Callable[[], Any]) -> Callable[[Target], Iterator[Any]]:
    """The same decoder as ours, without a client around it."""

    def read(target: Target) -> Iterator[Any]:
        import streamable_http as shttp

        with connected(target) as wire:
            yield shttp.decode(bodies(wire), make())

    return read


def sse() -> Any:
    import streamable_http as shttp

    return shttp.SSE()


RAW = sync("raw socket, bytes only", "unchecked", raw)
PARSED = sync("raw socket, httptools", "bytes", parsed)
DECODED = sync("raw socket, httptools, our SSE()", "event", decoding(sse), quick=True)
