"""Where a JSON text ends that comes in pieces: brackets are counted, and strings passed over.

Nothing is checked here beyond that; whoever reads the text that was found does so strictly.
"""

from __future__ import annotations

import re

__all__ = ["STRING", "Nesting"]

STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
"""A whole string, escapes included; for patterns with `re.DOTALL`."""

# Possessive throughout: what does not match is found out in one pass over the bytes.
_within = re.compile(rb'(?:[^"\[\]{}]++|' + STRING + rb")*+", re.DOTALL)
_in_string = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)

_OPENING = b"[{"
_QUOTE = ord('"')
_BACKSLASH = ord("\\")


class Nesting:
    """Finds the end of one object, array or string after the other; each byte is looked at once.

    Attributes:
        is_open: Whether a value has begun and not ended.
    """

    __slots__ = ("_depth", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False

    @property
    def is_open(self) -> bool:
        return self._depth > 0 or self._quoted

    def open(self, byte: int) -> None:
        """Begins a value with its first byte: a bracket, a brace or a quote."""
        if byte == _QUOTE:
            self._quoted = True
        else:
            self._depth += 1

    def closing(self, data: bytes, at: int) -> int:
        """The index in `data` right behind the open value, or -1 if it ends in none of it."""
        size = len(data)
        while at < size:
            if self._quoted:
                at = self._unquote(data, at)
                if self._quoted or self._depth:
                    continue
                return at
            at = _within.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
            if at == size:
                break
            byte = data[at]
            at += 1
            if byte == _QUOTE:  # of a string that does not end here
                self._quoted = True
            elif byte in _OPENING:
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    return at
        return -1

    def _unquote(self, data: bytes, at: int) -> int:
        if self._escaped:
            self._escaped = False
            at += 1
        at = _in_string.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
        if at == len(data):
            return at
        if data[at] == _BACKSLASH:  # the last byte
            self._escaped = True
        else:
            self._quoted = False
        return at + 1
