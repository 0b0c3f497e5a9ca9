"""`close()` at random moments, against streams in every state; prints the longest it took.

Run it by hand for figures: `python tests/faces/races.py [rounds] [face…]`, with faces such as
`threads-0` and `trio-8`. The suite runs it with fewer rounds, and once in a process where every
warning is an error.
"""

from __future__ import annotations

import functools
import gc
import logging
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from driver import Face
from server import Server, Step, chunk, delay, events, hold, reply, streamed, unreachable

from streamable_http import Client, RetryPolicy, SSEText, StreamClosed

__all__ = ["FACES", "race"]

FACES = {
    f"{runtime}-{prefetch}": Face(runtime, prefetch)
    for runtime in ("threads", "asyncio", "trio")
    for prefetch in (0, 8)
}

_PATIENT = RetryPolicy(stop=100, wait=lambda _: 0.005, min_delay=0.0)
_LONGEST_PAUSE = 0.02


def _trickle() -> list[Step]:
    return [one for number in range(1, 100) for one in (events(number), delay(0.001))]


def _urls(server: Server, full: str) -> list[str]:
    """Every state that a stream can be in."""
    flood = chunk(b"".join(b"data: %d\n\n" % number for number in range(500)))
    return [
        full,
        server.serve("/head", [hold()]),
        server.serve("/silence", streamed(events(1), hold())),
        server.serve("/trickle", streamed(*_trickle())),
        server.serve("/flood", streamed(*[flood] * 50)),
        server.serve("/busy", reply(status=503)),
        server.serve("/pauses", streamed(events(1))),
    ]


async def _read(stream: Any) -> None:
    try:
        await stream.open()
        async for _ in stream:
            pass
    except StreamClosed:
        pass


async def race(face: Face, server: Server, rounds: int, seed: int = 1) -> float:
    """Closes streams that another thread or task reads.

    Returns:
        The longest time from the call of `close()` until it has returned and the reader is gone,
        in seconds.
    """
    chance = random.Random(seed)  # not a secret
    worst = 0.0
    with unreachable() as full:
        urls = _urls(server, full)
        async with face.client(retry=_PATIENT) as client:
            for number in range(rounds):
                url = urls[number % len(urls)]
                stream = client.stream("GET", url, decoder=SSEText(), follow=url.endswith("pauses"))
                reader = face.spawn(_read, stream)
                await face.sleep(chance.random() * _LONGEST_PAUSE)
                started = time.perf_counter()
                await stream.aclose()
                await reader
                worst = max(worst, time.perf_counter() - started)
    return worst


def _main(arguments: list[str]) -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # a busy machine makes for slow steps
    rounds = int(arguments[0]) if arguments else 300
    for name in arguments[1:] or FACES:
        face = FACES[name]
        with Server() as server:
            figures: list[float] = []

            async def main(face: Face, server: Server, figures: list[float]) -> None:
                figures.append(await race(face, server, rounds))

            face.run(functools.partial(main, face, server, figures))
            assert server.wait_for(lambda: server.open == 0), "connections are left open"
        gc.collect()
        left = [thread for thread in threading.enumerate() if "streamable" in thread.name]
        assert not left, f"threads are left: {left}"
        print(f"{name:>10}: {rounds} closes, longest {figures[0] * 1000:.1f} ms")  # noqa: T201


if __name__ == "__main__":
    # What a first client loads is loaded here: asyncio's debug mode reports steps above 100 ms.
    Client(trust_env=False).close()
    _main(sys.argv[1:])
