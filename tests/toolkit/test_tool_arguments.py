"""What a model may pass, and that nothing else reaches the service."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from server import Server
from toolkit_harness import BACKENDS, call, records

from streamable_http import AsyncStreamService, ConfigurationError
from streamable_http.toolkit import StreamToolkit, ToolLimits, ToolSpec

NAMES = [
    *("..", ".", "../x", "..%2fx", "%2e%2e/x", "a/../../b", "a\\..\\b", "a?x=1", "a#f", "//h/x"),
    *("http://h/x", "/abs", "@h", "a\0", "a\n", "logs\n", "é", "a" * 10_000, "", " logs", "logs "),
    *(None, 1, True, ["logs"], {"name": "logs"}),
]
deep: Any = {}
for _ in range(40):
    deep = {"a": deep}


@pytest.mark.parametrize("name", NAMES, ids=lambda name: f"{name!r:.20}")
@pytest.mark.parametrize("endpoints", [None, ["logs"]], ids=["any", "listed"])
def test_no_name_leaves_the_service(
    server: Server, name: object, endpoints: list[str] | None
) -> None:
    asked: list[tuple[str, Any]] = [
        ("stream_data", {"endpoint": name}),
        ("get_stream_info", {"endpoint": name}),
        ("batch_stream", {"endpoints": [name]}),
    ]
    for tool, arguments in asked:
        reply = call("asyncio", server, tool, arguments, endpoints=endpoints)
        assert reply.is_error
        assert reply.structured["error"]["code"] in {"invalid_arguments", "unknown_endpoint"}
    assert server.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoint": "logs", "url": "http://127.0.0.1/"},
        {"endpoint": "logs", "headers": {}},
        {"endpoint": "logs", "timeout": 1},
        {"endpoint": "logs", "max_records": 0},
        {"endpoint": "logs", "max_records": 101},
        {"endpoint": "logs", "max_records": True},
        {"endpoint": "logs", "max_records": "5"},
        {"endpoint": "logs", "max_records": 1.0},
        {"endpoint": "logs", "params": []},
        {"endpoint": "logs", "params": "x"},
        {"endpoint": "logs", "params": {"x": float("nan")}},
        {"endpoint": "logs", "params": {"x": float("inf")}},
        {"endpoint": "logs", "params": {"x": "y" * 9000}},
        {"endpoint": "logs", "params": deep},
        {"endpoint": "logs", "params": {"x": object()}},
        {},
        [],
        None,
        "endpoint",
        {1: 2},
    ],
    ids=lambda arguments: f"{arguments!r:.50}",
)
def test_bad_arguments_are_told_and_not_sent(server: Server, arguments: Any) -> None:
    reply = call("asyncio", server, "stream_data", arguments)

    assert reply.is_error
    assert reply.structured["error"]["code"] == "invalid_arguments"
    assert server.requests == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"endpoints": []},
        {"endpoints": "logs"},
        {"endpoints": [f"e{n}" for n in range(17)]},
        {"endpoints": ["logs"], "params_by_endpoint": {"users": {}}},
        {"endpoints": ["logs"], "params_by_endpoint": []},
        {"endpoints": ["logs"], "params_by_endpoint": {"logs": 1}},
        {"endpoints": ["logs"], "params": {}},
    ],
    ids=lambda arguments: f"{arguments!r:.60}",
)
def test_a_bad_batch_sends_nothing(server: Server, arguments: Any) -> None:
    reply = call("asyncio", server, "batch_stream", arguments)

    assert reply.structured["error"]["code"] == "invalid_arguments"
    assert server.requests == []


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "[]", "W10", "WzFd", "a" * 3000, 7, ["x"], "W" * 2000]
)
def test_a_bad_cursor_is_told_and_not_sent(server: Server, cursor: Any) -> None:
    reply = call("asyncio", server, "stream_data", {"endpoint": "logs", "cursor": cursor})

    assert reply.structured["error"]["code"] == "invalid_cursor"
    assert server.requests == []


def test_null_stands_for_absent(server: Server) -> None:
    server.serve("/stream/logs", records(1))
    arguments = {"endpoint": "logs", "params": None, "max_records": None, "cursor": None}

    assert call("asyncio", server, "stream_data", arguments).structured["records"] == [1]
    assert server.requests[0].body == b"{}"


def test_an_unknown_tool(server: Server) -> None:
    assert call("asyncio", server, "nonsense", {}).structured["error"]["code"] == "unknown_tool"
    unhashable: Any = ["stream_data"]
    assert call("asyncio", server, unhashable, {}).is_error


@pytest.mark.parametrize("backend", BACKENDS)
def test_duplicates_are_read_once(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records(1))

    reply = call(backend, server, "batch_stream", {"endpoints": ["logs", "logs"]})

    assert reply.structured["records"] == {"logs": [1]}
    assert len(server.requests) == 1


def all_specs() -> list[ToolSpec]:
    service = AsyncStreamService("http://127.0.0.1:1")
    toolkits = [StreamToolkit(service), StreamToolkit(service, ["logs", "users"])]
    return [spec for toolkit in toolkits for spec in toolkit.specs()]


@pytest.mark.parametrize("spec", all_specs(), ids=lambda spec: spec.name)
def test_schemas_are_portable(spec: ToolSpec) -> None:
    assert spec.input_schema["additionalProperties"] is False
    for schema in (spec.input_schema, spec.output_schema):
        text = json.dumps(schema)
        assert schema["type"] == "object"
        assert not re.search(r'"(\$ref|\$defs|anyOf|oneOf|allOf)"|"type": \[|null', text)


def test_a_pattern_is_anchored_and_an_allow_list_is_an_enum() -> None:
    free, *_, listed, _, _ = all_specs()

    assert re.fullmatch(r"\^.*\$", free.input_schema["properties"]["endpoint"]["pattern"])
    assert listed.input_schema["properties"]["endpoint"]["enum"] == ["logs", "users"]


def test_what_a_model_reads_with_every_request_is_short() -> None:
    service = AsyncStreamService("http://127.0.0.1:1")
    toolkit = StreamToolkit(service, ["users", "analytics", "logs", "metrics", "events"])
    read = [[spec.name, spec.description, spec.input_schema] for spec in toolkit.specs()]

    characters = len(json.dumps(read, separators=(",", ":"))) + len(toolkit.instructions)

    assert characters < 700 * 3.5, "more than 700 tokens, at 3.5 characters each"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"max_records": 0}, "max_records=0"),
        ({"max_records": True}, "max_records=True"),
        ({"max_bytes": 1.5}, "max_bytes=1.5"),
        ({"timeout": float("inf")}, "timeout=inf"),
        ({"max_bytes": 10, "max_record_bytes": 11}, "would fit no answer"),
    ],
)
def test_wrong_limits(change: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        ToolLimits(**change)


@pytest.mark.parametrize(
    ("arguments", "options", "told"),
    [
        (["http://h"], {}, "service= of type str"),
        ([None, "logs"], {}, "endpoints='logs'"),
        ([None, []], {}, "endpoints=[]"),
        ([None, ["a/b"]], {}, "'a/b'"),
        ([None], {"limits": {"max_records": 1}}, "limits= of type dict"),
    ],
)
def test_a_wrong_toolkit(arguments: list[Any], options: dict[str, Any], told: str) -> None:
    service = AsyncStreamService("http://127.0.0.1:1")
    given: list[Any] = [service if argument is None else argument for argument in arguments]
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        StreamToolkit(*given, **options)
