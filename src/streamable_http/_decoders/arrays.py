"""The items of one JSON array, as they arrive."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar, cast, overload

from attrs import frozen
from typing_extensions import TypeForm

from .._errors import ConfigurationError, LimitExceeded
from .bom import LeadingBOM
from .convert import bad_item, converter, every, json_fault
from .ends import Ends
from .engine import BadItem, Batch, Context, Engine, Position, Spec, cut_in, too_large
from .json_walk import Malformed, Walk
from .nesting import STRING, Nesting

__all__ = ["JSONArray"]

T = TypeVar("T")

_BLANK = b" \t\r\n"
_OPENING = b'{["'


@frozen(init=False)
class JSONArray(Spec[T]):
    """Decodes the elements of one JSON array into items of a type, each as soon as it is there.

    No more than one item is kept. All of the document is checked strictly (RFC 8259), the parts
    around the array too, which are passed over: invalid UTF-8, NaN, a comma too many or nesting
    too deep make a `DecodeError` at its byte, which `on_bad_item` cannot pass over, since nothing
    behind it can be trusted. An item that is JSON but not of the type, it can.

    The items end with the array's `]`; the stream does at the end of the body, up to which only
    the rest of the document may come. A body that ends before its document is `StreamTruncated`.
    Where HTTP does not prove the end, the complete document does: `stats.ended` is "terminal".

    Attributes:
        type: What an item is: anything msgspec converts (a Struct, dataclass, attrs class,
            TypedDict, builtin), a pydantic model, or a union of such. Without it: any JSON value.
        path: The keys that lead to the array, such as `("data", "items")`; () if the body is the
            array itself. A document without it, or with one of these keys twice, is a
            `DecodeError`.

    Raises:
        ConfigurationError: There is no way to convert to `type`, or `path` is no tuple of keys.
    """

    type: Any
    path: tuple[str, ...]

    media_type: ClassVar[str] = "application/json"

    @overload
    def __init__(self: JSONArray[Any], *, path: tuple[str, ...] = ()) -> None: ...
    @overload
    def __init__(self, type: TypeForm[T], path: tuple[str, ...] = ()) -> None: ...
    def __init__(self, type: Any = Any, path: tuple[str, ...] = ()) -> None:
        converter(type)  # finds out now that there is none
        _check_path(path)
        object.__setattr__(self, "type", type)
        object.__setattr__(self, "path", path)

    def build(self, context: Context, /) -> Engine[T]:
        convert: Callable[[bytes], T] = converter(self.type)
        return _ArrayEngine(context, convert, self.path)


def _check_path(path: object) -> None:
    keys = cast("tuple[object, ...]", path)
    if not isinstance(path, tuple) or not all(isinstance(key, str) for key in keys):
        raise ConfigurationError(
            f"path={path!r} is no tuple of keys: pass one such as ('data', 'items'), or () if the "
            f"body is the array itself"
        )


def _nested(levels: int) -> bytes:
    """A pattern of an object or array that holds no more than `levels` levels of others."""
    inner = b"|" + _nested(levels - 1) if levels else b""
    return rb'[\[{][^"\[\]{}]*+(?:(?:' + STRING + inner + rb')[^"\[\]{}]*+)*+[\]}]'


@functools.cache
def _items() -> re.Pattern[bytes]:
    """What is followed by its comma, without looking what it is: whoever decodes it does.

    An item that is deeper, or does not end here, is left to the slow path, and found out in one
    pass (possessive; the last branch takes all the rest at once). Few programs need it: it is
    compiled for the first that does.
    """
    item = rb'[^"\[\]{},]*+(?:(?:' + STRING + b"|" + _nested(3) + rb')[^"\[\]{},]*+)*+'
    return re.compile(b"(" + item + b"),|.++", re.DOTALL)


_blank = re.compile(rb"[ \t\r\n]*+")
_atom = re.compile(rb'[^\s,:\[\]{}"]*+')


class _ArrayEngine(Engine[T]):
    def __init__(
        self, context: Context, convert: Callable[[bytes], T], path: tuple[str, ...]
    ) -> None:
        self._convert = convert
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        terminal = context.terminal
        self._terminal = terminal.encode() if isinstance(terminal, str) else None
        self._proves_end = terminal is None
        self._bom = LeadingBOM()
        self._walk = Walk(path, self._limit)
        self._nesting = Nesting()
        self._item = bytearray()  # of the unfinished item
        self._start = 0  # where that is
        self._offset = 0  # of the next byte
        self._end = 0  # of the last item
        self._careful_to = 0  # up to where items are read one by one
        self._has_item = False  # whether an item has ended, and a comma or `]` is to come
        self._may_close = True  # whether a `]` may come in place of an item
        self._index = 0
        self._marks = Ends()  # of the batch in the making
        self._over = False

    def feed(self, data: bytes, /) -> Batch[T]:
        self._marks = Ends()
        batch = Batch[T]([], self._marks)
        if self._over:
            return batch
        if self._bom.held is not None:
            data = self._bom.strip(data)
            self._offset = self._bom.size
        try:
            self._read(data, batch)
        except Malformed as bad:
            batch.error = self._bad(ValueError(bad.reason), bad.offset, bad.excerpt)
        except LimitExceeded as exc:
            batch.error = exc
        self._offset += len(data)
        self._over = batch.error is not None or batch.ended
        if self._over:
            self._item = bytearray()
        batch.size = len(data)
        if batch.items:
            batch.end = Position(offset=self._end)
        return batch

    def finish(self, *, framed: bool = True) -> Batch[T]:
        batch = Batch[T]([])
        if self._over:
            return batch
        self._over = True
        if self._walk.arrived:
            batch.error = cut_in(f"the array, after {self._index:,} of its items")
        elif not self._walk.is_done:
            batch.error = cut_in("the JSON document around the array")
        else:
            batch.ended = self._proves_end and not framed
        return batch

    def _read(self, data: bytes, batch: Batch[T]) -> None:
        at, size = 0, len(data)
        while at < size and batch.error is None and not batch.ended:
            if not self._walk.arrived:
                at = self._walk.feed(data, at, self._offset)
            elif self._item:
                at = self._read_item(data, at, batch)
            elif self._has_item:
                at = self._read_behind(data, at)
            else:
                at = self._read_many(data, at, batch)
                if at < size:
                    at = self._read_before(data, at, batch)

    def _read_many(self, data: bytes, at: int, batch: Batch[T]) -> int:
        """Reads items that lie in `data` with their commas, if nothing is special about them."""
        start = self._offset + at
        if self._terminal is not None or start < self._careful_to:
            return at
        texts: list[bytes] = _items().findall(data, at)
        if texts and not texts[-1]:
            texts.pop()
        if not texts:
            return at
        size = sum(map(len, texts)) + len(texts)
        # What is special is met one by one, and not looked for again and again.
        self._careful_to = start + size
        if size > self._limit and max(map(len, texts)) > self._limit:
            return at
        try:
            items = every(self._convert, texts)
        except Exception:
            return at
        batch.items += items
        self._marks.parts.append(partial(_ends, start, texts))
        self._end = start + size - 1 - len(texts[-1]) + len(texts[-1].rstrip(_BLANK))
        self._index += len(items)
        self._may_close = False
        return at + size

    def _read_before(self, data: bytes, at: int, batch: Batch[T]) -> int:
        """Reads on to an item, and that, or to the end of the array."""
        at = _blank.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
        if at == len(data):
            return at
        byte = data[at]
        if byte == ord("]") and self._may_close:
            self._walk.leave_array()
            return at + 1
        if byte in b",:]}":
            raise Malformed("an item was expected", self._offset + at, bytes([byte]))
        self._start = self._offset + at
        if byte in _OPENING:
            self._nesting.open(byte)
            self._item.append(byte)
            return at + 1 if at + 1 == len(data) else self._read_item(data, at + 1, batch)
        return self._read_item(data, at, batch)

    def _read_item(self, data: bytes, at: int, batch: Batch[T]) -> int:
        if self._nesting.is_open:
            end = self._nesting.closing(data, at)
        else:
            end = _atom.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
            end = -1 if end == len(data) else end
        self._item += data[at:end] if end >= 0 else data[at:]
        if len(self._item) > self._limit:
            # The byte that was too many: the same however the bytes were cut.
            raise too_large("max_item_bytes", self._limit, self._limit + 1, "an item")
        if end < 0:
            return len(data)
        text, self._item = bytes(self._item), bytearray()
        self._deliver(text, batch)
        self._has_item = True
        return end

    def _read_behind(self, data: bytes, at: int) -> int:
        """Reads on to the comma behind an item, or to the end of the array."""
        at = _blank.match(data, at).end()  # type: ignore[union-attr]  # matches nothing, too
        if at == len(data):
            return at
        byte = data[at]
        if byte not in b",]":
            raise Malformed("`,` or `]` was expected", self._offset + at, bytes([byte]))
        self._has_item = self._may_close = False
        if byte == ord("]"):
            self._walk.leave_array()
        return at + 1

    def _deliver(self, text: bytes, batch: Batch[T]) -> None:
        if text == self._terminal:
            batch.ended = True
            return
        try:
            batch.items.append(self._convert(text))
        except Exception as exc:
            policy = "raise" if json_fault(text) else self._on_bad_item
            batch.error = bad_item(exc, policy, index=self._index, offset=self._start, data=text)
            self.skipped += batch.error is None
        else:
            self._end = self._start + len(text)
            self._marks.parts.append(self._end)
        self._index += 1

    def _bad(self, exc: ValueError, offset: int, excerpt: bytes) -> Exception | None:
        return bad_item(exc, "raise", index=self._index, offset=offset, data=excerpt)


def _ends(base: int, texts: list[bytes]) -> list[int]:
    ends: list[int] = []
    for text in texts:
        ends.append(base + len(text.rstrip(_BLANK)))
        base += len(text) + 1
    return ends
