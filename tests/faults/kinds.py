"""Every way in which a connection goes wrong on the wire, or only looks as if it did."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from attrs import evolve, frozen
from simulation.faults import FAULTS, Exchange, compressed
from simulation.scenario import Scenario

from streamable_http import DecodeError, LimitExceeded, ResumeError, StreamError
from streamable_http.testing import Cut, Delay, Reset, Stall, Step

from .wire import Scene, chunk, compress, drip, end, head

__all__ = ["KINDS", "Kind", "untroubled"]

Steps = Iterator[Step]

_HEARTBEAT_SECONDS = 0.1
_DRIP_SECONDS = 0.03
_LAST_HEARTBEAT = 100


@frozen
class Kind:
    """A kind of fault.

    Attributes:
        do: What goes over the wire.
        like: The fault of the simulation whose errors and cure it has; None if it is no fault.
        fits: Which scenarios it can befall.
        slow: Whether one of the client's clocks has to run out.
        spoils: Whether the next answer on the same connection may not arrive.
        also: What else the stream may fail with.
    """

    do: Callable[[Scene], Steps]
    like: str | None
    fits: Callable[[Scenario], bool] = lambda _: True
    slow: bool = False
    spoils: bool = False
    also: tuple[type[StreamError], ...] = ()


def untroubled(scene: Scene) -> Steps:
    """The answer as it is meant."""
    answer = scene.answer
    if answer.status == 200 and scene.scenario.gzip:
        coded = {**answer.headers, "content-encoding": "gzip"}
        return _respond(scene, Exchange(headers=coded, body=compress(answer, scene.rng)))
    return _respond(scene, _meant(scene))


def _meant(scene: Scene) -> Exchange:
    answer = scene.answer
    return Exchange(
        status=answer.status, headers=answer.headers, body=answer.body, ends=answer.ends
    )


def _framing(scene: Scene, exchange: Exchange) -> str:
    return scene.framing if exchange.status in {200, 206} else "length"


def _respond(
    scene: Scene, exchange: Exchange, *, last: Step | None = None, framing: str = ""
) -> Steps:
    """A response; `last` comes in place of its end."""
    framing = framing or _framing(scene, exchange)
    length = len(exchange.body) if exchange.length is None else exchange.length
    yield head(exchange.status, exchange.headers, framing, length)
    yield from scene.body(exchange, framing, arrives=not isinstance(last, Reset))
    if last is None:
        yield from end(framing)
    else:
        yield last


def _as_simulated(scene: Scene) -> Steps:
    return _respond(scene, scene.as_if(scene.fault.kind))


def _broken(scene: Scene, like: str, last: Step) -> Steps:
    return _respond(scene, scene.as_if(like), last=last)


def _cut_in_gzip(scene: Scene) -> Steps:
    return _respond(scene, scene.as_if("gzip cut"), last=scene.rng.choice((None, Cut())))


def _pair(scene: Scene) -> Steps:
    """Cut where no two events with one id are torn apart."""
    places = [0, *(place for place, items in scene.answer.ends if items % 2 == 0)]
    at = places[scene.fault.at % len(places)]
    yield from _broken(evolve(scene, fault=evolve(scene.fault, at=at)), "cut", Cut())


# Chunks ----------------------------------------------------------------------------------------

_NO_CHUNKS = {
    "chunk size no number": b"zz\r\n",
    "chunk size negative": b"-5\r\n",
    "chunk size missing": b"\r\n",
    "chunk size beyond all bounds": b"f" * 40 + b"\r\n",
    "chunk of 16 EiB, then cut": b"f" * 16 + b"\r\n",
    "chunk size that never ends": b"0" * 200_000,
    "chunk without its end": b"5\r\n\n\n\n\n\n7\r\n",
}


def _bad_chunk(scene: Scene, bad: bytes) -> Steps:
    # The last of them has a body of no account, which must not come between two halves of an item.
    scene = scene.at_block() if b"\n\n" in bad else scene
    exchange = scene.as_if("cut")
    yield head(exchange.status, exchange.headers, "chunked", 0)
    yield from scene.body(exchange, "chunked")
    yield bad
    yield Cut()


def _extended(scene: Scene) -> Steps:
    """Chunk extensions and trailers, which mean nothing."""
    exchange = _meant(scene)
    if exchange.status not in {200, 206}:
        yield from _respond(scene, exchange)
        return
    yield head(exchange.status, exchange.headers, "chunked", 0)
    for piece in scene.body(exchange, ""):
        yield chunk(piece, ';a=1;b="x"')
    yield b"0\r\nX-Trailer: 1\r\nContent-Length: 3\r\n\r\n"


# Heads -----------------------------------------------------------------------------------------

_BAD_HEADS = {
    "head of another protocol": b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "head too large": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000 + b"\r\n\r\n",
    "head with two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "head with a length that is none": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "head with nonsense": b"HTTP/1.1 200 OK\r\n\0\xff: \x01\r\n no colon\r\n\r\n",
}


def _bad_head(scene: Scene, bad: bytes) -> Steps:
    yield bad
    yield Cut()


def _head_of(scene: Scene) -> bytes:
    exchange = _meant(scene)
    framing = _framing(scene, exchange)
    return head(exchange.status, exchange.headers, framing, len(exchange.body))


def _half_a_head(scene: Scene, last: Step) -> Steps:
    whole = _head_of(scene)
    half = whole[: scene.fault.at % len(whole)]
    if half:
        yield half
    yield last


def _slow_head(scene: Scene) -> Steps:
    yield from drip(_head_of(scene)[:-2] + b"x-late: " + b"x" * 200, _DRIP_SECONDS)
    yield Cut()


def _dripping_head(scene: Scene) -> Steps:
    """Slow, but not too slow."""
    whole = untroubled(scene)
    first = next(whole)
    if isinstance(first, bytes):
        yield from drip(first[:50], 0.001)
        first = first[50:]
    yield first
    yield from whole


def _interim(scene: Scene) -> Steps:
    yield b"HTTP/1.1 100 Continue\r\n\r\n"
    yield b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    yield from untroubled(scene)


def _old_protocol(scene: Scene) -> Steps:
    exchange = _meant(scene)
    yield head(exchange.status, exchange.headers, "close", 0, version="1.0")
    yield from scene.body(exchange, "close")
    yield Cut()


# Bodies ----------------------------------------------------------------------------------------


def _heartbeats(scene: Scene) -> Steps:
    scene = scene.at_block()
    exchange = scene.as_if("heartbeats only")
    beat = b":\n\n" if scene.scenario.form.startswith("sse") else b"\n"
    framing = _framing(scene, exchange)
    beats = exchange.body + beat * _LAST_HEARTBEAT
    yield head(exchange.status, exchange.headers, framing, len(beats))
    yield from scene.body(exchange, framing)
    for _ in range(_LAST_HEARTBEAT):
        yield chunk(beat) if framing == "chunked" else beat
        yield Delay(_HEARTBEAT_SECONDS)
    yield Cut()


def _slow_body(scene: Scene) -> Steps:
    """Bytes, but too few for an item in time; then they come as they should."""
    exchange = evolve(_meant(scene), ends=())
    framing = _framing(scene, exchange)
    at = scene.fault.at % (len(exchange.body) + 1)
    yield head(exchange.status, exchange.headers, framing, len(exchange.body))
    for start, stop in ((0, at), (at, at + 80), (at + 80, len(exchange.body))):
        for piece in scene.body(evolve(exchange, body=exchange.body[start:stop]), ""):
            for byte in drip(piece, _DRIP_SECONDS) if stop == at + 80 else (piece,):
                yield chunk(byte) if framing == "chunked" and isinstance(byte, bytes) else byte
    yield from end(framing)


def _behind_the_end(scene: Scene, more: Step) -> Steps:
    *steps, last = untroubled(scene)
    yield from steps
    # Bytes come with the last ones: what comes later is seen by who looks before the next request.
    if isinstance(last, bytes) and isinstance(more, bytes):
        yield last + more
    else:
        yield last
        yield more


def _endless(scene: Scene, start: str = "") -> Steps:
    """An item, a line or a comment that never ends."""
    scene = scene.at_block()
    exchange = scene.as_if("cut")
    if not start:
        start = "data: " if scene.scenario.form.startswith("sse") else '"'
    yield head(exchange.status, exchange.headers, "chunked", 0)
    yield from scene.body(exchange, "chunked")
    yield chunk(start.encode())
    yield from itertools.repeat(chunk(b"x" * 8192), 2_000)
    yield Cut()


def _coded(scene: Scene, packed: bytes) -> Steps:
    headers = {**scene.answer.headers, "content-encoding": "gzip"}
    return _respond(scene, Exchange(headers=headers, body=packed))


@functools.cache
def _explosive(line: bytes) -> bytes:
    return compressed(line * 100_000)


def _bomb(scene: Scene) -> Steps:
    """100 MB of lines that hold nothing."""
    scene = scene.at_block()
    blanks = {"sse": b":", "csv": b"\n"}
    line = blanks.get(scene.scenario.form.partition("-")[0], b" ") * 999
    before = compressed(scene.answer.body[: scene.fault.at])
    scene = evolve(scene, scenario=evolve(scene.scenario, chunks="whole"))
    return _coded(scene, before + _explosive(line + b"\n"))


def _bad_checksum(scene: Scene) -> Steps:
    packed = compressed(scene.answer.body, [place for place, _ in scene.answer.ends])
    return _coded(scene, packed[:-8] + b"\0\1\2\3" + packed[-4:])


def _behind_gzip(scene: Scene) -> Steps:
    return _coded(scene, compressed(scene.answer.body) + b"more")


def _anywhere(scenario: Scenario) -> bool:
    return True


def _by_blocks(scenario: Scenario) -> bool:
    return scenario.form not in {"raw", "lines", "frames", "multipart"}


def _may_be_longer(scenario: Scenario) -> bool:
    """Whether bytes of no account may be put between two items."""
    return _by_blocks(scenario) and scenario.server != "range"


def _by_lines(scenario: Scenario) -> bool:
    return scenario.form != "raw"


def _is_events(scenario: Scenario) -> bool:
    return scenario.form.startswith("sse") and scenario.server != "range"


def _closed(scenario: Scenario) -> bool:
    return scenario.framing == "close"


def _nothing(scene: Scene) -> Steps:
    yield Reset()  # in the midst of redirects, where it is too late to refuse


_LIKE_BEFORE = "lost before head"
_STRANGER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ndata: 0\n\n"
_AS_SIMULATED = {
    name: Kind(_as_simulated, name)
    for name in FAULTS
    if name.isdigit()
    or name.startswith("redirect")
    or name in {"early end", "web page", "gzip corrupt", "garbage", "failure inside"}
}

KINDS: Mapping[str, Kind] = {
    "cut": Kind(partial(_broken, like="cut", last=Cut()), "cut"),
    "cut behind a pair": Kind(_pair, "cut", lambda _: False),
    "reset": Kind(partial(_broken, like="reset", last=Reset()), "reset"),
    "stall": Kind(partial(_broken, like="stall", last=Stall()), "stall", slow=True),
    "heartbeats only": Kind(_heartbeats, "heartbeats only", _may_be_longer, slow=True),
    "slow body": Kind(_slow_body, "heartbeats only", slow=True),
    "no head": Kind(partial(_half_a_head, last=Stall()), "no head", slow=True),
    "slow head": Kind(_slow_head, "no head", slow=True),
    "dripping head": Kind(_dripping_head, None),
    "refused": Kind(_nothing, "refused"),
    "cut in the head": Kind(partial(_half_a_head, last=Cut()), _LIKE_BEFORE),
    "reset in the head": Kind(partial(_half_a_head, last=Reset()), _LIKE_BEFORE),
    "hang-up behind the end": Kind(partial(_behind_the_end, more=Cut()), _LIKE_BEFORE),
    "bytes behind the end": Kind(
        partial(_behind_the_end, more=b"HTTP/1.1 2"), _LIKE_BEFORE, spoils=True
    ),
    "answer to nobody": Kind(partial(_behind_the_end, more=_STRANGER), _LIKE_BEFORE, spoils=True),
    "interim responses": Kind(_interim, None),
    "HTTP/1.0": Kind(_old_protocol, None, _closed),
    "chunk extensions, trailers": Kind(_extended, None, lambda run: run.framing == "chunked"),
    **{
        name: Kind(
            partial(_bad_chunk, bad=bad), "cut", _may_be_longer if b"\n\n" in bad else _anywhere
        )
        for name, bad in _NO_CHUNKS.items()
    },
    **{name: Kind(partial(_bad_head, bad=bad), _LIKE_BEFORE) for name, bad in _BAD_HEADS.items()},
    **_AS_SIMULATED,
    "endless comment": Kind(partial(_endless, start=": "), "cut", _is_events),
    "endless item": Kind(_endless, "garbage", _by_lines, also=(LimitExceeded, ResumeError)),
    "gzip cut": Kind(_cut_in_gzip, "gzip cut"),
    "gzip bomb": Kind(_bomb, "gzip corrupt", _by_blocks, also=(LimitExceeded,)),
    "gzip checksum wrong": Kind(_bad_checksum, "gzip corrupt", also=(DecodeError,)),
    "gzip with bytes behind": Kind(_behind_gzip, "gzip corrupt", also=(DecodeError,)),
}
"""By name, as the table shows it."""
