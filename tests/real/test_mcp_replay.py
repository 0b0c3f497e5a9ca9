"""The MCP reference server: a POST that streams, and a GET that replays the rest of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cutting import Cut, CuttingProxy, every
from driver import Face
from real_harness import HERE, free_port, listening, node_packages, node_program, running

from streamable_http import ConnectionLost, LastEventID, SSEData

STEPS = 8
PACKAGE = "@modelcontextprotocol/server-everything"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port, folder = free_port(), tmp_path_factory.mktemp("everything")
    program = node_packages(PACKAGE) / PACKAGE / "dist" / "index.js"
    loopback = ["--require", HERE / "loopback.cjs"]
    command = [node_program(), *loopback, program, "streamableHttp"]
    env = {"PORT": str(port)}
    with running(*command, folder=folder, ready=listening(port), env=env):
        yield port


@pytest.fixture
def session(port: int) -> dict[str, str]:
    """The headers of a session of our own."""
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "streamable-http", "version": "0"},
        },
    }
    url = f"http://127.0.0.1:{port}/mcp"
    with httpx.Client(trust_env=False, headers=headers) as http:
        answer = http.post(url, json=hello).raise_for_status()
        headers["Mcp-Session-Id"] = answer.headers["mcp-session-id"]
        headers["MCP-Protocol-Version"] = "2025-06-18"
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        http.post(url, json=ready, headers=headers).raise_for_status()
    return headers


CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "trigger-long-running-operation",
        "arguments": {"duration": 0.6, "steps": STEPS},
        "_meta": {"progressToken": "token"},
    },
}


def is_answer(message: dict[str, Any]) -> bool:
    return message.get("id") == 1


def complete(messages: list[dict[str, Any]]) -> bool:
    progress = [message["params"]["progress"] for message in messages[:-1]]
    text = messages[-1]["result"]["content"][0]["text"]
    return progress == [*range(1, STEPS + 1)] and "completed" in text


async def test_a_call_streams_its_progress(own: Face, port: int, session: dict[str, str]) -> None:
    async with (
        own.client(headers=session) as client,
        client.stream(
            "POST",
            f"http://127.0.0.1:{port}/mcp",
            json=CALL,
            decoder=SSEData(dict),
            terminal=is_answer,
        ) as stream,
    ):
        assert complete(await stream.collect())
    assert stream.stats.ended == "terminal"


async def test_what_a_cut_took_is_replayed_by_a_get(
    own: Face, port: int, session: dict[str, str]
) -> None:
    """The call itself is sent once only.

    What comes later than a replay, this server does not send behind it: the idle clock asks again.
    """
    with CuttingProxy(port, *every(500, 300, 250)) as proxy:
        async with (
            own.client(headers=session, timeout=0.5) as client,
            client.stream(
                "POST",
                f"{proxy.url}/mcp",
                json=CALL,
                decoder=SSEData(dict),
                terminal=is_answer,
                resume=LastEventID(by="get"),
            ) as stream,
        ):
            assert complete(await stream.collect())
    methods = [bytes(request).split(b" ")[0] for request in proxy.requests]
    assert methods == [b"POST", *[b"GET"] * (len(methods) - 1)]
    assert proxy.made == 3
    assert stream.stats.resumes >= 2
    assert len(set(proxy.sent("Last-Event-ID")[1:])) > 1


async def test_a_call_is_not_repeated_on_a_guess(
    pulled: Face, port: int, session: dict[str, str]
) -> None:
    with CuttingProxy(port, Cut(500)) as proxy:
        async with pulled.client(headers=session) as client:
            with pytest.raises(ConnectionLost) as caught:
                async with client.stream(
                    "POST",
                    f"{proxy.url}/mcp",
                    json=CALL,
                    decoder=SSEData(dict),
                    terminal=is_answer,
                ) as stream:
                    await stream.collect()
    assert 0 < len(caught.value.items) <= STEPS
    assert len(proxy.requests) == 1
