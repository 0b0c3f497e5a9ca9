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
from .content import digest_of
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
        self._first: tuple[Value, bytes | None] | None = None  # of the stream, with a position
        self._at_start = False  # whether the connection begins where the stream does
        self._at_first = False  # whether no item of the connection told a position yet
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
        for name in ("params", "headers"):
            if None in changes.get(name, {}).values():
                raise ConfigurationError(
                    f"ItemCursor(apply=…) returned None in {name}: leave out what does not change"
                )
        params = {str(name): str(text) for name, text in changes.get("params", {}).items()}
        headers = [
            (str(name).lower(), str(text).encode())
            for name, text in changes.get("headers", {}).items()
        ]
        return Patch(headers=tuple(headers), params=params, json=changes.get("json"))

    def connected(self, head: ResponseInfo, position: Position, plan: Plan | None) -> None:
        self._edge = None if plan is None else position
        self._at_start, self._at_first = plan is None, True

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
                    keys.append(_key_digest(self._key(item)))
                values.append(_checked(value))
        except Exception as exc:
            error = exc
        count = len(values)
        marks = _ItemMarks(before, values, keys)
        whole = count == len(batch.items)
        end = marks.position(count - 1) if count else before
        batch = Batch(batch.items[:count], marks, end, error, batch.ended and whole, batch.size)
        if self._at_start and self._first is None:
            at = next((at for at, value in enumerate(values) if value is not None), None)
            if at is not None:
                self._first = _identity(batch.items[at], values[at], _key_at(keys, at))
        return batch if self._edge is None else self._without_repeats(batch, values, keys)

    def _refuse_gone(self, item: object) -> None:
        if self._spec.gone is not None and self._spec.gone(item):
            raise ResumeError(f"the server has lost the position: {item!r:.200}")

    def _without_repeats(self, batch: Batch[T], values: list[Value], keys: list[bytes]) -> Batch[T]:
        """Drops the items at the edge that were had; the edge ends at an item of another value."""
        kept: list[int] = []
        for index, value in enumerate(values):
            edge = self._edge
            if edge is None:
                kept.extend(range(index, len(values)))
                break
            key = _key_at(keys, index)
            passed = value is not None and value != edge.value
            if passed:
                why = self._why_anew(batch.items[index], value, key)
                self._edge = None
            else:
                why = self._why_in_doubt(value, key, edge)
            if why:
                rest = batch.first(index).only(kept)
                rest.error = ResumeError(why)
                return rest
            self._at_first = self._at_first and value is None
            if passed or key == _NO_KEY or key not in edge.behind:
                kept.append(index)
        self._dropped += len(values) - len(kept)
        return batch if len(kept) == len(values) else batch.only(kept)

    def _why_anew(self, item: object, value: Value, key: bytes) -> str:
        """Why an item behind the edge shows that the server began anew; "" if it does not."""
        known = _identity(item, value, key)
        if not self._at_first or known[1] is None or known != self._first:
            return ""
        return (
            "the server took no notice of the position that it was asked for: it began anew, with "
            "the first item of the stream"
        )

    def _why_in_doubt(self, value: Value, key: bytes, edge: Position) -> str:
        """Why nobody can tell whether an item at the edge was had; "" if that is known."""
        may_be_had = self._key is None or _NO_KEY in edge.behind
        if value is None or key != _NO_KEY or not may_be_had:
            return ""
        known = "pass ItemCursor(key=…)" if self._key is None else "it has no key"
        return (
            f"the server sent an item of the position itself again, which may be the last one or "
            f"another: {known} to know it by"
        )

    def refusal(self, position: Position, *, live: bool) -> str:
        if position.value is None:
            return "no item told a position"
        return "" if position.exact else f"more than {_BEHIND} items share one position"


def _key_at(keys: list[bytes], index: int) -> bytes:
    return keys[index] if keys else _NO_KEY


def _identity(item: object, value: Value, key: bytes) -> tuple[Value, bytes | None]:
    """What the stream's first item is known by: its position, and its key, or else all it holds."""
    return value, digest_of(item) if key == _NO_KEY else key


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
            pairs = zip(self._keys[first : last + 1], self._values[first : last + 1], strict=True)
            told = [key for key, value in pairs if key != _NO_KEY or value is not None]
            # Each once: what was sent again, and dropped, is among the marks, too.
            behind = tuple(dict.fromkeys((*behind, *told)))
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


def _key_digest(key: object) -> bytes:
    try:
        text = msgspec.json.encode(key)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(
            f"ItemCursor(key=…) gave {key!r:.80}: give text, a number, or a tuple of such"
        ) from exc
    return hashlib.blake2b(text, digest_size=8).digest()


_NO_KEY = _key_digest(None)
"""In place of a missing key, which recognises nothing: it only tells that such an item was had."""
