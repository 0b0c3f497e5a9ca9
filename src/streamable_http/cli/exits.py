"""The exit codes, and the error that each of them stands for."""

from __future__ import annotations

import enum
import os
import sys
from typing import NoReturn, Self, TextIO

from streamable_http import (
    ConfigurationError,
    ConnectError,
    RetriesExhausted,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)

__all__ = ["Exit", "leave", "missing", "report", "say", "told"]


class Exit(enum.IntEnum):
    """What an exit code means."""

    COMPLETE = 0, "complete: the stream ended, or --max-items were read"
    FAILED = 1, "any other error of the stream: bad data, a reported failure, a limit"
    USAGE = 2, "wrong arguments, or an extra is not installed"
    TRUNCATED = 3, "the stream stopped before its end, or the connection was lost"
    STATUS = 4, "the server answered with an error status"
    TIMEOUT = 5, "a clock ran out"
    UNREACHABLE = 6, "no connection could be made"
    INTERRUPTED = 130, "interrupted by Ctrl-C"
    PIPE_CLOSED = 141, "the reader of the output left, as `head` does"

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


_CODES: tuple[tuple[type[StreamError], Exit], ...] = (
    (ConfigurationError, Exit.USAGE),
    (ConnectError, Exit.UNREACHABLE),
    (StreamTruncated, Exit.TRUNCATED),
    (StatusError, Exit.STATUS),
    (TimeoutExceeded, Exit.TIMEOUT),
)

_EXTRAS = {
    "cyclopts": "cli",
    "mcp": "mcp",
    "rich": "cli",
    "starlette": "demo",
    "uvicorn": "demo",
}


def say(text: str) -> None:
    """Prints a line on stderr, if somebody reads it: the exit code tells the same."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _turn_away(sys.stderr)


def report(error: StreamError) -> Exit:
    """Says on stderr what ended the stream, and returns the code for it."""
    say(told(error))
    return _code(error)


def told(error: StreamError) -> str:
    """An error as one line: where, of which kind, and what."""
    text = str(error)
    where = "" if error.request in text else f"{error.request}: "
    return f"{where}{type(error).__name__}: {text}"


def _code(error: StreamError) -> Exit:
    if isinstance(error, RetriesExhausted) and error.last_error is not None:
        return _code(error.last_error)
    return next((code for kind, code in _CODES if isinstance(error, kind)), Exit.FAILED)


def missing(error: ModuleNotFoundError) -> Exit:
    """Says which extra to install; a module that no extra brings is a fault of our own."""
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package)
    if extra is None:
        raise error
    say(f"this command needs {package}: pip install 'streamable-http[{extra}]'")
    return Exit.USAGE


def leave(code: int) -> NoReturn:
    """Exits; a reader of our output that has left makes no noise."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = Exit.PIPE_CLOSED
    except OSError as exc:
        say(f"stdout: {exc.strerror}")
        code = Exit.FAILED
        _turn_away(sys.stdout)
    if code == Exit.PIPE_CLOSED:
        _turn_away(sys.stdout)
    sys.exit(code)


def _turn_away(stream: TextIO) -> None:
    """Nobody can read what the stream still holds; the interpreter tries on its way out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
