"""What is labelled `application/json` and no more: one array, or a value per line."""

from __future__ import annotations

import copy
from typing import Any

from .._errors import ResumeError
from .arrays import JSONArray
from .engine import Batch, Context, Engine, Spec
from .records import NDJSON

__all__ = ["JSONBody"]


class JSONBody(Spec[Any]):
    """Decodes by the first byte that is not blank: `[` begins an array, all else is lines."""

    def build(self, context: Context, /) -> Engine[Any]:
        return _EitherEngine(context)


class _EitherEngine(Engine[Any]):
    """Lets both engines read what is before that byte, and then the one that it is for."""

    starts_at_records = True

    def __init__(self, context: Context) -> None:
        self._lines, self._array = NDJSON().build(context), JSONArray().build(context)
        self._before_lines, self._before_array = Batch[Any]([]), Batch[Any]([])
        self._goes_on = context.offset > 0
        self._chosen: Engine[Any] | None = None

    def feed(self, data: bytes, /) -> Batch[Any]:
        batch = self._choose(data) if self._chosen is None else self._chosen.feed(data)
        if self._chosen is not None:
            self.skipped = self._chosen.skipped
        return batch

    def _choose(self, data: bytes) -> Batch[Any]:
        # The bytes of a BOM are passed over too: elsewhere they are no JSON anyway.
        rest = data.lstrip(b" \t\r\n\xef\xbb\xbf")
        blank = data[: len(data) - len(rest)]
        self._before_lines = _after(self._before_lines, self._lines.feed(blank))
        self._before_array = _after(self._before_array, self._array.feed(blank))
        if not rest and not self._before_lines.ended:
            return Batch([])
        if self._goes_on and rest[:1] in b",]":
            self._chosen = self._lines
            self._chosen.finish()
            return Batch([], error=_inside_an_array())
        if rest[:1] == b"[" and not self._goes_on and not self._before_lines.ended:
            self._chosen, self.starts_at_records = self._array, False
            return _after(self._before_array, self._array.feed(rest))
        self._chosen = self._lines
        return _after(self._before_lines, self._lines.feed(rest))

    def finish(self, *, framed: bool = True) -> Batch[Any]:
        # Told to a copy: this engine may itself be one that shares its parts with another.
        if self._chosen is None:
            return _after(self._before_lines, copy.copy(self._lines).finish(framed=framed))
        last = copy.copy(self._chosen)
        batch = last.finish(framed=framed)
        self.skipped = last.skipped
        return batch


def _after(first: Batch[Any], then: Batch[Any]) -> Batch[Any]:
    """One batch of two, the first of which has no items."""
    error = first.error or then.error
    end, ended = then.end or first.end, first.ended or then.ended
    return Batch(then.items, then.marks, end, error, ended, first.size + then.size)


def _inside_an_array() -> ResumeError:
    return ResumeError(
        "the position is inside of a JSON array, which has to be read from its start: start "
        "without start= or the saved cursor"
    )
