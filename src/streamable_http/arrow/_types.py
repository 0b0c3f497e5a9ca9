"""What pyarrow's JSON reader gets wrong about types, and how it is asked instead."""

from __future__ import annotations

from typing import Any

from ._pyarrow import pa

__all__ = ["readable", "restored", "twice_named", "widths"]


def readable(schema: Any) -> Any:
    """The schema to read with, in place of another.

    Nulls within a list are miscounted where that is a list of nothing but nulls, and everything
    behind them shifts. They are read as booleans, of which all must be null then.
    """
    fields = [field.with_type(_readable(field.type, listed=False)) for field in schema]
    return pa.schema(fields, schema.metadata)


def _readable(kind: Any, *, listed: bool) -> Any:
    if listed and pa.types.is_null(kind):
        return pa.bool_()
    if pa.types.is_list(kind):
        item = kind.value_field
        return pa.list_(item.with_type(_readable(item.type, listed=True)))
    if pa.types.is_struct(kind):
        return pa.struct(
            [field.with_type(_readable(field.type, listed=listed)) for field in _fields(kind)]
        )
    return kind


def restored(column: Any, kind: Any) -> Any:
    """A column that was read by a readable type, in the type it stands for.

    Raises:
        pyarrow.ArrowInvalid: It has a value where there can be none.
    """
    if column.type == kind:
        return column
    if pa.types.is_null(kind):
        if column.null_count != len(column):
            raise pa.ArrowInvalid("a value where all before it were null")
        return pa.nulls(len(column))
    if pa.types.is_list(kind):
        items = restored(column.values, kind.value_type)
        return pa.ListArray.from_arrays(column.offsets, items, kind, mask=column.is_null())
    fields = _fields(kind)
    parts = [restored(column.field(place), field.type) for place, field in enumerate(fields)]
    return pa.StructArray.from_arrays(parts, fields=fields, mask=column.is_null())


def twice_named(fields: Any) -> str | None:
    """The name that two fields of one record have, or None: JSON cannot tell them apart."""
    seen: set[str] = set()
    for field in fields:
        if field.name in seen:
            return str(field.name)
        seen.add(field.name)
        kind = field.type
        while pa.types.is_list(kind):
            kind = kind.value_type
        within = twice_named(_fields(kind)) if pa.types.is_struct(kind) else None
        if within is not None:
            return within
    return None


def widths(fields: Any, *, listed: bool = False) -> tuple[int, int]:
    """How many places for values each record has, and each item of its lists at most."""
    plain = items = 0
    for field in fields:
        kind, within = field.type, listed
        plain, items = plain + (not within), items + within
        while pa.types.is_list(kind):
            kind, within = kind.value_type, True
            items += 1
        if pa.types.is_struct(kind):
            more = widths(_fields(kind), listed=within)
            plain, items = plain + more[0], items + more[1]
    return plain, items


def _fields(kind: Any) -> list[Any]:
    return [kind.field(place) for place in range(kind.num_fields)]
