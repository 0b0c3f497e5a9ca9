"""`mcp`: the streams of a data service as tools of an MCP server (extras `cli` and `mcp`)."""

from __future__ import annotations

import os
import signal
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Annotated, Any

import anyio
from cyclopts import Parameter

from streamable_http import AsyncClient, AsyncStreamService, ConfigurationError
from streamable_http.toolkit import StreamToolkit, ToolLimits

from .exits import Exit, say

__all__ = ["mcp"]

_DEFAULTS = ToolLimits()
_Names = Parameter(negative=(), consume_multiple=False)


def mcp(
    *,
    base_url: Annotated[str, Parameter(help="Where the data service is.")],
    endpoint: Annotated[
        list[str], _Names, Parameter(help="A stream that may be read; may be repeated.")
    ],
    stdio: Annotated[
        bool, Parameter(help="Serve one client over stdin and stdout.", negative=())
    ] = False,
    host: Annotated[str, Parameter(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The port; 0 takes a free one.")] = 8000,
    allowed_host: Annotated[
        list[str] | None, _Names, Parameter(help="A Host header to accept, as 'name:port'.")
    ] = None,
    allowed_origin: Annotated[
        list[str] | None, _Names, Parameter(help="An Origin header to accept.")
    ] = None,
    token_env: Annotated[
        str | None, Parameter(help="The environment variable with the token clients must bring.")
    ] = None,
    upstream_token_env: Annotated[
        str | None, Parameter(help="The one with the bearer token for the data service.")
    ] = None,
    timeout: Annotated[float, Parameter(help="Seconds that a call may take.")] = _DEFAULTS.timeout,
    max_records: Annotated[
        int, Parameter(help="Records of a stream in an answer.")
    ] = _DEFAULTS.max_records,
) -> int:
    """Offer the streams of a data service to agents, as an MCP server, until Ctrl-C."""
    limits = ToolLimits(timeout=timeout, max_records=max_records)
    upstream = {} if upstream_token_env is None else _bearer(upstream_token_env)

    async def run() -> None:
        from streamable_http.mcp import fixed_tokens, run_http, run_stdio

        options: dict[str, Any] = {}
        if token_env is not None:
            options["verify_token"] = fixed_tokens(_secret(token_env))
        no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # agents are not one user
        async with AsyncClient(headers=upstream, cookies=no_cookies) as client:
            service = AsyncStreamService(base_url, client=client)
            toolkit = StreamToolkit(service, endpoint, limits=limits)
            if stdio:
                # The thread that reads stdin cannot be told to stop.
                signal.signal(signal.SIGINT, _leave_at_once)
                await run_stdio(toolkit)
            else:
                await run_http(
                    toolkit,
                    host,
                    port,
                    on_ready=_tell,
                    allowed_hosts=allowed_host,
                    allowed_origins=allowed_origin,
                    **options,
                )

    anyio.run(run)
    return Exit.COMPLETE


def _leave_at_once(number: int, frame: object) -> None:
    del number, frame
    say("interrupted")
    os._exit(Exit.INTERRUPTED)


def _tell(url: str) -> None:
    print(f"serving on {url}", flush=True)


def _bearer(variable: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {_secret(variable)}"}


def _secret(variable: str) -> str:
    value = os.environ.get(variable, "")
    if not value:
        raise ConfigurationError(f"the environment variable {variable!r} is not set: set it")
    return value
