"""Streams as tools for agents, whatever their framework: three tools, bounded in every direction.

A `StreamToolkit` describes its tools in JSON Schema (`specs`) and runs them (`call`). It depends on
no agent framework; `streamable_http.agents` and `streamable_http.mcp` are thin layers over it.
"""

from ._toolkit import StreamToolkit
from ._values import ProgressHook, ToolLimits, ToolReply, ToolSpec

__all__ = ["ProgressHook", "StreamToolkit", "ToolLimits", "ToolReply", "ToolSpec"]
