"""What a call tells while it runs, and what neither it nor its answer ever tells."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from server import Server, chunk, delay, reply, streamed
from toolkit_harness import BACKENDS, DONE, call, record, records

from streamable_http.toolkit._values import encode

pytestmark = pytest.mark.parametrize("backend", BACKENDS)

LOGS = {"endpoint": "logs"}


def test_progress_goes_on_while_nothing_comes(server: Server, backend: str) -> None:
    server.serve("/stream/logs", streamed(record(1, 1), delay(2.2), DONE))
    told: list[tuple[float, float | None, str]] = []

    async def hook(done: float, total: float | None, message: str) -> None:
        told.append((done, total, message))

    call(backend, server, "stream_data", LOGS, progress=hook)

    times = [done for done, _, _ in told]
    assert len(times) == 3
    assert times == sorted({*times})
    assert all(total == 30.0 for _, total, _ in told)
    assert told[-1][2] == "1 records"


@pytest.mark.parametrize("hook", ["raises", "hangs"])
def test_progress_changes_nothing(server: Server, backend: str, hook: str) -> None:
    server.serve("/stream/logs", records(1))

    async def progress(*_: object) -> None:
        if hook == "raises":
            raise ValueError
        await anyio.sleep_forever()

    answer = call(backend, server, "stream_data", LOGS, progress=progress)

    assert answer.structured["records"] == [1]


def test_redacted_records(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records({"a": 1, "email": "canary"}))
    server.serve("/info/logs", reply(b'{"email": "canary"}', content_type="application/json"))

    def redact(value: Any) -> Any:
        return {key: one for key, one in value.items() if key != "email"}

    for tool in ("stream_data", "get_stream_info"):
        assert "canary" not in call(backend, server, tool, LOGS, redact=redact).text


def test_what_is_redacted_is_no_total_either(server: Server, backend: str) -> None:
    server.serve("/info/logs", reply(b'{"total": 4111}', content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS, redact=lambda _: {})

    assert "4111" not in answer.text
    assert answer.structured["info"] == {}


@pytest.mark.parametrize("made", [None, "hidden", {"text": "\ud800"}])
def test_a_redaction_that_makes_no_object_shows_nothing(
    server: Server, backend: str, made: Any, caplog: pytest.LogCaptureFixture
) -> None:
    server.serve("/info/logs", reply(b'{"total": 7}', content_type="application/json"))

    answer = call(backend, server, "get_stream_info", LOGS, redact=lambda _: made)

    assert answer.structured["error"]["code"] == "internal"
    assert "a tool failed" in caplog.text


def test_a_redaction_that_fails_shows_nothing(
    server: Server, backend: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.serve("/stream/logs", records({"email": "canary"}))

    answer = call(backend, server, "stream_data", LOGS, redact=lambda value: value["nonsense"])

    assert answer.structured["error"]["code"] == "internal"
    assert "canary" not in answer.text
    (logged,) = caplog.records
    assert logged.args is not None
    assert str(logged.args[0]) in answer.structured["error"]["message"]  # type: ignore[index]  # a tuple


def test_secrets_stay_here(server: Server, backend: str, caplog: pytest.LogCaptureFixture) -> None:
    echo = {"www_authenticate": "canary", "set_cookie": "canary"}
    server.serve("/stream/logs", reply(b"canary", status=401, **echo))
    server.serve("/info/logs", reply(b"canary", status=500, **echo))
    caplog.set_level("INFO", "streamable_http")
    for tool in ("stream_data", "get_stream_info"):
        answer = call(
            backend,
            server.url.replace("//", "//canary:canary@"),
            tool,
            LOGS,
            headers={"Authorization": "Bearer canary"},
        )
        logged = [one.getMessage() for one in caplog.records if one.name.startswith("streamable")]
        assert "canary" not in answer.text + repr(answer) + repr(logged)
    assert all("authorization" in request.headers for request in server.requests)


@settings(max_examples=30, deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_text_is_json_without_what_nobody_sees(backend: str, value: Any) -> None:
    del backend
    text = encode({"value": value})

    assert json.loads(text) == {"value": value}
    assert not any(ord(c) < 32 or c in "\u202e\u200b\ufeff\u2028\U000e0041\x7f" for c in text)


def test_hidden_text_is_made_visible(server: Server, backend: str) -> None:
    unseen = "\u034f\u17b4\u180b\u180f\U0001bca0\U0001d173\U0001d17a\U00013430"
    assert encode(unseen).isascii()
    hidden = "a\u202eb\u200b\U000e0041\x1b[31m\ud800"
    server.serve(
        "/stream/logs",
        streamed(chunk(b'data: "a\\u202eb\\u200b\\udb40\\udc41\\u001b[31m"\n\n'), DONE),
    )

    answer = call(backend, server, "stream_data", LOGS)

    assert answer.text.isascii()
    assert answer.structured["records"] == [hidden[:-1]]
    assert json.loads(encode(hidden)) == hidden
