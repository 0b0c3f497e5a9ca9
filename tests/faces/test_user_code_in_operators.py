"""What code of the user's does within operators, merges and progress: it harms no stream."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from driver import Face
from rich.console import Console

import streamable_http as shttp
from streamable_http.testing import (
    Cut,
    Response,
    Script,
    ScriptedTransport,
    Stall,
    VirtualClock,
    event,
    events,
)

URL = "http://host/feed"
TEN = [str(number) for number in range(1, 11)]
ENDS = pytest.mark.parametrize("end", [StopIteration, StopAsyncIteration])


class Outcome(BaseException):
    """As pytest's own, no `Exception`."""


def texts(face: Face, *answers: Any, **options: Any) -> Any:
    return face.client(transport=ScriptedTransport(Script(*answers)), **options)


def raising(error: Any) -> Any:
    def function(*_: object) -> Any:
        raise error

    return function


# What looks like an end ----------------------------------------------------------------------


@ENDS
@pytest.mark.parametrize("seconds", [None, 60])
async def test_a_measure_that_stops_is_no_end(pulled: Face, end: Any, seconds: Any) -> None:
    async with (
        texts(pulled, events(*TEN)) as client,
        client.stream("GET", URL, decoder=shttp.SSEText()) as stream,
    ):
        with pytest.raises(RuntimeError, match=f"weigh= raised {end.__name__}"):
            [one async for one in stream.batches(2, seconds=seconds, weigh=raising(end))]


@ENDS
async def test_a_hook_of_failures_that_stops_is_no_end(pulled: Face, end: Any) -> None:
    routes = {"/a": Response(status=404), "/b": events(*TEN)}
    requests = [shttp.Request("GET", f"http://host{path}") for path in routes]
    async with (
        pulled.client(transport=ScriptedTransport(routes)) as client,
        client.merge(requests, on_failure=raising(end)) as merged,
    ):
        with pytest.raises(RuntimeError, match=f"on_failure= raised {end.__name__}"):
            [one async for one in merged]


@ENDS
@pytest.mark.parametrize("at", [1, 5])
async def test_a_fold_that_stops_is_no_end_and_saves_nothing(
    pulled: Face, end: Any, at: int
) -> None:
    store = shttp.MemoryStore()

    def fold(total: int, item: str) -> int:
        if int(item) == at:
            raise end
        return total + 1

    async with texts(pulled, events(*TEN)) as client:
        checkpoint = shttp.Checkpoint(store, "k")
        options: Any = {"decoder": shttp.SSEText(), "checkpoint": checkpoint}
        with pytest.raises(RuntimeError, match="raised Stop"):
            async with client.stream("GET", URL, **options) as stream:
                await stream.reduce(fold, 0)
    assert store.get("k") is None


# Closing from within -------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_child_of_a_worker_may_close_the_stream(backend: str) -> None:
    async def main() -> None:
        transport = ScriptedTransport(events(*map(str, range(40))))
        async with (
            shttp.AsyncClient(transport=transport) as client,
            client.stream("GET", URL, decoder=shttp.SSEText()) as stream,
        ):

            async def close(item: str) -> str:
                if item == "3":
                    async with anyio.create_task_group() as group:
                        group.start_soon(stream.aclose)
                return item

            with pytest.raises(shttp.StreamClosed):
                [one async for one in stream.map(close, 2)]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_function_for_headers_may_close_the_stream(backend: str) -> None:
    async def main() -> None:
        transport = ScriptedTransport(events("1", then=[Cut()]))
        calls: list[int] = []
        async with shttp.AsyncClient(transport=transport, clock=VirtualClock()) as client:

            async def headers() -> dict[str, str]:
                calls.append(1)
                if len(calls) == 2:
                    await stream.aclose()
                return {}

            stream: Any = client.stream("GET", URL, decoder=shttp.SSEText(), headers=headers)
            with pytest.raises(shttp.StreamClosed):
                async with stream:
                    [one async for one in stream]

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("again", [False, True])
def test_asyncios_own_cancellation_leaves_nothing_behind(steps: int, again: bool) -> None:
    """It heeds no shield, and comes at any step of leaving the block."""

    async def main() -> None:
        store = shttp.MemoryStore()
        checkpoint = shttp.Checkpoint(store, "k")
        leaving = asyncio.Event()

        async def read(client: shttp.AsyncClient) -> None:
            options: Any = {"decoder": shttp.SSEText(), "checkpoint": checkpoint}
            async with client.stream("GET", URL, **options) as stream:
                async for item in stream:
                    if item == "3":
                        break
                leaving.set()

        async with shttp.AsyncClient(transport=ScriptedTransport(events(*TEN))) as client:
            task = asyncio.create_task(read(client))
            await leaving.wait()
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            if again:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait([task])
            for _ in range(1000):  # a thread may still be at it
                try:
                    async with client.stream("GET", URL, checkpoint=checkpoint):
                        break
                except shttp.ConfigurationError:
                    await asyncio.sleep(0.001)
            else:
                raise AssertionError("the key is held")
        if not again:
            cursor = store.get("k")
            assert cursor is not None
            assert cursor.value == "2"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


@pytest.mark.parametrize("steps", range(4))
def test_asyncios_own_cancellation_ends_all_that_is_merged(steps: int) -> None:
    async def main() -> None:
        leaving = asyncio.Event()

        async def read() -> None:
            answer = lambda _: Response(body=[event("x", id=1), Stall()])  # noqa: E731
            options: Any = {"decoder": shttp.Raw()}
            requests = [shttp.Request("GET", URL, key=key, **options) for key in "abc"]
            transport = ScriptedTransport(answer)
            async with (
                shttp.AsyncClient(transport=transport) as client,
                client.merge(requests) as merged,
            ):
                async for _ in merged:
                    break
                leaving.set()

        task = asyncio.create_task(read())
        await leaving.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        for _ in range(100):
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


# Errors that are the user's ------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [1, 4])
async def test_what_is_no_exception_reaches_the_caller_alone(pulled: Face, at_once: int) -> None:
    async def work(item: str) -> str:
        if not pulled.sync:
            await anyio.lowlevel.checkpoint()
        if item == "3":
            raise Outcome
        return item

    async with (
        texts(pulled, events(*TEN)) as client,
        client.stream("GET", URL, decoder=shttp.SSEText()) as stream,
    ):
        with pytest.raises(Outcome):
            await stream.process(pulled.fn(work), at_once)


@pytest.mark.parametrize("at_once", [1, 2])
async def test_the_error_of_another_stream_keeps_its_own_cursor(pulled: Face, at_once: int) -> None:
    other = shttp.ConnectionLost("the other broke off")
    other.request, other.items = "GET http://other/", ["x"]

    async def work(item: str) -> str:
        raise other

    async with (
        texts(pulled, events(*TEN)) as client,
        client.stream("GET", URL, decoder=shttp.SSEText()) as stream,
    ):
        with pytest.raises(shttp.ConnectionLost) as caught:
            await stream.map(pulled.fn(work), at_once).collect()
    assert caught.value is other
    assert (other.cursor, other.items) == (None, ["x"])


@pytest.mark.parametrize("seconds", [None, 60])
async def test_that_another_stream_was_closed_drops_no_item(pulled: Face, seconds: Any) -> None:
    async def work(item: str) -> str:
        if item == "6":
            raise shttp.StreamClosed("another stream was closed")
        return item

    got: list[Any] = []
    async with (
        texts(pulled, events(*TEN)) as client,
        client.stream("GET", URL, decoder=shttp.SSEText()) as stream,
    ):
        with pytest.raises(shttp.StreamClosed, match="another stream"):
            async for batch in stream.map(pulled.fn(work)).batches(100, seconds=seconds):
                got += batch
    assert got == TEN[:5]


# Merges --------------------------------------------------------------------------------------


async def test_a_merge_that_ended_once_is_closed_like_any_other(pulled: Face) -> None:
    routes = {"/a": events("1"), "/b": Response(body=[event("x", id=1), Stall()])}
    async with pulled.client(transport=ScriptedTransport(routes)) as client:
        first = shttp.Request("GET", "http://host/a", key="a")
        async with client.merge([first]) as merged:
            assert len([one async for one in merged]) == 1
            merged.add(shttp.Request("GET", "http://host/b", key="b", decoder=shttp.Raw()))
            assert (await anext(merged))[0] == "b"

            async def read() -> Any:
                return await anext(merged)

            reader = pulled.spawn(read)
            await pulled.sleep(0.01)
            await merged.aclose()
            with pytest.raises(shttp.StreamClosed):
                await reader


async def test_a_key_that_fails_twice_tells_of_both(pulled: Face) -> None:
    routes = {"/a": Response(status=404), "/a2": Response(status=403), "/b": events(*TEN)}
    async with pulled.client(transport=ScriptedTransport(routes)) as client:
        requests = [shttp.Request("GET", f"http://host/{key}", key=key) for key in "ab"]
        async with client.merge(requests) as merged:
            count = 0
            with pytest.raises(shttp.StreamsFailed) as caught:
                async for _ in merged:
                    count += 1
                    if count == 10:
                        again = shttp.Request("GET", "http://host/a2", key="a")
                        await pulled.until(lambda: merged._roster.sources["a"].finished)
                        merged.add(again)
    told = str(caught.value)
    assert told.startswith("2 of 3 streams failed: ")
    assert "404" in told
    assert "403" in told


# Progress ------------------------------------------------------------------------------------


class Gone(io.StringIO):
    """A console that nobody can write to from some moment on."""

    gone = False

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError("gone")
        return super().write(text)


@pytest.mark.parametrize("since", [0, 3])
async def test_a_console_that_fails_harms_no_stream(
    pulled: Face, since: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("streamable_http.progress._SHOW_SECONDS", 0.0)
    out, store, got = Gone(), shttp.MemoryStore(), list[str]()
    out.gone = not since
    console = Console(file=out, force_terminal=True)
    async with texts(pulled, events(*TEN)) as client:
        options: Any = {"decoder": shttp.SSEText(), "checkpoint": shttp.Checkpoint(store, "k")}
        async with client.stream("GET", URL, **options) as stream:
            inner = getattr(stream, "inner", stream)
            tracked: Any = shttp.track(inner, console=console)
            while len(got) < 6:
                got.append(next(tracked) if pulled.sync else await anext(tracked))
                out.gone = out.gone or len(got) == since
    assert got == TEN[:6]
    saved = store.get("k")
    assert saved is not None
    assert saved.value == "5"
    assert "progress cannot be shown" in caplog.text
