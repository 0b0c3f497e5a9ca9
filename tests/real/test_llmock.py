"""llmock: the streams of model providers, scripted faults, and a verdict on the client."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from driver import Face
from real_harness import free_port, listening, python_program, running
from tenacity import wait_exponential

from streamable_http import (
    ConnectionLost,
    DecodeError,
    RetriesExhausted,
    RetryPolicy,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
    Timeouts,
)
from streamable_http.profiles import ANTHROPIC, OPENAI_CHAT

TEXT = "one two three four five six seven"
PATIENT = RetryPolicy(wait=wait_exponential(multiplier=0.2))
HEADERS = {"Authorization": "Bearer none"}


class Mock:
    """A running llmock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, trust_env=False)

    def plan(self, *behaviors: dict[str, Any]) -> None:
        """Forgets what was, and says what the next requests meet."""
        self._http.post("/_llmock/reset").raise_for_status()
        always = {"type": "reply", "text": TEXT, "times": None}
        plan = {"behaviors": [always, *behaviors]}
        self._http.post("/_llmock/scenario", json=plan).raise_for_status()

    def verdict(self) -> dict[str, Any]:
        found: dict[str, Any] = self._http.get("/_llmock/verdict").raise_for_status().json()
        return found

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def mock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mock]:
    folder: Path = tmp_path_factory.mktemp("llmock")
    command, port = python_program("llmock"), free_port()
    # A pause between chunks shows the server who hangs up, before everything is sent.
    options = ["serve", "--port", str(port), "--stream-chunk-delay-ms", "20"]
    with running(command, *options, folder=folder, ready=listening(port)):
        mock = Mock(f"http://127.0.0.1:{port}")
        yield mock
        mock.close()


async def ask(face: Face, mock: Mock, **options: Any) -> list[dict[str, Any]]:
    """One question, as anybody would ask it of such a service."""
    question = {
        "model": "gpt-4o",
        "stream": True,
        "messages": [{"role": "user", "content": "Say it."}],
    }
    url = f"{mock.url}/v1/chat/completions"
    settings = {**OPENAI_CHAT.options(), **options}
    async with face.client(headers=HEADERS, retry=PATIENT) as client:
        async with client.stream("POST", url, json=question, **settings) as stream:
            chunks: list[dict[str, Any]] = await stream.collect()
        assert stream.stats.ended == "terminal"
    return chunks


def text_of(chunks: Sequence[dict[str, Any]]) -> str:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return "".join(delta.get("content") or "" for delta in deltas)


def blameless(mock: Mock, attempts: int) -> None:
    verdict = mock.verdict()
    assert verdict["findings"] == []
    assert verdict["attempts"] == attempts


async def test_a_whole_answer(own: Face, mock: Mock) -> None:
    mock.plan()
    assert text_of(await ask(own, mock)) == TEXT
    blameless(mock, attempts=1)


async def test_retry_after_is_waited_for(pulled: Face, mock: Mock) -> None:
    mock.plan({"type": "fail", "status": 429, "retry_after": 0.5, "times": 2})
    assert text_of(await ask(pulled, mock)) == TEXT
    blameless(mock, attempts=3)


async def test_an_outage_is_waited_out_with_growing_pauses(pulled: Face, mock: Mock) -> None:
    mock.plan({"type": "fail", "status": 503, "times": 2})
    assert text_of(await ask(pulled, mock)) == TEXT
    blameless(mock, attempts=3)


async def test_an_outage_that_lasts_is_no_storm(pulled: Face, mock: Mock) -> None:
    mock.plan({"type": "fail", "status": 503, "times": None})
    with pytest.raises(RetriesExhausted) as caught:
        await ask(pulled, mock, retry=RetryPolicy(stop=3, wait=wait_exponential(multiplier=0.1)))
    assert isinstance(caught.value.last_error, StatusError)
    blameless(mock, attempts=3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_what_no_retry_mends_is_not_tried_again(
    pulled: Face, mock: Mock, status: int
) -> None:
    mock.plan({"type": "fail", "status": status, "times": None})
    with pytest.raises(StatusError) as caught:
        await ask(pulled, mock)
    assert caught.value.status_code == status
    blameless(mock, attempts=1)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "disconnect", "after_chunks": 3}, ConnectionLost),
        ({"kind": "truncate", "after_chunks": 3}, StreamTruncated),
        ({"kind": "malformed", "after_chunks": 3}, DecodeError),
        ({"kind": "stall", "after_chunks": 3, "stall_seconds": 20}, TimeoutExceeded),
    ],
    ids=["disconnect", "truncate", "malformed", "stall"],
)
async def test_a_broken_answer_is_an_error_and_not_sent_twice_on_a_guess(
    pulled: Face, mock: Mock, fault: dict[str, Any], error: type[StreamError]
) -> None:
    """The caller, who knows that asking again does no harm, asks again."""
    mock.plan({"type": "stream_fault", **fault})
    with pytest.raises(error) as caught:
        await ask(pulled, mock, timeout=Timeouts(idle=0.5))
    got = text_of(caught.value.items)
    assert got
    assert TEXT.startswith(got)
    await pulled.sleep(0.2)  # to ask at once is to be blamed
    assert text_of(await ask(pulled, mock)) == TEXT
    blameless(mock, attempts=2)


async def test_a_slow_first_token_is_within_the_clocks(pulled: Face, mock: Mock) -> None:
    mock.plan({"type": "slow_first_token", "seconds": 0.6})
    assert text_of(await ask(pulled, mock)) == TEXT
    blameless(mock, attempts=1)


async def test_a_stream_that_names_its_events(own: Face, mock: Mock) -> None:
    mock.plan()
    question = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 100,
        "stream": True,
        "messages": [{"role": "user", "content": "Say it."}],
    }
    async with (
        own.client(headers={"x-api-key": "none"}) as client,
        client.stream(
            "POST",
            f"{mock.url}/anthropic/v1/messages",
            json=question,
            **ANTHROPIC.options(),
        ) as stream,
    ):
        events = await stream.collect()
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    assert "".join(delta["text"] for delta in deltas) == TEXT
    assert events[-1] == {"type": "message_stop"}
    blameless(mock, attempts=1)
