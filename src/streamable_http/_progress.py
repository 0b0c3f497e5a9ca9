"""Tells how far a stream is, to a callback that cannot harm it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ._checks import check_number, refuse_async
from ._errors import ConfigurationError
from ._logging import guarded
from ._reports import Progress, StreamStats
from ._values import ResponseInfo

__all__ = ["ProgressTeller"]


class _HasStats(Protocol):
    @property
    def stats(self) -> StreamStats: ...


class ProgressTeller:
    """Calls `on_progress` after every so many items, and once at the end."""

    def __init__(
        self,
        on_progress: Callable[[Progress], object] | None,
        every: int,
        response: ResponseInfo,
    ) -> None:
        check_number(every, "progress_every")
        if on_progress is not None and not callable(on_progress):
            raise ConfigurationError(
                f"on_progress={on_progress!r} is not callable: pass a function of a Progress"
            )
        refuse_async(on_progress, "on_progress")
        self._callback = None if on_progress is None else guarded(on_progress, "on_progress")
        self._every = every
        self._told = -1
        self._total_items = _number(response.headers.get("x-total-count", ""))
        self._total_bytes = response.content_length

    def done(self, items: int, flow: _HasStats) -> None:
        """`items` are done by now."""
        if self._callback is not None and items % self._every == 0:
            self._tell(items, flow)

    def end(self, items: int, flow: _HasStats) -> None:
        """The stream has ended after `items`."""
        if self._callback is not None and self._told != items:
            self._tell(items, flow)

    def _tell(self, items: int, flow: _HasStats) -> None:
        self._told = items
        stats = flow.stats
        progress = Progress(
            items=items,
            bytes=stats.bytes,
            elapsed=stats.elapsed,
            total_items=self._total_items,
            total_bytes=self._total_bytes,
        )
        if self._callback is not None:
            self._callback(progress)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
