"""One test, every face: a test is written once, against the async face, and runs on all of them.

On threads the same coroutine is stepped by hand: the sync stream stands behind an adapter whose
methods can be awaited and never suspend.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Literal, TypeVar, cast

import anyio
import attrs
import httpx2
import trio

from streamable_http import AsyncClient, AsyncFlow, AsyncStream, Client, Flow, Merged, RetryPolicy
from streamable_http.transports import httpx2 as on_httpx2

__all__ = ["FAST", "Face", "Running", "step"]

R = TypeVar("R")

Runtime = Literal["threads", "asyncio", "trio"]
HTTP = Literal["ours", "ours on httpx2", "httpx", "httpx2"]

FAST = RetryPolicy(stop=5, wait=lambda _: 0.0, min_delay=0.0)
"""The default policy without its waits."""

_PLAIN = ssl.create_default_context()  # made once: reading the system's certificates takes time


def step(coroutine: Coroutine[Any, Any, R]) -> R:
    """Runs a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as exc:
        return cast("R", exc.value)
    coroutine.close()
    raise AssertionError("a coroutine suspended on the sync face")


@attrs.frozen
class Face:
    """One way to use the library."""

    runtime: Runtime
    prefetch: int = 0
    http: HTTP = "ours"

    def __str__(self) -> str:
        return f"{self.runtime}-{self.prefetch}-{self.http}"

    @property
    def sync(self) -> bool:
        return self.runtime == "threads"

    @contextlib.asynccontextmanager
    async def client(self, **options: Any) -> AsyncIterator[AsyncClient]:
        """A client of this face, or what looks like one."""
        options = {"prefetch": self.prefetch, "retry": FAST, **options}
        if self.http == "httpx":
            options["transport"] = "httpx"
        async with contextlib.AsyncExitStack() as stack:
            if self.http.endswith("httpx2"):
                verify = options.pop("verify", _PLAIN)
                network: dict[str, Any] = {"verify": verify, "trust_env": False}
                if self.http.startswith("ours"):
                    kind = on_httpx2.HTTPTransport if self.sync else on_httpx2.AsyncHTTPTransport
                    network = {"transport": kind(**network), "trust_env": False}
                if self.sync:
                    options["http"] = stack.enter_context(httpx2.Client(**network))
                else:
                    http = httpx2.AsyncClient(**network)
                    options["http"] = await stack.enter_async_context(http)
            else:
                options = {"verify": _PLAIN, "trust_env": False, **options}
            if self.sync:
                client = stack.enter_context(Client(**options))
                yield cast("AsyncClient", _AwaitedClient(client))
            else:
                yield await stack.enter_async_context(AsyncClient(**options))

    def fn(self, function: Callable[..., Coroutine[Any, Any, R]]) -> Callable[..., Any]:
        """An async function in the form that this face's operators take."""
        return (lambda *args: step(function(*args))) if self.sync else function

    async def sleep(self, seconds: float) -> None:
        if self.sync:
            time.sleep(seconds)  # noqa: ASYNC251  # no loop runs here
        else:
            await anyio.sleep(seconds)

    async def until(self, condition: Callable[[], bool], seconds: float = 5.0) -> None:
        """Returns once `condition` is true, whoever makes it so."""
        limit = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < limit, "it did not come true in time"
            await self.sleep(0.001)

    def spawn(self, function: Callable[..., Coroutine[Any, Any, R]], *args: Any) -> Running[R]:
        """Runs a coroutine in another thread or task."""
        running = Running(self, function(*args))
        running.start()
        return running

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs a test and sees that it leaves no task behind."""
        match self.runtime:
            case "threads":
                step(main())
            case "asyncio":
                asyncio.run(_on_asyncio(main))
            case "trio":
                trio.run(_on_trio, main)


async def _on_asyncio(main: Callable[[], Awaitable[None]]) -> None:
    await main()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks are left: {left}"


async def _on_trio(main: Callable[[], Awaitable[None]]) -> None:
    before = trio.lowlevel.current_statistics().tasks_living
    await main()
    await trio.lowlevel.checkpoint()
    left = trio.lowlevel.current_statistics().tasks_living - before
    assert not left, f"{left} tasks are left"


class Running(Awaitable[R]):
    """A coroutine in another thread or task; await it for its result."""

    def __init__(self, face: Face, coroutine: Coroutine[Any, Any, R]) -> None:
        self._face, self._coroutine = face, coroutine
        self._result: R
        self._error: BaseException | None = None
        self._scope: anyio.CancelScope | None = None
        self._handle: Any = None
        self.done = False

    def start(self) -> None:
        if self._face.sync:
            self._handle = threading.Thread(target=lambda: step(self._main()), name="test-spawned")
            self._handle.start()
            return
        self._scope = anyio.CancelScope()
        if self._face.runtime == "asyncio":
            self._handle = asyncio.get_running_loop().create_task(self._main())
        else:
            self._handle = trio.lowlevel.spawn_system_task(self._main)

    def cancel(self) -> None:
        assert self._scope is not None, "threads cannot be cancelled"
        self._scope.cancel()

    async def _main(self) -> None:
        try:
            with self._scope or contextlib.nullcontext():
                self._result = await self._coroutine
        except BaseException as exc:
            self._error = exc
        finally:
            self.done = True

    async def settled(self, seconds: float = 5.0) -> None:
        """Returns once it is over, however it ended."""
        await self._face.until(lambda: self.done, seconds)
        if self._face.sync:
            self._handle.join()

    async def _wait(self) -> R:
        await self.settled()
        if self._error is not None:
            raise self._error
        return self._result

    def __await__(self) -> Any:
        return self._wait().__await__()


class _Awaited:
    """Gives through whatever needs no waiting."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    async def aclose(self) -> None:
        self.inner.close()

    async def __aenter__(self) -> Any:
        self.inner.__enter__()
        return self

    async def __aexit__(self, *exc_info: Any) -> None:
        self.inner.__exit__(*exc_info)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self.inner)
        except StopIteration:
            raise StopAsyncIteration from None


class _AwaitedFlow(_Awaited):
    inner: Flow[Any]

    async def open(self) -> Any:
        cast("Any", self.inner).open()
        return self

    def map(self, *args: Any, **options: Any) -> AsyncFlow[Any]:
        return cast("AsyncFlow[Any]", _AwaitedFlow(self.inner.map(*args, **options)))

    def batches(self, *args: Any, **options: Any) -> AsyncFlow[Any]:
        return cast("AsyncFlow[Any]", _AwaitedFlow(self.inner.batches(*args, **options)))

    async def process(self, *args: Any, **options: Any) -> Any:
        return self.inner.process(*args, **options)

    async def write_to(self, *args: Any, **options: Any) -> Any:
        return cast("Any", self.inner).write_to(*args, **options)

    async def reduce(self, *args: Any) -> Any:
        return self.inner.reduce(*args)

    async def collect(self, *args: Any, **options: Any) -> Any:
        return self.inner.collect(*args, **options)


class _AwaitedMerged(_Awaited):
    inner: Merged[Any]

    async def remove(self, key: Any) -> None:
        self.inner.remove(key)


class _AwaitedClient(_Awaited):
    inner: Client

    def stream(self, *args: Any, **options: Any) -> AsyncStream[Any]:
        return cast("AsyncStream[Any]", _AwaitedFlow(self.inner.stream(*args, **options)))

    def merge(self, *args: Any, **options: Any) -> Any:
        return _AwaitedMerged(self.inner.merge(*args, **options))

    async def gather(self, *args: Any, **options: Any) -> Any:
        return self.inner.gather(*args, **options)
