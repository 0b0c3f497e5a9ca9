"""Cursors for models: short text, good for one endpoint with one set of parameters."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from streamable_http import ConfigurationError, Cursor

from ._problems import ToolProblem
from ._values import encode

__all__ = ["LONGEST_CURSOR", "read_cursor", "written_cursor"]

LONGEST_CURSOR = 2048


def _belonging(endpoint: str, params: Any) -> str:
    canonical = json.dumps([endpoint, params], sort_keys=True)
    return hashlib.blake2b(canonical.encode("utf-8", "replace"), digest_size=6).hexdigest()


def written_cursor(cursor: Cursor | None, endpoint: str, params: Any) -> str | None:
    """The cursor as text, or None if there is none, or none of a length that a model can carry.

    It leaves out what the service's address is.
    """
    if cursor is None:
        return None
    fields = [cursor.kind, cursor.value, cursor.etag, cursor.count, cursor.behind]
    raw = encode([_belonging(endpoint, params), *fields]).encode()
    text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return text if len(text) <= LONGEST_CURSOR else None


def read_cursor(text: str, endpoint: str, params: Any) -> Cursor:
    """What `written_cursor` wrote.

    Raises:
        ToolProblem: It is no cursor, or one of another stream.
    """
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        belongs, *fields = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        names = ("kind", "value", "etag", "count", "behind")
        values = dict(zip(names, fields, strict=True))
        cursor = Cursor.from_json(json.dumps({"version": 1, **values}))
        if cursor.kind != "last-event-id":  # the only one that this convention writes
            raise ValueError(cursor.kind)
        cursor.value.encode()  # refuses half of a surrogate pair
    except (ValueError, TypeError, ConfigurationError, RecursionError) as exc:
        raise ToolProblem(
            "invalid_cursor", "cursor: pass one that an answer gave, unchanged."
        ) from exc
    if belongs != _belonging(endpoint, params):
        raise ToolProblem(
            "invalid_cursor", "cursor: it belongs to another endpoint or to other params."
        )
    return cursor
