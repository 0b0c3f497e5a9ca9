"""The `py` blocks of the documentation, which tests of other packages run."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

__all__ = ["cook", "recipe"]

DOCS = Path(__file__).parent.parent / "docs"


def recipe(page: str, holding: str) -> str:
    """The one block of a page that holds a text."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = [code for code in re.findall(r"```py\n(.*?)```", text, re.DOTALL) if holding in code]
    return str(found)


async def cook(code: str, **names: Any) -> dict[str, Any]:
    """Runs a recipe, in which `await` stands as a reader would type it in; returns its names."""
    result = eval(compile(code, "recipe", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if inspect.isawaitable(result):
        await result
    return names
