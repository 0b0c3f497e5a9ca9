"""How far a stream is, on a terminal and elsewhere."""

from __future__ import annotations

import io

import pytest

from streamable_http import Progress
from streamable_http.cli import progress
from streamable_http.cli.console import QuietConsole
from streamable_http.cli.progress import shown_progress


def told(*, total: int | None, terminal: bool = False) -> str:
    out = io.StringIO()
    console = QuietConsole(file=out, width=100, force_terminal=terminal)
    with shown_progress(console, "[items]") as show:
        for items in range(1, 101):
            show(Progress(items=items, bytes=items * 10, elapsed=items / 50, total_items=total))
    return out.getvalue()


def test_a_line_for_each_quarter() -> None:
    assert told(total=100).splitlines() == [
        "[items]: 25 of 100 items, 250 bytes, 50 items/s",
        "[items]: 50 of 100 items, 500 bytes, 50 items/s",
        "[items]: 75 of 100 items, 750 bytes, 50 items/s",
        "[items]: 100 of 100 items, 1,000 bytes, 50 items/s",
    ]


def test_a_line_now_and_then_without_a_total(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(total=None) == ""
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0)
    assert told(total=None).splitlines()[41] == "[items]: 42 items, 420 bytes, 50 items/s"


def test_a_bar_on_a_terminal() -> None:
    assert "100/100" in told(total=100, terminal=True)
    assert "50/s" in told(total=100, terminal=True)
