"""What a run leaves behind: threads, descriptors, and complaints that nobody hears."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["count_descriptors", "listen", "watching"]

_SECONDS = 2.0

_heard: list[str] = []


class _Ear(logging.Handler):
    """asyncio says by its log what it cannot raise."""

    def emit(self, record: logging.LogRecord) -> None:
        _heard.append(f"asyncio: {record.getMessage()}")


def listen() -> None:
    """From now on complaints count, warnings included; once for each process."""
    warnings.simplefilter("error")
    sys.unraisablehook = lambda what: _heard.append(f"unraisable: {what.exc_value!r}")
    threading.excepthook = lambda what: _heard.append(f"in a thread: {what.exc_value!r}")
    logging.getLogger("asyncio").addHandler(_Ear(logging.WARNING))
    gc.collect()
    gc.freeze()  # what is there now need not be looked at again


@contextlib.contextmanager
def watching() -> Iterator[list[str]]:
    """Within it, nothing may be left behind; the list names what is."""
    left: list[str] = []
    threads, descriptors = {*threading.enumerate()}, count_descriptors()
    _heard.clear()
    yield left
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        if threads >= {*threading.enumerate()} and count_descriptors() <= descriptors:
            break
        time.sleep(0.005)
    else:
        left += [f"thread {one.name}" for one in {*threading.enumerate()} - threads]
        left.append(f"{count_descriptors() - descriptors} descriptors")
    gc.collect()
    left += _heard


def count_descriptors() -> int:
    """How many files and sockets this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])
