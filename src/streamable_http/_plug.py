"""The connection of a client that knows no leases: closing a stream can still end its reads."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from ._lease import Lease

__all__ = ["Plug"]


class Plug:
    """The socket of a response over HTTP/1, as far as its client shows it.

    A connection of HTTP/2 carries other streams too, and is left alone.
    """

    def __init__(self, response: Any) -> None:
        stream = response.extensions.get("network_stream")
        alone = response.extensions.get("http_version") in {b"HTTP/1.1", b"HTTP/1.0"}
        self._socket: Any = stream.get_extra_info("socket") if stream and alone else None
        self._lock = threading.Lock()

    def wake(self, lease: Lease, /) -> None:
        """Ends a read that waits."""
        with self._lock, contextlib.suppress(OSError):
            if isinstance(self._socket, socket.socket):
                # An SSLSocket's own would hand ciphertext to whoever reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            elif self._socket is not None:
                self._socket.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """The connection goes back to its pool: from now on it may be another stream's."""
        with self._lock:
            self._socket = None
