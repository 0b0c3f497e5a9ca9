"""What happens in a run: drawn from a seed, or put together by hand."""

from __future__ import annotations

from attrs import field, frozen

__all__ = ["Fault", "Scenario"]


@frozen
class Fault:
    """What befalls one connection.

    Attributes:
        kind: A key of `faults.FAULTS`.
        at: The byte of the body where it happens, modulo its size; or the block.
        value: Seconds of a `Retry-After`.
    """

    kind: str
    at: int = 0
    value: float | None = None


@frozen(kw_only=True)
class Scenario:
    """One run, but for what `seed` decides on the way.

    Attributes:
        seed: Of whatever is left to chance: chunks, jitter, acknowledgements, noise.
        form: The format, a key of `truth.DECODERS`.
        count: Items of the stream.
        ids: "all", "some", "first", "none", "reset" (now and then an empty one), "odd" (some that
            no header can carry) or "unicode".
        noise: Whether there is something between items: comments, heartbeats, `retry:`, ids alone.
        repeats: Whether items look the same now and then.
        terminal: "none", "text" (not delivered), "event" or "predicate" (the last item).
        framing: "chunked", "length", or "close".
        gzip: Whether the body is compressed.
        server: How the server goes on: "last-event-id", "range", "query", "body", "header", or
            "none": every answer begins with the first item.
        manner: Which of the manners of such a server it has; a key of `server.MANNERS`.
        resume: What the client is told: "default", "off", "last-event-id", "range", "item", "key".
        method: The request's method.
        follow: Whether the end of a response is only a pause.
        plan: What befalls the first connections, over all processes.
        forever: What befalls all others.
        tries: The retry budget.
        total: The clock of that name, or None.
        chunks: How bodies are cut: "whole", "bytes" or "random".
        consumer: A key of `consumers.CONSUMERS`.
        stops: After how many of its items each process stops; a later one runs to the end.
        insist: Whether a process that failed is started again from the error's cursor.
    """

    seed: int = 0
    form: str = "sse"
    count: int = 4
    ids: str = "all"
    noise: bool = False
    repeats: bool = False
    terminal: str = "none"
    framing: str = "chunked"
    gzip: bool = False
    server: str = "last-event-id"
    manner: str = "honest"
    resume: str = "default"
    method: str = "GET"
    follow: bool = False
    plan: tuple[Fault, ...] = ()
    forever: Fault | None = None
    tries: int = 5
    total: float | None = None
    chunks: str = "whole"
    consumer: str = "loop"
    stops: tuple[int, ...] = field(default=())
    insist: bool = False
