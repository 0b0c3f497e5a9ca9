"""From items back to the bytes of a response."""

from __future__ import annotations

import abc
import codecs
from collections.abc import Iterable
from typing import Any

import msgspec

from streamable_http import ServerSentEvent

__all__ = ["EVENT_STREAM", "Format", "format_of", "media_type_of"]

EVENT_STREAM = "text/event-stream"

_BLANK_LINES = (b"\n\n", b"\n\r\n", b"\r\r", b"\n\r")


class Format(abc.ABC):
    """How items are written, one after the other.

    Attributes:
        heartbeat: Bytes that readers pass over, or b"" if the format has none.
        between_items: Whether what was written so far ends where an item does.
    """

    heartbeat: bytes = b""
    between_items: bool = True

    def encode(self, items: Iterable[Any]) -> bytes:
        """The bytes of these items, which go behind those of all before them."""
        return b"".join(
            [self._encode_raw(one) if _is_raw(one) else self._encode(one) for one in items]
        )

    @abc.abstractmethod
    def _encode(self, item: Any) -> bytes:
        """One item, whole."""

    @abc.abstractmethod
    def _encode_raw(self, data: bytes) -> bytes:
        """A piece of a body, cut anywhere."""

    @abc.abstractmethod
    def terminal(self, text: str) -> bytes:
        """What says that nothing is missing, or b"" if that cannot be said here."""

    @abc.abstractmethod
    def failure(self, name: str, error: Exception) -> bytes:
        """What says that the rest is missing, or b"" if it cannot be said here."""


class _Events(Format):
    heartbeat = b":\n\n"

    def __init__(self) -> None:
        self._id = ""
        self._tail: bytes | None = None  # the last raw bytes

    def _encode(self, item: Any) -> bytes:
        if not isinstance(item, ServerSentEvent):
            return ServerSentEvent(data=item if isinstance(item, str) else _text(item)).encode()
        if not item.event or item.id == self._id:
            return item.encode()
        # An event without an ID would leave the reader with the one before it.
        reset = b"" if item.id else b"id\n"
        self._id = item.id
        return reset + item.encode()

    def _encode_raw(self, data: bytes) -> bytes:
        if self._tail is None:
            # Behind a heartbeat it would be a part of the first line.
            self._tail, data = b"", bytes(data).removeprefix(codecs.BOM_UTF8)
        self._tail = (self._tail + data)[-3:]
        self.between_items = not self._tail or self._tail.endswith(_BLANK_LINES)
        return data

    def terminal(self, text: str) -> bytes:
        # In the midst of an event it would be a part of that.
        return ServerSentEvent(data=text).encode() if self.between_items else b""

    def failure(self, name: str, error: Exception) -> bytes:
        if not self.between_items:
            return b""
        return ServerSentEvent(name, _text({"type": type(error).__name__})).encode()


class _Records(Format):
    def __init__(self, *, text: bool) -> None:
        self._text = text
        self._raw = self._in_line = False

    def _encode(self, item: Any) -> bytes:
        line = item if self._text and isinstance(item, str) else _text(item)
        return f"{line}\n".encode()

    def _encode_raw(self, data: bytes) -> bytes:
        self._raw = True
        self._in_line = data[-1:] != b"\n" if data else self._in_line
        return data

    def terminal(self, text: str) -> bytes:
        return b"\n" * self._in_line + f"{text}\n".encode()

    def failure(self, name: str, error: Exception) -> bytes:
        if self._raw or self._text:
            return b""
        return self._encode({name: {"type": type(error).__name__}})


def format_of(media_type: str) -> Format:
    """How items are written in a body of this type.

    An event stream has an event for each item: text is its data as it is, other values are so as
    JSON. Other bodies have a line for each item, of JSON; only in `text/…` text is a line as it is.
    Bytes are pieces of the body already.
    """
    essence = media_type.partition(";")[0].strip().lower()
    return _Events() if essence == EVENT_STREAM else _Records(text=essence.startswith("text/"))


def media_type_of(items: list[Any] | None, upstream: str) -> str:
    """The type of a body that begins with these items (None: it has none).

    Args:
        items: The first items.
        upstream: The upstream's Content-Type, or "".
    """
    if not items or _is_raw(items[0]):
        return upstream or "application/octet-stream"
    return "text/plain; charset=utf-8" if isinstance(items[0], str) else "application/x-ndjson"


def _is_raw(item: object) -> bool:
    return isinstance(item, (bytes, bytearray, memoryview))


def _text(item: Any) -> str:
    return msgspec.json.encode(item, enc_hook=_by_pydantic).decode()


def _by_pydantic(item: Any) -> Any:
    if hasattr(item, "__pydantic_validator__"):
        return item.model_dump(mode="json")
    raise NotImplementedError(f"items of class {type(item).__qualname__} cannot be written as JSON")
