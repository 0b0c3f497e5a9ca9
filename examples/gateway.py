"""A FastAPI app that hands a service's streams on to clients of its own.

pip install fastapi 'streamable-http[demo]'
streamable-http serve
uvicorn --app-dir examples gateway:app
curl -N http://127.0.0.1:8000/users
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, Response

import streamable_http as shttp
from streamable_http.starlette import last_event_id, relay

UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:3001")


class User(TypedDict):
    id: int
    name: str
    country: str


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with shttp.AsyncClient(UPSTREAM) as client:
        app.state.client = client
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/users")
async def users(after: Annotated[str | None, Depends(last_event_id)]) -> Response:
    """Server-sent events as they are; a reader that was cut off goes on with `Last-Event-ID`."""
    stream = app.state.client.stream(
        "GET", "/stream/users?limit=1000", decoder=shttp.SSE(), terminal="[DONE]", start=after
    )
    return relay(stream, terminal="[DONE]", heartbeat=10)


@app.get("/names")
async def names(country: str) -> Response:
    """Some of them as NDJSON, with what the client need not see left out."""

    def shown(user: User) -> dict[str, str] | None:
        return {"name": user["name"]} if user["country"] == country else None

    stream = app.state.client.stream(
        "GET", "/stream/users?limit=1000", decoder=shttp.SSEData(User), terminal="[DONE]"
    )
    return relay(stream, media_type="application/x-ndjson", convert=shown)
