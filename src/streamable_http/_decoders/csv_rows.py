"""Rows of text to items: dicts, lists, or any type, whose fields say what their text means."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast, get_origin

import msgspec
from attrs import frozen

from .._errors import ConfigurationError
from .convert import converter, needs_pydantic, once_per_type

__all__ = ["Rows", "rows_of"]

_BY_NAME = (
    msgspec.inspect.StructType,
    msgspec.inspect.DataclassType,
    msgspec.inspect.TypedDictType,
    msgspec.inspect.DictType,
)
_BY_PLACE = (
    msgspec.inspect.ListType,
    msgspec.inspect.TupleType,
    msgspec.inspect.VarTupleType,
)
_AS_THEY_ARE = {list: False, list[str]: False, dict: True, dict[str, str]: True}


@frozen
class Rows:
    """How rows become items of one type.

    Attributes:
        by_name: Whether the type wants a dict of the cells; otherwise it is made of their list.
        convert: Makes the item of one row, as a dict or as a list; raises if it is none.
        convert_all: The same for many.
    """

    by_name: bool
    convert: Callable[[Any], Any]
    convert_all: Callable[[list[Any]], list[Any]]


def _rows_of(form: Any) -> Rows:
    as_it_is = _AS_THEY_ARE.get(form) if get_origin(form) or isinstance(form, type) else None
    if as_it_is is not None:
        return Rows(as_it_is, _same, _same)
    converter(form)  # finds out now that there is none
    if needs_pydantic(form):
        import pydantic

        origin = get_origin(form)
        by_place = isinstance(origin, type) and issubclass(origin, (list, tuple))
        one: Any = pydantic.TypeAdapter(form)
        many: Any = pydantic.TypeAdapter(cast("Any", list)[form])
        return Rows(not by_place, one.validate_python, many.validate_python)
    one_row = cast("Callable[[Any], Any]", partial(msgspec.convert, type=form, strict=False))
    rows = cast("Callable[[Any], Any]", partial(msgspec.convert, type=list[form], strict=False))
    return Rows(_wants_names(form), one_row, rows)


rows_of: Callable[[Any], Rows] = once_per_type(_rows_of)
"""The way to items of a type; raises `ConfigurationError` if a row cannot be one."""


def _same(row: Any) -> Any:
    return row


def _wants_names(form: Any) -> bool:
    info = msgspec.inspect.type_info(form)
    members = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    arrays = any(getattr(member, "array_like", False) for member in members)
    if not arrays and all(isinstance(member, _BY_NAME) for member in members):
        return True
    if all(isinstance(member, _BY_PLACE) for member in members):
        return False
    raise ConfigurationError(
        f"type={form!r} is not what a row can be: pass dict, list[str], a tuple of types, or a "
        f"type with a field for each column (a msgspec.Struct, dataclass, attrs class, TypedDict "
        f"or pydantic model)"
    )
