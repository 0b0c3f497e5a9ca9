"""Opening, closing and sharing a stream: one reader at a time, any task, connections reused."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import anyio
import pytest
from driver import Face
from server import Server, chunk, cut, delay, events, hold, reply, stall, streamed

from streamable_http import (
    AsyncStream,
    ConfigurationError,
    ConnectionLost,
    Lines,
    RetryPolicy,
    SSEText,
    StreamClosed,
    _pump,
)

TASKS = [Face("asyncio"), Face("trio")]
AHEAD = [Face("asyncio", 8), Face("trio", 8)]
FOREIGN = [
    Face("asyncio", 0, "httpx"),
    Face("asyncio", 0, "httpx2"),
    Face("trio", 0, "httpx"),
    Face("trio", 0, "httpx2"),
]
DONE = chunk(b"data: [DONE]\n\n")


async def test_connections_are_reused_after_a_terminal(own: Face, server: Server) -> None:
    # The end of the body comes late, as from servers that flush it apart.
    url = server.serve("/", streamed(events(1, 2), DONE, delay(0.01)))
    async with own.client() as client:
        for _ in range(5):
            async with client.stream("GET", url, decoder=SSEText(), terminal="[DONE]") as stream:
                assert await stream.collect() == ["1", "2"]
    assert len(server.requests) == 5
    assert server.accepted == 1


async def test_a_body_that_goes_on_after_the_terminal_is_given_up(
    own: Face, server: Server
) -> None:
    url = server.serve("/", streamed(events(1), DONE, hold()), streamed(events(2), DONE))
    async with own.client() as client:
        for expected in ("1", "2"):
            async with client.stream("GET", url, decoder=SSEText(), terminal="[DONE]") as stream:
                assert await stream.collect() == [expected]
    assert server.accepted == 2
    assert server.wait_for(lambda: server.hung_up == 2)


@pytest.mark.parametrize("left", ["break", "exception", "close"])
async def test_leaving_early_hangs_up(face: Face, server: Server, left: str) -> None:
    url = server.serve("/", streamed(events(1, 2), hold()))
    async with face.client() as client:
        with contextlib.suppress(ZeroDivisionError):
            async with client.stream("GET", url, decoder=SSEText()) as stream:
                async for _ in stream:
                    if left == "exception":
                        raise ZeroDivisionError
                    if left == "close":
                        await stream.aclose()
                    break
        assert server.wait_for(lambda: server.hung_up == 1)


async def test_a_stream_may_change_hands(own: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(events(1), stall(gate), events(2), hold()))
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await own.spawn(stream.open)
        assert await own.spawn(anext_of(stream)) == "1"
        gate.set()
        assert await own.spawn(anext_of(stream)) == "2"
        await own.spawn(stream.aclose)
        with pytest.raises(StreamClosed):
            await anext(stream)
    assert server.wait_for(lambda: server.hung_up == 1)


def anext_of(stream: AsyncStream[Any]) -> Any:
    async def read() -> Any:
        return await anext(stream)

    return read


async def test_a_second_reader_is_told_so(face: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(events(1), stall(gate), events(2)))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await anext(stream) == "1"
        first = face.spawn(anext_of(stream))
        await face.until(lambda: reading(stream))
        with pytest.raises(ConfigurationError, match=r"one reader at a time.*max_concurrent"):
            await anext(stream)
        gate.set()
        assert await first == "2"


def reading(stream: Any) -> bool:
    """Whether somebody waits for the next batch."""
    source = getattr(stream, "inner", stream)
    if hasattr(source._batches, "_queue"):
        return bool(source._batches._queue._has_reader)
    pump = source._pump
    return bool(pump._busy.locked() if hasattr(pump, "_busy") else pump._has_reader)


@pytest.mark.filterwarnings("default::pytest.PytestUnraisableExceptionWarning")
async def test_a_stream_that_was_never_closed_says_so(pulled: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), hold()))
    async with pulled.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        await stream.open()
        with pytest.warns(ResourceWarning, match="was never closed"):
            del stream


async def test_an_unopened_stream_says_what_to_do(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: a\n\n"))
    async with face.client() as client:
        stream = client.stream("GET", url)
        with pytest.raises(StreamClosed, match=r"with block, or call open\(\) first"):
            await anext(stream)
        with pytest.raises(StreamClosed, match="not open"):
            _ = stream.response
        assert stream.cursor is None
        assert stream.stats.items == 0
        await stream.aclose()
    assert not server.requests


async def test_a_stream_can_be_opened_once(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: a\n\n"))
    async with face.client() as client:
        async with client.stream("GET", url) as stream:
            assert len(await stream.collect()) == 1
        with pytest.raises(StreamClosed, match="opened once"):
            await stream.open()
        await stream.aclose()
        await stream.aclose()
    assert len(server.requests) == 1


async def test_the_end_stays_the_end(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: a\n\n"))
    async with face.client() as client, client.stream("GET", url) as stream:
        assert len(await stream.collect()) == 1
        for _ in range(3):
            with pytest.raises(StopAsyncIteration):
                await anext(stream)
        assert stream.stats.ended == "framing"


async def test_an_error_stays_the_error(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"data: a\n\n"), cut()))
    async with face.client() as client, client.stream("GET", url) as stream:
        assert (await anext(stream)).data == "a"
        for _ in range(3):
            with pytest.raises(ConnectionLost):
                await anext(stream)


async def test_what_was_read_is_gone_after_close(face: Face, server: Server) -> None:
    url = server.serve("/", reply(b"data: a\n\ndata: b\n\ndata: c\n\n"))
    async with face.client() as client:
        async with client.stream("GET", url) as stream:
            await anext(stream)
        with pytest.raises(StreamClosed):
            await anext(stream)
        assert stream.stats.items == 1


# Cancellation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("face", TASKS, ids=str)
async def test_a_cancelled_read_goes_on_by_id(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), hold()), streamed(events(2)))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await anext(stream) == "1"
        with anyio.move_on_after(0.02) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        assert server.wait_for(lambda: server.hung_up == 1)
        assert await stream.collect() == ["2"]
        assert stream.stats.resumes == 1
    assert server.requests[1].headers["last-event-id"] == "1"


@pytest.mark.parametrize("face", TASKS, ids=str)
async def test_a_cancelled_read_never_ends_in_silence(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(chunk(b"data: a\n\n"), hold()))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await anext(stream) == "a"
        with anyio.move_on_after(0.02):
            await anext(stream)
        with pytest.raises(ConnectionLost, match="interrupted"):
            await anext(stream)
    assert len(server.requests) == 1


@pytest.mark.parametrize("face", FOREIGN, ids=str)
async def test_a_cancelled_read_never_ends_in_silence_on_other_clients(
    face: Face, server: Server
) -> None:
    url = server.serve("/", streamed(chunk(b"data: a\n\n"), hold()))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await anext(stream) == "a"
        with anyio.move_on_after(0.02):
            await anext(stream)
        with pytest.raises(ConnectionLost):
            await anext(stream)


@pytest.mark.parametrize("at", range(1, 12))
async def test_an_interrupt_behind_a_read_never_loses_what_it_brought(
    pulled: Face, server: Server, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A signal may come when the bytes have left the socket, and the session has them not yet."""

    class Interrupt(BaseException):
        pass

    count, tell = 0, _pump._Base._reply

    def reply(pump: Any, value: object = None) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise Interrupt
        tell(pump, value)

    url = server.serve("/", streamed(*(chunk(b"%d\n" % number) for number in range(4))))
    got: list[str] = []
    async with pulled.client() as client:
        stream = client.stream("GET", url, decoder=Lines(), retry=RetryPolicy(stop=1))
        async with stream:
            monkeypatch.setattr(_pump._Base, "_reply", reply)
            lost = False
            while not lost:
                try:
                    got.append(await anext(stream))
                except Interrupt:
                    pass
                except StopAsyncIteration:
                    break
                except ConnectionLost as error:
                    lost = "interrupted" in str(error)
    assert got == [str(number) for number in range(len(got))]
    assert lost or len(got) == 4
    assert count >= at or len(got) == 4


@pytest.mark.parametrize("face", AHEAD, ids=str)
async def test_with_prefetch_a_cancelled_read_loses_nothing(face: Face, server: Server) -> None:
    gate = threading.Event()
    url = server.serve("/", streamed(chunk(b"data: a\n\n"), stall(gate), chunk(b"data: b\n\n")))
    async with face.client() as client, client.stream("GET", url, decoder=SSEText()) as stream:
        assert await anext(stream) == "a"
        with anyio.move_on_after(0.02) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        gate.set()
        assert await stream.collect() == ["b"]
    assert len(server.requests) == 1


@pytest.mark.parametrize("face", TASKS, ids=str)
async def test_a_cancelled_open_hangs_up(face: Face, server: Server) -> None:
    url = server.serve("/", [hold()])
    async with face.client() as client:
        stream = client.stream("GET", url, decoder=SSEText())
        with anyio.move_on_after(0.02) as scope:
            await stream.open()
        assert scope.cancelled_caught
        await stream.aclose()
        assert server.wait_for(lambda: server.hung_up == 1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("face", TASKS, ids=str)
async def test_a_cancelled_backoff_goes_on_waiting(face: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1), cut()), streamed(events(2)))
    policy = RetryPolicy(wait=lambda _: 0.05)
    async with (
        face.client(retry=policy) as client,
        client.stream("GET", url, decoder=SSEText()) as stream,
    ):
        assert await anext(stream) == "1"
        with anyio.move_on_after(0.02) as scope:
            await anext(stream)
        assert scope.cancelled_caught
        assert await stream.collect() == ["2"]
    assert len(server.requests) == 2
