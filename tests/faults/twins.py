"""Events that share an id, two by two. The server goes on behind the second."""

from __future__ import annotations

import re
from typing import Any

from attrs import evolve
from simulation.consumers import Ledger
from simulation.truth import Resource

import streamable_http as shttp

__all__ = ["TwinsLedger", "with_twins"]


class TwinsLedger(Ledger):
    """Their ids do not tell between which of the two a cursor stands."""

    def _place(self, cursor: shttp.Cursor) -> int | None:
        return None


def with_twins(resource: Resource) -> Resource:
    """The stream with the ids 0, 0, 2, 2 … in place of 0, 1, 2, 3 …"""
    numbers = [number - number % 2 for number in range(len(resource.items))]
    blocks = [
        re.sub(rb"(?m)^id: \d+", b"id: %d" % number, block)
        for number, block in zip(numbers, resource.blocks, strict=True)
    ]
    items: list[Any] = [
        (item[0], item[1], str(number)) if resource.format == "sse" else item
        for number, item in zip(numbers, resource.items, strict=True)
    ]
    return evolve(
        resource,
        blocks=tuple(blocks),
        items=tuple(items),
        ids=tuple(map(str, numbers)),
        after={str(number): min(number + 2, len(items)) for number in numbers},
    )
