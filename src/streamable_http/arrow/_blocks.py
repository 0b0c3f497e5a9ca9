"""Items as blocks of JSON lines, the form that pyarrow reads fastest."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["block_of"]


def block_of(items: list[Any]) -> bytes:
    """The items as whole lines; bytes are lines already."""
    first = items[0]
    if isinstance(first, bytes):
        data = b"".join(items)
        return data if data.endswith(b"\n") else data + b"\n"
    if isinstance(first, msgspec.Raw):
        # As the server wrote it: it may go over several lines.
        return b"".join([bytes(one).replace(b"\n", b" ") + b"\n" for one in items])
    return _encode_lines(items)


def _by_pydantic(item: Any) -> Any:
    if hasattr(item, "__pydantic_validator__"):
        return item.model_dump(mode="json")
    raise NotImplementedError(f"items of class {type(item).__qualname__} cannot be written as JSON")


_encode_lines = msgspec.json.Encoder(enc_hook=_by_pydantic).encode_lines
