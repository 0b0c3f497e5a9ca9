"""The demo: the main job, step by step, on a real service, with every count checked."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator

from rich.console import Console

from streamable_http import Health, StreamError, StreamService

from ..cli.console import QuietConsole, plain
from ..cli.exits import told
from .agent import agent
from .endurance import million, slow_consumer
from .stage import Stage
from .steps import analytics, at_once, binary, interrupted, pipeline, users
from .verify import LeftOut, Mismatch

__all__ = ["run_demo"]

Step = Callable[[Stage], None]

_STEPS: tuple[tuple[str, Step], ...] = (
    ("users, with progress", users),
    ("analytics, each record through a processor", analytics),
    ("logs, metrics and events at once, on asyncio", at_once),
    ("a pipeline: eight workers, then batches, then a sum", pipeline),
    ("binary records, by a decoder of our own", binary),
    ("a connection that is cut twice", interrupted),
    ("a consumer that pauses, as the service sees it", slow_consumer),
    ("a million records in flat memory", million),
    ("an agent, on tools in this process and on an MCP server", agent),
)


def run_demo(url: str | None = None, console: Console | None = None) -> bool:
    """Runs every step, and tells what was measured.

    Args:
        url: A running service; None starts one, for as long as the demo lasts.
        console: Where to tell it; stdout if None.

    Returns:
        Whether every step saw what the service had promised.

    Raises:
        StreamError: The service at `url` cannot be reached.
    """
    console = QuietConsole() if console is None else console
    with contextlib.ExitStack() as stack:
        if url is None:
            from .server import running

            stack.enter_context(_no_proxy_to_this_machine())
            url = stack.enter_context(running())
        service = stack.enter_context(StreamService(url))
        health = service.health()
        if health.error is not None:
            raise health.error
        return _run_steps(Stage(url, service, console), health)


@contextlib.contextmanager
def _no_proxy_to_this_machine() -> Generator[None]:
    """The demo's own servers are on this machine, which a proxy of the environment cannot reach."""
    names = ("no_proxy", "NO_PROXY")
    before = {name: os.environ[name] for name in names if name in os.environ}
    spared = next(iter(filter(None, before.values())), "")
    os.environ |= dict.fromkeys(names, f"{spared},127.0.0.1" if spared else "127.0.0.1")
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
        os.environ |= before


def _run_steps(stage: Stage, health: Health) -> bool:
    _tell(stage, f"health of {stage.url}: {health.details.get('status', 'it answers')}")
    started = time.perf_counter()
    outcomes = {title: _outcome(stage, title, step) for title, step in _STEPS}
    elapsed = time.perf_counter() - started
    failed = [title for title, outcome in outcomes.items() if outcome is False]
    left_out = [title for title, outcome in outcomes.items() if outcome is None]
    if failed:
        _tell(stage, f"{len(failed)} of {len(_STEPS)} steps failed: {'; '.join(failed)}")
    else:
        count = len(_STEPS) - len(left_out)
        _tell(stage, f"all {count} steps saw what the service promised, in {elapsed:.1f} s")
    if left_out:
        _tell(stage, f"left out: {'; '.join(left_out)}")
    return not failed


def _outcome(stage: Stage, title: str, step: Step) -> bool | None:
    """Whether the step saw what it should; None if it cannot be taken here."""
    _tell(stage, title)
    try:
        step(stage)
    except LeftOut as exc:
        stage.say(f"left out: {exc}")
        return None
    except Mismatch as exc:
        stage.say(f"FAILED: {exc}")
    except StreamError as exc:
        stage.say(f"FAILED: {told(exc)}")
    else:
        return True
    return False


def _tell(stage: Stage, text: str) -> None:
    plain(stage.console, text, style="bold")
