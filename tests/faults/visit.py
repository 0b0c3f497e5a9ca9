"""Who takes the items, on every face, and what must be true of the cursor meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypeAlias

from attrs import define
from driver import Face
from simulation.consumers import Ledger

import streamable_http as shttp

__all__ = ["FLOWS", "Visit"]

Flow: TypeAlias = shttp.AsyncFlow[Any]


@define
class Visit:
    """One consumer of one stream.

    Attributes:
        stop: After how many items it stops, as a crash would; None once it came to an end.
        cursor: Where it would be gone on with.
    """

    face: Face
    stream: shttp.AsyncStream[Any]
    ledger: Ledger
    rng: Random
    stop: int | None
    cursor: shttp.Cursor | None

    async def run(self, consumer: str) -> None:
        """Takes what the flow of this name gives."""
        flow = FLOWS[consumer](self)
        ledger, taken = self.ledger, 0
        while self.stop is None or taken < self.stop:
            try:
                got = await anext(flow)
            except StopAsyncIteration:
                ledger.commit()
                self.stop, self.cursor = None, flow.cursor
                return
            except shttp.StreamError as exc:
                ledger.commit()
                ledger.check(flow.cursor, ledger.done)
                ledger.check(exc.cursor, ledger.done)
                self.cursor = flow.cursor
                raise
            ledger.commit()
            for item in got if consumer.endswith("batches") else [got]:
                ledger.take(item)
                taken += 1
            self._look(flow)
            if self.rng.random() < 0.2:
                flow.ack()
                ledger.commit()
                self._look(flow)
        ledger.hand = 0  # not done: it comes again
        ledger.check(flow.cursor, ledger.done)
        self.cursor = flow.cursor

    def _look(self, flow: Flow) -> None:
        if self.rng.random() < 0.3:
            self.ledger.check(flow.cursor, self.ledger.done)


def _mapped(visit: Visit, at_once: int) -> Flow:
    async def work(item: Any) -> Any:
        if at_once > 1:
            await visit.face.sleep(visit.rng.random() / 500)
        return item

    return visit.stream.map(visit.face.fn(work), max_concurrent=at_once)


FLOWS: Mapping[str, Callable[[Visit], Flow]] = {
    "loop": lambda visit: visit.stream,
    "batches": lambda visit: visit.stream.batches(visit.rng.choice((None, 1, 2, 3))),
    "map": lambda visit: _mapped(visit, 1),
    "concurrent map": lambda visit: _mapped(visit, 4),
    "map, batches": lambda visit: _mapped(visit, 3).batches(2),
}
