"""What the decoder tests share: feeding cut bytes, and noting all that an engine tells."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from streamable_http._decoders.adapted import Adapted
from streamable_http._decoders.engine import Context, Engine, Position, Spec


@dataclass
class Told:
    """All that an engine told about a body."""

    items: list[Any] = field(default_factory=list)
    positions: list[Position] = field(default_factory=list)
    digests: list[bytes | None] = field(default_factory=list)
    end: Position | None = None
    error: tuple[Any, ...] | None = None
    ended: bool = False
    event_id: str = ""
    retry_ms: int | None = None
    skipped: int = 0


def tell(engine: Engine[Any], chunks: list[bytes], *, framed: bool = True) -> Told:
    told = Told()
    for batch in [*map(engine.feed, chunks), engine.finish(framed=framed)]:
        if told.error is not None or told.ended:
            assert (batch.items, batch.error, batch.ended, batch.end) == ([], None, False, None)
        told.items += batch.items
        told.positions += map(batch.marks.position, range(len(batch.items)))
        told.digests += map(batch.marks.digest, range(len(batch.items)))
        assert not batch.items or batch.size > 0 or isinstance(engine, Adapted)
        told.end = batch.end or told.end
        told.ended = told.ended or batch.ended
        if batch.error is not None:
            told.error = facts(batch.error)
    told.event_id, told.retry_ms, told.skipped = engine.event_id, engine.retry_ms, engine.skipped
    return told


def facts(error: Exception) -> tuple[Any, ...]:
    names = ("index", "offset", "excerpt", "limit", "seen", "item")
    return (type(error), str(error), *(getattr(error, name, None) for name in names))


def tell_spec(spec: Spec[Any], chunks: list[bytes], *, framed: bool = True, **context: Any) -> Told:
    return tell(spec.build(Context(**context)), chunks, framed=framed)


def cut(body: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(body) + 1) for place in places), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(bounds)]


def every_cut(body: bytes) -> list[list[bytes]]:
    """All at once, in two pieces at every byte, byte by byte."""
    pairs = [[body[:place], body[place:]] for place in range(len(body) + 1)]
    return [[body], *pairs, [body[i : i + 1] for i in range(len(body))]]


cuts = st.lists(st.integers(0, 10_000), max_size=12)
