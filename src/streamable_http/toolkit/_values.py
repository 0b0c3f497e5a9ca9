"""The frozen values of the toolkit: its limits, what its tools are, what they answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast

from attrs import field, fields, frozen

from streamable_http import ConfigurationError

__all__ = ["ProgressHook", "ToolLimits", "ToolReply", "ToolSpec", "encode", "is_deep", "size"]

ProgressHook: TypeAlias = Callable[[float, float | None, str], Awaitable[object] | object]
"""Called with the seconds that a call has taken, the most it may take, and what it has so far."""

# Invisible to people, but not to a model: control and format characters, the bidirectional ones,
# fillers, the tag and variation characters that text can be hidden in, the controls of musical
# and other notations, and halves of surrogate pairs.
_UNSEEN = re.compile(
    "[\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def is_deep(value: Any, levels: int) -> bool:
    """Whether a value is nested deeper than so many levels."""
    level: list[Any] = [value]
    for _ in range(levels + 1):
        level = [inner for outer in level for inner in _within(outer)]
        if not level:
            return False
    return True


def _within(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).values()
    return cast("Iterable[Any]", value) if isinstance(value, (list, tuple)) else ()


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def encode(value: Any) -> str:
    """A value as compact JSON, with all that nobody would see in it escaped.

    Raises:
        ValueError: The value is not JSON: NaN or an infinity, too deep, or of another type.
    """
    return _UNSEEN.sub(_escaped, _json(value))


def size(value: Any) -> int:
    """The bytes of a value as `encode` writes it.

    Raises:
        ValueError: As with `encode`; or half of a surrogate pair is in it, which is no text, and
            which no other encoder takes.
    """
    text = _json(value)
    text.encode()
    return len(_UNSEEN.sub(_escaped, text).encode())


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, RecursionError) as exc:
        raise ValueError(f"not JSON: {exc}") from exc


@frozen(kw_only=True)
class ToolLimits:
    """What one call of a tool may take, and how many there may be.

    Attributes:
        max_records: Records of one stream in an answer.
        max_bytes: All records of an answer, as JSON.
        max_record_bytes: One record, as JSON; a larger one is left out, and counted. So is one
            that alone is more than the whole answer, or its stream's share of it, may take.
        max_endpoints: Streams of one `batch_stream`.
        max_concurrency: How many of those are open at once.
        max_calls: Calls that run at once, of all tools; one more is answered with "busy".
        calls_per_minute: Calls in any minute, of all tools; one more is answered with "busy".
        timeout: Seconds of a call; then it answers with what it has.
    """

    max_records: int = 100
    max_bytes: int = 32_768
    max_record_bytes: int = 8_192
    max_endpoints: int = 16
    max_concurrency: int = 4
    max_calls: int = 16
    calls_per_minute: int = 600
    timeout: float = 30.0

    def __attrs_post_init__(self) -> None:
        for attribute in fields(type(self)):
            name, value = attribute.name, getattr(self, attribute.name)
            kinds = (int, float) if name == "timeout" else (int,)
            number = isinstance(value, kinds) and not isinstance(value, bool)
            if not number or not 0 < value < math.inf:
                raise ConfigurationError(
                    f"ToolLimits({name}={value!r}) is not a limit: pass a number above 0"
                )
        if self.max_record_bytes > self.max_bytes:
            raise ConfigurationError(
                f"ToolLimits(max_record_bytes={self.max_record_bytes}) is more than max_bytes="
                f"{self.max_bytes}: such a record would fit no answer"
            )


@frozen(kw_only=True)
class ToolSpec:
    """A tool as an agent sees it.

    Attributes:
        name: Its name.
        title: Its name for people.
        description: What it does, for the model.
        input_schema: JSON Schema of its arguments.
        output_schema: JSON Schema of `ToolReply.structured`.
        read_only: Whether the operator says that calling it changes nothing.
    """

    name: str
    title: str
    description: str
    input_schema: Mapping[str, Any] = field(repr=False)
    output_schema: Mapping[str, Any] = field(repr=False)
    read_only: bool = True


@frozen(kw_only=True)
class ToolReply:
    """What a tool answers.

    Attributes:
        structured: The answer: a JSON object, in which `stop_reason`, `truncated` and the counts
            come before the records.
        is_error: Whether the call failed as a whole. It may hold records all the same.
    """

    structured: Mapping[str, Any]
    is_error: bool = False

    @property
    def text(self) -> str:
        """The answer as compact JSON."""
        return encode(self.structured)
