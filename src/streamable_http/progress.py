"""How far a stream is, for people: a bar on a terminal or in a notebook, a line elsewhere.

It needs the extra `cli`, for rich.
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from . import _async_derived, _derived
from ._async_flow import AsyncFlow
from ._errors import ConfigurationError
from ._flow import Flow
from ._logging import logger
from ._progress import ProgressTeller
from ._reports import Progress

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["shown_progress", "track"]

T = TypeVar("T")

_LINE_SECONDS = 2.0
_QUARTERS = 4
_SHOW_SECONDS = 0.1


@overload
def track(flow: Flow[T], label: str = "", *, console: Console | None = None) -> Flow[T]: ...
@overload
def track(
    flow: AsyncFlow[T], label: str = "", *, console: Console | None = None
) -> AsyncFlow[T]: ...
def track(flow: Any, label: str = "", *, console: Console | None = None) -> Any:
    """Shows how far a stream is, in a plain loop: wrap the stream that is iterated.

    A bar on a terminal and in a notebook, a line now and then elsewhere. The total, and with it
    the time that is left, is shown where the server told it (`X-Total-Count`). The bar is done
    when the stream ends, fails or is closed, so also when its `with` block is left by `break`.

    Args:
        flow: A stream, or what an operator made of one. Items are counted as they are taken, and
            the server's total is of its own items: track the stream rather than its batches.
        label: What to call it; default: its request, without query.
        console: Where to show it; default: a rich console on stderr.

    Returns:
        The same items, as a `Flow` or `AsyncFlow` with the same cursor, statistics and operators.

    Raises:
        ConfigurationError: `flow` is no stream.
        ModuleNotFoundError: rich is not installed: `pip install 'streamable-http[cli]'`.
    """
    given: object = flow  # of which checkers need not know the items
    if isinstance(given, Flow):
        return _Tracked[Any](flow, label, console or _stderr())
    if isinstance(given, AsyncFlow):
        return _AsyncTracked[Any](flow, label, console or _stderr())
    raise ConfigurationError(
        f"flow of type {type(flow).__name__} is no stream: pass what client.stream(…) returned, "
        f"or an operator on it"
    )


def _stderr() -> Console:
    try:
        from rich.console import Console
    except ModuleNotFoundError as exc:
        raise ModuleNotFoundError(
            "progress is shown with rich: pip install 'streamable-http[cli]'", name=exc.name
        ) from exc
    return Console(file=sys.stderr)


class _Meter:
    """Counts items, and shows how many ten times a second."""

    def __init__(self, flow: Any, label: str, console: Console) -> None:
        self._flow = flow
        self._label, self._console = label, console
        self._display = contextlib.ExitStack()
        self._teller: ProgressTeller | None = None
        self._items = 0
        self._due = 0.0
        flow._source._at_close(self.stop)

    def count(self) -> None:
        """One more item was taken."""
        self._items += 1
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _SHOW_SECONDS
            self._show(lambda: self._tell().done(self._items, self._flow))

    def stop(self) -> None:
        """There are no more: the last count is shown, and stays."""
        if self._teller is not None:
            self._teller.end(self._items, self._flow)
        self._show(self._display.close)

    def _show(self, action: Callable[[], object]) -> None:
        """What goes wrong with the console is logged, harms no stream, and is not tried again."""
        try:
            action()
        except Exception:
            self._due = math.inf
            logger.warning("progress cannot be shown", exc_info=True)

    def _tell(self) -> ProgressTeller:
        if self._teller is None:
            source = self._flow._source
            display = shown_progress(self._console, self._label or source._opening.label)
            show = self._display.enter_context(display)
            self._teller = ProgressTeller(show, 1, source.response)
        return self._teller


class _Tracked(_derived.Derived[T, T], Generic[T]):
    def __init__(self, upstream: Flow[T], label: str, console: Console) -> None:
        super().__init__(upstream)
        self._meter = _Meter(upstream, label, console)

    def __next__(self) -> T:
        try:
            item = next(self._upstream)
        except BaseException:
            self._meter.stop()
            raise
        self._meter.count()
        return item


class _AsyncTracked(_async_derived.Derived[T, T], Generic[T]):
    def __init__(self, upstream: AsyncFlow[T], label: str, console: Console) -> None:
        super().__init__(upstream)
        self._meter = _Meter(upstream, label, console)

    async def __anext__(self) -> T:
        try:
            item = await anext(self._upstream)
        except BaseException:
            self._meter.stop()
            raise
        self._meter.count()
        return item


@contextlib.contextmanager
def shown_progress(console: Console, label: str) -> Generator[Callable[[Progress], None]]:
    """Yields a callback for `process(on_progress=…)`, which shows on `console` what it is told."""
    if not (console.is_terminal or console.is_jupyter):
        yield _Lines(console, label)
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}", markup=False),
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
            self._console.print(
                f"{self._label}: {progress.items:,}{total} items, {progress.bytes:,} bytes,"
                f" {progress.rate:,.0f} items/s",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def _is_due(self, progress: Progress) -> bool:
        now = time.monotonic()
        quarter = int((progress.fraction or 0) * _QUARTERS)
        due = quarter > self._quarter or now - self._told >= _LINE_SECONDS
        if due:
            self._quarter, self._told = quarter, now
        return due
