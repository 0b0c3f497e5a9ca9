"""Tells while a call runs how long it has taken and what it has."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable

import anyio
from attrs import define

from ._values import ProgressHook

__all__ = ["told"]

logger = logging.getLogger("streamable_http.toolkit")

_EVERY_SECONDS = 1.0
_PATIENCE_SECONDS = 1.0


@define
class _Teller:
    hook: ProgressHook
    timeout: float
    describe: Callable[[], str]
    _started: float = 0.0
    _last: float = 0.0

    async def tell(self) -> None:
        """Reports once; a hook that raises or hangs changes nothing."""
        elapsed = anyio.current_time() - self._started
        if elapsed <= self._last:
            return
        self._last = elapsed
        with anyio.move_on_after(_PATIENCE_SECONDS):
            try:
                result = self.hook(elapsed, max(self.timeout, elapsed), self.describe())
                if inspect.isawaitable(result):
                    await result
            except Exception:
                logger.exception("progress raised; the call goes on")

    async def tick(self) -> None:
        self._started = anyio.current_time()
        while True:
            await anyio.sleep(_EVERY_SECONDS)
            await self.tell()


async def told(
    hook: ProgressHook | None,
    timeout: float,
    describe: Callable[[], str],
    work: Callable[[], Awaitable[None]],
) -> None:
    """Waits for `work()`; meanwhile the hook is told every second, and at the end.

    The reports count seconds, because those go on when no record comes, and a report that goes on
    is what keeps an impatient client waiting.

    Args:
        hook: Whom to tell, or None.
        timeout: How long the work may take, in seconds.
        describe: What there is by now.
        work: It must raise nothing but cancellation.
    """
    if hook is None:
        await work()
        return
    teller = _Teller(hook, timeout, describe)
    async with anyio.create_task_group() as group:
        group.start_soon(teller.tick)
        await work()
        group.cancel_scope.cancel()
    await teller.tell()
