"""Talks to an OpenAI-compatible chat endpoint; half an answer is an error, never an answer.

python llm_chat.py BASE_URL "a question"; OPENAI_API_KEY and OPENAI_MODEL from the environment.
"""

from __future__ import annotations

import os
import sys

import msgspec

import streamable_http as shttp


class Delta(msgspec.Struct):
    content: str | None = None


class Choice(msgspec.Struct):
    delta: Delta
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    """What this program reads of a chat.completion.chunk; all else is never made an object."""

    choices: list[Choice] = []


def main(base_url: str, question: str = "What is a stream?") -> int:
    headers = {"Authorization": f"Bearer {os.environ.get('OPENAI_API_KEY', 'none')}"}
    body = {
        "model": os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        "stream": True,
        "messages": [{"role": "user", "content": question}],
    }
    with (
        shttp.Client(base_url=base_url, headers=headers) as client,
        client.stream(
            "POST",
            "/v1/chat/completions",
            json=body,
            decoder=shttp.SSEData(Chunk),
            terminal="[DONE]",
            failure=shttp.Failure(path="error"),
            timeout=shttp.Timeouts(first_byte=60, between_items=30),
        ) as chunks,
    ):
        try:
            for chunk in chunks:
                for choice in chunk.choices:
                    print(choice.delta.content or "", end="", flush=True)
        except shttp.StreamError as error:
            print(f"\n[not the whole answer: {type(error).__name__}]")
            return 1
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["http://127.0.0.1:8000"])))
