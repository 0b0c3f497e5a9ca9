"""Who gets which answer: the state of one transport or server while it plays its scripts."""

from __future__ import annotations

import threading
from typing import Any

from .._errors import ConfigurationError
from ._script import (
    Playable,
    RecordedRequest,
    Refuse,
    Reply,
    Response,
    Routes,
    Script,
    ScriptExhausted,
    Wire,
    routes_of,
    script_of,
)

__all__ = ["Playing"]


class Playing:
    """Routes, what was played of each, and the requests so far. Safe between threads."""

    def __init__(self, routes: Routes | None, refused: type[Wire | Refuse]) -> None:
        self._scripts: dict[str, Script] = {}
        self._given: dict[str, int] = {}
        self._refused = refused
        self.requests: list[RecordedRequest] = []
        self.changed = threading.Condition()
        for route, script in ({} if routes is None else routes_of(routes)).items():
            self.serve(route, script)

    def serve(self, route: str, script: Playable) -> str:
        """Plays a script on a route from its beginning. Returns the path."""
        ((name, checked),) = routes_of({route: script_of(script)}).items()
        for one in checked.answers:
            self._check(one)
        with self.changed:
            self._scripts[name], self._given[name] = checked, 0
        return name.rpartition(" ")[2].replace("*", "/")

    def answer(self, request: RecordedRequest) -> Reply:
        """Records a request and says what it gets.

        Raises:
            ScriptExhausted: There is no answer for it (any more).
        """
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
            for name in (f"{request.method} {request.path}", request.path, "*"):
                if name in self._scripts:
                    break
            else:
                raise self._out(f"no route for {request.method} {request.target}")
            script, given = self._scripts[name], self._given[name]
            if given >= len(script.answers) and script.strict:
                raise self._out(
                    f"{request.method} {request.target} is request {given + 1} to a script of "
                    f"{len(script.answers)}"
                )
            self._given[name] = given + 1
            answer = script.answers[min(given, len(script.answers) - 1)]
        if isinstance(answer, (Response, Wire, Refuse)):
            return answer
        reply: Any = answer(request)
        if not isinstance(reply, (Response, Wire, Refuse)):
            raise ConfigurationError(
                f"the answer's function returned {reply!r}: return Response(…), or what makes one"
            )
        self._check(reply)
        return reply

    @staticmethod
    def _out(message: str) -> ScriptExhausted:
        return ScriptExhausted(f"the script has no answer: {message}")

    def _check(self, answer: object) -> None:
        if isinstance(answer, self._refused):
            where = "a ScriptedServer" if isinstance(answer, Wire) else "a ScriptedTransport"
            name = type(answer).__name__
            raise ConfigurationError(f"{name}(…) can be played by {where} only: choose that one")
