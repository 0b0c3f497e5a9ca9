"""A background task on whichever event loop runs: a plain asyncio task or a trio system task.

No task group or cancel scope outlives a call, so a stream may be opened in one task, read in
another and closed in a third.
"""

from __future__ import annotations

import contextvars
import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio

from ._checks import no_end

__all__ = ["Task", "applied", "brief_shield", "spawn", "stop_all"]

_WAIT_SECONDS = 1.0


async def applied(fn: Callable[..., Any], *arguments: Any) -> Any:
    """What `fn` returns, awaited if need be; its StopAsyncIteration must not look like an end."""
    try:
        result: Any = fn(*arguments)
        if inspect.isawaitable(result):
            return await result
        return result
    except (StopIteration, StopAsyncIteration) as exc:
        raise no_end(exc, repr(fn)) from exc


class Task:
    """A running background task."""

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        self._run = run
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._id: int | None = None
        self.handle: object = None  # asyncio keeps no reference to its tasks

    async def main(self) -> None:
        """What the event loop runs; what ends `run` was told by itself to those it concerns."""
        self._id = anyio.get_current_task().id
        try:
            with self._scope:
                await self._run()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException:  # noqa: S110  # pytest's are no `Exception`, and trio dies of them
            pass
        finally:
            self.over()

    def over(self) -> None:
        """The task has ended, or will never begin."""
        self._done.set()

    @property
    def is_current(self) -> bool:
        """Whether it is this very task that asks."""
        return self._id == anyio.get_current_task().id

    def cancel(self) -> None:
        """Asks the task to end."""
        self._scope.cancel()

    async def wait(self) -> None:
        """Returns once the task has ended."""
        await self._done.wait()


async def stop_all(tasks: Iterable[Task]) -> None:
    """Ends the tasks and waits for them, even if the caller is cancelled meanwhile.

    But not for oneself, and not long: one of them may wait for the very task that asks, or not
    heed that it is cancelled, and closing must not hang on that.
    """
    others = [task for task in tasks if not task.is_current]
    for task in others:
        task.cancel()
    with brief_shield():
        for task in others:
            await task.wait()


def brief_shield() -> anyio.CancelScope:
    """A scope for what has to be waited for, if it does not take long."""
    return anyio.CancelScope(shield=True, deadline=anyio.current_time() + _WAIT_SECONDS)


def spawn(run: Callable[[], Awaitable[None]], name: str) -> Task:
    """Starts `run()`, which must deal with its own exceptions, in the background."""
    import asyncio  # whoever runs on trio may never need it

    task = Task(run)
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        context = contextvars.copy_context()
        task.handle = trio.lowlevel.spawn_system_task(task.main, name=name, context=context)
    else:
        handle = loop.create_task(task.main(), name=name)
        # A task that is cancelled before its first step never runs `main`.
        handle.add_done_callback(lambda _: task.over())
        task.handle = handle
    return task
