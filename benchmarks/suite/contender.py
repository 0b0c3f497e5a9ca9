"""What a contender is: a function that opens a stream, and yields an iterable of its items."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from importlib.util import find_spec
from typing import Any, NamedTuple


class Target(NamedTuple):
    """What to read.

    Attributes:
        url: Of the workload.
        verify: What trusts the server, where there is TLS.
        items: How many there will be, for clients that would connect again after the last.
    """

    url: str
    verify: ssl.SSLContext | bool = True
    items: int = 0


Opens = Callable[[Target], AbstractContextManager[Iterable[Any]]]
AsyncOpens = Callable[[Target], AbstractAsyncContextManager[AsyncIterable[Any]]]


class Contender(NamedTuple):
    """One way to read a workload.

    Attributes:
        name: As the report calls it.
        gives: What an item is: a name in `payloads.WEIGHS`.
        opens: The sync way, or
        opens_async: the async one.
        needs: The modules without which it is left out.
        quick: Whether a quick run has it, too.
        script: A program of Node.js in the place of both.
    """

    name: str
    gives: str
    opens: Opens | None = None
    opens_async: AsyncOpens | None = None
    needs: tuple[str, ...] = ()
    quick: bool = False
    script: str = ""

    def missing(self) -> list[str]:
        return [name for name in self.needs if find_spec(name) is None]


def sync(name: str, gives: str, read: Callable[[Target], Iterator[Any]], **more: Any) -> Contender:
    """A contender of a generator that yields its iterable once."""
    return Contender(name, gives, opens=contextmanager(read), **more)


def asynchronous(
    name: str, gives: str, read: Callable[[Target], AsyncIterator[Any]], **more: Any
) -> Contender:
    return Contender(name, gives, opens_async=asynccontextmanager(read), **more)
