"""The event itself."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

__all__ = ["ServerSentEvent"]

_LINE_END = re.compile(r"\r\n?|\n")
_UNWRITABLE_ID = re.compile(r"[\r\n\0]")


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

    def encode(self) -> bytes:
        """The event as it is sent, its blank line included (WHATWG HTML, section 9.2.6).

        Whoever reads it gets an equal event, but for two things that the format has no words for:
        every line end in `data` is read as LF, and an empty `id` is not sent, so a reader that has
        an ID keeps it. An event of the empty type is sent as a comment.

        Raises:
            ValueError: `event` or `id` would end its line, or `id` has a NUL, which readers
                ignore; `event` is None; `retry` is negative or no whole number; or a text has a
                lone surrogate.
        """
        if not self.event:
            given: Any = self.event
            if given is None:
                raise ValueError(
                    "ServerSentEvent(event=None) has no type: leave it out for 'message', or pass "
                    "'' for a comment"
                )
            return (": " + _LINE_END.sub("\n: ", self.data) + "\n\n").encode()
        fields = ""
        if self.event != "message":
            if _LINE_END.search(self.event):
                raise _unwritable("event", self.event, "line ends")
            fields = f"event: {self.event}\n"
        if self.id:
            if _UNWRITABLE_ID.search(self.id):
                raise _unwritable("id", self.id, "line ends and NUL")
            fields += f"id: {self.id}\n"
        if self.retry is not None:
            retry: Any = self.retry
            # Readers take no notice of what is not all digits.
            if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
                raise ValueError(
                    f"ServerSentEvent(retry={retry!r}) is no time: pass milliseconds, whole, from "
                    f"0 up"
                )
            fields += f"retry: {retry}\n"
        data = self.data
        if "\n" in data or "\r" in data:
            data = _LINE_END.sub("\ndata: ", data)
        return f"{fields}data: {data}\n\n".encode()


def _unwritable(name: str, value: str, what: str) -> ValueError:
    return ValueError(
        f"ServerSentEvent({name}={value!r:.80}) cannot be sent: the format has no way to write "
        f"{what} there; leave them out"
    )
