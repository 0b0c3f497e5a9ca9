"""The pages about security and reliability name tests that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent.parent
DOCS = TESTS.parent / "docs"
PAGES = ("security.md", "reliability.md")


def named(page: str) -> list[tuple[str, str]]:
    """The file and the name of each test; a name alone is in the file named before it."""
    found: list[tuple[str, str]] = []
    file = ""
    text = (DOCS / page).read_text("utf-8")
    for path, name in re.findall(r"`(?:([\w/]+\.py)::)?(test_\w+)`", text):
        file = path or file
        found.append((file, name))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_page_names_tests(page: str) -> None:
    assert len(named(page)) > 20


@pytest.mark.parametrize(
    ("file", "name"),
    [(file, name) for page in PAGES for file, name in named(page)],
    ids=lambda part: part,
)
def test_it_exists(file: str, name: str) -> None:
    tree = ast.parse((TESTS / file).read_bytes())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)

    assert name in {node.name for node in tree.body if isinstance(node, functions)}
