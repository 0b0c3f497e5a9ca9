"""Looks into items of any kind by a path of keys, such as "metadata.resourceVersion"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from .sse_event import ServerSentEvent

__all__ = ["at_path", "look_into"]


def at_path(item: Any, path: list[str]) -> Any:
    """What stands there, by key or by attribute; None if nothing does."""
    for key in path:
        if isinstance(item, Mapping):
            item = cast("Mapping[str, Any]", item).get(key)
        else:
            item = getattr(item, key, None)
    return item


def look_into(item: Any, path: list[str]) -> Any:
    """The same for an item of any decoder: the text of one, and an event's data, count as JSON."""
    if isinstance(item, ServerSentEvent):
        item = item.data
    if isinstance(item, str):
        try:
            item = msgspec.json.decode(item)
        except (ValueError, RecursionError):
            return None
    return at_path(item, path)
