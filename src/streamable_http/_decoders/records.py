"""NDJSON, also called JSON Lines: one JSON value per line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar, overload

from attrs import frozen
from typing_extensions import TypeForm

from .convert import converter, every, json_fault, utf8_converter
from .engine import Context, Engine, Spec
from .line_engine import LineEngine

__all__ = ["NDJSON", "RecordEngine"]

T = TypeVar("T")

_BLANK = b" \t\r"


@frozen(init=False)
class NDJSON(Spec[T]):
    """Decodes a JSON value per line into items of a type.

    Only LF and CRLF end a line; blank lines (heartbeats) are skipped, as is a BOM at the start.
    JSON is read strictly (RFC 8259): invalid UTF-8, NaN, trailing data or nesting too deep for the
    interpreter make a `DecodeError`.

    A last line without its LF is an item if HTTP proved that the body is complete. If nothing did,
    a bare number, true, false or null there may be the start of a longer one, and counts as cut.

    Attributes:
        type: What an item is: anything msgspec converts (a Struct, dataclass, attrs class,
            TypedDict, builtin), a pydantic model, or a union of such. Without it: any JSON value.

    Raises:
        ConfigurationError: There is no way to convert to `type`.
    """

    type: Any

    media_type: ClassVar[str] = "application/x-ndjson"

    @overload
    def __init__(self: NDJSON[Any]) -> None: ...
    @overload
    def __init__(self, type: TypeForm[T]) -> None: ...
    def __init__(self, type: Any = Any) -> None:
        converter(type)  # finds out now that there is none
        object.__setattr__(self, "type", type)

    def build(self, context: Context, /) -> Engine[T]:
        return RecordEngine(context, converter(self.type), utf8_converter(self.type))


class RecordEngine(LineEngine[T]):
    """The engine of `NDJSON`."""

    def __init__(
        self, context: Context, convert: Callable[[bytes], T], utf8: Callable[[bytes], T]
    ) -> None:
        terminal = context.terminal.encode() if isinstance(context.terminal, str) else None
        super().__init__(context, terminal=terminal, bom=True)
        self._convert, self._convert_utf8 = convert, utf8

    def convert(self, line: bytes) -> T:
        return self._convert(line)

    def convert_all(self, lines: bytes) -> list[T]:
        # Each line by itself: two bad lines must never add up to good JSON. (What would prove
        # that they do not costs more than what reading a block at once saves.)
        convert = self._convert_utf8 if lines.isascii() else self._convert
        return every(convert, lines.split(b"\n"))

    def is_blank(self, line: bytes) -> bool:
        return not line.strip(_BLANK)

    def trim(self, line: bytes) -> bytes:
        return line.strip(_BLANK)

    def is_cut(self, rest: bytes, *, framed: bool) -> bool:
        rest = rest.strip(_BLANK)
        if not rest:
            return False
        # What is nested too deep is not for that a cut one.
        bad = isinstance(json_fault(rest), ValueError)
        return bad or (not framed and rest[:1] not in b'{["')
