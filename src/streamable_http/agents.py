"""The toolkit for the OpenAI Agents SDK (extra `agents`).

    agent = Agent(name="Analyst", instructions=toolkit.instructions, tools=function_tools(toolkit))

or, where the tools are an MCP server's: `Agent(..., mcp_servers=[mcp_server(url)])`.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from streamable_http import ConfigurationError
from streamable_http.toolkit import ProgressHook, StreamToolkit, ToolSpec

try:
    import agents
except ImportError as _error:
    raise ModuleNotFoundError(
        "streamable_http.agents needs openai-agents: pip install 'streamable-http[agents]'",
        name="agents",
    ) from _error
if not hasattr(agents, "FunctionTool"):
    raise ImportError(
        f"the module `agents` ({agents.__file__ or 'a folder without __init__.py'}) is not the one "
        f"of openai-agents: pip install 'streamable-http[agents]', and rename your own `agents`",
        name="agents",
    )
from agents import AgentBase, FunctionTool, RunContextWrapper
from agents.mcp import MCPServerStreamableHttp
from agents.tool_context import ToolContext

__all__ = ["Approval", "Enabled", "function_tools", "mcp_server"]

Approval: TypeAlias = (
    bool | Callable[[RunContextWrapper[Any], dict[str, Any], str], Awaitable[bool]]
)
"""Whether a person must agree to a call; a function decides by its context, arguments and id."""

Enabled: TypeAlias = (
    bool | Callable[[RunContextWrapper[Any], AgentBase[Any]], bool | Awaitable[bool]]
)
"""Whether an agent has the tool at all."""

_GRACE_SECONDS = 5.0
_LONGEST_ARGUMENTS = 65_536


def function_tools(
    toolkit: StreamToolkit,
    *,
    name_prefix: str = "",
    needs_approval: Approval = False,
    is_enabled: Enabled = True,
    progress: ProgressHook | None = None,
) -> list[FunctionTool]:
    """The toolkit's tools for `Agent(tools=…)`.

    Args:
        toolkit: What they run on.
        name_prefix: Put before their names, where an agent has several toolkits.
        needs_approval: Whether a person must agree before a call. For a service where reading
            changes something.
        is_enabled: Whether an agent has the tools.
        progress: As in `StreamToolkit.call`. The SDK itself tells an application nothing of a
            tool while it runs.

    Returns:
        Tools that answer with JSON text, and never raise.
    """

    def tool(spec: ToolSpec) -> FunctionTool:
        async def invoke(context: ToolContext[Any], arguments: str) -> str:
            del context
            reply = await toolkit.call(spec.name, _parsed(arguments), progress=progress)
            return reply.text

        return FunctionTool(
            name=f"{name_prefix}{spec.name}",
            description=spec.description,
            params_json_schema=dict(spec.input_schema),
            on_invoke_tool=invoke,
            # Strict schemas know no optional arguments, and no object of free form.
            strict_json_schema=False,
            is_enabled=is_enabled,
            needs_approval=needs_approval,
            timeout_seconds=toolkit.limits.timeout + _GRACE_SECONDS,
        )

    return [tool(spec) for spec in toolkit.specs()]


def _parsed(arguments: str) -> Any:
    """The arguments; those that are not JSON become None, which the toolkit refuses."""
    if len(arguments) > _LONGEST_ARGUMENTS:
        return None
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return None


def mcp_server(
    url: str, *, token: str | None = None, call_timeout: float = 30.0, **options: Any
) -> MCPServerStreamableHttp:
    """A connection to an MCP server for `Agent(mcp_servers=…)`, with time limits that fit streams.

    The SDK's own limit ends every call after 5 seconds.

    Args:
        url: Of the server, such as "http://127.0.0.1:8000/mcp".
        token: The bearer token that it wants, if it does.
        call_timeout: How long a call may take there, in seconds: `ToolLimits.timeout`.
        **options: As in `MCPServerStreamableHttp`; they win.

    Raises:
        ConfigurationError: `call_timeout` is not a time.
    """
    given: Any = call_timeout
    number = isinstance(given, (int, float)) and not isinstance(given, bool)
    if not number or not 0 < call_timeout < float("inf"):
        raise ConfigurationError(
            f"call_timeout={call_timeout!r} is not a time: pass seconds above 0"
        )
    patience = call_timeout + _GRACE_SECONDS
    params: dict[str, Any] = {"url": url, "timeout": patience, "sse_read_timeout": patience}
    if token is not None:
        params["headers"] = {"Authorization": f"Bearer {token}"}
    settings: dict[str, Any] = {
        "params": params,
        "name": "streamable-http",
        "cache_tools_list": True,
        "client_session_timeout_seconds": patience,
        **options,
    }
    return MCPServerStreamableHttp(**settings)
