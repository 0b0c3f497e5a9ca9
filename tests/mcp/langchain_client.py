"""LangChain with the recipes of the documentation: python langchain_client.py MCP_URL DATA_URL

A program of its own, since its adapters need an older MCP SDK than the server does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent))
from recipes import cook, recipe

from streamable_http import AsyncStreamService
from streamable_http.toolkit import StreamToolkit

USERS = {"endpoint": "users", "max_records": 2}


async def main(mcp_url: str, data_url: str) -> None:
    code = recipe("mcp.md", "langchain_mcp_adapters")
    tools = (await cook(code.replace("http://127.0.0.1:8000/mcp", mcp_url)))["tools"]
    by_name = {tool.name: tool for tool in tools}
    (block,) = await by_name["stream_data"].ainvoke(USERS)
    async with AsyncStreamService(data_url) as service:
        toolkit = StreamToolkit(service, ["users"])
        tool = (await cook(recipe("agents.md", "langchain_core"), toolkit=toolkit))["tool"]
        made: list[Any] = [tool(spec) for spec in toolkit.specs()]
        in_process = await made[0].ainvoke(USERS)
    answers = [json.loads(block["text"]), json.loads(in_process)]
    sys.stdout.write(json.dumps({"tools": [*by_name], "answers": answers}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
