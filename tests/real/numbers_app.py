"""An ASGI app with sse-starlette, for every server that runs such apps.

/events?n=20      events 0 … n-1 with ids, then [DONE]; after Last-Event-ID, what is behind it
/events?…&cut=7   raises after 7 events, on every connection
/events?…&quiet=2 is silent for 2 s in the middle of what it sends; &ping=1 sends comments meanwhile
/feed?n=20&cut=7  the same, but the body ends properly after 7 events, and 204 follows the last one
/bulk?n=9         a large body of events, as fast as they are taken
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def number(request: Request, name: str, default: int) -> int:
    return int(request.query_params.get(name, default))


def start_of(request: Request) -> int:
    return int(request.headers.get("last-event-id", "-1")) + 1


def event(n: int, padding: int = 0) -> ServerSentEvent:
    return ServerSentEvent(json.dumps({"n": n, "é": "€" * padding}, ensure_ascii=False), id=str(n))


async def events(request: Request) -> Response:
    start, n, cut = start_of(request), number(request, "n", 20), number(request, "cut", 0)
    quiet = float(request.query_params.get("quiet", 0))

    async def body() -> AsyncIterator[ServerSentEvent]:
        for k in range(start, n):
            if cut and k - start == cut:
                raise RuntimeError("the generator of events fails")
            if quiet and k == n // 2 and not start:
                await asyncio.sleep(quiet)
            yield event(k)
        yield ServerSentEvent("[DONE]")

    return EventSourceResponse(body(), ping=number(request, "ping", 60))


async def feed(request: Request) -> Response:
    start, n, cut = start_of(request), number(request, "n", 20), number(request, "cut", 7)
    if start == n:
        return Response(status_code=204)

    async def body() -> AsyncIterator[ServerSentEvent]:
        for k in range(start, min(n, start + cut)):
            yield event(k)

    return EventSourceResponse(body())


async def bulk(request: Request) -> Response:
    start, n = start_of(request), number(request, "n", 1000)

    async def body() -> AsyncIterator[ServerSentEvent]:
        for k in range(start, n):
            yield event(k, padding=5000)
        yield ServerSentEvent("[DONE]")

    return EventSourceResponse(body())


app = Starlette(
    routes=[
        Route("/events", events, methods=["GET", "POST"]),
        Route("/feed", feed),
        Route("/bulk", bulk),
    ]
)
