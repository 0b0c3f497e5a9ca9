"""The records that the server sends, and what is summed up over them to see that none is missing.

Each function gives the text of record `number`; texts repeat after some thousand, which no decoder
can tell. `FIELDS` is the sum that a reader of fields checks, next to the characters of the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

WORDS = ("the", " stream", " of", " items", " goes", " on", ",", " grün", " where", " it", " was.")


class Record(NamedTuple):
    """One record as text, and the sum over the fields that a reader is asked for."""

    text: str
    fields: int


def tick(number: int) -> Record:
    """A price, some 112 characters, 120 bytes as an event: what a market sends all day."""
    volume = 1000 + number % 1000
    text = (
        f'{{"symbol":"ABCD","price":{number % 997}.25,"volume":{volume},'
        '"time":"2026-01-01T00:00:00.000Z","venue":"XNAS","side":"b"}'
    )
    return Record(text, volume)


def user(number: int) -> Record:
    """A row of a database, 200 bytes as a line."""
    volume = 1_000_000 + number
    fields = {
        "volume": volume,
        "name": f"Person {number % 89}",
        "email": f"person{number % 97}@example.com",
        "score": number % 997 / 7,
        "active": number % 3 == 0,
        "tags": ["one", "two"],
        "note": "a line of some length, as notes are",
        "country": "DE",
    }
    return Record(json.dumps(fields, separators=(",", ":")), volume)


def token(number: int) -> Record:
    """A piece of an answer of a language model, 250 bytes as an event; one in eleven not ASCII."""
    word = WORDS[number % len(WORDS)]
    chunk = {
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz012",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "model-1-2026-01-01",
        "system_fingerprint": "fp_0123456789",
        "choices": [
            {"index": 0, "delta": {"content": word}, "logprobs": None, "finish_reason": None}
        ],
    }
    return Record(json.dumps(chunk, separators=(",", ":"), ensure_ascii=False), len(word))


def row(number: int) -> Record:
    """A row of CSV, 60 bytes; one in twenty has a cell in quotes."""
    volume = 1_000_000 + number
    note = '"bought, held"' if number % 20 == 0 else "bought no hold"
    return Record(f"{volume},2026-01-01T00:00:00Z,ACME,{100 + number % 899}.5,{note}", volume)


def kibibyte(_: int) -> Record:
    return Record("x" * 1024, 0)


def tick_of(item: Any) -> int:
    return item["volume"]


def token_of(item: Any) -> int:
    return len(item["choices"][0]["delta"]["content"])


def token_of_struct(item: Any) -> int:
    return len(item.choices[0].delta.content)


def row_of(item: Any) -> int:
    return int(item[0])


Weigh = Callable[[Any], int]

# How an item of each kind is weighed. The first three are of any workload.
WEIGHS: dict[str, Weigh] = {
    "event": lambda item: len(item.data),
    "text": len,
    "bytes": len,
    "record": tick_of,
    "typed": lambda item: int(item.volume),
    "chunk": token_of,
    "typed chunk": token_of_struct,
    "cells": row_of,
    "row": lambda item: int(item["volume"]),
}
OF_TEXT = {"event", "text"}
