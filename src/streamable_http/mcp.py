"""The toolkit as an MCP server over Streamable HTTP, or stdio (extra `mcp`).

    app = create_app(StreamToolkit(AsyncStreamService("http://127.0.0.1:3001"), ["users", "logs"]))

It speaks the revision of 2026-07-28 and the ones before it. What a model gets is the toolkit's
answer, as text and as structured content; a client that leaves ends the streams it asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import hmac
import inspect
import re
import socket
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from streamable_http import ConfigurationError, __version__
from streamable_http.toolkit import StreamToolkit, ToolSpec

try:
    import uvicorn
    from mcp import MCPError, types
    from mcp.server import Server, ServerRequestContext
    from mcp.server.stdio import stdio_server
    from mcp.server.transport_security import TransportSecuritySettings
    from starlette.applications import Starlette
    from starlette.datastructures import Headers
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError as _error:
    raise ModuleNotFoundError(
        f"streamable_http.mcp needs mcp 2 ({_error}): pip install 'streamable-http[mcp]'",
        name="mcp",
    ) from _error

__all__ = [
    "TokenCheck",
    "build_server",
    "create_app",
    "fixed_tokens",
    "run_http",
    "run_stdio",
    "running",
]

TokenCheck: TypeAlias = Callable[[str], bool | Awaitable[bool]]
"""Says whether a bearer token is good."""

_TOKEN = re.compile(r"[!-~]+")  # RFC 6750, section 2.1, is stricter still
_LOCAL = ("127.0.0.1", "localhost", "[::1]")


def build_server(
    toolkit: StreamToolkit,
    *,
    name: str = "streamable-http",
    version: str = __version__,
    instructions: str | None = None,
) -> Server[Any]:
    """An MCP server with the toolkit's tools, and nothing else.

    Args:
        toolkit: What it offers.
        name: What it calls itself.
        version: Of what it says it is.
        instructions: How a model is to use it. Default: the toolkit's.
    """
    tools = [_tool(spec) for spec in toolkit.specs()]
    names = {tool.name for tool in tools}

    async def list_tools(
        context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        del context, params
        return types.ListToolsResult(tools=tools)

    async def call_tool(
        context: ServerRequestContext[Any], params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if params.name not in names:
            raise MCPError(code=types.INVALID_PARAMS, message="Unknown tool")
        progress = context.session.report_progress
        reply = await toolkit.call(params.name, params.arguments or {}, progress=progress)
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=reply.text)],
            structured_content=dict(reply.structured),
            is_error=reply.is_error,
        )

    return Server(
        name,
        version=version,
        instructions=toolkit.instructions if instructions is None else instructions,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _tool(spec: ToolSpec) -> types.Tool:
    return types.Tool(
        name=spec.name,
        title=spec.title,
        description=spec.description,
        input_schema=dict(spec.input_schema),
        output_schema=dict(spec.output_schema),
        annotations=types.ToolAnnotations(
            title=spec.title, read_only_hint=spec.read_only, open_world_hint=True
        ),
    )


def create_app(
    toolkit: StreamToolkit,
    *,
    port: int | None = None,
    path: str = "/mcp",
    allowed_hosts: Sequence[str] | None = None,
    allowed_origins: Sequence[str] | None = None,
    verify_token: TokenCheck | None = None,
    stateless: bool = False,
    max_sessions: int = 1000,
    session_idle_timeout: float = 300.0,
    max_request_body_size: int = 262_144,
    **server: Any,
) -> Starlette:
    """The server as an ASGI application, which checks where its requests come from.

    Args:
        toolkit: What it offers.
        port: Where it will listen: then only this port is accepted in the `Host` of this machine.
            Default: any.
        path: Where in the application it is.
        allowed_hosts: `Host` headers to accept, with port, such as "tools.example.com" or
            "tools.example.com:8443". Default: those of this machine alone.
        allowed_origins: `Origin` headers to accept, such as "https://app.example.com". A request
            without one is no browser's, and accepted. Default: the server's own, if `port` is
            given and `allowed_hosts` is not.
        verify_token: Says whether the bearer token of a request is good; without a good one it is
            refused with 401. The token goes nowhere else. See `fixed_tokens`.
        stateless: Whether to keep no sessions, also for clients of the revisions before
            2026-07-28. Such a client then cannot cancel a call.
        max_sessions: Sessions of such clients at once.
        session_idle_timeout: Seconds after which an idle one is forgotten.
        max_request_body_size: In bytes.
        **server: As in `build_server`.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    for option, names in (("allowed_hosts", allowed_hosts), ("allowed_origins", allowed_origins)):
        _check_names(option, names)
    if not path.startswith("/"):
        raise ConfigurationError(f"path={path!r} is not a path: pass one such as '/mcp'")
    if max_sessions < 1:
        raise ConfigurationError(f"max_sessions={max_sessions!r} allows none: pass 1 or more")
    if allowed_hosts is not None and verify_token is None:
        warnings.warn(
            "the MCP server can be reached from elsewhere (allowed_hosts=), and whoever reaches it "
            "may use it: pass verify_token=",
            stacklevel=2,
        )
    app = build_server(toolkit, **server).streamable_http_app(
        streamable_http_path=path,
        stateless_http=stateless,
        max_request_body_size=max_request_body_size,
        session_idle_timeout=None if stateless else session_idle_timeout,
        max_sessions=max_sessions,
        transport_security=_accepted(port, allowed_hosts, allowed_origins),
    )
    if verify_token is not None:
        app.add_middleware(_Bearer, verify_token=verify_token)
    return app


def _accepted(
    port: int | None, hosts: Sequence[str] | None, origins: Sequence[str] | None
) -> TransportSecuritySettings:
    """The exact names that a request's `Host` and `Origin` may have."""
    if origins is None and port is not None and hosts is None:
        origins = [f"http://{host}" for host in _local(port)]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[*(_local(port) if hosts is None else hosts)],
        allowed_origins=[*(origins or ())],
    )


def _check_names(option: str, names: Sequence[str] | None) -> None:
    if names is None:
        return
    given: Sequence[Any] = names
    if isinstance(names, str) or not all(isinstance(n, str) and "*" not in n for n in given):
        raise ConfigurationError(
            f"{option}={names!r} is not a list of exact names: pass one such as "
            f"['tools.example.com:8443'], without '*'"
        )


def _local(port: int | None) -> list[str]:
    if port is None:
        return [*_LOCAL, *(f"{host}:*" for host in _LOCAL)]
    return [f"{host}:{port}" for host in _LOCAL] + ([*_LOCAL] if port == 80 else [])


def fixed_tokens(*tokens: str) -> TokenCheck:
    """A check for `verify_token` that knows a few tokens; it takes as long for each wrong one.

    Raises:
        ConfigurationError: There is none, or one that no request could bring.
    """
    if not tokens or not all(map(_TOKEN.fullmatch, tokens)):
        raise ConfigurationError(
            "fixed_tokens() needs tokens of visible ASCII characters, since no client can send "
            "another: pass some, without the line end that text read from a file often ends with"
        )
    known = [token.encode() for token in tokens]

    def check(token: str) -> bool:
        given = token.encode("utf-8", "replace")
        return sum(hmac.compare_digest(given, one) for one in known) > 0

    return check


class _Bearer:
    """Lets only requests with a good bearer token pass (RFC 6750)."""

    def __init__(self, app: ASGIApp, verify_token: TokenCheck) -> None:
        self._app, self._verify = app, verify_token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not await self._is_good(Headers(scope=scope)):
            refused = Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
            await refused(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _is_good(self, headers: Headers) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return False
        good = self._verify(token.strip())
        return (await good if inspect.isawaitable(good) else good) is True


async def run_http(
    toolkit: StreamToolkit,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    on_ready: Callable[[str], object] | None = None,
    **app: Any,
) -> None:
    """Serves over HTTP until cancelled, or until SIGINT or SIGTERM.

    Args:
        toolkit: What it offers.
        host: The address to listen on. One that other machines reach needs `allowed_hosts`.
        port: The port; 0 takes any free one.
        on_ready: Called with the URL once connections are accepted.
        **app: As in `create_app`.

    Raises:
        ConfigurationError: An argument is wrong.
        OSError: The address is not to be had.
    """
    if host not in {"127.0.0.1", "localhost", "::1"} and app.get("allowed_hosts") is None:
        raise ConfigurationError(
            f"host={host!r} is reached from elsewhere, where its name is not known here: pass "
            f"allowed_hosts=['name:port'], as clients write it"
        )
    if not 0 <= port <= 65535:
        raise ConfigurationError(f"port={port!r} is not a port: pass a number from 0 to 65535")
    with socket.create_server(
        (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
    ) as listener:
        port = listener.getsockname()[1]
        built = create_app(toolkit, port=port, **app)
        server = _Server(built)
        shown = f"[{host}]" if ":" in host else host
        if on_ready is not None:
            url = f"http://{shown}:{port}{app.get('path', '/mcp')}"
            server.ready = functools.partial(on_ready, url)
        serving = asyncio.create_task(server.serve([listener]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            await serving
            raise


@contextlib.asynccontextmanager
async def running(toolkit: StreamToolkit, *, port: int = 0, **app: Any) -> AsyncGenerator[str]:
    """Serves over HTTP on 127.0.0.1, beside what else runs, for as long as the block lasts.

    Args:
        toolkit: What it offers.
        port: The port; 0 takes any free one.
        **app: As in `create_app`.

    Yields:
        The URL, once connections are accepted.

    Raises:
        ConfigurationError: An argument is wrong.
        OSError: The port is not to be had.
    """
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(run_http(toolkit, port=port, on_ready=ready.set_result, **app))
    try:
        both: list[asyncio.Future[Any]] = [serving, ready]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving  # says why
        yield ready.result()
    finally:
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


class _Server(uvicorn.Server):
    """A server that says when it is ready, and does not wait for streams when it stops."""

    ready: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, app: ASGIApp) -> None:
        # Not what happens to be installed: httptools leaves blanks around the values of headers.
        settings: dict[str, Any] = {"http": "h11", "ws": "none", "log_config": None}
        super().__init__(
            uvicorn.Config(app, access_log=False, timeout_graceful_shutdown=1, **settings)
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready()


async def run_stdio(toolkit: StreamToolkit, **server: Any) -> None:
    """Serves one client over stdin and stdout, until it hangs up.

    Args:
        toolkit: What it offers.
        **server: As in `build_server`.
    """
    built = build_server(toolkit, **server)
    async with stdio_server() as (reading, writing):
        await built.run(reading, writing, built.create_initialization_options())
