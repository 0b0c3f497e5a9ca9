"""The lines of a multipart body (RFC 2046, section 5.1.1): boundaries, and headers of parts."""

from __future__ import annotations

import re

from attrs import frozen

from .._values import Headers

__all__ = ["BLANK_LINE", "NO_HEADERS", "Boundary", "Malformed", "OpenPart"]

NO_HEADERS = re.compile(rb"\r?\n")
BLANK_LINE = re.compile(rb"\r?\n\r?\n")

_LONGEST_LINE = 1_000
_CR = ord("\r")
_rest_of_line = re.compile(rb"(--)|[ \t]{0,99}+(\r?)\n")
_start_of_rest = re.compile(rb"-?|[ \t]{0,99}+\r?")
_header = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++)[ \t]*+:[ \t]*+([^\r\n]*+)")
_folding = re.compile(rb"\r?\n[ \t]++")
_line_break = re.compile(rb"\r?\n")


class Malformed(Exception):
    """The body is no multipart body, and nothing behind this place can be trusted."""


class Boundary:
    """Finds the boundaries of one body, each at the beginning of a line.

    What follows on that line does not matter for what is one (RFC 2046, section 5.1.1), so that a
    part ends with it, and need not wait for the line to end.

    Args:
        name: The boundary; "" for the one of the body's first line.
        line: The line of it that an earlier connection found, without its end; b"" if none did.

    Attributes:
        line: The line that is a boundary, as far as it goes; b"" while that is not known.
    """

    def __init__(self, name: str, line: bytes = b"") -> None:
        self.line = f"--{name}".encode() if name else line
        # Some servers name it with the dashes that are to stand before it: the first one found
        # shows which is meant.
        self._other = name.encode() if name.startswith("--") else b""
        self._crlf = True

    def _lines(self) -> list[bytes]:
        return [self.line, self._other] if self._other else [self.line]

    def _is(self, line: bytes) -> None:
        self.line, self._other = line, b""

    def at_start(self, data: bytes | bytearray) -> int:
        """The size of the boundary that `data` begins with, or 0."""
        for line in self._lines():
            if line and data.startswith(line):
                self._is(line)
                return len(line)
        return 0

    def may_begin(self, data: bytes | bytearray) -> bool:
        """Whether `data` is the beginning of a boundary, and not all of it.

        Raises:
            Malformed: No boundary is known, and `data` does not begin with one.
        """
        if not self.line:
            return not self._learn(data)
        return any(line.startswith(data) and line != data for line in self._lines())

    def _learn(self, data: bytes | bytearray) -> bool:
        line, end, _ = bytes(data).partition(b"\n")
        nameless = end and len(line.rstrip(b" \t\r")) <= len(b"--")
        if nameless or len(line) > _LONGEST_LINE or not b"--".startswith(line[:2]):
            raise Malformed("the Content-Type names no boundary, and no line begins with one")
        if end:
            self._is(line.rstrip(b" \t\r"))
        return bool(end)

    def find(self, data: bytearray, start: int) -> tuple[int, int]:
        """The first boundary behind a line break, at `start` or later.

        Returns:
            Where what is before that line break ends, and where what is behind the boundary
            begins; or, where there is none, up to where there is not even the beginning of one,
            and 0.
        """
        found = [
            (at, line) for line in self._lines() if (at := data.find(b"\n" + line, start)) >= 0
        ]
        if not found:
            longest = max(map(len, self._lines())) + 1
            return max(len(data) - longest + 1, start), 0
        at, line = min(found)
        self._is(line)
        with_cr = self._crlf and at > 0 and data[at - 1] == _CR
        return at - with_cr, at + 1 + len(line)

    def rest_of_line(self, data: bytearray) -> tuple[int, bool]:
        """What follows a boundary on its line.

        Returns:
            Where that ends, or 0 if it has not come yet; and whether it says that no part follows.

        Raises:
            Malformed: It is neither that nor a line end.
        """
        match = _rest_of_line.match(data)
        if match is not None:
            closing = bool(match[1])
            self._crlf = bool(match[2]) if not closing else self._crlf
            return match.end(), closing
        if not _start_of_rest.fullmatch(data):
            raise Malformed("behind a boundary comes neither a line end nor `--`")
        return 0, False


@frozen
class OpenPart:
    """What is known of a part before its body.

    Attributes:
        offset: Where it begins.
        headers: Its headers.
        length: Of its body in bytes, if it tells.
        fault: What is wrong with the headers, if something is.
        block: The headers as they came.
    """

    offset: int = 0
    headers: Headers = Headers()
    length: int | None = None
    fault: ValueError | None = None
    block: bytes = b""

    @classmethod
    def of(cls, block: bytes, offset: int) -> OpenPart:
        """Reads the header lines of a part, which begin at `offset`."""
        pairs: list[tuple[str, str]] = []
        lines = _line_break.split(_folding.sub(b" ", block)) if block else []
        for line in lines:
            match = _header.fullmatch(line)
            if match is None:
                return cls(offset, fault=ValueError(f"{line[:64]!r} is no header"), block=block)
            name, value = match.groups()
            pairs.append((name.decode("ascii"), value.decode("latin-1").rstrip(" \t")))
        headers = Headers(pairs)
        told = set(headers.get_list("content-length"))
        text = told.pop() if len(told) == 1 else ""
        length = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
        fault = None
        if length is None and "content-length" in headers:
            fault = ValueError(f"its Content-Length {headers['content-length']!r} is no length")
        return cls(offset, headers, length, fault, block)
