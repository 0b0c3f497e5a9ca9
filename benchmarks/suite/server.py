"""The load server: a process that sends prepared bytes, so that a client never waits for it.

`python -m benchmarks.suite.server NAME SCALE [CERTIFICATE]` prints its port. `/check` sends one
block of the workload, `/` all of it. Over TLS, records are encrypted before the first is sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import sys
import threading
import time

from .workloads import WORKLOADS, Workload

Wire = list[bytes]


def head(media_type: str, *more: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Type: {media_type}", *more, "", ""]
    return "\r\n".join(lines).encode()


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


def wire(load: Workload, blocks: int, scale: float) -> Wire:
    """The response, block by block, or item by item if each is a record or has its time."""
    if load.length:
        size = load.expected(blocks, scale)["bytes"]
        start = head(load.media_type, f"Content-Length: {size}")
        return [start, *(piece for block in load.pieces(blocks, scale) for piece in block)]
    coding = ["Content-Encoding: gzip"] if load.gzip else []
    start = head(load.media_type, "Transfer-Encoding: chunked", *coding)
    parts: list[bytes] = [start]
    done: dict[int, bytes] = {}  # equal blocks are one object here, too
    for pieces in load.pieces(blocks, scale):
        if load.tls:
            parts += map(chunk, pieces)
        else:
            whole = done.get(id(pieces)) or b"".join(map(chunk, pieces))
            parts.append(done.setdefault(id(pieces), whole))
    return [*parts, b"0\r\n\r\n"]


def answer_plain(peer: socket.socket, wires: dict[str, Wire]) -> None:
    while request := peer.recv(65_536):
        for part in wires["/check" if b"/check " in request else "/"]:
            peer.sendall(part)


def answer_tls(peer: socket.socket, wires: dict[str, Wire], context: ssl.SSLContext) -> None:
    """TLS without a socket of its own: what is encrypted can wait until all of it is."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)

    def finished(step: str) -> bytes:
        while True:
            try:
                result = tls.do_handshake() if step == "handshake" else tls.read(65_536)
                return result or b""
            except ssl.SSLWantReadError:
                peer.sendall(outgoing.read())
                data = peer.recv(65_536)
                if not data:
                    raise ConnectionResetError from None
                incoming.write(data)

    finished("handshake")
    while request := finished("read"):
        for part in wires["/check" if b"/check " in request else "/"]:
            tls.write(part)
        peer.sendall(outgoing.read())


def answer_paced(peer: socket.socket, load: Workload, scale: float) -> None:
    """Events that carry the time at which they were sent; its clock is the clients' own."""
    while request := peer.recv(65_536):
        block, _ = load.sizes(scale)
        count = 100 if b"/check " in request else block
        peer.sendall(head(load.media_type, "Transfer-Encoding: chunked"))
        for number in range(count):
            text = b'data: {"sent":%d,"pad":"%b"}\n\n'
            peer.sendall(chunk(text % (time.monotonic_ns(), b"." * (60 + number % 2))))
            time.sleep(load.pause)
        peer.sendall(b"0\r\n\r\n")


def serve(name: str, scale: float, certificate: str | None) -> None:
    load = WORKLOADS[name]
    _, blocks = load.sizes(scale)
    wires = {"/check": wire(load, 1, scale), "/": wire(load, blocks, scale)}
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def answer(peer: socket.socket) -> None:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with peer, contextlib.suppress(OSError, ssl.SSLError):
            if load.pause:
                answer_paced(peer, load, scale)
            elif context is not None:
                answer_tls(peer, wires, context)
            else:
                answer_plain(peer, wires)

    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            peer, _ = listener.accept()
            threading.Thread(target=answer, args=(peer,), daemon=True).start()


if __name__ == "__main__":
    name, scale, *certificate = sys.argv[1:]
    serve(name, float(scale), certificate[0] if certificate else None)
