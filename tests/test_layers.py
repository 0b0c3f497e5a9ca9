"""The layers of the package, as a table, and the proof that its imports keep to it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parent.parent / "src"
PACKAGE = "streamable_http"


class Layer(NamedTuple):
    """A row of the table: its modules may import those of its own row and of the rows before it.

    `packages` are the packages of others that this row adds to those of the rows before it.
    """

    name: str
    modules: frozenset[str]
    packages: frozenset[str]


def layer(name: str, modules: str, packages: str = "") -> Layer:
    return Layer(name, frozenset(modules.split()), frozenset(packages.split()))


LAYERS = (
    layer("values", "_errors _values _reports _checks _version", "attr attrs typing_extensions"),
    layer("decoders", "_decoders", "msgspec pydantic"),
    layer(
        "session",
        "_effects _order _retry _resume _redirects _content _allowance _tally _session"
        " _delivery _turns _gathering _ways _asking",
        "tenacity",
    ),
    layer(
        "faces",
        "transports _clock _lease _plug _bodies _call _perform _request _settings _stores _claims"
        " _checkpoint _saving _options _opening _logging _progress _pump _tasks _threads"
        " _prefetch _flow _async_flow _handle _sync _async _operator _derived _async_derived"
        " _pipeline _async_pipeline _roster _many _async_many _gather _part_file _download"
        " _clients",
        "anyio httpcore httpcore2 httptools httpx httpx2 sniffio trio",
    ),
    layer(
        "facade",
        "__init__ decoders progress service _convention testing compat profiles",
        "pytest rich",
    ),
)
PURE = frozenset({"values", "decoders", "session"})
EXTRAS = {
    "__main__": frozenset[str](),
    "cli": frozenset({"cyclopts", "rich"}),
    "demo": frozenset({"agents", "llmock", "openai", "rich", "starlette", "uvicorn"}),
    "agents": frozenset({"agents"}),
    "arrow": frozenset({"pyarrow"}),
    "mcp": frozenset({"mcp", "starlette", "uvicorn"}),
    "starlette": frozenset({"starlette"}),
    "toolkit": frozenset[str](),
}

IMPURE = {
    "a clock": "calendar datetime sched signal time",
    "a socket": "select selectors socket socketserver ssl",
    "a thread": "_thread concurrent multiprocessing queue subprocess threading",
    "an event loop": "asyncio tenacity.asyncio tenacity.nap",
    "randomness": "random secrets uuid",
    "a client": "ftplib http smtplib urllib.request",
    "a file": "os pathlib shutil sqlite3 tempfile",
    "an import in disguise": "importlib",
}
REASONS = {name: reason for reason, names in IMPURE.items() for name in names.split()}


def imports(path: Path, source: Path) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of all that a file imports, on any level, under any `if`.

    `from a import b` gives `a.b`: whether `b` is a module or a name makes no difference here.
    """
    here = path.relative_to(source).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_bytes(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def home(module: str) -> str:
    """The entry of the table that a module belongs to: `_decoders` for `_decoders.sse`."""
    return module.partition(".")[0] or "__init__"


def row_of(module: str) -> int | None:
    return next((row for row, at in enumerate(LAYERS) if home(module) in at.modules), None)


def inside_problem(here: str, module: str) -> str | None:
    """Why module `here` may not import `module`, both of the package, or None if it may."""
    row = row_of(here)
    if row is None:
        own = home(module) == home(here)
        private = any(part.startswith("_") and part != "__version__" for part in module.split("."))
        return None if own or not private else "an extra imports public names only"
    if home(module) in EXTRAS:
        return f"{LAYERS[row].name} must not know the extra {home(module)}"
    imported = row_of(module)
    if imported is None:  # no module, but a name that the facade exports
        imported = len(LAYERS) - 1
    if imported > row:
        return f"{LAYERS[row].name} is below {LAYERS[imported].name}"
    return None


def outside_problem(here: str, module: str) -> str | None:
    """Why module `here` may not import `module`, of someone else, or None if it may."""
    row = row_of(here)
    name = LAYERS[row].name if row is not None else home(here)
    if name in PURE:
        prefixes = (module.rsplit(".", cut)[0] for cut in range(module.count(".") + 1))
        reason = next((REASONS[prefix] for prefix in prefixes if prefix in REASONS), None)
        if reason:
            return f"{name} must do without {reason}"
    top = module.partition(".")[0]
    below = LAYERS if row is None else LAYERS[: row + 1]
    known = frozenset[str]().union(*(at.packages for at in below), EXTRAS.get(name, ()))
    if top in sys.stdlib_module_names or top in known:
        return None
    return f"{name} does not depend on {top}"


def violations(source: Path) -> list[str]:
    """Every import under `source` that the table forbids, and every module it does not know."""
    found: list[str] = []
    package = source / PACKAGE
    for path in sorted(package.rglob("*.py")):
        here = ".".join(path.relative_to(package).with_suffix("").parts)
        where = path.relative_to(source).as_posix()
        if row_of(here) is None and home(here) not in EXTRAS:
            found.append(f"{where}: not in the table of layers: add it to its row")
            continue
        for line, name in imports(path, source):
            if name.partition(".")[0] == PACKAGE:
                problem = inside_problem(here, name.removeprefix(PACKAGE).removeprefix("."))
            else:
                problem = outside_problem(here, name)
            if problem:
                found.append(f"{where}:{line}: imports {name}, but {problem}")
    return found


def test_the_package_keeps_to_its_layers() -> None:
    assert violations(SOURCE) == []


@pytest.mark.parametrize(
    ("module", "code", "problem"),
    [
        ("_values", "import time", "values must do without a clock"),
        ("_values", "from urllib.request import urlopen", "values must do without a client"),
        ("_values", "def f():\n    from threading import Lock", "values must do without a thread"),
        ("_values", "import msgspec", "values does not depend on msgspec"),
        ("_values", "from . import _session", "values is below session"),
        ("_values", "from . import Client", "values is below facade"),
        ("_decoders/sse", "import asyncio.events", "decoders must do without an event loop"),
        ("_decoders/sse", "from .._session import run", "decoders is below session"),
        ("_decoders/sse", "import importlib", "decoders must do without an import in disguise"),
        ("_session", "import socket", "session must do without a socket"),
        ("_session", "from random import random", "session must do without randomness"),
        ("_session", "import httpx", "session does not depend on httpx"),
        ("_session", "from tenacity.nap import sleep", "session must do without an event loop"),
        ("_session", "if TYPE_CHECKING:\n    from ._sync import Stream", "session is below faces"),
        ("_session", "import streamable_http._sync", "session is below faces"),
        ("_sync", "from .cli import main", "faces must not know the extra cli"),
        ("_sync", "import requests", "faces does not depend on requests"),
        ("cli/main", "from streamable_http._sync import Stream", "an extra imports public names"),
        ("cli/main", "from streamable_http import _sync", "an extra imports public names"),
        ("cli/main", "from .._values import Limits", "an extra imports public names"),
        ("cli/main", "import uvicorn", "cli does not depend on uvicorn"),
        ("_misc", "import json", "not in the table of layers"),
    ],
)
def test_the_checker_catches(tmp_path: Path, module: str, code: str, problem: str) -> None:
    for name in ("_values", "_session", "_sync", "cli/main", "cli/bar", module):
        path = tmp_path / PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / PACKAGE / f"{module}.py").write_text(code)

    (found,) = violations(tmp_path)

    assert f"{module}.py" in found
    assert problem in found


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("_values", "import json\nfrom urllib.parse import urlsplit\nfrom attrs import frozen"),
        ("_decoders/sse", "from .engine import Engine\nfrom .._values import Limits"),
        ("_session", "from ._values import Limits\nfrom tenacity import wait_exponential"),
        ("_sync", "import threading, httpx, time\nfrom ._session import run"),
        ("__init__", "from ._sync import Stream"),
        ("cli/main", "import rich\nfrom streamable_http import Client\nfrom ._bar import Bar"),
        ("cli/main", "from streamable_http import __version__, demo"),
    ],
)
def test_the_checker_lets_pass(tmp_path: Path, module: str, code: str) -> None:
    for name in ("_values", "_session", "_sync", "_decoders/engine", "cli/_bar", module):
        path = tmp_path / PACKAGE / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / PACKAGE / f"{module}.py").write_text(code)

    assert violations(tmp_path) == []
