"""How far a stream is, for people: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from streamable_http import Progress

from .console import plain

__all__ = ["shown_progress"]

_LINE_SECONDS = 2.0
_QUARTERS = 4


@contextlib.contextmanager
def shown_progress(console: Console, label: str) -> Generator[Callable[[Progress], None]]:
    """Yields a callback for `process(on_progress=…)`, which shows on `console` what it is told."""
    if not console.is_terminal:
        yield _Lines(console, label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with RichProgress(*columns, console=console) as bar:
        task = bar.add_task(label, total=None, rate="")

        def show(progress: Progress) -> None:
            rate = f"{progress.rate:,.0f}/s"
            bar.update(task, completed=progress.items, total=progress.total_items, rate=rate)

        yield show


class _Lines:
    """A line for each quarter of a known total, and otherwise one every two seconds."""

    def __init__(self, console: Console, label: str) -> None:
        self._console = console
        self._label = label
        self._quarter = 0
        self._told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if self._is_due(progress):
            total = "" if progress.total_items is None else f" of {progress.total_items:,}"
            plain(
                self._console,
                f"{self._label}: {progress.items:,}{total} items, {progress.bytes:,} bytes,"
                f" {progress.rate:,.0f} items/s",
            )

    def _is_due(self, progress: Progress) -> bool:
        now = time.monotonic()
        quarter = int((progress.fraction or 0) * _QUARTERS)
        due = quarter > self._quarter or now - self._told >= _LINE_SECONDS
        if due:
            self._quarter, self._told = quarter, now
        return due
