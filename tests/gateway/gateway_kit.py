"""The gateway on real ASGI servers, and clients that are killed; each a process of its own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx

__all__ = ["SERVERS", "client", "gateway"]

HERE = Path(__file__).parent
SERVERS = os.environ.get("GATEWAY_SERVERS", "uvicorn").split(",")
"""Which servers to test on; `nox -s gateway` takes all."""

_COMMANDS = {
    "uvicorn": "uvicorn --port {port} --log-level warning gateway_app:app",
    "hypercorn": "hypercorn --bind 127.0.0.1:{port} gateway_app:app",
    "granian": "granian --interface asgi --port {port} --log-level warning gateway_app:app",
}
_START_SECONDS = 30.0


@contextlib.contextmanager
def gateway(server: str, upstream: str, log: Path) -> Iterator[str]:
    """Runs the app on one server; yields its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", *_COMMANDS[server].format(port=port).split()]
    environment = {**os.environ, "UPSTREAM": upstream, "PYTHONPATH": str(HERE)}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(url, process, log)
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    limit = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{url}/ready", timeout=1, trust_env=False).raise_for_status()
            return
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < limit, log.read_text()
        time.sleep(0.05)


@contextlib.contextmanager
def client(url: str, then: str) -> Iterator[subprocess.Popen[str]]:
    """A client that reads `url`, or pauses at once; killed at the latest when the block ends."""
    parts = urlsplit(url)
    target = f"{parts.path}?{parts.query}"
    command = [sys.executable, "-S", str(HERE / "client.py"), "127.0.0.1", str(parts.port), target]
    with subprocess.Popen([*command, then], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()
