"""Streams over HTTP, whole: this library's public client against httpx-sse, CPU time per event.

`python benchmarks/streams.py` prints a table; `quick` takes fewer events, and a name takes one
workload. The server is a process that sends prepared bytes, each client another one. They take
turns round by round; what is shown is the median of the ratios inside the rounds.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROUNDS = 5
EVENT = (
    b'data: {"symbol":"ABCD","price":%d.25,"volume":1200,"time":"2026-01-01T00:00:00.000Z",'
    b'"venue":"XNAS","side":"b"}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"
PAUSE = 0.0006


class Workload(NamedTuple):
    """What a server sends.

    Attributes:
        about: What it stands for.
        events: How many events.
        size: How large an HTTP chunk is; None for one event each.
        tls: Whether each chunk is a TLS record.
        paced: Whether it sends one by one, with pauses.
    """

    about: str
    events: int
    size: int | None = None
    tls: bool = False
    paced: bool = False


WORKLOADS = {
    "packed": Workload("events in chunks of 64 KiB", 1_000_000, size=65_536),
    "chunked": Workload("a chunk for each event, as fast as it goes", 300_000),
    "tls": Workload("the same over TLS, a record for each", 200_000, tls=True),
    "paced": Workload("one event at a time, 0.6 ms apart", 5_000, paced=True),
}


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


# The server ------------------------------------------------------------------------------------


def serve(name: str, events: int, certificate: str) -> None:
    """Sends the workload to whoever connects, until it is killed."""
    load = WORKLOADS[name]
    texts = [EVENT % (number % 1000) for number in range(events)]
    if load.size is None:
        pieces = [chunk(text) for text in texts]
    else:
        body, size = b"".join(texts), load.size
        pieces = [chunk(body[at : at + size]) for at in range(0, len(body), size)]
    at_once = load.tls or load.paced
    parts = pieces if at_once else [b"".join(pieces)]
    context = None
    if load.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            plain, _ = listener.accept()
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = plain if context is None else context.wrap_socket(plain, server_side=True)
            with peer, contextlib.suppress(OSError):
                peer.recv(65_536)
                peer.sendall(HEAD)
                for part in parts:
                    peer.sendall(part)
                    if load.paced:
                        time.sleep(PAUSE)
                peer.sendall(LAST)


# The clients: events and CPU seconds, from the response's head to the end ----------------------


def with_httpx_sse(url: str, verify: ssl.SSLContext | bool) -> tuple[int, float]:
    import httpx
    import httpx_sse

    with (
        httpx.Client(verify=verify, timeout=60) as client,
        httpx_sse.connect_sse(client, "GET", url) as source,
    ):
        start = time.process_time()
        return sum(1 for _ in source.iter_sse()), time.process_time() - start


def with_httpx_sse_async(url: str, verify: ssl.SSLContext | bool) -> tuple[int, float]:
    import httpx
    import httpx_sse

    async def main() -> tuple[int, float]:
        count = 0
        async with (
            httpx.AsyncClient(verify=verify, timeout=60) as client,
            httpx_sse.aconnect_sse(client, "GET", url) as source,
        ):
            start = time.process_time()
            async for _ in source.aiter_sse():
                count += 1
            return count, time.process_time() - start

    return asyncio.run(main())


def with_ours(url: str, verify: ssl.SSLContext | bool) -> tuple[int, float]:
    import streamable_http as shttp

    with shttp.Client(verify=verify) as client, client.stream("GET", url) as stream:
        start = time.process_time()
        return sum(1 for _ in stream), time.process_time() - start


def with_ours_async(url: str, verify: ssl.SSLContext | bool) -> tuple[int, float]:
    import streamable_http as shttp

    async def main() -> tuple[int, float]:
        count = 0
        async with (
            shttp.AsyncClient(verify=verify) as client,
            client.stream("GET", url) as stream,
        ):
            start = time.process_time()
            async for _ in stream:
                count += 1
            return count, time.process_time() - start

    return asyncio.run(main())


Client = Callable[[str, "ssl.SSLContext | bool"], tuple[int, float]]
CLIENTS: dict[str, Client] = {
    "httpx-sse": with_httpx_sse,
    "httpx-sse async": with_httpx_sse_async,
    "this": with_ours,
    "this async": with_ours_async,
}


# The measurement -------------------------------------------------------------------------------


@contextlib.contextmanager
def server(name: str, events: int, certificate: str) -> Iterator[str]:
    command = [sys.executable, __file__, "serve", name, str(events), certificate]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            scheme = "https" if WORKLOADS[name].tls else "http"
            yield f"{scheme}://127.0.0.1:{process.stdout.readline().strip()}/"
        finally:
            process.kill()


def measured(client: str, url: str, authority: str, events: int) -> float:
    """CPU microseconds per event of one run in a process of its own."""
    command = [sys.executable, __file__, "client", client, url, authority]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    count, seconds = done.stdout.split()
    assert int(count) == events, f"{client} gave {count} of {events} events"
    return float(seconds) / events * 1e6


def compare(name: str, events: int, certificate: str, authority: str) -> None:
    with server(name, events, certificate) as url:
        rounds = [
            {one: measured(one, url, authority, events) for one in CLIENTS} for _ in range(ROUNDS)
        ]
    print(f"\n{name}: {WORKLOADS[name].about}, {events:,} events")
    print(f"{'':18}{'µs/event':>10}{'x httpx-sse':>14}{'x its async':>14}")
    for one in CLIENTS:
        each = statistics.median(run[one] for run in rounds)
        ratios = [
            statistics.median(run[base] / run[one] for run in rounds)
            for base in ("httpx-sse", "httpx-sse async")
        ]
        print(f"{one:18}{each:>10.2f}{ratios[0]:>14.1f}{ratios[1]:>14.1f}")


def main(arguments: list[str]) -> None:
    import trustme

    quick = "quick" in arguments
    names = [one for one in arguments if one in WORKLOADS] or [*WORKLOADS]
    with tempfile.TemporaryDirectory() as folder:
        authority, certificate = Path(folder) / "authority.pem", Path(folder) / "server.pem"
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(authority)
        issuer.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(certificate)
        for name in names:
            events = WORKLOADS[name].events // (5 if quick else 1)
            compare(name, events, str(certificate), str(authority))


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", name, events, certificate]:
            serve(name, int(events), certificate)
        case ["client", name, url, authority]:
            secure = url.startswith("https")
            verify = ssl.create_default_context(cafile=authority) if secure else True
            print(*CLIENTS[name](url, verify))
        case arguments:
            main(arguments)
