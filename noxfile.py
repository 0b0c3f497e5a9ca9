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
    """mypy and pyright, both strict; the public types are complete, and clear to ty, too."""
    groups = [f"--group={name}" for name in ("test", "agents", "frames", "sdks", "types")]
    session.install(SDKS, *groups)
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--verifytypes", "streamable_http", "--ignoreexternal")
    # A third reader, of the interface alone while it is young.
    session.run("ty", "check", "--error-on-warning", "tests/typing/api.py")


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
    session.install("-e.[demo-agents]")
    session.run("streamable-http", "demo", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Whole streams against what is in use: RESULTS.md and plots; `-- quick`, `-- b`: in part."""
    session.install("-e.[demo,httpx2]", "--group=bench")
    packages = Path(session.create_tmp()).resolve() / "node"
    # Without Node.js that contender is left out, and the report says so.
    if shutil.which("npm") and "quick" not in session.posargs:
        install = ("npm", "install", "--no-audit", "--no-fund", f"--prefix={packages}")
        codes = [0, 1]  # without the network, too
        session.run(*install, "eventsource-parser@3", external=True, success_codes=codes)
    where = {"STREAMABLE_HTTP_BENCH_NODE": str(packages)}
    session.run("python", "-m", "benchmarks.suite", *session.posargs, env=where)


@nox.session
def speed_guard(session: nox.Session) -> None:
    """Whether the decoders have become slower, as ratios against plain loops in one process."""
    session.install("-e.")
    session.run("python", "benchmarks/guard.py", *session.posargs)


@nox.session
def simulate(session: nox.Session) -> None:
    """Streams in virtual time under 50,000 seeds and every small case; `-- 1000000` plays more."""
    session.install("-e.")
    session.run("python", "-m", "simulation", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def faults(session: nox.Session) -> None:
    """500 streams on every face over real sockets, and servers that break everything."""
    session.install("-e.", "--group=test")
    session.run("python", "-m", "faults", *session.posargs, env={"PYTHONPATH": "tests"})


@nox.session
def soak(session: nox.Session) -> None:
    """30 minutes of such streams, or `-- 5`; memory, descriptors and threads must not grow."""
    session.install("-e.", "--group=test")
    # One heap for all threads: with many, what the allocator keeps of each looks like growth.
    where = {"PYTHONPATH": "tests", "MALLOC_ARENA_MAX": "1"}
    session.run("python", "-m", "faults.soak", *session.posargs, env=where)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Near-misses of every format, and servers that lie; `-- 600` goes on for 600 seconds."""
    session.install(EVERYTHING, "--group=test")
    seconds = session.posargs[0] if session.posargs else "0"
    session.run("pytest", "tests/fuzz", env={"FUZZ_SECONDS": seconds})


@nox.session
def mutate(session: nox.Session) -> None:
    """Whether a test fails for every small change of the core; `-- "*_retry*"` takes a part."""
    session.install(EVERYTHING, "--group=test", "--group=mutate")
    session.run("mutmut", "run", *session.posargs)
    session.run("mutmut", "results")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, in docs/_build; every warning is an error."""
    session.install("-e.[agents,arrow,demo,httpx2,mcp,starlette]", "--group=docs")
    session.run("sphinx-build", "-EW", "--keep-going", "-b=html", "docs", "docs/_build")


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


@nox.session
def gateway(session: nox.Session) -> None:
    """The gateway on uvicorn, hypercorn and granian, with clients that are killed half-way."""
    session.install(EVERYTHING, "--group=test", "--group=gateway")
    servers = {"GATEWAY_SERVERS": "uvicorn,hypercorn,granian"}
    session.run("pytest", *(session.posargs or ["tests/gateway"]), env=servers)


@nox.session
def frames(session: nox.Session) -> None:
    """Arrow batches, and the recipes for Polars, pandas, DuckDB and Parquet."""
    session.install("-e.[demo,httpx2,arrow]", "--group=test", "--group=frames")
    session.run("pytest", *(session.posargs or ["tests/frames"]))
    session.run("pytest", "tests/docs/test_snippets.py", "-kframes.md")


SDKS = "-e.[demo-agents,httpx2]"


@nox.session
def mcp(session: nox.Session) -> None:
    """The MCP server, judged by real clients and, by way of npm, the conformance suite."""
    session.install(SDKS, "--group=test", "--group=agents")
    packages = Path(session.create_tmp()).resolve() / "node"
    packages.mkdir(exist_ok=True)
    shutil.copy("tests/mcp/package.json", packages)
    session.run("python", "tests/mcp/npm.py", "install", "--no-audit", f"--prefix={packages}")
    # A folder of its own: these adapters need another generation of the MCP SDK.
    langchain = Path(session.create_tmp()).resolve() / "langchain"
    session.install(f"--target={langchain}", "langchain-mcp-adapters>=0.3.2")
    where = {
        "STREAMABLE_HTTP_LANGCHAIN": str(langchain),
        "STREAMABLE_HTTP_NODE_PACKAGES": str(packages),
    }
    session.run("pytest", *(session.posargs or ["tests/mcp"]), env=where)


@nox.session
def agents(session: nox.Session) -> None:
    """The tools in the OpenAI Agents SDK, and the agent of the examples."""
    session.install(SDKS, "--group=test", "--group=agents")
    session.run("pytest", *(session.posargs or ["tests/agents"]))


@nox.session
def sdks(session: nox.Session) -> None:
    """The OpenAI and Anthropic SDKs on cut streams, without the guard and with it; migrations."""
    session.install(EVERYTHING, "--group=test", "--group=sdks")
    session.run("pytest", *(session.posargs or ["tests/sdks"]))


@nox.session
def real(session: nox.Session) -> None:
    """Real servers, got by apt-get, npm and pip; what is not to be had skips. `-- quick`: a few."""
    session.install("-e.", "--group=test", "--group=real")
    place = Path(session.create_tmp()).resolve()
    tests, servers = session.posargs or ["tests/real"], ["nginx", "etcd", "haproxy", "node"]
    if tests == ["quick"]:
        names = ("asgi_servers", "llmock", "nchan", "nginx_files")
        tests = [f"tests/real/test_{name}.py" for name in names]
        tests, servers = [*tests, "-knot hypercorn and not granian"], ["nginx"]
    session.run("python", "tests/real/install.py", str(place), *servers)
    session.run("pytest", *tests, env={"STREAMABLE_HTTP_REAL": str(place)})


@nox.session
def suites(session: nox.Session) -> None:
    """The test suites of others for our formats, by way of npm, cut at every byte."""
    session.install(EVERYTHING, "--group=test", "--group=suites")
    packages = Path(session.create_tmp()).resolve() / "node"
    packages.mkdir(exist_ok=True)
    shutil.copy("tests/suites/package.json", packages)
    session.run("python", "tests/mcp/npm.py", "install", "--no-audit", f"--prefix={packages}")
    where = {"STREAMABLE_HTTP_SUITES": str(packages)}
    session.run("pytest", *(session.posargs or ["tests/suites"]), env=where)


@nox.session(venv_backend="uv")
def sdk_floor(session: nox.Session) -> None:
    """The same on the oldest allowed releases of the SDKs."""
    session.install("--resolution=lowest-direct", SDKS, "--group=test", "--group=agents")
    session.run("uv", "pip", "list")
    session.run("pytest", *(session.posargs or ["tests/agents", "tests/mcp"]))
