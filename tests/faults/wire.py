"""Bytes on the wire: heads, framing and pieces, and who was sent what."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from random import Random

from attrs import evolve, frozen
from simulation.faults import Exchange, befall, compressed
from simulation.scenario import Fault, Scenario
from simulation.server import Answer

from streamable_http.testing import Cut, Delay, Step

__all__ = ["Scene", "chunk", "compress", "drip", "end", "head", "pieces"]


@frozen
class Scene:
    """One answer on its way, and what is to befall it.

    Attributes:
        fault: What; its kind is one of the wire.
        answer: What the server means to say.
        scenario: The run.
        rng: Decides the rest.
        reached: Told how many items were sent whole, where they surely arrive.
        elsewhere: The URL of another origin.
    """

    fault: Fault
    answer: Answer
    scenario: Scenario
    rng: Random
    reached: Callable[[int], None]
    elsewhere: str

    @property
    def framing(self) -> str:
        """How the scenario's bodies are framed."""
        return self.scenario.framing

    def as_if(self, kind: str) -> Exchange:
        """What the client is to meet, if this were a fault of the simulation's."""
        exchange = befall(evolve(self.fault, kind=kind), self.answer, self.framing)
        location = exchange.headers.get("location", "")
        if location.startswith("http:"):
            moved = {**exchange.headers, "location": self.elsewhere}
            return evolve(exchange, headers=moved)
        return exchange

    def at_block(self) -> Scene:
        """The same, with the fault between two blocks."""
        blocks = self.answer.blocks or (0,)
        return evolve(self, fault=evolve(self.fault, at=blocks[self.fault.at % len(blocks)]))

    def body(self, exchange: Exchange, framing: str, *, arrives: bool = True) -> Iterator[bytes]:
        """The body in pieces; what was sent is noted once the kernel has taken it."""
        sent = 0
        for piece in pieces(exchange.body, self.scenario.chunks, self.rng):
            yield chunk(piece) if framing == "chunked" else piece
            sent += len(piece)
            whole = [items for place, items in exchange.ends if place <= sent]
            if arrives and whole:
                self.reached(max(whole))


def head(
    status: int,
    headers: Mapping[str, str],
    framing: str,
    length: int,
    *,
    version: str = "1.1",
    more: Sequence[str] = (),
) -> bytes:
    """The head of a response."""
    lines = [f"HTTP/{version} {status} Faulty"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if status != 204:
        match framing:
            case "chunked":
                lines.append("transfer-encoding: chunked")
            case "length":
                lines.append(f"content-length: {length}")
            case _:
                lines.append("connection: close")
    return "\r\n".join([*lines, *more, "", ""]).encode("latin-1")


def chunk(data: bytes, extension: str = "") -> bytes:
    """One chunk of a chunked body."""
    return b"%x%b\r\n%b\r\n" % (len(data), extension.encode(), data)


def end(framing: str) -> Iterator[Step]:
    """The end of a body in good order."""
    if framing == "chunked":
        yield b"0\r\n\r\n"
    elif framing == "close":
        yield Cut()


def pieces(body: bytes, how: str, rng: Random) -> Iterator[bytes]:
    """A body, cut up as the scenario says."""
    if how == "whole":
        places = [0, len(body)]
    elif how == "bytes":
        places = [*range(len(body) + 1)]
    else:
        cuts = [rng.randrange(len(body) + 1) for _ in range(rng.randrange(8))]
        places = sorted({0, len(body), *cuts})
    for start, stop in pairwise(places):
        if stop > start:
            yield body[start:stop]


def drip(data: bytes, seconds: float) -> Iterator[Step]:
    """Byte by byte, with a pause behind each."""
    for at in range(len(data)):
        yield data[at : at + 1]
        yield Delay(seconds)


def compress(answer: Answer, rng: Random) -> bytes:
    """The body in gzip: flushed, of many members, padded, or in one go."""
    ends = [place for place, _ in answer.ends]
    match rng.randrange(4):
        case 0:
            return compressed(answer.body, ends)
        case 1:
            places = sorted({0, *ends, len(answer.body)})
            members = [compressed(answer.body[a:b]) for a, b in pairwise(places)]
            return b"".join(members) or compressed(b"")
        case 2:
            return compressed(answer.body) + b"\0" * rng.randrange(1, 600)
    packer = zlib.compressobj(wbits=31)
    return packer.compress(answer.body) + packer.flush()
