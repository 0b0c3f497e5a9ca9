"""JSON text sequences (RFC 7464): each text between an RS and an LF."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, TypeVar, overload

from attrs import frozen
from typing_extensions import TypeForm

from .bom import LeadingBOM
from .convert import bad_item, converter, every, json_fault
from .ends import Ends
from .engine import BadItem, Batch, Context, Engine, Position, Spec, cut_in, too_large
from .nesting import Nesting

__all__ = ["JSONSeq"]

T = TypeVar("T")

_RS, _LF = b"\x1e", b"\n"
_BLANK = b" \t\r\n"
_OPENING = b'{["'

_blank = re.compile(rb"[ \t\r\n]*+")
_flat = re.compile(rb'[^"\[\]{}\n]*+')  # what is no matter for nesting, up to the end of a line


@frozen(init=False)
class JSONSeq(Spec[T]):
    """Decodes a JSON text sequence (RFC 7464, `application/json-seq`) into items of a type.

    A text begins at an RS (0x1E) and ends at the first LF outside of its brackets and strings, at
    the next RS, or at the end of the body. So a text may span lines, and one that is followed by
    its LF is delivered without waiting for the next.

    A text that is no JSON is a `DecodeError`, or passed over with `on_bad_item="skip"`; reading
    goes on at the next RS (section 2.3). So is what stands outside of any text, and a number,
    true, false or null with no whitespace behind it, which may be the start of a longer one
    (section 2.4). At the end of the body such texts are cut: `StreamTruncated`. RS after RS is no
    text. JSON is read as strictly as by `NDJSON`.

    Attributes:
        type: What an item is: anything msgspec converts (a Struct, dataclass, attrs class,
            TypedDict, builtin), a pydantic model, or a union of such. Without it: any JSON value.

    Raises:
        ConfigurationError: There is no way to convert to `type`.
    """

    type: Any

    media_type: ClassVar[str] = "application/json-seq"

    @overload
    def __init__(self: JSONSeq[Any]) -> None: ...
    @overload
    def __init__(self, type: TypeForm[T]) -> None: ...
    def __init__(self, type: Any = Any) -> None:
        converter(type)  # finds out now that there is none
        object.__setattr__(self, "type", type)

    def build(self, context: Context, /) -> Engine[T]:
        convert: Callable[[bytes], T] = converter(self.type)
        return _SequenceEngine(context, convert)


class _SequenceEngine(Engine[T]):
    starts_at_records = True

    def __init__(self, context: Context, convert: Callable[[bytes], T]) -> None:
        self._convert = convert
        self._limit = context.limits.max_item_bytes
        self._on_bad_item: BadItem = context.on_bad_item
        terminal = context.terminal
        self._terminal = terminal.encode() if isinstance(terminal, str) else None
        self._bom = LeadingBOM() if not context.offset else None
        self._nesting = Nesting()
        self._text = bytearray()  # of the unfinished text, from its first byte that is not blank
        self._start = 0  # where that is
        self._offset = context.offset  # of the next byte
        self._begun = False  # whether there was an RS since the last text
        self._passing = False  # whether all up to the next RS belongs to a bad text
        self._index = 0
        self._marks = Ends()  # of the batch in the making
        self._over = False

    def feed(self, data: bytes, /) -> Batch[T]:
        batch = self._new_batch()
        if self._over:
            return batch
        if self._bom is not None and self._bom.held is not None:
            data = self._bom.strip(data)
            self._offset = self._bom.size
        first = data.find(_RS)
        last = len(data) if data.endswith(_LF) else data.rfind(_RS)
        self._read(data[: max(first, 0)], batch)
        if first >= 0 and self._goes_on(batch):
            self._end_text(batch)  # of an earlier piece
            if self._goes_on(batch) and self._read_many(data[first:last], batch):
                first = last
        if self._goes_on(batch):
            self._read(data[max(first, 0) :], batch)
        self._over = not self._goes_on(batch)
        if self._over:
            self._text = bytearray()
        batch.size = len(data)
        return batch

    def finish(self, *, framed: bool = True) -> Batch[T]:
        batch = self._new_batch()
        if self._over:
            return batch
        self._over = True
        text = bytes(self._text)
        if self._bom is not None and self._bom.held:
            batch.error = cut_in("record 0")
        elif not text:
            # An RS and no text: nothing is missing, if HTTP proves that.
            if self._begun and not framed:
                batch.error = cut_in(f"record {self._index}")
        elif self._begun and not self._is_terminal(text) and _is_cut(text):
            batch.error = cut_in(f"record {self._index}")
        else:
            self._deliver(text, batch)
            batch.size = len(text)
        return batch

    def _new_batch(self) -> Batch[T]:
        self._marks = Ends()
        return Batch([], self._marks)

    @staticmethod
    def _goes_on(batch: Batch[T]) -> bool:
        return batch.error is None and not batch.ended

    def _read_many(self, data: bytes, batch: Batch[T]) -> bool:
        """Reads texts of one line each, all at once; returns whether that is what they are."""
        texts = data[1:-1].split(b"\n\x1e")
        count = data.count(_LF)
        if not data.endswith(_LF) or len(texts) != count:
            return False
        if len(data) > self._limit and max(map(len, texts)) > self._limit:
            return False
        if self._terminal is not None and self._terminal in data:
            return False
        try:
            batch.items += every(self._convert, texts)
        except Exception:  # read one by one, they show which it is
            return False
        self._marks.parts.append(partial(_ends, self._offset, texts))
        self._index += count
        self._offset += len(data)
        self._begun = self._passing = False
        self._nesting = Nesting()  # of a text before them, which they cut off
        batch.end = Position(offset=self._offset)
        return True

    def _read(self, data: bytes, batch: Batch[T]) -> None:
        for number, piece in enumerate(data.split(_RS)):
            if number:
                self._end_text(batch)
                self._offset += 1
                self._begun, self._passing = True, False
                self._nesting = Nesting()
            if self._goes_on(batch):
                self._read_piece(piece, batch)
            if not self._goes_on(batch):
                return

    def _read_piece(self, piece: bytes, batch: Batch[T]) -> None:
        """Reads what holds no RS."""
        base, at = self._offset, 0
        while at < len(piece) and self._goes_on(batch):
            if self._passing:
                at = len(piece)
            elif not self._text:
                at = _blank.match(piece, at).end()  # type: ignore[union-attr]  # nothing, too
                self._start = base + at
            if at < len(piece):
                stop = self._end_of_text(piece, at)
                self._text += piece[at:stop] if stop >= 0 else piece[at:]
                at = stop if stop >= 0 else len(piece)
                if len(self._text) - (stop >= 0) > self._limit:
                    batch.error = self._outgrown()
                elif stop >= 0:
                    self._offset = base + at
                    self._end_text(batch)
        self._offset = base + at

    def _end_of_text(self, piece: bytes, at: int) -> int:
        """The index behind the LF that ends the text, or -1."""
        while at < len(piece):
            if self._nesting.is_open:
                at = self._nesting.closing(piece, at)
                if at < 0:
                    return -1
                continue
            at = _flat.match(piece, at).end()  # type: ignore[union-attr]  # matches nothing, too
            if at == len(piece):
                break
            byte = piece[at]
            at += 1
            if byte in _LF:
                return at
            if byte in _OPENING:
                self._nesting.open(byte)
        return -1

    def _end_text(self, batch: Batch[T]) -> None:
        if self._text:
            text, self._text = bytes(self._text), bytearray()
            self._deliver(text, batch)

    def _deliver(self, text: bytes, batch: Batch[T]) -> None:
        begun, self._begun = self._begun, False
        if begun and self._is_terminal(text):
            batch.ended = True
            batch.end = Position(offset=self._offset)
            return
        try:
            if not begun:
                raise ValueError("no RS begins it (RFC 7464, section 2.1)")
            item = self._convert(text)
            if _may_be_longer(text):
                raise ValueError("without whitespace behind it, it may be cut (RFC 7464, 2.4)")
        except Exception as exc:
            self._passing = True
            batch.error = bad_item(
                exc, self._on_bad_item, index=self._index, offset=self._start, data=text
            )
            self.skipped += batch.error is None
        else:
            batch.items.append(item)
            self._marks.parts.append(self._offset)
        if batch.error is None:
            batch.end = Position(offset=self._offset)
        self._index += 1

    def _is_terminal(self, text: bytes) -> bool:
        return self._terminal is not None and text.strip(_BLANK) == self._terminal

    def _outgrown(self) -> Exception:
        # The byte that was too many: the same however the bytes were cut.
        return too_large("max_item_bytes", self._limit, self._limit + 1, "a JSON text")


def _ends(base: int, texts: list[bytes]) -> list[int]:
    sizes = (len(text) + 2 for text in texts)
    return list(accumulate(sizes, initial=base))[1:]


def _may_be_longer(text: bytes) -> bool:
    return text[:1] not in _OPENING and text[-1:] not in _BLANK


def _is_cut(text: bytes) -> bool:
    """Whether the body's last text, which no LF ended, may be only the start of one."""
    return _may_be_longer(text) or isinstance(json_fault(text), ValueError)
