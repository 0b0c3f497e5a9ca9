"""The server of one run: real sockets, with the model's answers and the plan's faults."""

from __future__ import annotations

import socket
import threading
from random import Random
from typing import Any, Self

import httpx
from attrs import evolve
from simulation.life import Life
from simulation.scenario import Fault
from simulation.server import Answer

from streamable_http import Connecting, StreamEvent
from streamable_http.testing import RecordedRequest, Reset, ScriptedServer, Wire

from .kinds import KINDS, untroubled
from .trial import Trial
from .wire import Scene

__all__ = ["Host", "as_httpx"]

_REFUSED = "refused"
_LOST = "lost before head"
_HANG_UP_SECONDS = 15.0


class Host:
    """Serves one run on a port of its own. Start it with `with`.

    Attributes:
        met: The kinds of the faults that befell it.
        broken: What the server saw that must not be.
    """

    def __init__(self, trial: Trial, life: Life) -> None:
        self.met: list[str] = []
        self.broken: BaseException | None = None
        self._trial, self._life = trial, life
        self._plan = list(trial.scenario.plan)
        self._rng = Random(trial.seed)
        self._spoiled = False
        self._lock = threading.Lock()
        self._up: ScriptedServer | None = None
        self._elsewhere: ScriptedServer | None = None

    def __enter__(self) -> Self:
        # Bound, so that nobody else gets the port, and not listening: while no server does, it
        # refuses connections.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self._port: int = self._reserved.getsockname()[1]
        if any(fault.kind == "redirect elsewhere" for fault in self._trial.faults):
            self._elsewhere = ScriptedServer(self._answer).__enter__()
        self._start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()
        if self._elsewhere is not None:
            self._elsewhere.__exit__(None, None, None)
        self._reserved.close()

    @property
    def url(self) -> str:
        """Where the stream is."""
        return f"http://127.0.0.1:{self._port}/feed"

    def begin(self) -> None:
        """A process starts: what it does not have is forgotten."""
        with self._lock:
            self._life.processes += 1
            self._life.network.reached = self._life.ledger.done

    def hook(self, event: StreamEvent) -> None:
        """Refuses the connection that is about to be made, if that is next."""
        if not isinstance(event, Connecting):
            return
        if self._next_is_refusal():
            self._befallen(self._next())
            if self._up is not None and self._up.open:
                # One that is kept for reuse goes down with the server, perhaps a moment too late.
                self._life.network.met.append(_LOST)
            self._stop()
        elif self._up is None:
            self._start()

    def hung_up(self) -> bool:
        """Whether no connection of the client's is left open."""
        servers = [server for server in (self._up, self._elsewhere) if server is not None]
        return all(
            server.wait_for(lambda server=server: server.open == 0, _HANG_UP_SECONDS)  # type: ignore[misc]
            for server in servers
        )

    # Answers ---------------------------------------------------------------------------------

    def _answer(self, request: RecordedRequest) -> Wire:
        try:
            return Wire(self._steps(request))
        except Exception as exc:
            self.broken = exc
            return Wire([Reset()])

    def _steps(self, request: RecordedRequest) -> Any:
        life = self._life
        with self._lock:
            life.network.opens += 1
            process = life.processes
            answer = life.network.server.answer(as_httpx(request), life.network.reached)
            if answer.blocks and not answer.ends:
                answer = evolve(answer, blocks=(0,))  # something else is before its blocks
            fault = self._next()
            if fault is not None:
                late = fault.kind == _REFUSED
                self._befallen(fault, _LOST if late else None)

            spoiled, self._spoiled = self._spoiled, fault is not None and KINDS[fault.kind].spoils

        def reached(items: int) -> None:
            with self._lock:
                if life.processes == process and not spoiled:
                    life.network.reached = max(life.network.reached, items)

        scenario = self._trial.scenario
        other = "" if self._elsewhere is None else self._elsewhere.url + "/feed"
        scene = Scene(fault or Fault(""), answer, scenario, self._rng, reached, other)
        if fault is not None:
            return KINDS[fault.kind].do(scene)
        if scenario.follow and answer.first == scenario.count and answer.status == 200:
            return untroubled(evolve(scene, answer=Answer(204)))
        return untroubled(scene)

    def _next(self) -> Fault | None:
        return self._plan.pop(0) if self._plan else self._trial.scenario.forever

    def _next_is_refusal(self) -> bool:
        fault = self._plan[0] if self._plan else self._trial.scenario.forever
        return fault is not None and fault.kind == _REFUSED

    def _befallen(self, fault: Fault | None, like: str | None = None) -> None:
        if fault is None:
            return
        self.met.append(fault.kind)
        like = like or KINDS[fault.kind].like
        if like is not None:
            self._life.network.met.append(like)

    def _start(self) -> None:
        self._up = ScriptedServer(self._answer, port=self._port).__enter__()

    def _stop(self) -> None:
        if self._up is not None:
            self._up.__exit__(None, None, None)
            self._up = None


def as_httpx(request: RecordedRequest) -> httpx.Request:
    """A recorded request in the form that the model server takes."""
    headers = [(name.encode(), value.encode("latin-1")) for name, value in request.headers.items()]
    return httpx.Request(request.method, request.url, headers=headers, content=request.body)
