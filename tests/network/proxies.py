"""Small proxies in threads: a forward proxy with CONNECT tunnels, and a SOCKS5 one."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit


class Proxy:
    """Relays connections to addresses of this machine. Start it with `with`.

    Attributes:
        seen: The first line of every request, or the target of every SOCKS connection.
    """

    def __init__(
        self, *, socks: bool = False, tls: ssl.SSLContext | None = None, login: str = ""
    ) -> None:
        self.tls, self.login, self.seen = tls, login, list[str]()
        self._handle = _socks if socks else _forward
        self._scheme = "socks5" if socks else "http" if tls is None else "https"
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    proxy.run(self.request)

        class Relay(socketserver.ThreadingTCPServer):
            daemon_threads = False

        self._server = Relay(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join(5)
        for one in [*self._open]:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        self._server.server_close()  # joins the threads of the connections

    @property
    def url(self) -> str:
        host = "localhost" if self.tls else "127.0.0.1"
        login = f"{self.login}@" if self.login else ""
        return f"{self._scheme}://{login}{host}:{self._server.server_address[1]}"

    def run(self, raw: socket.socket) -> None:
        client = raw if self.tls is None else self.tls.wrap_socket(raw, server_side=True)
        self._open.add(client)
        try:
            upstream = self._handle(self, client)
            if upstream is not None:
                self._open.add(upstream)
                relay(client, upstream)
        finally:
            client.close()


def relay(client: socket.socket, upstream: socket.socket) -> None:
    back = threading.Thread(target=pump, args=(upstream, client))
    back.start()
    pump(client, upstream)
    back.join()
    upstream.close()


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for one in (source, target):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)


def _forward(proxy: Proxy, client: socket.socket) -> socket.socket | None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(65536)
    head, _, rest = head.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, target, version = line.split(b" ")
    proxy.seen.append(line.decode())
    wanted = b"Basic " + base64.b64encode(proxy.login.encode())
    headers = {name.lower(): value for name, value in (one.split(b": ", 1) for one in fields)}
    if proxy.login and headers.get(b"proxy-authorization") != wanted:
        client.sendall(b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n")
        return None
    if method == b"CONNECT":
        host, _, port = target.decode().rpartition(":")
        upstream = socket.create_connection((host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        return upstream
    url = urlsplit(target.decode())
    upstream = socket.create_connection((url.hostname or "", url.port or 80))
    kept = [one for one in fields if not one.lower().startswith(b"proxy-")]
    path = (url.path + (f"?{url.query}" if url.query else "")).encode()
    upstream.sendall(b"\r\n".join([b" ".join([method, path, version]), *kept, b"", rest]))
    return upstream


def _socks(proxy: Proxy, client: socket.socket) -> socket.socket | None:
    reader: Any = client.makefile("rb")
    _, count = reader.read(2)
    reader.read(count)
    client.sendall(b"\x05\x02" if proxy.login else b"\x05\x00")
    if proxy.login:
        user = reader.read(reader.read(2)[1])
        password = reader.read(reader.read(1)[0])
        right = user + b":" + password == proxy.login.encode()
        client.sendall(b"\x01\x00" if right else b"\x01\x01")
        if not right:
            return None
    hosts: dict[int, Callable[[], str]] = {
        1: lambda: socket.inet_ntop(socket.AF_INET, reader.read(4)),
        3: lambda: reader.read(reader.read(1)[0]).decode(),
        4: lambda: socket.inet_ntop(socket.AF_INET6, reader.read(16)),
    }
    host = hosts[reader.read(4)[3]]()
    (port,) = struct.unpack("!H", reader.read(2))
    proxy.seen.append(f"{host}:{port}")
    upstream = socket.create_connection((host, port))
    client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
    return upstream
