"""The installed wheel on its own: opens a stream with both clients, completes it, sees a cut one.

Run with nothing but the wheel and its dependencies installed; needs no test framework.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import streamable_http as shttp

if TYPE_CHECKING:
    from collections.abc import Iterator

EVENTS = b"".join(b"id: %d\ndata: event %d\n\n" % (number, number) for number in range(3))
EXPECTED = [f"event {number}" for number in range(3)]


class Handler(BaseHTTPRequestHandler):
    """`/whole` sends all events, `/cut` announces more bytes than it sends."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        missing = 10 if self.path == "/cut" else 0
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(EVENTS) + missing))
        self.end_headers()
        self.wfile.write(EVENTS)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Quiet: only what fails is of interest."""


@contextmanager
def serving() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def check_sync(url: str) -> None:
    with shttp.Client(trust_env=False) as client:
        with client.stream("GET", url + "/whole") as stream:
            assert [event.data for event in stream] == EXPECTED
            assert stream.stats.ended == "framing", stream.stats
        got: list[str] = []
        try:
            with client.stream("GET", url + "/cut", resume=shttp.NoResume()) as stream:
                got.extend(event.data for event in stream)
        except shttp.StreamTruncated:
            assert got == EXPECTED, got
        else:
            raise AssertionError("a cut stream passed for a complete one")


async def check_async(url: str) -> None:
    async with shttp.AsyncClient(trust_env=False) as client:
        stream = client.stream("GET", url + "/whole", decoder=shttp.SSEText())
        async with stream:
            assert [text async for text in stream] == EXPECTED


def main() -> None:
    installed = Path(shttp.__file__)
    assert "site-packages" in installed.parts, f"not the installed package: {installed}"
    assert shttp.__version__ == version("streamable-http")
    assert installed.with_name("py.typed").is_file()
    with serving() as url:
        check_sync(url)
        asyncio.run(check_async(url))
    print(f"streamable-http {shttp.__version__} works, from {installed.parent}")


if __name__ == "__main__":
    main()
