"""What the providers send, as scripts, and where a polite intermediary ends it too early."""

from __future__ import annotations

from typing import Any

from streamable_http.testing import Response, event, events

__all__ = ["CHAT", "DONE", "MESSAGE", "RESPONSE", "WORDS", "as_response", "failing"]

WORDS = ("one ", "two ", "three ", "four")


def _chat(delta: dict[str, Any], reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return event({**head, "choices": [choice]})


DONE = event("[DONE]")
CHAT = [
    _chat({"role": "assistant", "content": ""}),
    *[_chat({"content": word}) for word in WORDS],
    _chat({}, "stop"),
    DONE,
]
"""A chat completion."""


def _typed(data: dict[str, Any]) -> bytes:
    return event(data, event=data["type"])


def _response(status: str) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": status,
        "model": "m",
        "output": [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def _text(word: str, number: int) -> dict[str, Any]:
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []}
    kind = "response.output_text.delta"
    return {"type": kind, "delta": word, "sequence_number": number, **where}


RESPONSE = [
    _typed(
        {
            "type": "response.created",
            "response": _response("in_progress"),
            "sequence_number": 0,
        }
    ),
    *[_typed(_text(word, number)) for number, word in enumerate(WORDS, 1)],
    _typed(
        {
            "type": "response.completed",
            "response": _response("completed"),
            "sequence_number": len(WORDS) + 1,
        }
    ),
]
"""A response of the Responses API, which has no [DONE]."""

_USAGE = {"input_tokens": 1, "output_tokens": 1}
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "model": "m",
    "stop_reason": None,
    "stop_sequence": None,
    "usage": _USAGE,
}


def _word(text: str) -> dict[str, Any]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


MESSAGE = [
    _typed({"type": "message_start", "message": _MESSAGE}),
    _typed(
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    ),
    _typed({"type": "ping"}),
    *[_typed(_word(word)) for word in WORDS],
    _typed({"type": "content_block_stop", "index": 0}),
    _typed(
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 4},
        }
    ),
    _typed({"type": "message_stop"}),
]
"""A message of the Messages API."""


def as_response(pieces: list[bytes], *, short_of: int = 0) -> Response:
    """A response that HTTP takes for whole, without its last so many events."""
    return events(*pieces[: len(pieces) - short_of])


def failing(pieces: list[bytes], failure: bytes) -> Response:
    """A response whose server reports a failure after its first words, and no more."""
    return events(*pieces[:4], failure)
