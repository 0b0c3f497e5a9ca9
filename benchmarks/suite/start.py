"""Beginning and leaving: `python -m benchmarks.suite.start WHO URL`.

Time from the call to the first item, on a client that was used before, and time to leave a stream
whose server is silent; medians of many. And what an import takes, in fresh processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from . import many

TIMES = 60
Times = list[tuple[float, float]]


def timed_sync(connect: Callable[[str], Any], url: str) -> Times:
    taken: Times = []
    for _ in range(TIMES):
        start = time.perf_counter()
        with connect(url) as items:
            next(items)
            first = time.perf_counter()
        taken.append((first - start, time.perf_counter() - first))
    return taken


def ours(url: str) -> Times:
    import streamable_http as shttp

    with shttp.Client() as client:
        return timed_sync(lambda url: client.stream("GET", url, decoder=shttp.SSE()), url)


def httpx_sse(url: str) -> Times:
    from contextlib import contextmanager

    import httpx
    from httpx_sse import connect_sse

    with httpx.Client() as client:

        @contextmanager
        def connect(url: str) -> Any:
            with connect_sse(client, "GET", url) as source:
                yield source.iter_sse()

        return timed_sync(connect, url)


async def timed_async(way: Any, url: str) -> Times:
    taken: Times = []
    async with way() as connect:
        for _ in range(TIMES):
            start = time.perf_counter()
            async with connect(url) as items:
                await anext(items)
                first = time.perf_counter()
            taken.append((first - start, time.perf_counter() - first))
    return taken


WAYS: dict[str, Callable[[str], Times]] = {
    "httpx-sse": httpx_sse,
    "httpx-sse async": lambda url: asyncio.run(timed_async(many.httpx_sse, url)),
    "ours": ours,
    "ours async": lambda url: asyncio.run(timed_async(many.ours, url)),
}

IMPORTS = {
    "streamable_http": "import streamable_http",
    "streamable_http, and a client made": "import streamable_http as shttp; shttp.Client().close()",
    "httpx, a client made": "httpx.Client().close()",
    "httpx_sse": "import httpx_sse",
    "httpx2": "import httpx2",
    "aiohttp": "import aiohttp",
    "openai": "import openai",
    "anthropic": "import anthropic",
    "ld_eventsource": "import ld_eventsource",
    "requests_sse": "import requests_sse",
}


def imported(code: str) -> float:
    """Milliseconds of CPU above `import httpx, attrs`, from bytecode as an installer leaves it."""
    # Where this is set, source is compiled each time anew.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = f"import httpx, attrs, time; start = time.process_time(); {code}"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(time.process_time() - start)"],
        check=True, capture_output=True, text=True, env=env,
    )  # fmt: skip
    return float(done.stdout) * 1e3


def imports(rounds: int) -> dict[str, float]:
    runs: dict[str, list[float]] = {}
    here = {name: code for name, code in IMPORTS.items() if find_spec(name.partition(",")[0])}
    for number in range(rounds + 1):
        for name, code in here.items():
            if number:  # the first one may compile
                runs.setdefault(name, []).append(imported(code))
            else:
                imported(code)
    return {name: statistics.median(own) for name, own in runs.items()}


if __name__ == "__main__":
    _, who, url = sys.argv
    first, close = zip(*WAYS[who](url)[1:], strict=True)
    figures = {"first": statistics.median(first) * 1e6, "close": statistics.median(close) * 1e6}
    print(json.dumps(figures))
