"""Where text for people goes."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console

__all__ = ["QuietConsole", "plain"]


class QuietConsole(Console):
    """A console whose reader may leave: that is told like any other closed pipe."""

    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def plain(console: Console, text: str, style: str | None = None) -> None:
    """Prints text as it is: no markup, no wrapping, no colours of rich's own choice."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
