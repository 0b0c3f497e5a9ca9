"""Scripted streams for your tests: as a transport, as a server, and in virtual time.

A script says what a server does, connection by connection. It is played as a transport of httpx
(`ScriptedTransport`) or httpx2 (`streamable_http.testing.httpx2`), or by a server on real sockets
(`ScriptedServer`). `streamable_http.testing.fixtures` has fixtures for pytest.
"""

from .._clock import Clock
from ._clock import VirtualClock
from ._httpx import ScriptedTransport
from ._responses import dripped, event, events, gzipped, ndjson, redirect, retry_after, truncated
from ._script import Answer, RecordedRequest, Refuse, Response, Script, ScriptExhausted, Wire
from ._server import ScriptedServer
from ._steps import Chunk, Cut, Delay, Reset, Stall, Step, Steps, Until

__all__ = [
    "Answer",
    "Chunk",
    "Clock",
    "Cut",
    "Delay",
    "RecordedRequest",
    "Refuse",
    "Reset",
    "Response",
    "Script",
    "ScriptExhausted",
    "ScriptedServer",
    "ScriptedTransport",
    "Stall",
    "Step",
    "Steps",
    "Until",
    "VirtualClock",
    "Wire",
    "dripped",
    "event",
    "events",
    "gzipped",
    "ndjson",
    "redirect",
    "retry_after",
    "truncated",
]
