"""The command `streamable-http` (extra `cli`; `demo` and `serve` need the extra `demo`)."""

from __future__ import annotations

import io
import os
import sys

from .exits import Exit, leave, missing, say

__all__ = ["main"]


def _make_streams_usable() -> None:
    """What stdout cannot encode is escaped; one that is closed fails when it is written to.

    Python has None in place of a closed stream, and prints to stdout what is for a stderr of None.
    """
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Runs the command that the arguments name, and exits with one of the codes of `Exit`."""
    _make_streams_usable()
    try:
        from .app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        say("interrupted")
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.PIPE_CLOSED
    except ModuleNotFoundError as exc:
        code = missing(exc)
    leave(code)
