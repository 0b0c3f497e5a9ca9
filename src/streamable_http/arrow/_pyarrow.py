"""pyarrow, which says nothing of its types."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["pa", "pa_json"]

try:
    pa: Any = import_module("pyarrow")
    pa_json: Any = import_module("pyarrow.json")
except ImportError as _error:
    raise ModuleNotFoundError(
        f"streamable_http.arrow needs pyarrow ({_error}): pip install 'streamable-http[arrow]'",
        name="pyarrow",
    ) from _error
