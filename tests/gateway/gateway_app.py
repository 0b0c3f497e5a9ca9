"""A gateway to the server that UPSTREAM names, as an app for any ASGI server.

/relay/PATH?decoder=sse&…    hands on what GET /PATH of the upstream gives; see `relayed`
/wrapped/PATH?…              the same behind a middleware that reads every message
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

import streamable_http as shttp
from streamable_http.starlette import last_event_id, relay

DECODERS: dict[str, Any] = {
    "sse": shttp.SSE(),
    "comments": shttp.SSE(comments=True),
    "text": shttp.SSEText(),
    "data": shttp.SSEData(),
    "ndjson": shttp.NDJSON(),
    "lines": shttp.Lines(),
    "raw": shttp.Raw(),
}


@contextlib.asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    retry = shttp.RetryPolicy(stop=2, wait=lambda _: 0.0, min_delay=0.0)
    async with shttp.AsyncClient(os.environ["UPSTREAM"], retry=retry, trust_env=False) as client:
        app.state.client = client
        yield


async def relayed(request: Request) -> Response:
    query = request.query_params
    once = shttp.RetryPolicy(stop=1) if "once" in query else None
    stream = request.app.state.client.stream(
        "GET",
        f"/{request.path_params['path']}",
        decoder=DECODERS.get(query.get("decoder", "")),
        start=last_event_id(request),
        terminal=query.get("ends"),
        timeout=shttp.Timeouts(first_byte=float(query.get("first_byte", 60))),
        retry=once,
    )
    return relay(
        stream,
        heartbeat=float(query.get("heartbeat", 15)),
        media_type=query.get("type"),
        terminal=query.get("ends"),
        failure=query.get("failure"),
    )


async def ready(request: Request) -> Response:
    return PlainTextResponse("ready")


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


wrapped = Mount(
    "/wrapped",
    routes=[Route("/{path:path}", relayed)],
    middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)],
)
app = Starlette(
    routes=[Route("/ready", ready), Route("/relay/{path:path}", relayed), wrapped],
    lifespan=lifespan,
)
