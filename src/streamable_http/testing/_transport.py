"""Scripts as a transport: what httpx's and httpx2's have in common."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .._clock import SYSTEM, Clock
from .._lease import LeaseTimeout
from .._values import Headers
from ._body import Played
from ._playing import Playing
from ._script import Playable, RecordedRequest, Refuse, Reply, Response, Routes, Wire

__all__ = ["Transport"]


class Transport:
    """A transport that plays scripts, without a socket; the base of both `ScriptedTransport`."""

    _flavour: ModuleType
    _body: type[Played]

    def __init__(self, script: Routes | None = None, *, clock: Clock | None = None) -> None:
        """A transport.

        Args:
            script: A `Script`, a single answer, or a mapping of routes to these. A route is a
                path, as "/feed", or "POST /feed", or "*" for every other request.
            clock: What `Delay` and `Stall` wait by. Default: the clock of the `streamable_http`
                client that sends the request, and real time for other clients.

        Raises:
            ConfigurationError: A value is wrong, or an answer needs a server.
        """
        self._clock = clock
        self._playing = Playing(script, Wire)

    @property
    def requests(self) -> list[RecordedRequest]:
        """Every request so far, in order of arrival."""
        return self._playing.requests

    def serve(self, route: str, script: Playable) -> None:
        """Plays a script on a route, from its beginning."""
        self._playing.serve(route, script)

    def _respond(self, request: Any) -> Any:
        request.read()
        played, response = self._play(request)
        played.begin()
        return self._head(response, played)

    async def _respond_async(self, request: Any) -> Any:
        await request.aread()
        played, response = self._play(request)
        await played.begin_async()
        return self._head(response, played)

    def _play(self, request: Any) -> tuple[Played, Response]:
        reply: Reply = self._playing.answer(self._recorded(request))
        if isinstance(reply, Refuse):
            raise self._flavour.ConnectError("the script refuses the connection")
        assert isinstance(reply, Response)  # noqa: S101  # the others were refused
        return self._body(reply, request, self._flavour, self._clock), reply

    def _recorded(self, request: Any) -> RecordedRequest:
        raw: list[tuple[bytes, bytes]] = request.headers.raw
        timeout = request.extensions.get("timeout", {}).get("read")
        own = timeout.lease.clock if isinstance(timeout, LeaseTimeout) else SYSTEM
        return RecordedRequest(
            method=request.method,
            url=str(request.url),
            headers=Headers(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in raw
            ),
            body=request.content,
            at=(self._clock or own).now(),
            connection=len(self._playing.requests),
        )

    def _head(self, response: Response, played: Played) -> Any:
        return self._flavour.Response(
            response.status,
            # As the server sends them: given text, httpx would take ASCII only.
            headers=[
                (name.encode("ascii"), value.encode("latin-1")) for name, value in response.fields
            ],
            stream=played,
            extensions={"http_version": b"HTTP/1.1"},
        )
