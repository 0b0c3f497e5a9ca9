"""The service itself: an ASGI application with the three paths of a streaming data service."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .formats import FORMATS, Format, choose_format
from .parameters import InvalidParameters, Parameter, read_parameters
from .pressure import Pressure
from .records import ENDPOINTS, Endpoint
from .streaming import SWITCHES, Plan, RecordStream

__all__ = ["create_app"]

_LARGEST_BODY = 64 * 1024


def create_app() -> Starlette:
    """The demo data service, as an ASGI application.

    `GET /health`, `GET /info/{endpoint}`, `POST /stream/{endpoint}` (also `GET`, with the
    parameters in the query) and `GET /pressure`. Every error is JSON: `{"error": {...}}`.
    """
    pressure = Pressure()

    async def stream(request: Request) -> Response:
        return await _stream(request, pressure)

    async def show_pressure(request: Request) -> Response:
        del request
        return JSONResponse({"streams": pressure.report()})

    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/info/{endpoint}", _answering(_info)),
            Route("/stream/{endpoint}", _answering(stream), methods=["GET", "POST"]),
            Route("/pressure", show_pressure),
        ],
        exception_handlers={HTTPException: _refused},
    )


async def _health(request: Request) -> Response:
    del request
    return JSONResponse({"status": "ok", "endpoints": list(ENDPOINTS)})


async def _info(request: Request) -> Response:
    endpoint = _endpoint(request)
    parameters = _parameters(endpoint)
    values = read_parameters(parameters, request.query_params, text=True)
    return JSONResponse(
        {
            "name": endpoint.name,
            "description": endpoint.description,
            "total": endpoint.total(values),
            "formats": [form.media_type for form in FORMATS],
            "parameters": {parameter.name: parameter.describe() for parameter in parameters},
        }
    )


async def _stream(request: Request, pressure: Pressure) -> Response:
    endpoint = _endpoint(request)
    form = choose_format(request.headers.get("accept", ""))
    if form is None:
        formats = ", ".join(form.media_type for form in FORMATS)
        raise HTTPException(406, f"no such format here: Accept one of {formats}")
    if request.method == "POST":
        values = read_parameters(_parameters(endpoint), await _json_body(request))
    else:
        values = read_parameters(_parameters(endpoint), request.query_params, text=True)
    if values["fail_after"] is not None and form.failure({}) is None:
        raise InvalidParameters({"fail_after": f"{form.media_type} cannot report a failure"})
    plan = Plan.of(endpoint, values, _start(request, form, endpoint.total(values)))
    head_only = request.method == "HEAD"
    return RecordStream(plan, form, pressure, label=values["label"], head_only=head_only)


def _endpoint(request: Request) -> Endpoint:
    name = request.path_params["endpoint"]
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        raise HTTPException(404, f"no endpoint {name!r}: there are {', '.join(ENDPOINTS)}")
    return endpoint


def _parameters(endpoint: Endpoint) -> tuple[Parameter, ...]:
    return (endpoint.sizing, *SWITCHES)


async def _json_body(request: Request) -> Mapping[str, Any]:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY:
            raise HTTPException(413, f"the body is larger than {_LARGEST_BODY:,} bytes")
    try:
        values: Any = msgspec.json.decode(bytes(body) or b"{}")
    except (ValueError, RecursionError) as exc:
        raise HTTPException(400, f"the body is not JSON: {exc}") from exc
    if not isinstance(values, dict):
        raise HTTPException(422, "the body is not a JSON object of parameters")
    return cast("dict[str, Any]", values)


def _start(request: Request, form: Format, total: int) -> int:
    """How many records the client has, by its `Last-Event-ID`; never a guess."""
    last = request.headers.get("last-event-id", "")
    if not last:
        return 0
    if not form.has_ids:
        raise InvalidParameters({"Last-Event-ID": f"{form.media_type} has no event IDs"})
    known = last.isascii() and last.isdigit() and len(last) <= len(str(total))
    if not known or last.startswith("0") or not 1 <= int(last) <= total:
        raise InvalidParameters({"Last-Event-ID": f"{last!r:.80} is no record of 1 to {total:,}"})
    return int(last)


def _answering(
    handler: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """Turns refused parameters into an answer that names each of them."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except InvalidParameters as exc:
            error = {"type": "invalid_parameters", "message": str(exc), "parameters": exc.problems}
            return JSONResponse({"error": error}, 422)

    return answer


async def _refused(request: Request, exc: Exception) -> Response:
    del request
    assert isinstance(exc, HTTPException)  # noqa: S101  # the only class it is registered for
    error = {"type": "refused", "message": exc.detail}
    return JSONResponse({"error": error}, exc.status_code, exc.headers)
