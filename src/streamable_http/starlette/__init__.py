"""A gateway: a stream of another service, handed on by your own Starlette or FastAPI app.

    async def feed(request: Request) -> Response:
        upstream = client.stream("GET", "/feed", decoder=SSE(), start=last_event_id(request))
        return relay(upstream)

The upstream is opened before the response starts, so its refusal is a status of yours. After that
whoever reads the response can tell a complete one from one that broke off. Extra `starlette`.
"""

try:
    import starlette as _starlette
except ImportError as _error:
    raise ModuleNotFoundError(
        f"streamable_http.starlette needs Starlette ({_error}): "
        f"pip install 'streamable-http[starlette]'",
        name="starlette",
    ) from _error

from ._refusal import last_event_id, refusal
from ._relay import relay

__all__ = ["last_event_id", "refusal", "relay"]

del _starlette
