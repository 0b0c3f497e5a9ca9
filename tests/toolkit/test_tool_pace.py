"""How many calls there may be, at once and in a minute."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from server import Server, hold, streamed
from toolkit_harness import BACKENDS, call, conduct, record, records

from streamable_http import ConfigurationError
from streamable_http.toolkit import StreamToolkit, ToolLimits
from streamable_http.toolkit._pace import Pace

LOGS = {"endpoint": "logs"}


def at(*times: float) -> Callable[[], float]:
    return iter(times).__next__


def test_a_minute_holds_so_many_and_then_moves_on() -> None:
    pace = Pace(3, at(0, 10, 50, 50.5, 59.9, 60, 60, 69.5, 70))

    assert [pace.admit() for _ in range(3)] == [None] * 3
    assert pace.admit() == 9.5
    assert pace.admit() == pytest.approx(0.1)
    assert pace.admit() is None, "the first call is a minute ago"
    assert pace.admit() == 10
    assert pace.admit() == 0.5
    assert pace.admit() is None


def test_what_is_refused_does_not_count() -> None:
    pace = Pace(1, at(0, *itertools.repeat(30, 50), 60))

    assert pace.admit() is None
    assert {pace.admit() for _ in range(50)} == {30}
    assert pace.admit() is None


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_call_too_many_is_answered_and_not_sent(server: Server, backend: str) -> None:
    server.serve("/stream/logs", records(1))
    server.serve("/info/logs", records(1))
    codes: list[str | None] = []

    async def main(toolkit: StreamToolkit) -> None:
        for tool in ("stream_data", "stream_data", "stream_data", "get_stream_info"):
            answer = (await toolkit.call(tool, LOGS)).structured
            codes.append(answer.get("error", {}).get("code"))
            if codes[-1] == "busy":
                assert answer["error"]["message"] in {
                    f"Too many calls: try again in {seconds} s." for seconds in (59, 60)
                }

    conduct(backend, server.url, main, limits=ToolLimits(calls_per_minute=2))

    assert codes == [None, None, "busy", "busy"]
    assert len(server.requests) == 2


def test_a_call_that_is_refused_leaves_its_place(server: Server) -> None:
    server.serve("/stream/logs", streamed(record(1, 1), hold()))
    limits = ToolLimits(calls_per_minute=1, max_calls=1, timeout=0.2)
    messages: list[str] = []

    async def main(toolkit: StreamToolkit) -> None:
        await toolkit.call("stream_data", LOGS)
        for _ in range(3):
            answer = await toolkit.call("stream_data", LOGS)
            messages.append(answer.structured["error"]["message"])

    conduct("asyncio", server.url, main, limits=limits)

    assert all(message.startswith("Too many calls: ") for message in messages)


def test_each_toolkit_counts_for_itself(server: Server) -> None:
    server.serve("/stream/logs", records(1))
    for _ in range(3):
        answer = call("asyncio", server, "stream_data", LOGS, limits=ToolLimits(calls_per_minute=1))
        assert not answer.is_error


@pytest.mark.parametrize("value", [0, -1, True, 1.5, float("inf"), "600"])
def test_a_pace_is_a_whole_number(value: int) -> None:
    with pytest.raises(ConfigurationError, match="calls_per_minute="):
        ToolLimits(calls_per_minute=value)
