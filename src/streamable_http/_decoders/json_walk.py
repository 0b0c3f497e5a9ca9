"""The JSON around an array: checked strictly, and passed over without being kept."""

from __future__ import annotations

import codecs
import functools
import re

import msgspec

from .engine import too_large
from .json_grammar import ESCAPE, SCALAR, container

__all__ = ["MAX_DEPTH", "Malformed", "Walk"]

MAX_DEPTH = 1000
"""How deep values may lie in each other around the array; about what the interpreter can read."""

_blank = re.compile(rb"[ \t\r\n]*+")
_word = re.compile(rb"[-+.0-9A-Za-z]*+")
_scalar = re.compile(SCALAR)
_string = re.compile(rb'(?:[^"\\\x00-\x1f]++|' + ESCAPE + b")*+")
_escape = re.compile(ESCAPE)
_escape_begun = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?")

# What lies whole in a piece is passed over at once. What is deeper than that, or cut, is found out
# in one pass, and its parts are tried by themselves: a byte is looked at some five times at most.
_LEVELS = 3


@functools.cache
def _container() -> re.Pattern[bytes]:
    """Compiled when it is needed: few streams have anything around their array."""
    return re.compile(container(_LEVELS))


_VALUE = "a value"
_VALUE_OR_END = "a value or `]`"
_KEY = "a key in double quotes"
_KEY_OR_END = "a key in double quotes or `}`"
_COLON = "`:`"
_NEXT = "`,` or the closing bracket"
_NOTHING = "the end of the body"

_KINDS = {ord("{"): "an object", ord("["): "an array", ord('"'): "a string"}
_ATOM = "a number, true, false or null"
_ATOMS = b"-0123456789tfn"
_CLOSES = {ord("}"): ord("{"), ord("]"): ord("[")}


class Malformed(Exception):
    """What is not JSON, or not the JSON that was asked for, and at which byte of the body."""

    def __init__(self, reason: str, offset: int, excerpt: bytes = b"") -> None:
        super().__init__(reason)
        self.reason, self.offset, self.excerpt = reason, offset, excerpt


class Walk:
    """Walks to the array at a path of keys, and, behind that, on to the end of the document.

    It keeps no more than one bracket for each open value, one key that could be of the path, and
    one number.

    Attributes:
        arrived: Whether what comes next is the inside of the array.
    """

    def __init__(self, path: tuple[str, ...], limit: int) -> None:
        self.arrived = False
        self._path, self._limit = path, limit
        self._expect = _VALUE
        self._stack = bytearray()  # the open brackets
        self._on_path: int = 0  # how many of them, from the first, are objects on the path
        self._wanted = True  # whether the value that comes is on the path
        self._found = False
        self._string: str | None = None  # "key" or "value" within one
        self._key: bytearray | None = None  # the key, where it could be of the path
        self._escape = b""
        self._utf8: codecs.IncrementalDecoder | None = None
        self._atom = bytearray()  # of a number, true, false or null
        self._atom_at = 0  # where that begins

    @property
    def is_done(self) -> bool:
        """Whether the document is complete."""
        return self._expect is _NOTHING

    def leave_array(self) -> None:
        """The array's `]` was met: what comes next is behind it."""
        self.arrived = False
        self._found = True
        self._value_ended()

    def feed(self, data: bytes, at: int, base: int) -> int:
        """Walks on from index `at` of `data`, whose first byte is at `base` of the body.

        Returns:
            The index of the first byte within the array, or the size of `data`.

        Raises:
            Malformed: Something is wrong in there.
            LimitExceeded: A number is too long.
        """
        size = len(data)
        while at < size and not self.arrived:
            if self._string is not None:
                at = self._walk_string(data, at, base)
            elif self._atom:
                at = self._walk_atom(data, at, base)
            else:
                at = _blank.match(data, at).end()  # type: ignore[union-attr]  # nothing, too
                if at < size and (end := self._container_end(data, at)):
                    at = end
                    self._value_ended()
                elif at < size:
                    self._walk_token(data[at], base + at)
                    at += 1
        return at

    def _container_end(self, data: bytes, at: int) -> int:
        """The index behind an object or array of no account that is good, or 0."""
        of_no_account = self._expect in {_VALUE, _VALUE_OR_END} and not self._wanted
        if not of_no_account or len(self._stack) + _LEVELS >= MAX_DEPTH:
            return 0
        match = _container().match(data, at)
        # A longer one may hold a number that is too long.
        return match.end() if match and match.end() - at <= self._limit else 0

    # Tokens ------------------------------------------------------------------------------------

    def _walk_token(self, byte: int, offset: int) -> None:
        expect = self._expect
        if expect is _VALUE or expect is _VALUE_OR_END:
            if expect is _VALUE_OR_END and byte == ord("]"):
                self._close(offset)
            else:
                self._begin_value(byte, offset)
        elif byte == ord('"') and (expect is _KEY or expect is _KEY_OR_END):
            self._string = "key"
            on_path = len(self._stack) == self._on_path
            self._key = bytearray() if on_path else None
        elif byte == ord(":") and expect is _COLON:
            self._expect = _VALUE
        elif byte == ord(",") and expect is _NEXT:
            self._expect = _KEY if self._stack[-1] == ord("{") else _VALUE
        elif expect in {_NEXT, _KEY_OR_END} and _CLOSES.get(byte) == self._stack[-1]:
            self._close(offset)
        else:
            raise self._unexpected(byte, offset)

    def _begin_value(self, byte: int, offset: int) -> None:
        if byte not in _KINDS and byte not in _ATOMS:
            raise self._unexpected(byte, offset)
        if self._wanted:
            self._take_wanted(byte, offset)
            if self.arrived:
                return
        if byte == ord('"'):
            self._string = "value"
        elif byte in _KINDS:
            if len(self._stack) == MAX_DEPTH:
                raise Malformed(f"values are nested deeper than {MAX_DEPTH}", offset)
            self._stack.append(byte)
            self._expect = _KEY_OR_END if byte == ord("{") else _VALUE_OR_END
        else:
            self._atom.append(byte)
            self._atom_at = offset

    def _take_wanted(self, byte: int, offset: int) -> None:
        """A value on the path: an object, or the array itself at its end."""
        self._wanted = False
        here = self._path[: self._on_path]
        wanted = "[" if len(here) == len(self._path) else "{"
        if byte != ord(wanted):
            kind = _KINDS.get(byte, _ATOM)
            place = f"the value at path={here!r}" if here else "the body"
            raise Malformed(f"{place} is {kind}, not {_KINDS[ord(wanted)]}", offset, bytes([byte]))
        if wanted == "[":
            self.arrived = True
        else:
            self._on_path += 1

    def _close(self, offset: int) -> None:
        if len(self._stack) == self._on_path:
            if not self._found:
                inside = self._path[: self._on_path - 1]
                key = self._path[self._on_path - 1]
                place = f"the object at path={inside!r}" if inside else "the object"
                raise Malformed(f"{place} has no key {key!r}", offset, b"}")
            self._on_path -= 1
        del self._stack[-1]
        self._value_ended()

    def _value_ended(self) -> None:
        self._expect = _NEXT if self._stack else _NOTHING

    def _unexpected(self, byte: int, offset: int) -> Malformed:
        return Malformed(f"{self._expect} was expected", offset, bytes([byte]))

    # Strings -----------------------------------------------------------------------------------

    def _walk_string(self, data: bytes, at: int, base: int) -> int:
        if self._escape:
            self._walk_escape(data[at : at + 1], base + at)
            return at + 1
        end = _string.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
        self._check_text(data[at:end], base + at)
        if end == len(data):
            return end
        byte = data[end]
        if byte == ord('"'):
            self._end_string(base + end)
        elif byte == ord("\\"):  # one that is cut, or none that JSON knows
            self._end_characters(base + end)
            self._escape = b"\\"
        else:
            raise Malformed("a control character stands in a string", base + end, bytes([byte]))
        return end + 1

    def _walk_escape(self, byte: bytes, offset: int) -> None:
        self._escape += byte
        if _escape.fullmatch(self._escape):
            self._keep(self._escape)
            self._escape = b""
        elif not _escape_begun.fullmatch(self._escape):
            raise Malformed("JSON has no such escape in a string", offset, self._escape)

    def _check_text(self, text: bytes, offset: int, *, final: bool = False) -> None:
        self._keep(text)
        if self._utf8 is None:
            if text.isascii():
                return
            self._utf8 = codecs.getincrementaldecoder("utf-8")()
        held = len(self._utf8.getstate()[0])
        try:
            self._utf8.decode(text, final)
        except UnicodeDecodeError as exc:
            raise Malformed("a string is not UTF-8", offset - held + exc.start) from exc

    def _end_characters(self, offset: int) -> None:
        """No character goes on behind `offset`."""
        if self._utf8 is not None:
            self._check_text(b"", offset, final=True)
            self._utf8 = None

    def _keep(self, text: bytes) -> None:
        if self._key is None:
            return
        # An escape is six bytes, and a character two of them at most: a longer key is another.
        longest = 12 * len(self._path[self._on_path - 1])
        self._key = self._key + text if len(self._key) + len(text) <= longest else None

    def _end_string(self, offset: int) -> None:
        self._end_characters(offset)
        kind, self._string = self._string, None
        if kind == "value":
            self._value_ended()
            return
        self._expect = _COLON
        if self._key is not None and _unquoted(self._key) == self._path[self._on_path - 1]:
            self._meet_key(offset)

    def _meet_key(self, offset: int) -> None:
        if self._found:
            key = self._path[self._on_path - 1]
            raise Malformed(f"the key {key!r} of path= comes a second time", offset)
        self._wanted = True

    # Numbers, true, false, null ----------------------------------------------------------------

    def _walk_atom(self, data: bytes, at: int, base: int) -> int:
        end = _word.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
        self._atom += data[at:end]
        if len(self._atom) > self._limit:
            raise too_large("max_item_bytes", self._limit, self._limit + 1, "a JSON number")
        if end < len(data):
            word, self._atom = bytes(self._atom), bytearray()
            if not _scalar.fullmatch(word):
                raise Malformed("this is no JSON value", self._atom_at, word[:64])
            self._value_ended()
        return end


def _unquoted(key: bytearray) -> str:
    try:
        return msgspec.json.decode(b'"' + key + b'"', type=str)
    except ValueError:  # a lone surrogate, which is in no path
        return ""
