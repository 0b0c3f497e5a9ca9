"""What the files around the code say about it is true."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import streamable_http

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def nox_sessions() -> set[str]:
    """The functions that noxfile.py decorates with `@nox.session`, with arguments or without."""
    return {
        node.name
        for node in ast.parse(read("noxfile.py")).body
        if isinstance(node, ast.FunctionDef)
        and any("nox.session" in ast.unparse(decorator) for decorator in node.decorator_list)
    }


def readme_command(name: str) -> list[str]:
    """The lines of the code block that follows `<!-- run: NAME -->`."""
    found = re.search(
        rf"^<!-- run: {name} -->\n```\w*\n(.*?)^```$", read("README.md"), re.MULTILINE | re.DOTALL
    )
    assert found, f"README.md has no code block right after <!-- run: {name} -->"
    return found[1].splitlines()


def test_one_version() -> None:
    releases = re.findall(r"^## \[(\d[^]]*)\]", read("CHANGELOG.md"), re.MULTILINE)

    assert releases[0] == PYPROJECT["project"]["version"] == streamable_http.__version__


def test_the_changelog_begins_with_the_policy() -> None:
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)

    assert headings[0] == "Compatibility policy"


def test_the_package_is_marked_as_typed() -> None:
    assert resources.files(streamable_http).joinpath("py.typed").is_file()


def test_all_names_exist_once() -> None:
    names = streamable_http.__all__

    assert len(names) == len(set(names))  # the linter keeps the order
    assert [name for name in names if not hasattr(streamable_http, name)] == []


def test_the_classifiers_begin_at_the_oldest_python() -> None:
    prefix = "Programming Language :: Python :: 3."
    classifiers = PYPROJECT["project"]["classifiers"]
    minors = [int(c.removeprefix(prefix)) for c in classifiers if c.startswith(prefix)]

    assert minors == list(range(minors[0], minors[-1] + 1))
    assert PYPROJECT["project"]["requires-python"] == f">=3.{minors[0]}"


def test_every_dependency_has_a_floor() -> None:
    project, groups = PYPROJECT["project"], PYPROJECT["dependency-groups"]
    extras = project["optional-dependencies"].values()
    lists = [project["dependencies"], *extras, *groups.values()]
    others = [item for items in lists for item in items if not item.startswith(project["name"])]

    assert [item for item in others if not re.search(">=|==", item)] == []


def test_contributing_names_every_session() -> None:
    assert (
        set(re.findall(r"^\| `nox -s (\w+)`", read("CONTRIBUTING.md"), re.MULTILINE))
        == nox_sessions()
    )


def test_ci_runs_every_session_but_those_for_hours_and_quiet_machines() -> None:
    lines = re.findall(
        r"^ *\S+/bin/nox\"? -s ([a-z_ ]+?)(?: -- quick)?$", read(".ci/run"), re.MULTILINE
    )
    (tests,) = readme_command("tests")

    # What only measures proves nothing on a machine that is shared.
    by_hand = {"bench", "mutate", "soak"}
    assert {*" ".join(lines).split(), "tests"} == nox_sessions() - by_hand
    assert tests.endswith("-s tests")


@pytest.mark.parametrize("name", ["demo", "tests"])
def test_the_readme_gives_one_line_that_needs_only_python_and_pip(name: str) -> None:
    (line,) = readme_command(name)

    # Debian ships without `ensurepip`, and forbids pip outside of an environment.
    assert line.startswith("python3 -m venv --without-pip .venv && python3 -m pip --python .venv ")
