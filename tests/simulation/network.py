"""The network in memory: performs what a session asks for, in virtual time, badly."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import Any

import anyio
import httpx
from attrs import define, field

import streamable_http as shttp
from streamable_http._call import Call, build_request
from streamable_http._effects import Close, Effect, Emit, Open, Read, Sleep
from streamable_http._lease import Lease
from streamable_http._session import Session
from streamable_http._values import ResponseInfo

from .faults import Exchange, befall, gzipped
from .scenario import Fault, Scenario
from .server import Answer, ModelServer

__all__ = ["HTTP", "BrokenRule", "Network", "VirtualTime"]

HTTP = httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(500)))


class BrokenRule(Exception):
    """The library did what it must not do, whatever the network does."""


@define
class VirtualTime:
    """A clock that only we move."""

    rng: Random
    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def jitter(self) -> float:
        return self.rng.random()

    def wait(self, woken: threading.Event, seconds: float | None) -> None:
        raise BrokenRule("nothing waits here")

    async def wait_async(self, woken: anyio.Event, seconds: float | None) -> None:
        raise BrokenRule("nothing waits here")


@define
class Network:
    """All connections of all processes of one run.

    Attributes:
        opens: Requests so far.
        effects: Effects so far.
        met: The kinds of the faults that befell connections.
        reached: Items that the client has had completely, in this process.
        slept: The waits so far, in seconds.
        session: Of the stream of this process.
        had_before: Items that earlier processes had.
    """

    scenario: Scenario
    server: ModelServer
    clock: VirtualTime
    rng: Random
    policy: shttp.RetryPolicy
    opens: int = 0
    effects: int = 0
    met: list[str] = field(factory=list)
    plan: list[Fault] = field(factory=list)
    reached: int = 0
    slept: float = 0.0
    session: Session[Any] | None = None
    had_before: int = 0

    @property
    def had(self) -> int:
        """Items that the client has had; of a compressed one it may have all before its flush."""
        decoded = 0 if self.session is None else self.session.decoded
        return max(self.reached, self.had_before + decoded)

    def next_fault(self) -> Fault | None:
        fault = self.plan.pop(0) if self.plan else self.scenario.forever
        if fault is not None:
            self.met.append(fault.kind)
        return fault

    def untroubled(self, answer: Answer) -> Exchange:
        """What the client meets of an answer that nothing befalls."""
        nothing_new = answer.first == self.scenario.count
        if self.scenario.manner in {"inclusive", "ignores"}:  # they begin with what is had
            nothing_new = self.had == self.scenario.count
        if self.scenario.follow and nothing_new:
            return Exchange(status=204)
        return gzipped(answer) if self.scenario.gzip else befall(None, answer, "")

    def attach(self, stream: shttp.Stream[Any]) -> None:
        """From now on `stream` talks to this network alone."""
        opening = stream._opening
        make = opening.pump

        def pump() -> Any:
            made = make()
            real = made._performer
            self.session, self.had_before = made.session, self.reached
            made._performer = _Performer(self, real._call, real.lease)  # type: ignore[assignment]
            return made

        opening.pump = pump  # type: ignore[method-assign]


class _Performer:
    """Stands in for `Performer`: what it does to an HTTP client, this does to the model."""

    def __init__(self, network: Network, call: Call, lease: Lease) -> None:
        self.lease = lease
        self._network = network
        self._call = call
        self._body: Iterator[bytes] | None = None
        self._exchange = Exchange()
        self._read = 0

    def perform(self, effect: Effect) -> object:
        network = self._network
        network.effects += 1
        if network.effects > 200_000:
            raise BrokenRule("it never ends")
        match effect:
            case Open():
                return self._open(effect)
            case Read():
                return self._next()
            case Sleep():
                self._sleep(effect.seconds)
            case Close():
                self.release()
            case Emit():
                raise BrokenRule("the pump hands batches over by itself")
        return None

    def release(self, *, drain: bool = False) -> None:
        self._body = None

    def _open(self, effect: Open) -> ResponseInfo:
        network = self._network
        if self._body is not None:
            raise BrokenRule("a connection is open while another is opened")
        network.opens += 1
        fault = network.next_fault()
        request, _ = build_request(HTTP, self._call.for_attempt(), effect, self.lease)
        answer = network.server.answer(request, network.had)
        exchange = befall(fault, answer, network.scenario.framing)
        if fault is None and answer.status == 200:
            exchange = network.untroubled(answer)
        self._exchange, self._read = exchange, 0
        if exchange.failure is not None:
            network.clock.time += exchange.seconds
            raise exchange.failure
        self._body = self._chunks(exchange.body)
        return _head(exchange, network.scenario.framing, str(request.url))

    def _next(self) -> bytes:
        if self._body is None:
            raise BrokenRule("a read without a connection")
        network, exchange = self._network, self._exchange
        chunk = next(self._body, b"")
        if chunk:
            self._read += len(chunk)
            place = bisect_right(exchange.ends, self._read, key=lambda pair: pair[0])
            if place:
                network.reached = max(network.reached, exchange.ends[place - 1][1])
            return chunk
        if exchange.last is not None:
            network.clock.time += exchange.seconds
            self.release()
            raise exchange.last
        return b""

    def _chunks(self, body: bytes) -> Iterator[bytes]:
        network = self._network
        network.clock.time += 0.01
        cut = network.scenario.chunks
        if not body:
            return iter(())
        if cut == "whole":
            return iter((body,))
        if cut == "bytes":
            return iter([body[at : at + 1] for at in range(len(body))])
        count = network.rng.randrange(8)
        places = sorted({0, len(body), *(network.rng.randrange(len(body)) for _ in range(count))})
        return iter([body[start:stop] for start, stop in pairwise(places)])

    def _sleep(self, seconds: float) -> None:
        network, policy = self._network, self._network.policy
        longest = policy.max_delay * 1.0 + policy.min_delay
        if not 0 <= seconds <= longest:
            raise BrokenRule(f"a wait of {seconds} s, and at most {longest} s are allowed")
        if self._body is not None:
            raise BrokenRule("a connection is open while the stream waits")
        network.slept += seconds
        network.clock.time += seconds


def _head(exchange: Exchange, framing: str, url: str) -> ResponseInfo:
    headers = dict(exchange.headers)
    if framing == "length" or exchange.status not in {200, 206}:
        length = len(exchange.body) if exchange.length is None else exchange.length
        headers["content-length"] = str(length)
    elif framing == "chunked":
        headers["transfer-encoding"] = "chunked"
    media_type = headers.get("content-type", "").partition(";")[0]
    return ResponseInfo(
        status_code=exchange.status,
        headers=shttp.Headers(headers.items()),
        url=url,
        media_type=media_type,
    )
