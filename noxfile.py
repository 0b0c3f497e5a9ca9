"""Every check of the project, one session each. `nox -l` lists them; `.ci/run` runs them all.

uv makes the environments where it is installed (`pip install nox uv`); the sessions that need uv
itself, `build` and `floor`, say so when it is missing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests", "demo"]

EVERYTHING = "-e.[demo,httpx2]"


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite, with branch coverage; arguments go to pytest and skip the coverage floor."""
    session.install(EVERYTHING, "--group=test")
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", *(["--fail-under=0"] if session.posargs else []))


@nox.session
def types(session: nox.Session) -> None:
    """mypy and pyright, both strict, and the completeness of the public types."""
    session.install(SDKS, "--group=test", "--group=agents", "--group=types")
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "streamable_http", "--ignoreexternal")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff's rules and its formatting; `nox -s lint -- fix` repairs what it can."""
    session.install("--group=lint")
    fix = session.posargs == ["fix"]
    session.run("ruff", "check", *(["--fix"] if fix else []))
    session.run("ruff", "format", *([] if fix else ["--check"]))


@nox.session
def demo(session: nox.Session) -> None:
    """The demo, which checks its own counts; arguments go to it."""
    session.install("-e.[demo]")
    session.run("streamable-http", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The decoders against the parsers in use, as ratios of one run."""
    session.install("-e.", "--group=bench")
    session.run("python", "benchmarks/decoders.py", *session.posargs)


@nox.session(venv_backend="uv")
def build(session: nox.Session) -> None:
    """The sdist and the wheel made of it: their content, and the wheel alone in a clean place."""
    session.install("--group=build")
    dist = Path("dist")
    shutil.rmtree(dist, ignore_errors=True)
    session.run("python", "-m", "build", "--installer=uv")
    session.run("twine", "check", "--strict", *map(str, dist.iterdir()))
    session.run("python", "tests/packaging/contents.py", str(dist))

    (wheel,) = map(str, dist.glob("*.whl"))
    smoke = ["python", "-I", "tests/packaging/smoke.py"]
    clean = Path(session.create_tmp()) / "clean"
    session.run("uv", "venv", "--quiet", "--clear", f"--python={sys.executable}", str(clean))
    session.run("uv", "pip", "install", f"--python={clean}", wheel)
    scripts = clean / ("Scripts" if sys.platform == "win32" else "bin")
    session.run(str(scripts / "python"), *smoke[1:], external=True)
    isolated = ["uv", "run", "--isolated", "--no-project", "--no-python-downloads"]
    session.run(*isolated, f"--python={sys.executable}", f"--with={wheel}", *smoke)


@nox.session(venv_backend="uv")
def floor(session: nox.Session) -> None:
    """The test suite on the oldest allowed release of every direct dependency."""
    session.install("--resolution=lowest-direct", EVERYTHING, "--group=test")
    session.run("uv", "pip", "list")
    session.run("pytest", *session.posargs)


SDKS = "-e.[agents,demo,httpx2,mcp]"


@nox.session
def mcp(session: nox.Session) -> None:
    """The MCP server, judged by real clients and, by way of npm, the conformance suite."""
    session.install(SDKS, "--group=test", "--group=agents")
    packages = Path(session.create_tmp()).resolve() / "node"
    packages.mkdir(exist_ok=True)
    shutil.copy("tests/mcp/package.json", packages)
    session.run("python", "tests/mcp/npm.py", "install", "--no-audit", f"--prefix={packages}")
    where = {"STREAMABLE_HTTP_NODE_PACKAGES": str(packages)}
    session.run("pytest", *(session.posargs or ["tests/mcp"]), env=where)


@nox.session
def agents(session: nox.Session) -> None:
    """The tools in the OpenAI Agents SDK, and the agent of the examples."""
    session.install(SDKS, "--group=test", "--group=agents")
    session.run("pytest", *(session.posargs or ["tests/agents"]))


@nox.session(venv_backend="uv")
def sdk_floor(session: nox.Session) -> None:
    """The same on the oldest allowed releases of the SDKs."""
    session.install("--resolution=lowest-direct", SDKS, "--group=test", "--group=agents")
    session.run("uv", "pip", "list")
    session.run("pytest", *(session.posargs or ["tests/agents", "tests/mcp"]))
