"""The command `streamable-http` (extra `cli`; `demo` and `serve` need the extra `demo`)."""

from __future__ import annotations

import sys

from .exits import Exit, leave, missing

__all__ = ["main"]


def main() -> None:
    """Runs the command that the arguments name, and exits with one of the codes of `Exit`."""
    try:
        from .app import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = Exit.INTERRUPTED
    except BrokenPipeError:
        code = Exit.PIPE_CLOSED
    except ModuleNotFoundError as exc:
        code = missing(exc)
    leave(code)
