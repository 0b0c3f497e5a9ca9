"""The types that typed contenders ask for: Structs of msgspec, and one model of pydantic."""

from __future__ import annotations

from typing import Any

import msgspec


class Tick(msgspec.Struct):
    symbol: str
    price: float
    volume: int
    time: str
    venue: str
    side: str


class User(msgspec.Struct):
    volume: int
    name: str
    email: str
    score: float
    active: bool
    tags: list[str]
    note: str
    country: str


class Delta(msgspec.Struct):
    content: str = ""


class Choice(msgspec.Struct):
    index: int
    delta: Delta
    finish_reason: str | None = None


class Chunk(msgspec.Struct):
    id: str
    model: str
    choices: list[Choice]


class Row(msgspec.Struct):
    volume: int
    time: str
    symbol: str
    price: float
    note: str


def user_model() -> Any:
    """The same row for pydantic, made on demand: importing pydantic takes its time."""
    import pydantic

    class UserModel(pydantic.BaseModel):
        volume: int
        name: str
        email: str
        score: float
        active: bool
        tags: list[str]
        note: str
        country: str

    return UserModel
