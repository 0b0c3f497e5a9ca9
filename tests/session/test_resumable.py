"""Whatever happens to a resumable stream: each item once and in order, or a documented error."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from playbook import After, head, last_event_id, session

from streamable_http._decoders.sse import SSEText
from streamable_http._effects import Close, Emit, Open, Read, Sleep
from streamable_http._errors import (
    ConnectError,
    ConnectionLost,
    RetriesExhausted,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)
from streamable_http._retry import RetryPolicy
from streamable_http._session import Session
from streamable_http._values import Limits, Timeouts

FAULTS: list[Any] = [
    "end",
    ConnectError("refused"),
    ConnectionLost("reset"),
    TimeoutExceeded("idle", kind="idle"),
    TimeoutExceeded("first_byte", kind="first_byte"),
    "503",
    "404",
]


class Server:
    """Sends its events from the one after `Last-Event-ID` on, until the plan says otherwise.

    Events that have no ID are sent again with those after the ID they follow.
    """

    def __init__(self, with_id: list[bool], plan: list[tuple[int, Any, list[int]]]) -> None:
        self.blocks = [
            (b"id: %d\n" % number if has_id else b"") + b"data: %d\n\n" % number
            for number, has_id in enumerate(with_id)
        ]
        self.end = b"data: [DONE]\n\n"
        self.plan = plan
        self.body: Iterator[Any] = iter(())

    def open(self, effect: Open) -> Any:
        last = last_event_id(effect)
        first = int(last) + 1 if last else 0
        body = b"".join(self.blocks[first:]) + self.end
        size, fault, cuts = self.plan.pop(0) if self.plan else (len(body), None, [])
        if isinstance(fault, (ConnectError, TimeoutExceeded)) and fault is not FAULTS[3]:
            return fault
        if fault in {"503", "404"}:
            self.body = iter([b""])
            return head(int(fault))
        stop = size % (len(body) + 1) if fault is not None else len(body)
        places = [0, *sorted(cut % (stop + 1) for cut in cuts), stop]
        pieces = [body[a:b] for a, b in itertools.pairwise(places)]
        self.body = iter([*[piece for piece in pieces if piece], *self._fault(fault)])
        return head()

    def _fault(self, fault: Any) -> list[Any]:
        return [b""] if fault in {None, "end"} else [fault]

    def answer(self, effect: object) -> Any:
        match effect:
            case Open():
                return self.open(effect)
            case Read():
                return next(self.body)
            case Close() | Emit() | Sleep():
                return None
            case _:
                raise AssertionError(effect)


def play(stream: Session[Any], server: Server) -> list[str]:
    items: list[str] = []
    while (effect := stream.effect) is not None:
        if isinstance(effect, Emit):
            items += effect.batch.items
        if isinstance(effect, Sleep):
            stream.now += effect.seconds
        answer = server.answer(effect)
        if isinstance(answer, After):
            stream.now += answer.seconds
            answer = answer.answer
        if isinstance(answer, StreamError):
            # A fresh one each time: the session adds evidence to it.
            kind = {"kind": answer.kind} if isinstance(answer, TimeoutExceeded) else {}
            stream.fail(type(answer)(str(answer), **kind))
        else:
            stream.reply(answer)
    return items


connections = st.lists(
    st.tuples(st.integers(0, 2000), st.sampled_from(FAULTS), st.lists(st.integers(0, 2000))),
    max_size=30,
)


@settings(max_examples=400)
@given(with_id=st.lists(st.booleans(), max_size=40), plan=connections, tries=st.integers(1, 6))
def test_every_item_once_or_a_documented_error(
    with_id: list[bool], plan: list[tuple[int, Any, list[int]]], tries: int
) -> None:
    server = Server(with_id, plan)
    policy = RetryPolicy(stop=tries, wait=lambda _: 1.0)
    stream = session(SSEText(), terminal="[DONE]", retry=policy)
    items = play(stream, server)
    assert items == [str(number) for number in range(len(items))]
    assert stream.stats.items == len(items)
    if stream.error is None:
        event("complete")
        assert len(items) == len(with_id)
        assert stream.stats.ended == "terminal"
        return
    event(type(stream.error).__name__)
    documented = (ConnectError, StreamTruncated, TimeoutExceeded, StatusError, RetriesExhausted)
    assert isinstance(stream.error, documented)
    assert stream.stats.ended is None


@settings(max_examples=200)
@given(
    count=st.integers(1, 60),
    faults=st.lists(st.tuples(st.integers(1, 2000), st.integers(0, 2)), max_size=60),
)
def test_with_ids_and_progress_no_number_of_cuts_is_too_many(
    count: int, faults: list[tuple[int, int]]
) -> None:
    """Each connection brings at least one event, so the budget of two tries never runs out."""
    server = Server([True] * count, [])
    stream = session(
        terminal="[DONE]", retry=RetryPolicy(stop=2, wait=lambda _: 60.0, max_delay=60)
    )

    def next_plan(effect: Open) -> Any:
        last = last_event_id(effect)
        first = int(last) + 1 if last else 0
        if first < count and faults:
            size, kind = faults.pop()
            fault = [ConnectionLost("reset"), "end", FAULTS[3]][kind]
            room = len(b"".join(server.blocks[first:])) + len(server.end)
            least = len(server.blocks[first])
            server.plan = [(least + size % (room - least), fault, [])]
        return Server.open(server, effect)

    server.open = next_plan  # type: ignore[method-assign]
    assert play(stream, server) == [str(number) for number in range(count)]
    assert stream.error is None
    assert stream.stats.elapsed == 60 * stream.stats.retries


@settings(max_examples=100)
@given(
    with_id=st.lists(st.booleans(), max_size=20),
    cuts=st.lists(st.integers(0, 2000)),
    items=st.none() | st.integers(1, 25),
    size=st.none() | st.integers(1, 400),
)
def test_limits_cut_at_the_same_item_however_bytes_are_cut(
    with_id: list[bool], cuts: list[int], items: int | None, size: int | None
) -> None:
    def run(places: list[int]) -> tuple[list[str], str]:
        server = Server(with_id, [(10**9, None, places)])
        limits = Limits(max_items=items, max_stream_bytes=size)
        stream = session(terminal="[DONE]", limits=limits, retry=RetryPolicy(stop=1))
        return play(stream, server), type(stream.error).__name__

    assert run(cuts) == run([])


@settings(max_examples=100)
@given(plan=connections, total=st.integers(1, 50))
def test_total_is_never_passed_by_a_wait(plan: list[Any], total: int) -> None:
    server = Server([True] * 10, plan)
    policy = RetryPolicy(stop=50, wait=lambda state: float(state.attempt_number))
    stream = session(terminal="[DONE]", retry=policy, timeouts=Timeouts(total=total))
    play(stream, server)
    assert stream.stats.elapsed <= total
