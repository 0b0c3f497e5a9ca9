"""Who takes the items, and what must be true of the cursor while they do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from attrs import define

import streamable_http as shttp
from streamable_http._turns import Over, Turns

from .truth import Resource, values_of

__all__ = ["CONSUMERS", "Foul", "Ledger", "Visit"]


class Foul(Exception):
    """Something was delivered that must not be.

    Attributes:
        kind: "lost", "repeated", "garbled" or "cursor".
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


@define
class Ledger:
    """What the consumer has, over all its lives.

    Attributes:
        done: Items that are done with; a restart must go on behind them.
        hand: Items that were handed out since.
    """

    resource: Resource
    done: int = 0
    hand: int = 0

    def take(self, item: Any) -> None:
        """An item is handed out."""
        expected = self.resource.items
        for value in values_of(self.resource.format, item):
            place = self.done + self.hand
            if place >= len(expected) or value != expected[place]:
                raise Foul(self._wrong(value, place), f"{value!r} came as item {place}")
            self.hand += 1

    def _wrong(self, value: Any, place: int) -> str:
        if value in self.resource.items[:place]:
            return "repeated"
        return "lost" if value in self.resource.items[place:] else "garbled"

    def commit(self) -> None:
        """What is in hand is done."""
        self.done += self.hand
        self.hand = 0

    def check(self, cursor: shttp.Cursor | None, done: int) -> None:
        """The cursor stands behind `done` items: never further, and no less far."""
        if cursor is None:
            return
        if self.resource.format != "raw" and cursor.count != done:
            raise Foul("cursor", f"it counts {cursor.count} items, and {done} are done with")
        place = self._place(cursor)
        if place is not None and place != done:
            raise Foul("cursor", f"it stands behind {place} items, and {done} are done with")

    def _place(self, cursor: shttp.Cursor) -> int | None:
        if cursor.kind == "last-event-id":
            if cursor.value not in self.resource.after:
                raise Foul("cursor", f"the id {cursor.value!r} was never sent")
            return self.resource.after[cursor.value] + len(cursor.behind)
        if cursor.kind == "byte-range":
            return sum(place <= int(cursor.value) for place in self.resource.places())
        return None


@define
class Visit:
    """One consumer of one stream.

    Attributes:
        stop: After how many items it stops, as a crash would; None once it came to an end.
        cursor: Where it would be gone on with.
    """

    stream: shttp.Stream[Any]
    ledger: Ledger
    rng: Random
    stop: int | None
    cursor: shttp.Cursor | None

    def look(self, flow: shttp.Flow[Any]) -> None:
        if self.rng.random() < 0.3:
            self.ledger.check(flow.cursor, self.ledger.done)


def _each(visit: Visit, flow: shttp.Flow[Any], *, lists: bool) -> None:
    """Takes what a flow gives, one after the other."""
    ledger, taken = visit.ledger, 0
    while visit.stop is None or taken < visit.stop:
        try:
            got = next(flow)
        except StopIteration:
            ledger.commit()
            visit.stop, visit.cursor = None, flow.cursor
            return
        except shttp.StreamError as exc:
            ledger.commit()
            ledger.check(flow.cursor, ledger.done)
            ledger.check(exc.cursor, ledger.done)
            visit.cursor = flow.cursor
            raise
        ledger.commit()
        for item in got if lists else [got]:
            ledger.take(item)
            taken += 1
        visit.look(flow)
        if visit.rng.random() < 0.2:
            flow.ack()
            ledger.commit()
            visit.look(flow)
    ledger.hand = 0  # not done: it comes again
    ledger.check(flow.cursor, ledger.done)
    visit.cursor = flow.cursor


def _loop(visit: Visit) -> None:
    _each(visit, visit.stream, lists=False)


def _batches(visit: Visit) -> None:
    size = visit.rng.choice((None, 1, 2, 3))
    _each(visit, visit.stream.batches(size), lists=True)


def _mapped(visit: Visit) -> None:
    _each(visit, visit.stream.map(lambda item: item), lists=False)


def _map_batches(visit: Visit) -> None:
    flow = visit.stream.map(lambda item: item).batches(2).map(lambda items: items)
    _each(visit, flow, lists=True)


class _AtWork:
    """A concurrent map without threads: which work ends next is a matter of chance."""

    def __init__(self, visit: Visit, *, ordered: bool) -> None:
        self._visit, self._stream = visit, visit.stream
        self._turns = Turns[Any](visit.stream._mark(), ordered=ordered)
        self._working: list[tuple[Any, int, Any]] = []
        self._entered = 0
        self._sizes: list[int] = []
        self._settled: set[int] = set()
        self._in_hand: int | None = None
        self._exhausted = False

    def run(self) -> None:
        visit, rng = self._visit, self._visit.rng
        popped = 0
        while visit.stop is None or popped < visit.stop:
            if self._turns.ready() and rng.random() < 0.5:
                try:
                    self._pop()
                except Over:
                    visit.stop = None
                    break
                except shttp.StreamError:
                    self._finish()
                    raise
                popped += 1
            elif self._working and rng.random() < 0.5:
                ticket, number, item = self._working.pop(rng.randrange(len(self._working)))
                self._turns.leave(ticket, (number, item))
            elif not self._exhausted and len(self._working) < 4:
                self._pull()
        self._finish()

    def _pull(self) -> None:
        try:
            item = next(self._stream)
        except StopIteration:
            self._exhausted = True
            self._turns.finish()
        except shttp.StreamError as exc:
            self._exhausted = True
            self._turns.finish(exc)
        else:
            ledger = self._visit.ledger
            before = ledger.hand
            ledger.take(item)
            self._sizes.append(ledger.hand - before)
            ticket = self._turns.enter(self._stream._mark())
            self._working.append((ticket, self._entered, item))
            self._entered += 1

    def _pop(self) -> None:
        in_hand, self._in_hand = self._in_hand, None
        if in_hand is not None:
            self._settled.add(in_hand)
        self._in_hand, _ = self._turns.pop()
        self._look()

    def _look(self) -> int:
        low = 0
        while low in self._settled:
            low += 1
        ledger, done = self._visit.ledger, sum(self._sizes[:low])
        ledger.check(self._stream._cursor_at(self._turns.low_water), ledger.done + done)
        return done

    def _finish(self) -> None:
        ledger = self._visit.ledger
        if self._visit.stop is not None and self._in_hand is not None:
            self._in_hand = None  # not done: it comes again
        ledger.done += self._look()
        ledger.hand = 0
        self._visit.cursor = self._stream._cursor_at(self._turns.low_water)


def _turns(visit: Visit) -> None:
    _AtWork(visit, ordered=True).run()


def _turns_unordered(visit: Visit) -> None:
    _AtWork(visit, ordered=False).run()


CONSUMERS: Mapping[str, Callable[[Visit], None]] = {
    "loop": _loop,
    "batches": _batches,
    "map": _mapped,
    "map, batches": _map_batches,
    "concurrent map": _turns,
    "unordered map": _turns_unordered,
}
