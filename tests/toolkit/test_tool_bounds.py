"""What a hostile service can make a call cost, and that no switch takes a bound away."""

from __future__ import annotations

import ast
import gzip
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server import Script, Server, chunk, flood, head, send, streamed
from toolkit_harness import BACKENDS, call, record

import streamable_http
from streamable_http.toolkit._reading import Query, Reading
from streamable_http.toolkit._values import encode, size

LOGS = {"endpoint": "logs"}
MIB = 1024 * 1024
SOURCE = Path(streamable_http.__file__).parent


def bomb() -> Script:
    """200 MiB of records that are too large for an answer, in about 200 KiB."""
    record = b'data: "' + b"x" * 100_000 + b'"\n\n'
    packed = gzip.compress(record * (200 * MIB // len(record)))
    return [head(content_length=str(len(packed)), content_encoding="gzip"), send(packed)]


def endless_line() -> Script:
    return streamed(chunk(b"data: "), flood(b"x" * 65536, 10**6))


def million() -> Script:
    return streamed(flood(b'data: {"x":1}\n\n' * 1000, 1000))


def large_ones() -> Script:
    return streamed(flood(b'data: "' + b"x" * 100_000 + b'"\n\n', 10**6))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("hostile", "code", "returned"),
    [
        (bomb, "too_large", 0),
        (endless_line, "too_large", 0),
        (large_ones, "too_large", 0),
        (million, None, 100),
    ],
    ids=["bomb", "endless line", "large records", "million"],
)
def test_memory_stays_small_and_the_stream_is_left(
    server: Server, backend: str, hostile: Any, code: str | None, returned: int
) -> None:
    server.serve("/stream/logs", hostile())
    tracemalloc.start()
    try:
        answer = call(backend, server, "stream_data", LOGS).structured
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.get("error", {}).get("code") == code
    assert answer["returned"] == returned
    assert peak < 16 * MIB
    assert server.wait_for(lambda: server.open == 0)


@given(
    st.lists(st.recursive(st.integers() | st.text(), st.lists, max_leaves=5), max_size=20),
    st.integers(1, 60),
    st.integers(0, 200),
)
def test_records_are_whole_in_order_and_within_their_bytes(
    values: list[Any], max_record_bytes: int, more: int
) -> None:
    max_bytes = max_record_bytes + more
    reading = Reading(Query("logs", {}, 100), max_bytes, max_record_bytes)
    most = min(max_record_bytes, max_bytes - 1)  # with what stands behind it
    dealt_with = []
    for value in values:
        if not reading.take(value):
            break
        dealt_with.append(value)

    assert reading.records == [one for one in dealt_with if size(one) <= most]
    assert reading.received == len(dealt_with)
    assert len(encode(reading.records).encode()) <= max_bytes + 1
    reading.stop_reason = "end" if len(dealt_with) == len(values) else reading.stop_reason
    assert reading.truncated is (reading.records != values)


def test_the_order_of_an_answer_is_the_same_every_time(server: Server) -> None:
    server.serve("/stream/logs", streamed(*[record(n, {"n": n}) for n in range(1, 9)]))
    arguments = {**LOGS, "max_records": 5}

    assert len({call("asyncio", server, "stream_data", arguments).text for _ in range(5)}) == 1


@pytest.mark.parametrize("path", ["toolkit", "agents.py", "mcp.py"])
def test_no_guard_looks_at_the_environment(path: str) -> None:
    files = [SOURCE / path] if path.endswith(".py") else [*(SOURCE / path).glob("*.py")]
    assert files
    for file in files:
        tree = ast.parse(file.read_bytes())
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        modules = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, (ast.Import, ast.ImportFrom))
            for alias in node.names
        }
        assert {"os", "environ", "getenv", "__debug__"}.isdisjoint(names | attributes | modules)
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
