"""Fixtures for pytest; import those you want into your `conftest.py`.

    from streamable_http.testing.fixtures import scripted_server, virtual_clock

Nothing loads by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ._clock import VirtualClock
from ._server import ScriptedServer

__all__ = ["scripted_server", "virtual_clock"]


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A running server that plays what `serve` gives it; stopped after the test."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock at 0.0 that moves only where somebody waits."""
    return VirtualClock()
