"""Virtual time: minutes pass in milliseconds, and every clock ends its wait at the exact second."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from driver import Face

from streamable_http import (
    Client,
    ConfigurationError,
    ConnectError,
    RetriesExhausted,
    RetryPolicy,
    StreamError,
    TimeoutExceeded,
    Timeouts,
)
from streamable_http.testing import (
    Cut,
    Delay,
    Refuse,
    Response,
    Script,
    ScriptedTransport,
    Stall,
    Step,
    Until,
    VirtualClock,
    event,
    events,
    ndjson,
    retry_after,
)
from streamable_http.testing.httpx2 import ScriptedTransport as ScriptedTransport2

URL = "http://script.test/feed"
SSE = {"Content-Type": "text/event-stream"}
ONCE = RetryPolicy(stop=1)
BEAT: list[Step] = [b": still here\n\n", Delay(10)]
ITEM: list[Step] = [event("x"), Delay(10)]
BUSY_SECONDS = 5.0  # a machine that has other work to do may stand still for a second
FACES = [
    Face(runtime, prefetch) for runtime in ("threads", "asyncio", "trio") for prefetch in (0, 8)
]

on_every_face = pytest.mark.parametrize("face", FACES, ids=str)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """No test here waits in real time: what it waits for in virtual time takes longer than this."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < BUSY_SECONDS


@on_every_face
async def test_five_tries_of_twenty_seconds_take_no_time(face: Face) -> None:
    clock = VirtualClock(jitter=0.0)
    transport = ScriptedTransport(Script(*[retry_after(20)] * 4, events("a", "b")))
    async with (
        face.client(transport=transport, clock=clock, retry=RetryPolicy()) as client,
        client.stream("GET", URL) as stream,
    ):
        assert len(await stream.collect()) == 2
        assert stream.stats.elapsed == 80.0
    assert [request.at for request in transport.requests] == [0.0, 20.0, 40.0, 60.0, 80.0]


@on_every_face
async def test_the_default_backoff_without_chance(face: Face) -> None:
    clock, transport = VirtualClock(), ScriptedTransport(Refuse())
    async with face.client(transport=transport, clock=clock, retry=RetryPolicy()) as client:
        with pytest.raises(RetriesExhausted) as caught:
            await client.stream("GET", URL).open()
    assert isinstance(caught.value.last_error, ConnectError)
    assert [request.at for request in transport.requests] == [0.0, 0.5, 1.5, 3.5, 7.5]


@on_every_face
async def test_a_stall_trips_idle_at_the_exact_second(face: Face) -> None:
    clock = VirtualClock()
    script = events("a", then=[Delay(29), event("b", id=2), Stall()])
    transport = ScriptedTransport(script)
    async with (
        face.client(transport=transport, clock=clock, retry=ONCE, timeout=30) as client,
        client.stream("GET", URL) as stream,
    ):
        assert [(await anext(stream)).data for _ in range(2)] == ["a", "b"]
        with pytest.raises(TimeoutExceeded) as caught:
            await anext(stream)
    assert (caught.value.kind, clock.now()) == ("idle", 29.0 + 30.0)


CLOCKS: dict[str, tuple[Response, Timeouts, str, float]] = {
    "no head": (Response(before=[Stall()]), Timeouts(first_byte=60), "first_byte", 60.0),
    "a head that is late in parts": (
        Response(before=[Delay(50), Delay(50)]),
        Timeouts(first_byte=60, idle=55),
        "first_byte",
        60.0,
    ),
    "silence": (Response(headers=SSE, body=[Stall()]), Timeouts(idle=300), "idle", 300.0),
    "silence of just that long": (
        Response(headers=SSE, body=[Delay(300)]),
        Timeouts(idle=300),
        "idle",
        300.0,
    ),
    "heartbeats only": (
        Response(headers=SSE, body=BEAT * 1000),
        Timeouts(idle=20, between_items=45),
        "between_items",
        45.0,
    ),
    "all in all": (
        Response(headers=SSE, body=ITEM * 1000),
        Timeouts(idle=20, between_items=20, total=3600),
        "total",
        3600.0,
    ),
}


@on_every_face
@pytest.mark.parametrize("case", CLOCKS)
async def test_every_clock_is_exact(face: Face, case: str) -> None:
    script, timeouts, kind, at = CLOCKS[case]
    clock, transport = VirtualClock(), ScriptedTransport(script)
    async with face.client(
        transport=transport, clock=clock, retry=ONCE, timeout=timeouts
    ) as client:
        with pytest.raises(TimeoutExceeded) as caught:
            async with client.stream("GET", URL) as stream:
                async for _ in stream:
                    pass
    assert (caught.value.kind, clock.now()) == (kind, at)


@on_every_face
async def test_a_clock_ends_an_attempt_and_the_next_goes_on(face: Face) -> None:
    clock = VirtualClock(jitter=0.0)
    transport = ScriptedTransport(Script(events("a", then=[Stall()]), events("b", start=2)))
    policy = RetryPolicy(min_delay=1.0)
    async with (
        face.client(transport=transport, clock=clock, retry=policy, timeout=30) as client,
        client.stream("GET", URL) as stream,
    ):
        assert [item.data for item in await stream.collect()] == ["a", "b"]
    assert [request.at for request in transport.requests] == [0.0, 31.0]


@on_every_face
async def test_own_slow_work_spends_the_total_only(face: Face) -> None:
    clock, transport = VirtualClock(), ScriptedTransport(events("a", then=[Delay(1), event("b")]))
    clocks = Timeouts(idle=30, between_items=30, total=100)
    async with (
        face.client(
            transport=transport, clock=clock, retry=ONCE, timeout=clocks, prefetch=0
        ) as client,
        client.stream("GET", URL) as stream,
    ):
        await anext(stream)
        clock.advance(90)
        assert (await anext(stream)).data == "b"
        clock.advance(90)
        with pytest.raises(TimeoutExceeded) as caught:
            await anext(stream)
    assert caught.value.kind == "total"


@on_every_face
async def test_a_healthy_feed_may_be_cut_for_ever(face: Face) -> None:
    def answer(request: Any) -> Response:
        start = int(request.headers.get("last-event-id", "0")) + 1
        return events("x", start=start, then=[Delay(600), Cut()])

    clock, transport = VirtualClock(), ScriptedTransport(answer)
    async with (
        face.client(transport=transport, clock=clock, retry=RetryPolicy(), timeout=3600) as client,
        client.stream("GET", URL) as stream,
    ):
        assert [(await anext(stream)).id for _ in range(20)] == [str(n) for n in range(1, 21)]
    assert clock.now() >= 19 * 600


def test_a_foreign_client_obeys_the_same_clock() -> None:
    clock = VirtualClock()
    transport = ScriptedTransport2(Script(retry_after(20), ndjson(1, then=[Stall()])))
    with (
        httpx2.Client(transport=transport) as http,
        Client(http=http, clock=clock, retry=RetryPolicy(stop=2)) as client,
        client.stream("GET", URL, timeout=30) as stream,
    ):
        assert next(stream) == 1
        with pytest.raises(StreamError):
            next(stream)
    assert [request.at for request in transport.requests] == [0.0, 20.1]
    assert clock.now() == 20.1 + 30


def test_plain_httpx_keeps_its_own_timeouts() -> None:
    clock = VirtualClock()
    transport = ScriptedTransport(ndjson(1, then=[Delay(4), b"2\n", Delay(6)]), clock=clock)
    got = []
    with (
        httpx.Client(transport=transport, timeout=5) as http,
        http.stream("GET", URL) as response,
        pytest.raises(httpx.ReadTimeout),
    ):
        got += [*response.iter_lines()]
    assert clock.now() == 4 + 5


def test_plain_httpx_without_timeouts() -> None:
    transport = ScriptedTransport(ndjson(1, then=[Delay(4), b"2\n"]), clock=VirtualClock())
    with httpx.Client(transport=transport, timeout=None) as http:
        assert http.get(URL).text == "1\n2\n"


async def asynchronously(url: str) -> str:
    transport = ScriptedTransport(ndjson(1, then=[Delay(4), b"2\n"]), clock=VirtualClock())
    async with httpx.AsyncClient(transport=transport, timeout=5) as http:
        return (await http.get(url)).text


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_plain_async_httpx(backend: str) -> None:
    assert anyio.run(asynchronously, URL, backend=backend) == "1\n2\n"


def test_a_test_can_trip_a_clock_by_hand() -> None:
    clock, gate = VirtualClock(), threading.Event()
    transport = ScriptedTransport(events("a", then=[Until(gate)]))
    told: list[BaseException] = []

    def read() -> None:
        try:
            next(stream)
        except StreamError as exc:
            told.append(exc)

    with (
        Client(transport=transport, clock=clock, retry=ONCE, timeout=30) as client,
        client.stream("GET", URL) as stream,
    ):
        next(stream)
        reader = threading.Thread(target=read)
        reader.start()
        while not reader.is_alive():
            pass
        time.sleep(0.01)
        clock.advance(30)
        reader.join(5)
    assert [type(one) for one in told] == [TimeoutExceeded]


@pytest.mark.parametrize("transport", [None, "httpx"])
def test_real_sockets_have_no_virtual_time(transport: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"clock= cannot change .*ScriptedTransport"):
        Client(clock=VirtualClock(), transport=transport)


@pytest.mark.parametrize("clock", [5, time, VirtualClock])
def test_what_is_no_clock_is_refused(clock: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a clock: pass .*VirtualClock\(\)"):
        Client(clock=clock, transport=ScriptedTransport(events("a")))


@pytest.mark.parametrize("jitter", [-0.1, 1.1, True, "half"])
def test_jitter_is_a_number_between(jitter: Any) -> None:
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        VirtualClock(jitter=jitter)


def test_time_does_not_go_back() -> None:
    clock = VirtualClock(100.0)
    assert repr(clock) == "VirtualClock(now=100.0, jitter=1.0)"
    with pytest.raises(ConfigurationError, match="turn time back"):
        clock.advance(-1)


def test_a_wait_that_was_ended_takes_no_time() -> None:
    clock, woken = VirtualClock(), threading.Event()
    woken.set()
    clock.wait(woken, 30)
    clock.wait(woken, None)
    assert clock.now() == 0.0
