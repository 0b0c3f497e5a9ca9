"""Goes on with what the last item says of its position (`ItemCursor`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import msgspec

from .._decoders.engine import Batch, Position
from .._decoders.paths import look_into
from .._effects import Patch, Target
from .._errors import ConfigurationError, ResumeError
from .._resume import ItemCursor, is_scalar
from .._values import ResponseInfo
from .way import Plan, Way

__all__ = ["ByItem"]

T = TypeVar("T")
Value = str | int | float | None

_BEHIND = 256
_CHANGES = frozenset({"params", "headers", "json"})


class ByItem(Way):
    """Goes on with a value taken from the last item that has one."""

    def __init__(self, spec: ItemCursor) -> None:
        self._spec = spec
        self._value = _reader(spec.get, "get")
        self._key = None if spec.key is None else _reader(spec.key, "key")
        self._edge: Position | None = None
        self._dropped = 0

    @property
    def dropped(self) -> int:
        return self._dropped

    def plan(self, target: Target, position: Position, *, begun: bool) -> Plan | None:
        if position.value is None:
            return None
        return Plan(target, self._patch(position.value), str(position.value))

    def _patch(self, value: Any) -> Patch:
        apply = self._spec.apply
        if isinstance(apply, str):
            return Patch(params={apply: str(value)})
        given = cast("object", apply(value))
        if not isinstance(given, Mapping) or not _CHANGES.issuperset(cast("Any", given)):
            raise ConfigurationError(
                f"ItemCursor(apply=…) returned {given!r:.80}: return a mapping with changes of "
                f"params, headers or json"
            )
        changes = cast("Mapping[str, Any]", given)
        params = {str(name): str(text) for name, text in changes.get("params", {}).items()}
        headers = [
            (str(name).lower(), str(text).encode())
            for name, text in changes.get("headers", {}).items()
        ]
        return Patch(headers=tuple(headers), params=params, json=changes.get("json"))

    def connected(self, head: ResponseInfo, position: Position, plan: Plan | None) -> None:
        self._edge = None if plan is None else position

    def keep(self, batch: Batch[T], before: Position) -> Batch[T]:
        if not batch.items:
            batch.end = None  # the engine's own positions mean nothing here
            return batch
        values: list[Value] = []
        keys: list[bytes] = []
        error = batch.error
        try:
            for item in batch.items:
                self._refuse_gone(item)
                value = self._value(item)
                if self._key is not None:
                    keys.append(_digest(self._key(item)))
                values.append(_checked(value))
        except Exception as exc:
            error = exc
        count = len(values)
        marks = _ItemMarks(before, values, keys)
        whole = count == len(batch.items)
        end = marks.position(count - 1) if count else before
        batch = Batch(batch.items[:count], marks, end, error, batch.ended and whole, batch.size)
        return batch if self._edge is None else self._without_repeats(batch, values, keys)

    def _refuse_gone(self, item: object) -> None:
        if self._spec.gone is not None and self._spec.gone(item):
            raise ResumeError(f"the server has lost the position: {item!r:.200}")

    def _without_repeats(self, batch: Batch[T], values: list[Value], keys: list[bytes]) -> Batch[T]:
        """Drops the items at the edge that were had; the edge ends at an item of another value."""
        kept: list[int] = []
        for index, value in enumerate(values):
            edge = self._edge
            if edge is None or (value is not None and value != edge.value):
                self._edge = None
                kept.extend(range(index, len(values)))
                break
            if self._key is None:
                if value is not None:
                    return self._refused(batch, kept, index)
                kept.append(index)
            elif keys[index] not in edge.behind:
                kept.append(index)
        self._dropped += len(values) - len(kept)
        return batch if len(kept) == len(values) else batch.only(kept)

    def _refused(self, batch: Batch[T], kept: list[int], index: int) -> Batch[T]:
        rest = batch.first(index).only(kept)
        rest.error = ResumeError(
            "the server sent an item of the position itself again, which may be the last one or "
            "another: pass ItemCursor(key=…) to know it by"
        )
        return rest

    def refusal(self, position: Position, *, live: bool) -> str:
        if position.value is None:
            return "no item told a position"
        return "" if position.exact else f"more than {_BEHIND} items share one position"


class _ItemMarks:
    """Where each item of a batch stands: its value, and the keys of those that share it."""

    def __init__(self, before: Position, values: list[Value], keys: list[bytes]) -> None:
        self._before, self._values, self._keys = before, values, keys

    def position(self, index: int, /) -> Position:
        value: Value = None
        first = index
        for first in range(index, -1, -1):
            found = self._values[first]
            if found is not None and value is not None and found != value:
                return self._made(value, first + 1, index)
            value = found if value is None else value
        before = self._before
        if value is None or value == before.value:
            return self._made(before.value, 0, index, before)
        return self._made(value, 0, index)

    def _made(
        self, value: Value, first: int, last: int, before: Position | None = None
    ) -> Position:
        behind = () if before is None else before.behind
        exact = before is None or before.exact
        if self._keys:
            behind = (*behind, *self._keys[first : last + 1])
        if len(behind) > _BEHIND or not exact:
            return Position(value=value, exact=False)
        return Position(value=value, behind=behind)

    def digest(self, index: int, /) -> bytes | None:
        return None


def _reader(how: str | Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    if isinstance(how, str):
        path = how.split(".")
        return lambda item: look_into(item, path)

    def read(item: Any) -> Any:
        try:
            return how(item)
        except Exception as exc:
            raise ConfigurationError(
                f"ItemCursor({name}=…) failed on the item {item!r:.80}: {exc!r}"
            ) from exc

    return read


def _checked(value: Any) -> Value:
    if value is None or is_scalar(value):
        return value  # type: ignore[no-any-return]  # checked
    raise ConfigurationError(
        f"ItemCursor(get=…) gave {value!r:.80} as a position: give text, a number or None"
    )


def _digest(key: object) -> bytes:
    try:
        text = msgspec.json.encode(key)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"ItemCursor(key=…) gave {key!r:.80}: give text, a number, or a tuple of such"
        ) from exc
    return hashlib.blake2b(text, digest_size=8).digest()
