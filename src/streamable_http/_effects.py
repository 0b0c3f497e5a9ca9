"""The steps of a stream that somebody else must perform, and nothing else.

The session is a generator that yields these; a face (threads, asyncio, trio, a test's script)
performs them and replies. `chunk = yield from Read()` is statically `bytes`: each effect carries
the type of its reply, so the session holds no Any. There is one for each batch, so they are of the
cheapest kind.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec

from ._decoders.engine import Batch
from ._values import ResponseInfo

__all__ = ["Close", "Effect", "Emit", "Open", "Patch", "Read", "Sleep", "Steps", "Target"]

R = TypeVar("R")


class _Effect(msgspec.Struct, Generic[R], frozen=True):
    def __iter__(self) -> Generator[Effect, Any, R]:
        reply: R = yield self  # type: ignore[misc]  # the union below is closed: every effect is in it
        return reply


class Target(msgspec.Struct, frozen=True):
    """Where an attempt goes, seen from the caller's own request.

    Attributes:
        method: The method.
        url: The absolute URL, or None for the one that the caller gave.
        body: Whether the caller's body goes along.
        bare: Another origin: nothing of the caller's (headers, cookies, auth, body) goes along.
    """

    method: str
    url: str | None = None
    body: bool = True
    bare: bool = False


class Patch(msgspec.Struct, frozen=True):
    """What a request for the rest of a stream changes in the caller's own.

    Attributes:
        headers: Headers in lower case, which replace the caller's.
        params: Query parameters, which replace the URL's.
        json: A merge patch of the JSON body (RFC 7396), or None.
    """

    headers: tuple[tuple[str, bytes], ...] = ()
    params: Mapping[str, str] = {}
    json: Any = None


class Open(_Effect[ResponseInfo], frozen=True):
    """Send the request, without following redirects, and reply with the response's head.

    Attributes:
        target: Where it goes.
        headers: What kind of stream is wanted; the caller's own headers win over these.
        patch: Where the stream is to go on; the caller's own request gives way to this.
    """

    target: Target
    headers: tuple[tuple[str, bytes], ...] = ()
    patch: Patch = Patch()


class Read(_Effect[bytes], frozen=True):
    """Reply with the next bytes of the body as they are on the wire; b"" means that it ended.

    Attributes:
        within: Seconds that are left for this and all later reads of the body, or None where only
            the clocks bound them.
    """

    within: float | None = None


class Emit(_Effect[None], frozen=True):
    """Hand a batch to the consumer; reply once it asks for more."""

    batch: Batch[Any]


class Sleep(_Effect[None], frozen=True):
    """Wait this many seconds; `close()` ends the wait."""

    seconds: float


class Close(_Effect[None], frozen=True):
    """Give the connection up. With `drain`, read the little that is left so that it is reused."""

    drain: bool = False


Effect: TypeAlias = Open | Read | Emit | Sleep | Close
Steps: TypeAlias = Generator[Effect, Any, R]
