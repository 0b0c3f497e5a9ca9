"""An independent and slow reading of JSON: the standard library's, made strict."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import strategies as st

__all__ = ["json_values", "strictly"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "data", "items", 'q"\\', "é"]), inner, max_size=4)
    ),
    max_leaves=12,
)


def _refuse(word: str) -> Any:
    raise ValueError(word)


def _number(word: str) -> float:
    number = float(word)
    if math.isinf(number):
        raise ValueError(word)
    return number


def strictly(text: bytes) -> Any:
    """The value of a JSON text; raises ValueError if it is none by RFC 8259."""
    value = json.loads(text.decode(), parse_constant=_refuse, parse_float=_number)
    json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates
    return value
