"""The five clocks: each ends what it is for, on time, and says its name."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest
from attrs import evolve
from driver import Face
from server import (
    Script,
    Server,
    Step,
    chunk,
    delay,
    drip,
    events,
    hold,
    send,
    stall,
    streamed,
    unreachable,
)

from streamable_http import (
    NDJSON,
    RetriesExhausted,
    RetryPolicy,
    SSEText,
    TimeoutExceeded,
    Timeouts,
)

ONCE = RetryPolicy(stop=1)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Padding: " + b"x" * 200
HEARTBEAT = chunk(b": still here\n\n")
BOUND = 0.3
TOLERANCE = 0.1
LENIENT = 0.25  # where there is one try
TRIES = 3  # a busy machine may be late once; a wrong clock is late every time


def beating(*steps: Step) -> list[Step]:
    """The steps, with pauses far below the bound."""
    return [one for step in steps for one in (step, delay(BOUND / 6))]


CASES: dict[str, tuple[Script, dict[str, float]]] = {
    "silent head": ([hold()], {"first_byte": BOUND}),
    "dripped head": (
        [drip(HEAD, BOUND / 6)],
        {"first_byte": BOUND, "idle": BOUND / 2},
    ),
    "silence": (streamed(hold()), {"idle": BOUND}),
    "silence within a chunk": (streamed(send(b"9\r\nda"), hold()), {"idle": BOUND}),
    "dripped chunk extension": (
        streamed(send(b"9;"), drip(b"x" * 200, BOUND / 6)),
        {"between_items": BOUND, "idle": BOUND / 2},
    ),
    "dripped item": (
        streamed(*beating(*[chunk(b"data: x\n")] * 200)),
        {"between_items": BOUND, "idle": BOUND / 2},
    ),
    "heartbeats only": (
        streamed(*beating(*[HEARTBEAT] * 200)),
        {"between_items": BOUND, "idle": BOUND / 2},
    ),
    "heartbeats, all in all": (
        streamed(*beating(*[HEARTBEAT] * 200)),
        {"total": BOUND, "between_items": BOUND * 2},
    ),
    "items, all in all": (
        streamed(*beating(*[events(number) for number in range(1, 200)])),
        {"total": BOUND, "between_items": BOUND / 2, "idle": BOUND / 2},
    ),
}


async def late(face: Face, url: str, clocks: dict[str, float], **settings: Any) -> float:
    """The stream ends by its clock and says so; how far from its bound, in seconds."""
    (kind,) = (name for name, bound in clocks.items() if bound == BOUND)
    options: dict[str, Any] = {"retry": ONCE, "timeout": Timeouts(**clocks), **settings}
    async with face.client(**options) as client:
        stream = client.stream("GET", url, decoder=SSEText())
        started = time.monotonic()
        with pytest.raises(TimeoutExceeded) as caught:
            async with stream:
                async for _ in stream:
                    pass
        took = time.monotonic() - started
    assert caught.value.kind == kind
    assert caught.value.seconds == BOUND
    assert f"Timeouts({kind}={BOUND})" in str(caught.value)
    assert took > BOUND - 0.02
    return took - BOUND


async def all_timed_out(face: Face, server: Server, names: Iterable[str], **settings: Any) -> None:
    """Runs cases at once, each on a client of its own, and sees that each ends on time."""
    cases = {}
    for name in names:
        script, clocks = CASES[name]
        cases[name] = server.serve("/" + name.replace(" ", "-"), script), clocks
    for _ in range(TRIES):
        running = {
            name: face.spawn(functools.partial(late, face, url, clocks, **settings))
            for name, (url, clocks) in cases.items()
        }
        measured = {name: await one for name, one in running.items()}
        assert server.wait_for(lambda: server.open == 0)
        cases = {name: case for name, case in cases.items() if measured[name] > TOLERANCE}
        if not cases:
            return
    raise AssertionError(f"not on time: {measured}")


async def test_each_clock_ends_its_wait_on_time(own: Face, server: Server) -> None:
    await all_timed_out(own, server, CASES)


async def test_the_same_over_tls(own: Face, tls_server: Server, trusting: Any) -> None:
    names = ["dripped head", "silence", "dripped chunk extension"]
    await all_timed_out(own, tls_server, names, verify=trusting)


@pytest.mark.parametrize("http", ["httpx", "httpx2"])
async def test_other_clients_keep_the_clocks_of_each_wait(
    own: Face, server: Server, http: Any
) -> None:
    await all_timed_out(evolve(own, http=http), server, ["silent head", "silence"])


async def test_connecting_is_bounded(pulled: Face) -> None:
    with unreachable() as url:
        assert await late(pulled, url, {"connect": BOUND}) < LENIENT


async def test_connecting_again_and_again_is_bounded_by_the_total(pulled: Face) -> None:
    with unreachable() as url:
        started = time.monotonic()
        timeout = Timeouts(connect=0.1, total=BOUND)
        async with pulled.client(timeout=timeout) as client:
            with pytest.raises(TimeoutExceeded) as caught:
                await client.stream("GET", url).open()
        assert caught.value.kind == "total"
        assert abs(time.monotonic() - started - BOUND) < LENIENT


async def test_a_tls_handshake_belongs_to_connecting(pulled: Face) -> None:
    # A plain server never answers the handshake.
    with Server() as silent:
        url = silent.serve("/", [hold()]).replace("http:", "https:")
        assert await late(pulled, url, {"connect": BOUND}) < LENIENT


async def test_a_clock_ends_an_attempt_not_the_stream(own: Face, server: Server) -> None:
    url = server.serve(
        "/",
        [hold()],
        streamed(events(1), hold()),
        streamed(*beating(*[HEARTBEAT] * 200)),
        streamed(events(2)),
    )
    timeout = Timeouts(first_byte=0.1, idle=0.1, between_items=0.15)
    async with (
        own.client(timeout=timeout) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        assert await stream.collect() == ["1", "2"]
        assert stream.stats.retries == 3
    assert [request.headers.get("last-event-id") for request in server.requests] == [
        None,
        None,
        "1",
        "1",
    ]


async def test_exhausted_clocks_are_the_cause(pulled: Face, server: Server) -> None:
    url = server.serve("/", [hold()])
    policy = RetryPolicy(stop=2, wait=lambda _: 0.0, min_delay=0.0)
    async with pulled.client(retry=policy, timeout=Timeouts(first_byte=0.05)) as client:
        with pytest.raises(RetriesExhausted) as caught:
            await client.stream("GET", url).open()
    assert isinstance(caught.value.last_error, TimeoutExceeded)
    assert len(server.requests) == 2


@pytest.mark.parametrize("prefetch", [0, 1, 8])
async def test_a_slow_consumer_trips_no_clock(pulled: Face, server: Server, prefetch: int) -> None:
    # The first pieces wait in the kernel, the last one is sent while the consumer is away.
    gate = threading.Event()
    url = server.serve("/", streamed(events(1), events(2), events(3), stall(gate), events(4)))
    timeout = Timeouts(first_byte=0.1, idle=0.2, between_items=0.2)
    async with (
        pulled.client(retry=ONCE, timeout=timeout) as client,
        client.stream("GET", url, decoder=SSEText(), prefetch=prefetch) as stream,
    ):
        assert await anext(stream) == "1"
        gate.set()
        await pulled.sleep(0.3)
        assert await stream.collect() == ["2", "3", "4"]


async def test_a_slow_consumer_spends_the_total(own: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(events(1), stall(gate), events(2)))
    async with (
        own.client(retry=ONCE, timeout=Timeouts(total=0.15)) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        assert await anext(stream) == "1"
        await own.sleep(0.25)
        with pytest.raises(TimeoutExceeded) as caught:
            await anext(stream)
    assert caught.value.kind == "total"


async def test_a_number_bounds_the_silence(pulled: Face, server: Server) -> None:
    url = server.serve("/", streamed(hold()))
    async with (
        pulled.client(retry=ONCE) as client,
        client.stream("GET", url, decoder=NDJSON(), timeout=0.1) as stream,
    ):
        with pytest.raises(TimeoutExceeded) as caught:
            await anext(stream)
    assert (caught.value.kind, caught.value.seconds) == ("idle", 0.1)
