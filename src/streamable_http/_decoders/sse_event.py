"""The event itself."""

from __future__ import annotations

import json
from typing import Any

import msgspec

__all__ = ["ServerSentEvent"]


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of a `text/event-stream`.

    Attributes:
        event: Its type. Only a comment (`SSE(comments=True)`) has the empty type.
        data: Its data, the lines joined by LF.
        id: The last event ID of the stream after it, which the server may have set earlier.
        retry: The reconnection time in milliseconds, if this event's own block set one.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data as JSON, read just as `json.loads` reads it.

        Raises:
            json.JSONDecodeError: It is not JSON.
        """
        try:
            return msgspec.json.decode(self.data)
        except (ValueError, RecursionError):
            # The standard library lets more pass (NaN), and its error is the one to expect.
            return json.loads(self.data)
