"""What handing a stream on costs, against a pass-through written by hand.

    pip install 'streamable-http[demo]'
    python benchmarks/gateway.py

The pass-through is a Starlette `StreamingResponse` over httpx's `aiter_raw`: it looks at no byte,
so it cannot resume, send heartbeats or tell a cut stream from a whole one. Upstream, gateway and
client are processes of their own; the client reads as fast as it can and counts the events that
come. CPU is the gateway's alone. Contenders take turns, round after round; a ratio is taken inside
a round, and the median over all rounds is shown.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.client
import multiprocessing
import os
import platform
import socket
import statistics
import threading
import time
from collections.abc import AsyncIterator, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import streamable_http as shttp
from streamable_http.starlette import relay

EVENT = b'id: %d\nevent: tick\ndata: {"number":%d,"text":"' + b"x" * 120 + b'"}\n\n'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
SIZE = 64 * 1024

DECODERS: dict[str, shttp.DecoderFactory[Any]] = {"raw": shttp.Raw(), "sse": shttp.SSE()}
CONTENDERS = {"httpx aiter_raw": "bare", "relay, Raw()": "raw", "relay, SSE()": "sse"}
KINDS = {"full chunks": "full", "a chunk for each event": "each"}


# The upstream -----------------------------------------------------------------------------------


def serve_upstream(ready: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=answer, args=(sock,), daemon=True).start()


def answer(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        while request := sock.recv(SIZE):
            _, kind, count = request.split(b" ")[1].decode().split("/")
            sock.sendall(wire(kind, int(count)))


@functools.cache
def wire(kind: str, count: int) -> bytes:
    """A response of so many events, in full chunks or with a chunk for each."""
    pieces = [EVENT % (n, n) for n in range(count)]
    if kind == "full":
        body = b"".join(pieces)
        pieces = [body[at : at + SIZE] for at in range(0, len(body), SIZE)]
    chunks = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return b"".join([HEAD, *chunks, b"0\r\n\r\n"])


# The gateway ------------------------------------------------------------------------------------


def serve_gateway(ready: Connection, upstream: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready.send(listener.getsockname()[1])
        uvicorn.run(build_app(upstream), fd=listener.fileno(), log_level="error", http="h11")


def build_app(upstream: str) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with (
            httpx.AsyncClient(base_url=upstream) as bare,
            shttp.AsyncClient(upstream) as ours,
        ):
            app.state.bare, app.state.ours = bare, ours
            yield

    async def hand_on(request: Request) -> Response:
        who, target = request.path_params["who"], f"/{request.path_params['target']}"
        if who == "bare":
            return StreamingResponse(
                passed_through(app.state.bare, target), media_type="text/event-stream"
            )
        return relay(app.state.ours.stream("GET", target, decoder=DECODERS[who]))

    async def cpu(request: Request) -> Response:
        del request
        return JSONResponse(time.process_time())

    routes = [Route("/cpu", cpu), Route("/{who}/{target:path}", hand_on)]
    app = Starlette(routes=routes, lifespan=lifespan)
    return app


async def passed_through(client: httpx.AsyncClient, target: str) -> AsyncIterator[bytes]:
    async with client.stream("GET", target) as response:
        response.raise_for_status()
        async for chunk in response.aiter_raw():
            yield chunk


# The client -------------------------------------------------------------------------------------


class Run(NamedTuple):
    seconds: float
    cpu: float


def run(gateway: str, who: str, kind: str, count: int) -> Run:
    before = httpx.get(f"{gateway}/cpu").json()
    start = time.perf_counter()
    events = received(gateway, f"/{who}/{kind}/{count}")
    seconds = time.perf_counter() - start
    assert events == count, f"{who}: {events} events of {count}"
    return Run(seconds, httpx.get(f"{gateway}/cpu").json() - before)


def received(gateway: str, target: str) -> int:
    """How many events came in a body that was complete."""
    events, tail = 0, b""
    connection = http.client.HTTPConnection(gateway.removeprefix("http://"))
    connection.request("GET", target)
    response = connection.getresponse()
    while data := response.read1(SIZE):
        events += (tail + data).count(b"\n\n")
        tail = data[-1:]
    connection.close()
    return events


@contextlib.contextmanager
def started(serve: Any, *args: str) -> Iterator[str]:
    """Runs a server in a process of its own; yields its URL."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe(duplex=False)
    process = spawn.Process(target=serve, args=(there, *args), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        process.kill()
        process.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--events", type=int, default=100_000)
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, uvicorn with h11, {os.cpu_count()} CPUs")
    with started(serve_upstream) as upstream, started(serve_gateway, upstream) as gateway:
        for title, kind in KINDS.items():
            measure(gateway, title, kind, options.events, options.rounds)


def measure(gateway: str, title: str, kind: str, count: int, rounds: int) -> None:
    runs: dict[str, list[Run]] = {name: [] for name in CONTENDERS}
    for number in range(rounds + 1):  # the first one warms up
        for name, who in CONTENDERS.items():
            one = run(gateway, who, kind, count)
            if number:
                runs[name].append(one)
    print(f"\n{title:<24} {'events/s':>10} {'CPU/event':>10} {'CPU ratio':>10}")
    first = next(iter(runs.values()))
    for name, own in runs.items():
        speed = statistics.median(count / one.seconds for one in own)
        micros = statistics.median(one.cpu / count * 1e6 for one in own)
        ratio = statistics.median(one.cpu / bare.cpu for one, bare in zip(own, first, strict=True))
        print(f"{name:<24} {speed:>10,.0f} {micros:>7.2f} us {ratio:>10.2f}")


if __name__ == "__main__":
    main()
