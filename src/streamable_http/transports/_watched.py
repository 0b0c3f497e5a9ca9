"""Looks out for the terminal in a body that somebody else reads, without touching it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from .._content import content_decoder
from .._decoders.choose import build_engine
from .._decoders.engine import Batch, Context, Engine
from .._decoders.media_types import parse_content_type
from .._decoders.sse import SSE
from .._decoders.sse_engine import SSEEngine
from .._decoders.sse_event import ServerSentEvent
from .._decoders.watch import check_watch, watch
from .._errors import ConfigurationError, StreamTruncated
from .._values import Headers, Limits, Terminal

__all__ = ["EventTerminal", "Watched", "checked_terminal", "is_watched"]

EventTerminal: TypeAlias = str | Terminal | Callable[[ServerSentEvent], bool]


def checked_terminal(terminal: EventTerminal) -> EventTerminal:
    """What ends a stream of events, checked.

    Raises:
        ConfigurationError: It ends none.
    """
    if not terminal:
        raise ConfigurationError(
            f"terminal={terminal!r} ends no stream: pass text such as '[DONE]', "
            f"Terminal(event=…), or a function of a ServerSentEvent"
        )
    check_watch(SSE(), Context(terminal=terminal))
    return terminal


def is_watched(status: int, headers: Headers) -> bool:
    """Whether a response is a stream of events, and not an error about one."""
    media_type = parse_content_type(headers.get("content-type", "")).media_type
    return 200 <= status < 300 and media_type == "text/event-stream"


class Watched:
    """One body, of which every byte is shown to it on its way to the reader.

    Attributes:
        problem: What came up and has to be told to the reader, or None.
    """

    def __init__(self, headers: Headers, terminal: EventTerminal, limits: Limits) -> None:
        """Begins with the head.

        Raises:
            ContentTypeError: The body has a content coding that cannot be undone.
        """
        self._terminal = terminal
        self._content = content_decoder(headers, limits)
        context = Context(headers=headers, limits=limits, terminal=terminal)
        self._test: Callable[[Batch[Any]], Batch[Any]] | None = watch(context)
        self._engine: Engine[Any] = (
            build_engine(SSE(), {}, context) if callable(terminal) else _Blind(context)
        )
        self._over = False
        self.problem: Exception | None = None

    def feed(self, data: bytes) -> None:
        """Takes the next bytes as they are on the wire; never raises for what is in them."""
        if self._over:
            return
        try:
            for piece in self._content.feed(data):
                self._read(piece)
                if self._over:
                    return
        except Exception as exc:
            self._over, self.problem = True, exc

    def finish(self) -> None:
        """The body has ended."""
        if isinstance(self._terminal, str) and not self._over:
            # A terminal that lacks only its blank line is met all the same: it is all there.
            self._read(b"\n\n")
        if self._over:
            return
        self._over = True
        self.problem = StreamTruncated(
            f"the body ended without the terminal {self._terminal!r}: the stream is not complete"
        )

    def _read(self, piece: bytes) -> None:
        batch: Batch[Any] = self._engine.feed(piece)
        if self._test is not None:
            batch = self._test(batch)
        self._over = batch.ended
        if batch.error is not None:
            raise batch.error


class _Blind(SSEEngine[None]):
    """Reads events for their ends and types only."""

    reads_bytes = True

    def make(self, event: str, data: bytes, event_id: str, retry: int | None) -> None:
        return None

    def make_all(self, events: Iterable[str], data: list[Any], ids: Iterable[str]) -> list[None]:
        return [None] * len(data)
