"""Every example in the README and in docs/ runs, against the demo service, and prints what it says.

A page's `python` blocks run in order and share their names, as a reader would type them in. A
`text` block right below one is what it prints. A `sh` block is a list of commands, of which those
that read a stream are run, too.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import logging
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from streamable_http.demo.server import running

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

SHOWN_AT = "http://127.0.0.1:3001"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)```$", re.DOTALL | re.MULTILINE
)

# Set-up, and what never ends or has tests of its own: all of the set-up is what `.ci/run` does.
NOT_RUN = re.compile(r"(git|cd|pip|python3? -m|\S*nox|streamable-http (serve|demo|mcp|--\w+)\b)")
RUN = re.compile(r"streamable-http (get|check)\b")


class Block(NamedTuple):
    language: str
    line: int
    code: str
    output: str | None = None


def blocks(page: Path) -> list[Block]:
    """The code blocks of a page, those of output joined to the ones that print it."""
    found: list[Block] = []
    text = page.read_text(encoding="utf-8")
    end = -1
    for match in FENCE.finditer(text):
        code = re.sub(f"^{match['indent']}", "", match["code"], flags=re.MULTILINE)
        below = text[end : match.start()].strip() == ""
        if match["language"] == "text" and below and found and found[-1].language != "text":
            found[-1] = found[-1]._replace(output=code)
        else:
            line = text.count("\n", 0, match.start()) + 1
            found.append(Block(match["language"], line, code))
        end = match.end()
    return found


def of_language(language: str) -> list[Path]:
    """The pages with such blocks; `nox -s frames` has what the page about frames needs."""
    runs = [page for page in PAGES if page.name != "frames.md" or find_spec("polars")]
    return [page for page in runs if any(block.language == language for block in blocks(page))]


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with running() as url:
        yield url


@pytest.fixture
def quiet_again() -> Iterator[None]:
    logger = logging.getLogger("streamable_http")
    level = logger.level
    yield
    logger.setLevel(level)


def name(page: object) -> str:
    return page.name if isinstance(page, Path) else str(page)


@pytest.mark.usefixtures("quiet_again")
@pytest.mark.parametrize("page", of_language("python"), ids=name)
def test_python(page: Path, service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in blocks(page):
        if block.language != "python":
            continue
        where = f"{page.relative_to(ROOT)}:{block.line}"
        code = block.code.replace(SHOWN_AT, service)
        linecache.cache[where] = (len(code), None, code.splitlines(keepends=True), where)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, where, "exec", dont_inherit=True), module.__dict__)
        if block.output is not None:
            assert printed.getvalue().replace(service, SHOWN_AT) == block.output, where


@pytest.mark.parametrize("page", of_language("sh"), ids=name)
def test_shell(page: Path, service: str, tmp_path: Path) -> None:
    scripts = tmp_path / "bin"
    scripts.mkdir()
    command = scripts / "streamable-http"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m streamable_http "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    for block in blocks(page):
        if block.language != "sh":
            continue
        for line in block.code.replace("\\\n", "").splitlines():
            where = f"{page.relative_to(ROOT)}:{block.line}: {line}"
            if not line or line.startswith("#") or NOT_RUN.match(line):
                continue
            assert RUN.match(line), f"{where}: not a command that this test knows"
            done = subprocess.run(
                line.replace(SHOWN_AT, service),
                shell=True,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{where}\n{done.stdout}{done.stderr}"
            if block.output is not None:
                assert done.stdout.replace(service, SHOWN_AT) == block.output, where


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        file, _, anchor = target.partition("#")
        if "://" in file:
            continue
        linked = (page.parent / file) if file else page
        assert linked.is_file(), f"{target} is no file"
        assert not anchor or anchor in anchors(linked), f"{target} is no heading there"
