"""A server that sends one event at once, and then nothing: `-m benchmarks.suite.start_server`."""

from __future__ import annotations

import contextlib
import socket
import threading

from .payloads import tick
from .server import chunk, head
from .workloads import SSE

ANSWER = head(SSE, "Transfer-Encoding: chunked") + chunk(f"data: {tick(1).text}\n\n".encode())


def answer(peer: socket.socket) -> None:
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with peer, contextlib.suppress(OSError):
        while peer.recv(65_536):
            peer.sendall(ANSWER)


if __name__ == "__main__":
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
