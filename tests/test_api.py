"""The public interface: what it was when it was last agreed on, and the same for both faces.

`python tests/test_api.py` writes tests/public_api.txt anew. Whatever changes there is for the
changelog.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import streamable_http as shttp

SNAPSHOT = Path(__file__).parent / "public_api.txt"

MODULES = (
    "",
    ".compat.httpx_sse",
    ".decoders",
    ".profiles",
    ".progress",
    ".starlette",
    ".testing",
    ".testing.fixtures",
    ".testing.httpx2",
    ".toolkit",
    ".transports",
    ".transports.httpx2",
)

PAIRS = (
    (shttp.Client, shttp.AsyncClient),
    (shttp.Flow, shttp.AsyncFlow),
    (shttp.Merged, shttp.AsyncMerged),
    (shttp.Stream, shttp.AsyncStream),
    (shttp.StreamService, shttp.AsyncStreamService),
)

ASYNC_NAMES = {
    "close": "aclose",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    "__iter__": "__aiter__",
    "__next__": "__anext__",
}


def modules() -> Iterator[ModuleType]:
    for name in MODULES:
        yield importlib.import_module(f"streamable_http{name}")


def parameters(function: Any) -> str:
    """The parameters of a function as a caller sees them: names, kinds, and whether optional."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # of a class written in C
        return "(…)"
    given = [
        one.replace(annotation=inspect.Parameter.empty, default=_shown(one.default))
        for one in signature.parameters.values()
        if one.name != "self"
    ]
    return str(signature.replace(parameters=given, return_annotation=inspect.Signature.empty))


class _Default:
    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def _shown(default: Any) -> Any:
    """A default as text that is the same on every Python, and in every process."""
    if default is inspect.Parameter.empty:
        return default
    plain = isinstance(default, (bool, int, float, str, bytes, tuple, type(None)))
    return _Default(repr(default) if plain else "…")


def public_members(owner: type) -> dict[str, Any]:
    """What a class offers by name, inherited or not, but for what every object has."""
    names = [name for name in dir(owner) if not name.startswith("_") or name in ASYNC_NAMES]
    names += [name for name in dir(owner) if name in ASYNC_NAMES.values()]
    ours = [*owner.__mro__]
    return {
        name: inspect.getattr_static(owner, name)
        for name in dict.fromkeys(names)
        if any(name in vars(base) and base.__module__.startswith("streamable") for base in ours)
    }


def described(name: str, value: Any) -> Iterator[str]:
    if not inspect.isclass(value):
        yield f"{name}{parameters(value)}" if inspect.isroutine(value) else name
        return
    bases = [base.__name__ for base in value.__bases__ if base not in (object, BaseException)]
    yield f"class {name}({', '.join(bases)})"
    if not inspect.isabstract(value) and "Protocol" not in map(str, bases):
        yield f"    __init__{parameters(value)}"
    for member, what in sorted(public_members(value).items()):
        shown = getattr(value, member) if isinstance(what, (classmethod, staticmethod)) else what
        yield f"    {member}{parameters(shown) if inspect.isroutine(shown) else ''}"


def snapshot() -> str:
    lines: list[str] = []
    for module in modules():
        lines.append(f"# {module.__name__}")
        for name in sorted(module.__all__):
            value = getattr(module, name)
            again = module is not shttp and getattr(shttp, name, None) is value
            lines += [name] if again else described(name, value)
    return "\n".join(lines) + "\n"


def test_the_interface_is_what_it_was() -> None:
    assert snapshot() == SNAPSHOT.read_text(encoding="utf-8"), (
        "the public interface has changed: is that in the changelog? then run this file"
    )


@pytest.mark.parametrize("module", list(modules()), ids=lambda module: module.__name__)
def test_all_is_sorted_and_there(module: ModuleType) -> None:
    names = module.__all__
    assert len(set(names)) == len(names)
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda one: one.__name__)
def test_both_faces_offer_the_same(sync: type, other: type) -> None:
    ours, theirs = public_members(sync), public_members(other)

    assert {ASYNC_NAMES.get(name, name) for name in ours} == set(theirs)
    for name, member in ours.items():
        twin = theirs[ASYNC_NAMES.get(name, name)]
        assert type(member) is type(twin), name
        if inspect.isfunction(member):
            assert parameters(member) == parameters(twin), name


@pytest.mark.parametrize(("sync", "other"), PAIRS, ids=lambda one: one.__name__)
def test_both_faces_are_made_alike(sync: type, other: type) -> None:
    assert parameters(sync) == parameters(other)


def test_every_public_name_is_documented() -> None:
    undocumented = [
        f"{module.__name__}.{name}"
        for module in modules()
        for name in module.__all__
        if (inspect.isclass(value := getattr(module, name)) or inspect.isroutine(value))
        and not re.search(r"\w", value.__doc__ or "")
    ]
    assert undocumented == []


if __name__ == "__main__":
    SNAPSHOT.write_text(snapshot(), encoding="utf-8")
