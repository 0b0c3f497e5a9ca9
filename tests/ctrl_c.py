"""Ctrl-C for programs that tests start."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

__all__ = ["press_ctrl_c"]

_SECONDS = 10
_LOOKS = 3


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """Sends SIGINT to a process that waits, as nearly every process does that a person interrupts.

    CPython notices a signal between two instructions, or when it cuts a system call short. One
    that comes in the microsecond between the last look and the call is only noticed once the call
    returns: a program that has just said something, and now reads on, can be hit there.
    """
    limit = time.monotonic() + _SECONDS
    asleep = 0
    while asleep < _LOOKS and process.poll() is None:
        assert time.monotonic() < limit, "the process does not come to rest"
        time.sleep(0.005)
        asleep = asleep + 1 if _sleeps(process.pid) else 0
    process.send_signal(signal.SIGINT)


def _sleeps(pid: int) -> bool:
    """Whether the main thread is in a system call that waits; where nobody can tell, it is."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "S"
