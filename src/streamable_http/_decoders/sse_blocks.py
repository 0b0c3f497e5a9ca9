"""The shortcut for plain event blocks: one `data` line each, perhaps with `id` and `event`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["Plain", "as_text", "first_blank_line", "one_block", "plain_blocks"]


class Plain(NamedTuple):
    """What a run of plain blocks says."""

    events: Sequence[str] | None
    """Their types; None if no block has one."""
    data: list[Any]
    """str or bytes, as asked for."""
    ids: Sequence[Any] | None
    """None if no block has one; never a mixture. Likewise str or bytes."""
    size: int
    """How many bytes the blocks are."""
    separator: bytes
    """What ends a block."""
    is_utf8: bool
    """Whether all data is known to be UTF-8."""


_LF = b"\n\n"
_CRLF = b"\r\n\r\n"

# Possessive, so that a block that is not plain is given up at once. An empty ID, or one with NUL,
# is not plain. Of several IDs the last one counts. What is read holds no CR.
_ID = r"(?:id: ?+([^\n\0]++)\n)?+"
_BLOCK = rf"{_ID}(?:event: ?+([^\n]*+)\n)?+{_ID}data: ?+([^\n]*+)\n{_ID}\n"
_one_block = re.compile(_BLOCK.encode()).fullmatch

# The last branch takes all the rest from the first block on that is not plain.
_BLOCKS = rf"{_BLOCK}|([\s\S]++)"
_str_blocks = re.compile(_BLOCKS).findall
_bytes_blocks = re.compile(_BLOCKS.encode()).findall


def plain_blocks(data: bytes, limit: int, *, text: bool) -> Plain | None:
    """Reads the plain blocks that `data`, which begins a block, starts with.

    Args:
        data: The bytes. What they end with may be unfinished.
        limit: How large a block may be.
        text: Whether the data is wanted as str, or as bytes.

    Returns:
        What they say, or None if there are none to be read this way.
    """
    stop, separator = data.rfind(_LF) + 2, _LF
    if stop < 2:
        stop, separator = data.rfind(_CRLF) + 4, _CRLF
    region = data[:stop]
    if not 4 < stop <= limit:
        return None
    return _only_data(region, separator, text=text) or _with_fields(region, separator, text=text)


def one_block(data: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Type, data and ID (or b"" each) if `data` is one plain block and nothing else."""
    if 13 in data:
        data = data.replace(b"\r\n", b"\n")
        if 13 in data:
            return None
    found = _one_block(data)
    if found is None:
        return None
    early, event, middle, text, late = found.groups(b"")
    return event, text, late or middle or early


def first_blank_line(data: bytes) -> int:
    """Where the first blank line (of LF, or of CRLF) of `data` ends, or 0."""
    for blank_line in (_LF, _CRLF):
        start = data.find(blank_line)
        if start >= 0:
            return start + len(blank_line)
    return 0


def as_text(value: str | bytes) -> str:
    """A field's value; what is not UTF-8 becomes U+FFFD."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def _only_data(region: bytes, separator: bytes, *, text: bool) -> Plain | None:
    """Blocks that are one `data` line each: proven by values without a line end."""
    name = b"data: "
    if not region.startswith(name):
        name = b"data:"
        # A value that begins with a space would lose it.
        if not region.startswith(name) or region.find(b"\ndata: ") >= 0:
            return None
    values, between = region[len(name) : -len(separator)], separator + name
    utf8 = _as_utf8(values) if text or not region.isascii() else ""
    payloads: list[Any]
    # (To search what is joined is far cheaper than to count the line ends there are.)
    if text and utf8 is not None:
        payloads = utf8.split(between.decode())
        joined = "".join(payloads)
        if "\n" in joined or "\r" in joined:
            return None
    else:
        payloads = values.split(between)
        inside = b"".join(payloads)
        if b"\n" in inside or b"\r" in inside:
            return None
        if text:
            payloads = list(map(as_text, payloads))
    return Plain(None, payloads, None, len(region), separator, utf8 is not None)


def _with_fields(region: bytes, separator: bytes, *, text: bool) -> Plain | None:
    """Blocks with `id` and `event` lines, up to the first that is not plain."""
    if separator is _CRLF:
        size = len(region)
        region = region.replace(b"\r\n", b"\n")
        # Every line end must be a CRLF: only then can the blocks be measured by it.
        if size != len(region) + region.count(b"\n"):
            return None
    if region.find(b"\r") >= 0:
        return None
    utf8 = _as_utf8(region)
    rows: list[tuple[Any, ...]]
    rows = _bytes_blocks(region) if utf8 is None or not text else _str_blocks(utf8)
    unread: str | bytes = rows[-1][5]
    if unread:
        rows.pop()
    if not rows:
        return None
    ids = [late or middle or early for early, _, middle, _, late, _ in rows]
    if any(ids) and not all(ids):
        return None
    kinds = [row[1] for row in rows]
    names = {kind: as_text(kind) or "message" for kind in set(kinds)}
    payloads = [row[3] for row in rows]
    if text and utf8 is None:
        payloads = list(map(as_text, payloads))
        ids = list(map(as_text, ids))
    size = len(region) - len(unread if isinstance(unread, bytes) else unread.encode())
    if separator is _CRLF:
        size += region.count(b"\n", 0, size)
    return Plain(
        [names[kind] for kind in kinds] if any(names) else None,
        payloads,
        ids if ids[0] else None,
        size,
        separator,
        utf8 is not None,
    )


def _as_utf8(data: bytes) -> str | None:
    try:
        return data.decode()
    except ValueError:
        return None
