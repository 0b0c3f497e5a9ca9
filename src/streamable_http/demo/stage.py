"""What the steps of the demo share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen
from rich.console import Console

from streamable_http import StreamService

from ..cli.console import plain
from .verify import Mismatch, Tally

__all__ = ["Stage"]


@frozen
class Stage:
    """One run of the demo.

    Attributes:
        url: Where the service is.
        service: A client for it.
        console: Where to tell what was measured.
    """

    url: str
    service: StreamService
    console: Console

    def say(self, text: str) -> None:
        """One line of findings."""
        plain(self.console, f"   {text}")

    def tally(self, endpoint: str, params: Mapping[str, Any] | None = None) -> Tally:
        """Follows a stream of `endpoint`, which must hold as many records as `/info` says."""
        total = self.service.get_stream_info(endpoint, params=params).total
        if total is None:
            raise Mismatch(f"/info/{endpoint} names no total, so nothing can be checked")
        return Tally(endpoint, total)
