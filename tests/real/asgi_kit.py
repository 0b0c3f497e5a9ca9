"""The app of numbers_app.py on the ASGI servers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from real_harness import HERE, free_port, listening, python_program, running

__all__ = ["asgi"]


@contextlib.contextmanager
def asgi(name: str, folder: Path) -> Iterator[int]:
    """The app on one server; yields its port."""
    program, port = python_program(name), free_port()
    commands: dict[str, list[object]] = {
        "uvicorn": ["--port", port, "--log-level", "warning", "numbers_app:app"],
        "hypercorn": ["--bind", f"127.0.0.1:{port}", "numbers_app:app"],
        "granian": ["--interface", "asgi", "--port", port, "numbers_app:app"],
    }
    where = {"PYTHONPATH": str(HERE)}
    with running(program, *commands[name], folder=folder, ready=listening(port), env=where):
        yield port
