"""A server of many streams at once: `python -m benchmarks.suite.many_server STREAMS TICKS RATE`.

It answers so many requests with a head, and then says nothing until one asks for `/go`. Then it
sends one event to each stream, and again, `RATE` events a second all in all, `TICKS` times. Before
those, a client has one stream of one event, to import what it needs.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time

from .payloads import tick
from .server import chunk, head
from .workloads import SSE

EVENT = chunk(f"data: {tick(1).text}\n\n".encode())


def ask(listener: socket.socket) -> tuple[socket.socket, bytes]:
    peer, _ = listener.accept()
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return peer, peer.recv(65_536)


def serve(streams: int, ticks: int, rate: float) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            group(listener, 1, 1, rate)
            group(listener, streams, ticks, rate)


def group(listener: socket.socket, streams: int, ticks: int, rate: float) -> None:
    peers: list[socket.socket] = []
    for _ in range(streams):
        peer, _ = ask(listener)
        peer.sendall(head(SSE, "Transfer-Encoding: chunked"))
        peers.append(peer)
    go, _ = ask(listener)
    go.close()
    threading.Thread(target=send, args=(peers, ticks, rate), daemon=True).start()


def send(peers: list[socket.socket], ticks: int, rate: float) -> None:
    with contextlib.suppress(OSError):
        due = time.monotonic()
        for _ in range(ticks):
            for peer in peers:
                peer.sendall(EVENT)
            due += len(peers) / rate
            time.sleep(max(0.0, due - time.monotonic()))
        time.sleep(0.3)  # what an end costs is no part of what an event costs
        for peer in peers:
            peer.sendall(b"0\r\n\r\n")
    for peer in peers:
        peer.close()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
