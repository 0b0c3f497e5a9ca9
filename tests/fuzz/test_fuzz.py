"""Every target, for a moment; or for the seconds that FUZZ_SECONDS says, one after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import decoders, session

SECONDS = float(os.environ.get("FUZZ_SECONDS", "0"))
TARGETS = {
    "events": (decoders.events, 80),
    "records": (decoders.records, 60),
    "sequences": (decoders.sequences, 60),
    "arrays": (decoders.arrays, 80),
    "json by its type": (decoders.json_by_type, 80),
    "lines": (decoders.lines, 80),
    "tables": (decoders.table, 80),
    "multipart": (decoders.multiparts, 80),
    "frames": (decoders.frames, 30),
    "raw": (decoders.raw, 30),
    "content codings": (decoders.codings, 50),
    "linear work": (decoders.linear, 8),
    "session": (session.lives, 60),
}


@pytest.mark.parametrize("name", TARGETS)
def test_target(name: str) -> None:
    target, count = TARGETS[name]
    until = time.monotonic() + SECONDS / len(TARGETS)
    _examine(target, count)
    while time.monotonic() < until:
        _examine(target, count * 10)


def _examine(target: Callable[[st.DataObject], None], count: int) -> None:
    @settings(
        max_examples=count,
        deadline=None,
        derandomize=not SECONDS,  # for a moment always the same, so that a gate has one verdict
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def holds(data: st.DataObject) -> None:
        target(data)

    holds()
