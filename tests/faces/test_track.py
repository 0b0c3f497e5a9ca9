"""How far a stream is, on a terminal and elsewhere."""

from __future__ import annotations

import io
import sys
import threading
from typing import Any

import anyio
import pytest
from server import Server, cut, events, hold, streamed

from streamable_http import (
    AsyncClient,
    Client,
    ConfigurationError,
    Progress,
    RetryPolicy,
    StreamTruncated,
    progress,
    track,
)
from streamable_http.cli.console import QuietConsole
from streamable_http.progress import shown_progress


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


def console(*, terminal: bool = False) -> QuietConsole:
    return QuietConsole(file=io.StringIO(), width=100, force_terminal=terminal)


def shown(on: QuietConsole) -> str:
    assert isinstance(on.file, io.StringIO)
    return on.file.getvalue()


def drawing() -> list[str]:
    """The threads that draw bars."""
    return [one.name for one in threading.enumerate() if "refresh" in type(one).__name__.lower()]


NUMBERS = streamed(events(*range(1, 9)), x_total_count="8")


@pytest.mark.parametrize("terminal", [True, False], ids=["bar", "lines"])
def test_a_loop_shows_how_far_it_is(server: Server, terminal: bool) -> None:
    on = console(terminal=terminal)
    with (
        Client(trust_env=False) as client,
        client.stream("GET", server.serve("/numbers", NUMBERS) + "?token=x") as stream,
    ):
        tracked = track(stream, console=on)
        assert [event.data for event in tracked.map(lambda event: event)] == [*"12345678"]
        assert tracked.stats.items == 8
    assert ("8/8" if terminal else "/numbers: 8 of 8 items") in shown(on)
    assert "token" not in shown(on)
    assert server.wait_for(lambda: not drawing())


def test_leaving_the_block_ends_the_bar(server: Server) -> None:
    on = console(terminal=True)
    url = server.serve("/", streamed(events(1, 2), hold()))
    with Client(trust_env=False) as client, client.stream("GET", url) as stream:
        for event in track(stream, "feed", console=on):
            if event.data == "2":
                break
        assert drawing()
    assert server.wait_for(lambda: not drawing())
    assert shown(on).endswith("\x1b[?25h")  # the cursor is shown again
    assert "2/?" in shown(on)


def test_a_stream_that_fails_ends_the_bar(server: Server) -> None:
    on = console(terminal=True)
    url = server.serve("/", streamed(events(1), cut()))
    options: Any = {"retry": RetryPolicy(on=lambda error: False)}
    with Client(trust_env=False) as client, client.stream("GET", url, **options) as stream:
        with pytest.raises(StreamTruncated):
            list(track(stream, "feed", console=on))
        assert server.wait_for(lambda: not drawing())


def test_an_async_loop(server: Server) -> None:
    on = console()
    url = server.serve("/", NUMBERS)

    async def main() -> list[str]:
        async with AsyncClient(trust_env=False) as client, client.stream("GET", url) as stream:
            return [event.data async for event in track(stream, "all", console=on)]

    assert anyio.run(main) == [*"12345678"]
    assert "all: 8 of 8 items" in shown(on)


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="flow of type list is no stream: pass what"):
        track([])  # type: ignore[call-overload]


def test_without_rich_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with Client(trust_env=False) as client, pytest.raises(ModuleNotFoundError) as caught:
        track(client.stream("GET", "http://127.0.0.1"))
    assert "pip install 'streamable-http[cli]'" in str(caught.value)
