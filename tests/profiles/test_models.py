"""Profiles of models and agents, against servers of the shape that each documents."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from driver import Face

from streamable_http import (
    NDJSON,
    ResumeError,
    RetriesExhausted,
    ServerSentEvent,
    SSEData,
    StreamFailed,
    StreamTruncated,
    profiles,
)
from streamable_http.testing import (
    Cut,
    Delay,
    Response,
    Script,
    ScriptedTransport,
    VirtualClock,
    event,
    events,
    ndjson,
)

URL = "http://testserver/v1/stream"


def typed(*items: dict[str, Any]) -> list[bytes]:
    """Events that say their type twice, as most of them do."""
    return [event(item, event=item["type"]) for item in items]


@attrs.frozen
class Model:
    """What a provider sends.

    Attributes:
        profile: How it is read.
        make: What makes a response of items.
        items: The items of a whole answer.
        end: What ends it on the wire but is no item.
        failure: What the server sends where it fails.
    """

    profile: profiles.Profile[Any]
    make: Any
    items: list[dict[str, Any]]
    failure: dict[str, Any]
    end: list[bytes] = attrs.Factory(list)

    def whole(self) -> Response:
        response: Response = self.make(*self._wire(self.items), *self.end)
        return response

    def short(self, count: int, then: Any = ()) -> Response:
        response: Response = self.make(*self._wire(self.items[:count]), then=then)
        return response

    def failed(self, count: int) -> Response:
        response: Response = self.make(*self._wire([*self.items[:count], self.failure]))
        return response

    def _wire(self, items: list[dict[str, Any]]) -> list[Any]:
        named = self.make is events and "type" in items[0] if items else False
        return [*typed(*items)] if named and self.profile is not profiles.AG_UI else [*items]


def chat(content: str, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice]}


CHAT = Model(
    profiles.OPENAI_CHAT,
    events,
    [chat("one "), chat("two"), chat("", "stop")],
    {"error": {"message": "overloaded", "type": "server_error", "code": None}},
    [event("[DONE]")],
)


def response(kind: str, number: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": number, **fields}


def state(status: str) -> dict[str, Any]:
    return {"response": {"id": "resp_1", "status": status}}


RESPONSE_ITEMS = [
    response("created", 0, **state("in_progress")),
    response("output_text.delta", 1, delta="one "),
    response("output_text.delta", 2, delta="two"),
    response("completed", 3, **state("completed")),
]
ERROR = {"type": "error", "sequence_number": 2, "code": "server_error", "message": "sorry"}
RESPONSES = Model(profiles.OPENAI_RESPONSES, events, RESPONSE_ITEMS, ERROR)
FAILED_RESPONSES = Model(
    profiles.OPENAI_RESPONSES, events, RESPONSE_ITEMS, response("failed", 2, **state("failed"))
)
INCOMPLETE_RESPONSES = Model(
    profiles.OPENAI_RESPONSES,
    events,
    [*RESPONSE_ITEMS[:3], response("incomplete", 3, **state("incomplete"))],
    ERROR,
)
BACKGROUND = Model(profiles.OPENAI_BACKGROUND, events, RESPONSE_ITEMS, ERROR)
ANTHROPIC = Model(
    profiles.ANTHROPIC,
    events,
    [
        {"type": "message_start", "message": {"id": "msg_1", "content": []}},
        {"type": "ping"},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "one"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ],
    {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
)
OLLAMA = Model(
    profiles.OLLAMA,
    ndjson,
    [
        {"model": "m", "message": {"role": "assistant", "content": "one "}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": "two"}, "done": False},
        {"model": "m", "done": True, "done_reason": "stop", "eval_count": 2},
    ],
    {"error": "an error was encountered while running the model"},
)
AG_UI = Model(
    profiles.AG_UI,
    events,
    [
        {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "one"},
        {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
    ],
    {"type": "RUN_ERROR", "message": "the agent failed", "code": "oops"},
)
MODELS = {
    "openai-chat": CHAT,
    "openai-responses": RESPONSES,
    "openai-responses-failed": FAILED_RESPONSES,
    "openai-responses-incomplete": INCOMPLETE_RESPONSES,
    "openai-background": BACKGROUND,
    "anthropic": ANTHROPIC,
    "ollama": OLLAMA,
    "ag-ui": AG_UI,
}


@pytest.fixture(params=MODELS.values(), ids=[*MODELS])
def model(request: pytest.FixtureRequest) -> Model:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=[name for name in MODELS if name != "openai-background"])
def unrepeatable(request: pytest.FixtureRequest) -> Model:
    """A model whose request may not be sent again."""
    return MODELS[request.param]


async def ask(face: Face, transport: ScriptedTransport, profile: Any, **more: Any) -> list[Any]:
    async with face.client(transport=transport) as client:
        options = {"json": {"stream": True}, **profile.options(), **more}
        async with client.stream("POST", URL, **options) as stream:
            items: list[Any] = await stream.collect()
        assert stream.stats.ended == "terminal"
    return items


async def test_a_whole_answer(pulled: Face, model: Model) -> None:
    transport = ScriptedTransport(model.whole())
    assert await ask(pulled, transport, model.profile) == model.items
    (request,) = transport.requests
    streams_events = model.make is events
    accepted = "text/event-stream" if streams_events else "application/x-ndjson"
    assert request.headers["accept"] == accepted


async def test_what_comes_behind_the_terminal_is_not_read(pulled: Face, model: Model) -> None:
    whole = model.whole()
    longer = attrs.evolve(whole, body=[*whole.body, b"data: {\n\n", Cut()])
    assert await ask(pulled, ScriptedTransport(longer), model.profile) == model.items


@pytest.mark.parametrize("then", [(), [Cut()]], ids=["ended", "cut"])
async def test_an_answer_without_its_terminal_is_truncated(
    pulled: Face, unrepeatable: Model, then: Any
) -> None:
    count = len(unrepeatable.items) - (not unrepeatable.end)
    transport = ScriptedTransport(unrepeatable.short(count, then))
    with pytest.raises(StreamTruncated) as caught:
        await ask(pulled, transport, unrepeatable.profile)
    assert caught.value.items == unrepeatable.items[:count]
    assert len(transport.requests) == 1  # and asked once: it costs, and may answer otherwise


async def test_a_failure_inside_the_stream(pulled: Face, model: Model) -> None:
    with pytest.raises(StreamFailed) as caught:
        await ask(pulled, ScriptedTransport(model.failed(2)), model.profile)
    assert caught.value.items == model.items[:2]
    failed = caught.value.item
    if isinstance(failed, ServerSentEvent):
        failed = failed.json()
    assert failed == model.failure


async def test_a_model_may_think_for_minutes_before_it_answers(pulled: Face, model: Model) -> None:
    slow = attrs.evolve(model.whole(), before=[Delay(500)])
    async with (
        pulled.client(transport=ScriptedTransport(slow), clock=VirtualClock()) as client,
        client.stream("POST", URL, **model.profile.options()) as stream,
    ):
        assert await stream.collect() == model.items


# In the background -----------------------------------------------------------------------------


async def in_background(face: Face, *answers: Response) -> tuple[list[Any], list[str]]:
    transport = ScriptedTransport(Script(*answers))
    async with face.client(transport=transport) as client:
        url = "http://testserver/v1/responses/resp_1"
        options = profiles.OPENAI_BACKGROUND.options()
        async with client.stream("GET", url, params={"stream": "true"}, **options) as stream:
            items: list[Any] = await stream.collect()
    return items, [request.target for request in transport.requests]


@pytest.mark.parametrize("then", [(), [Cut()]], ids=["ended", "cut"])
async def test_a_background_response_goes_on_by_its_sequence(pulled: Face, then: Any) -> None:
    first = events(*typed(*RESPONSE_ITEMS[:2]), then=then)
    items, targets = await in_background(pulled, first, events(*typed(*RESPONSE_ITEMS[2:])))
    assert items == RESPONSE_ITEMS
    path = "/v1/responses/resp_1?stream=true"
    assert targets == [path, f"{path}&starting_after=1"]


async def test_an_event_that_was_had_is_dropped(pulled: Face) -> None:
    first = events(*typed(*RESPONSE_ITEMS[:2]), then=[Cut()])
    items, _ = await in_background(pulled, first, events(*typed(*RESPONSE_ITEMS[1:])))
    assert items == RESPONSE_ITEMS


async def test_a_background_response_that_never_ends(pulled: Face) -> None:
    first, nothing = events(*typed(*RESPONSE_ITEMS[:2])), events()
    with pytest.raises(RetriesExhausted) as caught:
        await in_background(pulled, first, nothing)
    assert isinstance(caught.value.last_error, StreamTruncated)
    assert caught.value.items == RESPONSE_ITEMS[:2]


async def test_a_background_response_that_is_gone(pulled: Face) -> None:
    first = events(*typed(*RESPONSE_ITEMS[:2]), then=[Cut()])
    with pytest.raises(ResumeError):
        await in_background(pulled, first, Response(status=410))


# Types -----------------------------------------------------------------------------------------


@attrs.frozen
class Answer:
    """An item of a type of one's own: the profile's tests look at its attributes."""

    done: bool
    model: str = ""


async def test_items_of_a_type_of_your_own(pulled: Face) -> None:
    profile = profiles.OLLAMA.with_decoder(NDJSON(Answer))
    items = await ask(pulled, ScriptedTransport(OLLAMA.whole()), profile)
    assert items == [Answer(done=False, model="m")] * 2 + [Answer(done=True, model="m")]
    with pytest.raises(StreamTruncated):
        await ask(pulled, ScriptedTransport(OLLAMA.short(2)), profile)


async def test_events_of_a_type_of_your_own(pulled: Face) -> None:
    @attrs.frozen
    class Happening:
        type: str

    profile = profiles.AG_UI.with_decoder(SSEData(Happening))
    items = await ask(pulled, ScriptedTransport(AG_UI.whole()), profile)
    assert [item.type for item in items] == [item["type"] for item in AG_UI.items]
    with pytest.raises(StreamFailed):
        await ask(pulled, ScriptedTransport(AG_UI.failed(1)), profile)
