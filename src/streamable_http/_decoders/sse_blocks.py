"""The shortcut for plain event blocks: one `data` line each, perhaps with `id` and `event`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Plain", "first_blank_line", "plain_blocks"]


class Plain(NamedTuple):
    """What a run of plain blocks says."""

    events: Sequence[str] | None
    """Their types; None if no block has one."""
    data: list[Any]
    """str or bytes, as asked for."""
    ids: Sequence[str] | None
    """None if no block has one; never a mixture."""
    size: int
    """How many bytes the blocks are."""
    separator: bytes
    """What ends a block."""


# Possessive, so that a block that is not plain is given up at once. An empty ID, or one with NUL,
# is not plain. The last branch takes all the rest from the first such block on.
_BLOCK = (
    r"(?:id: ?+([^\n\0]++)\n)?+(?:event: ?+([^\n]*+)\n)?+(?:id: ?+([^\n\0]++)\n)?+"
    r"data: ?+([^\n]*+)\n\n|([\s\S]++)"
)
_str_blocks = re.compile(_BLOCK).findall
_bytes_blocks = re.compile(_BLOCK.encode()).findall


def plain_blocks(data: bytes, limit: int, *, text: bool) -> Plain | None:
    """Reads the plain blocks that `data`, which begins a block, starts with.

    Args:
        data: The bytes. What they end with may be unfinished.
        limit: How large a block may be.
        text: Whether the data is wanted as str, or as bytes.

    Returns:
        What they say, or None if there are none to be read this way.
    """
    region, separator = _whole_blocks(data)
    if not region or len(region) > limit:
        return None
    found = _only_data(region, text=text) or _with_fields(region, text=text)
    if found is None:
        return None
    events, payloads, ids, rest = found
    size = len(region) - rest
    if separator is _CRLF:
        size += region.count(b"\n", 0, size)
    return Plain(events, payloads, ids, size, separator)


def first_blank_line(data: bytes) -> int:
    """Where the first blank line (of LF, or of CRLF) of `data` ends, or 0."""
    for blank_line in (_LF, _CRLF):
        start = data.find(blank_line)
        if start >= 0:
            return start + len(blank_line)
    return 0


_LF = b"\n\n"
_CRLF = b"\r\n\r\n"

_Found: TypeAlias = tuple[Sequence[str] | None, list[Any], Sequence[str] | None, int]


def _whole_blocks(data: bytes) -> tuple[bytes, bytes]:
    """The part of `data` up to its last blank line, with LF for CRLF, and what ends its blocks."""
    stop = data.rfind(_LF) + 2
    if stop > 1:
        region = data[:stop]
        return (b"" if region.find(b"\r") >= 0 else region), _LF
    stop = data.rfind(_CRLF) + 4
    if stop > 3:
        region = data[:stop].replace(b"\r\n", b"\n")
        # Every line end must be a CRLF: only then can the blocks be measured by it.
        if stop == len(region) + region.count(b"\n") and region.find(b"\r") < 0:
            return region, _CRLF
    return b"", b""


def _only_data(region: bytes, *, text: bool) -> _Found | None:
    """Blocks that are one `data: ` line each: proven by the number of line ends."""
    if not region.startswith(b"data: "):
        return None
    payloads: list[Any]
    if text and region.isascii():
        payloads = region.decode("ascii")[6:-2].split("\n\ndata: ")
    else:
        payloads = region[6:-2].split(b"\n\ndata: ")
    if region.count(b"\n") != 2 * len(payloads):
        return None
    if text and not region.isascii():
        payloads = [_text(data) for data in payloads]
    return None, payloads, None, 0


def _with_fields(region: bytes, *, text: bool) -> _Found | None:
    """Blocks with `id` and `event` lines, up to the first that is not plain."""
    rows: list[tuple[Any, ...]]
    if text and region.isascii():
        rows = _str_blocks(region.decode("ascii"))
    else:
        rows = _bytes_blocks(region)
    rest = len(rows[-1][4])
    if rest:
        rows.pop()
    if not rows:
        return None
    early, kinds, late, payloads, _ = zip(*rows, strict=True)
    ids = [after or before for before, after in zip(early, late, strict=True)]
    if any(ids) and not all(ids):
        return None
    return (
        [_text(kind) or "message" for kind in kinds] if any(kinds) else None,
        [_text(data) for data in payloads] if text else list(payloads),
        [_text(each) for each in ids] if ids[0] else None,
        rest,
    )


def _text(value: Any) -> str:
    return str(value, "utf-8", "replace") if isinstance(value, bytes) else str(value)
