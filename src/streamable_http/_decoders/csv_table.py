"""CSV: a table, one record per row, as items of a type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar, overload

from attrs import frozen
from typing_extensions import TypeForm

from .._errors import ConfigurationError
from .charsets import ascii_codec
from .csv_columns import check_header, check_rename
from .csv_engine import TableEngine
from .csv_rows import rows_of
from .engine import Context, Engine, Spec

__all__ = ["CSV"]

T = TypeVar("T")

Header = bool | Sequence[str]


@frozen(init=False)
class CSV(Spec[T]):
    """Decodes a table of comma-separated values (RFC 4180), or of tabs, into a row's items.

    Only LF and CRLF end a row, and only outside of quotes; a quote is one where a cell begins,
    and a character elsewhere. Spaces are part of their cell, blank lines are passed over, and the
    last row needs no line end if HTTP proved that the body is complete. A row with more or fewer
    cells than there are columns is a `DecodeError`, or passed over with `on_bad_item="skip"`.
    Behind a closing quote only a delimiter or a line end may come: with anything else nothing
    behind it can be trusted, and `on_bad_item` does not help.

    The charset is the one of the Content-Type, UTF-8 without one; bytes that are not of it make
    the row a bad item. A BOM at the start is removed.

    Attributes:
        type: What a row becomes. dict: the cells by column, which is the default. list[str]: the
            cells as they are. A type with a field for each column that it wants (a Struct,
            dataclass, attrs class, TypedDict, pydantic model), or dict[str, int] and the like:
            the text of a cell is read as what its field is, such as "1" for an int, "true" for a
            bool, "2024-05-01" for a date. A tuple of types: the same, by place.
        delimiter: What stands between two cells: one ASCII character that is no letter or digit.
        header: True: the first row names the columns, unless the Content-Type says
            `header=absent`. A sequence of names: they are the columns, and the first row is one
            like the others, unless the Content-Type says `header=present`. False: no row is a
            header; the type must be one by place, and rows may differ in length.
        rename: Names for columns, by their names in the header.
        empty: What an empty cell stands for, such as None.
        encoding: The charset, where the response tells none or a wrong one.

    Raises:
        ConfigurationError: An argument is none of these.
    """

    type: Any
    delimiter: str
    header: bool | tuple[str, ...]
    rename: tuple[tuple[str, str], ...]
    empty: str | None
    encoding: str | None

    media_type: ClassVar[str] = "text/csv"

    @overload
    def __init__(
        self: CSV[dict[str, str]],
        *,
        delimiter: str = ...,
        header: Header = ...,
        rename: Mapping[str, str] = ...,
        empty: str = ...,
        encoding: str | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: CSV[dict[str, str | None]],
        *,
        delimiter: str = ...,
        header: Header = ...,
        rename: Mapping[str, str] = ...,
        empty: None,
        encoding: str | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        type: TypeForm[T],
        *,
        delimiter: str = ...,
        header: Header = ...,
        rename: Mapping[str, str] = ...,
        empty: str | None = ...,
        encoding: str | None = ...,
    ) -> None: ...
    def __init__(
        self,
        type: Any = dict,
        *,
        delimiter: str = ",",
        header: Header = True,
        rename: Mapping[str, str] = {},
        empty: str | None = "",
        encoding: str | None = None,
    ) -> None:
        by_name = rows_of(type).by_name
        _check_delimiter(delimiter)
        _check_empty(empty)
        _check_encoding(encoding)
        columns = check_header(header, by_name=by_name)
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "delimiter", delimiter)
        object.__setattr__(self, "header", columns)
        object.__setattr__(self, "rename", check_rename(rename, columns))
        object.__setattr__(self, "empty", empty)
        object.__setattr__(self, "encoding", encoding)

    @property
    def accept(self) -> str:
        return "text/tab-separated-values" if self.delimiter == "\t" else self.media_type

    def build(self, context: Context, /) -> Engine[T]:
        """A fresh engine for one connection.

        Raises:
            ContentTypeError: The charset is unknown, has no plain line ends, or characters that
                hold the delimiter; or the table has no header, and nothing else names the columns.
        """
        return TableEngine(context, self)


def _check_delimiter(delimiter: object) -> None:
    if not isinstance(delimiter, str) or len(delimiter) != 1 or not delimiter.isascii():
        fits = False
    else:
        fits = delimiter == "\t" or (delimiter.isprintable() and not delimiter.isalnum())
    if not fits or delimiter == '"':
        raise ConfigurationError(
            f"delimiter={delimiter!r} stands between no cells: pass one ASCII character that is "
            f"neither a letter, a digit, a quote nor a line end, such as ',' or '\\t'"
        )


def _check_empty(empty: object) -> None:
    if not isinstance(empty, str | None):
        raise ConfigurationError(f"empty={empty!r} is no cell: pass text or None")


def _check_encoding(encoding: object) -> None:
    known = isinstance(encoding, str) and ascii_codec(encoding) is not None
    if encoding is not None and not known:
        raise ConfigurationError(
            f"encoding={encoding!r} is unknown, or has no plain line ends: pass one such as "
            f"'utf-8' or 'latin-1', or None for the charset of the response"
        )
