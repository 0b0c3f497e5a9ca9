"""Runs the service: until interrupted, or for as long as a `with` block lasts."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
import socket
import threading
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from .service import create_app

__all__ = ["running", "serve"]

_SEND_BUFFER = 64 * 1024
_READY_SECONDS = 30


class _Server(uvicorn.Server):
    """A server that says when it is ready, and that drops its connections when it stops."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], object] | None) -> None:
        # Chosen here, not by what happens to be installed: a cut must look the same everywhere.
        config = uvicorn.Config(
            app,
            http="h11",
            loop="asyncio",
            ws="none",
            lifespan="auto",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_no_cut)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._on_ready is not None:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A stream may be blocked by a client that reads no more: nothing would ever end it.
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def serve(
    host: str = "127.0.0.1",
    port: int = 3001,
    *,
    app: ASGIApp | None = None,
    on_ready: Callable[[str], object] | None = None,
) -> None:
    """Serves until SIGINT or SIGTERM, then drops what is running.

    Args:
        host: The address to listen on.
        port: The port; 0 takes any free one.
        app: What to serve, the demo service if None.
        on_ready: Called with the base URL once connections are accepted.

    Raises:
        OSError: The address is not to be had.
        KeyboardInterrupt: It was SIGINT.
    """
    with _listen(host, port) as listener:
        url = _base_url(listener)
        ready = None if on_ready is None else functools.partial(on_ready, url)
        _Server(create_app() if app is None else app, ready).run([listener])


@contextlib.contextmanager
def running(app: ASGIApp | None = None, *, port: int = 0) -> Generator[str]:
    """Runs the service on 127.0.0.1 in a thread of its own, for as long as the block lasts.

    Args:
        app: What to serve, the demo service if None.
        port: Where; 0 takes any free port.

    Yields:
        The base URL, once the service accepts connections.
    """
    ready = threading.Event()
    with _listen("127.0.0.1", port) as listener:
        server = _Server(create_app() if app is None else app, ready.set)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="demo-service", daemon=True
        )
        thread.start()
        try:
            if not ready.wait(_READY_SECONDS):
                raise RuntimeError(f"the service was not ready within {_READY_SECONDS} s")
            yield _base_url(listener)
        finally:
            server.should_exit = True
            thread.join()


def _listen(host: str, port: int) -> socket.socket:
    """A socket to serve on; the `OSError` for one that is not to be had names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Small, so that what the service has sent is soon what the client took.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        listener.bind((host, port))
    except OverflowError as exc:
        listener.close()
        raise OSError(errno.EINVAL, f"cannot listen on {host}:{port}: no such port") from exc
    except OSError as exc:
        listener.close()
        raise OSError(exc.errno, f"cannot listen on {host}:{port}: {exc.strerror}") from exc
    return listener


def _base_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _no_cut(record: logging.LogRecord) -> bool:
    """Keeps the cuts that were asked for out of the log; what else goes wrong belongs there."""
    return "without completing response" not in record.getMessage()
