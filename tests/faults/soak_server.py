"""The faulty server of the soak, in a process of its own so that its memory is not measured."""

from __future__ import annotations

import multiprocessing
import threading
from multiprocessing.connection import Connection
from random import Random
from typing import Any, Self
from urllib.parse import urlsplit

from attrs import evolve
from simulation.scenario import Fault
from simulation.server import ModelServer
from simulation.truth import Resource

from streamable_http.testing import RecordedRequest, ScriptedServer, Wire

from .draw import draw, weighed
from .host import as_httpx
from .kinds import KINDS, untroubled
from .play import life_of
from .trial import Trial
from .wire import Scene

__all__ = ["Server", "resource_of", "trials"]

_TRIALS = 120
_CONNECTIONS = 2000
_FAULTY = 0.5
_POLL_SECONDS = 0.2
# What may end a stream too early in good order, so that nobody notices, or lead elsewhere.
_LEFT_OUT = ("early end", "204", "redirect")


def trials() -> list[Trial]:
    """The streams of the soak: honest servers of every kind, without faults of their own."""
    drawn = (draw(seed) for seed in range(20 * _TRIALS))
    honest = [one for one in drawn if one.scenario.manner == "honest" and not one.twins]
    honest = [one for one in honest if one.scenario.framing != "close"]
    return [
        evolve(one, scenario=evolve(one.scenario, plan=(), forever=None, stops=(), tries=3))
        for one in honest[:_TRIALS]
    ]


def resource_of(trial: Trial) -> Resource:
    """What a stream holds."""
    return life_of(trial).resource


class Server:
    """Serves the trials, each on the path of its number, and is a new one now and then.

    Attributes:
        url: Where it is now.
    """

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="soak-server")
        self.url = ""

    def __enter__(self) -> Self:
        self._process.start()
        self.url = self._ours.recv()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ours.send("stop")
        self._process.join()

    def refresh(self) -> None:
        """Follows it to its next place."""
        while self._ours.poll():
            self.url = self._ours.recv()


def _serve(pipe: Connection) -> None:
    answers = _Answers()
    while not pipe.poll():
        with ScriptedServer(answers) as server:
            answers.url = server.url
            pipe.send(server.url)
            while server.accepted < _CONNECTIONS and not pipe.poll(_POLL_SECONDS):
                pass


class _Answers:
    """Answers each request, and spoils about half of the answers."""

    def __init__(self) -> None:
        self.url = ""
        self._trials = trials()
        self._servers = [
            ModelServer(resource_of(one), one.scenario.server, "honest") for one in self._trials
        ]
        self._rng = Random(0)
        self._lock = threading.Lock()

    def __call__(self, request: RecordedRequest) -> Wire:
        return Wire(self._steps(request))

    def _steps(self, request: RecordedRequest) -> Any:
        number = int(urlsplit(request.url).path.rpartition("/")[2])
        scenario = self._trials[number].scenario
        with self._lock:
            answer = self._servers[number].answer(as_httpx(request), 0)
            rng = Random(self._rng.random())
        kinds = [kind for kind in KINDS if KINDS[kind].fits(scenario)]
        kinds = [kind for kind in kinds if not kind.startswith(_LEFT_OUT)]
        faulty = rng.random() < _FAULTY
        fault = weighed(kinds, rng) if faulty else Fault("")
        scene = Scene(fault, answer, scenario, rng, lambda _: None, self.url)
        return KINDS[fault.kind].do(scene) if faulty else untroubled(scene)
