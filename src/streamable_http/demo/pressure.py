"""The service's own view of backpressure: how far each running stream got, and if it is stuck."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from typing import Any

from attrs import define, field

__all__ = ["Gauge", "Pressure"]


@define(eq=False)
class Gauge:
    """One running stream.

    Attributes:
        label: The name that the request gave it, or "".
        endpoint: What it streams.
        total: How many records it will have.
        sent: Records that the socket took.
        bytes: Bytes that the socket took.
    """

    label: str
    endpoint: str
    total: int
    sent: int = 0
    bytes: int = 0
    _blocked_since: float | None = field(default=None, init=False)

    @contextlib.contextmanager
    def sending(self) -> Generator[None]:
        """Wraps one send: as long as it lasts, the client keeps the service waiting."""
        self._blocked_since = time.monotonic()
        try:
            yield
        finally:
            self._blocked_since = None

    def report(self) -> dict[str, Any]:
        """The stream as `GET /pressure` shows it; `blocked_for` is seconds, or null."""
        since = self._blocked_since
        return {
            "label": self.label,
            "endpoint": self.endpoint,
            "total": self.total,
            "sent": self.sent,
            "bytes": self.bytes,
            "blocked_for": None if since is None else round(time.monotonic() - since, 3),
        }


class Pressure:
    """All streams that are running now."""

    def __init__(self) -> None:
        self._running: dict[Gauge, None] = {}

    @contextlib.contextmanager
    def watch(self, gauge: Gauge) -> Generator[Gauge]:
        """Shows `gauge` while the stream runs."""
        self._running[gauge] = None
        try:
            yield gauge
        finally:
            del self._running[gauge]

    def report(self) -> list[dict[str, Any]]:
        """Every running stream, the oldest first."""
        return [gauge.report() for gauge in self._running]
