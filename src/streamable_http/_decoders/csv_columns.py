"""The columns of a table: named by its first row, or by the caller."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import msgspec

from .._errors import ConfigurationError
from .media_types import ContentType

__all__ = ["check_header", "check_rename", "from_head", "has_header", "named", "to_head"]

Header = bool | tuple[str, ...]


def check_header(header: bool | Sequence[str], *, by_name: bool) -> Header:
    """The `header=` of a spec.

    Raises:
        ConfigurationError: It names no columns, or `by_name` wants some where there are none.
    """
    if header is False and by_name:
        raise ConfigurationError(
            "header=False leaves the columns without names, which this type needs: pass their "
            "names as header=(…), or type=list[str]"
        )
    if isinstance(header, bool):
        return header
    names = _names(header)
    if not names:
        raise ConfigurationError(
            f"header={header!r} names no columns: pass a sequence of names, True if the first row "
            f"has them, or False for a table without"
        )
    if len(set(names)) < len(names):
        raise ConfigurationError(f"header={header!r} has a name twice: pass different ones")
    return names


def _names(given: object) -> tuple[str, ...]:
    """The names in a sequence of such; none if it is anything else."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        return ()
    names = tuple(cast("Iterable[object]", given))
    return cast("tuple[str, ...]", names) if all(isinstance(each, str) for each in names) else ()


def check_rename(rename: Mapping[str, str], header: Header) -> tuple[tuple[str, str], ...]:
    """The `rename=` of a spec, as pairs.

    Raises:
        ConfigurationError: It is no mapping of names, or there is no header to rename.
    """
    given = cast("object", rename)
    pairs = tuple(rename.items()) if isinstance(given, Mapping) else None
    if pairs is None or (pairs and not _names([name for pair in pairs for name in pair])):
        raise ConfigurationError(
            f"rename={rename!r} renames nothing: pass a mapping of names in the header to others"
        )
    if pairs and header is not True:
        raise ConfigurationError(
            f"rename={rename!r} and header={header!r} contradict each other: rename= is for names "
            f"that the first row gives"
        )
    return pairs


def has_header(header: Header, content_type: ContentType) -> bool:
    """Whether the first row of a body is its header (RFC 4180, section 3)."""
    told = content_type.parameters.get("header", "").lower()
    if isinstance(header, bool):
        return header and told != "absent"
    return told == "present"


def named(
    cells: Sequence[str], rename: Iterable[tuple[str, str]], *, by_name: bool
) -> tuple[str, ...]:
    """The columns that a header row names.

    Raises:
        ValueError: Two have one name where cells go by name, or one to rename is not there.
    """
    names = list(cells)
    for old, new in rename:
        if old not in cells:
            raise ValueError(f"the header has no column {old!r}, which rename= renames")
        names[cells.index(old)] = new
    if by_name and len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise ValueError(f"the header names the column {twice!r} twice: pass header=(…)")
    return tuple(names)


def to_head(cells: Sequence[str]) -> str:
    """The header as a cursor keeps it."""
    return msgspec.json.encode(cells).decode()


def from_head(head: str) -> list[str]:
    """The header that a cursor kept.

    Raises:
        ConfigurationError: It holds none.
    """
    try:
        return msgspec.json.decode(head, type=list[str])
    except ValueError as exc:
        raise ConfigurationError(
            "start= is a cursor whose header is no list of names: pass stream.cursor or "
            "Cursor.from_json(…) unchanged"
        ) from exc
