"""The command as people run it: in a process of its own, with pipes, signals and exit codes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from ctrl_c import press_ctrl_c

from streamable_http import __version__
from streamable_http.cli.exits import Exit, missing
from streamable_http.demo.server import running

COMMAND = [sys.executable, "-W", "error", "-m", "streamable_http"]
SECONDS = 30
LINES = ["-H", "Accept: application/x-ndjson"]  # which nothing goes on with
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running() as base:
        yield base


@pytest.fixture(autouse=True)
def heeds_ctrl_c() -> Iterator[None]:
    """A shell that started the tests in the background has them, and their children, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command, running; ended by force if the test leaves it so."""
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=BUFFERED,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def interrupt(process: subprocess.Popen[str]) -> str:
    """Ctrl-C; what is said on stderr."""
    press_ctrl_c(process)
    _, told = process.communicate(timeout=SECONDS)
    assert "Traceback" not in told
    return told


def completed(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )


def test_a_whole_stream(url: str) -> None:
    done = completed("get", f"{url}/stream/users", "--terminal", "[DONE]")
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1000


def test_version() -> None:
    assert completed("--version").stdout.strip() == __version__


def test_an_error_is_one_line() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # a port that nobody else gets, and where nobody listens
        gone = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        done = completed("demo", "--url", gone)
    assert done.returncode == Exit.UNREACHABLE
    assert done.stdout == ""
    assert done.stderr.startswith(f"GET {gone}/health: ConnectError: ")
    assert done.stderr.count("\n") == 1


def test_the_reader_leaves(url: str) -> None:
    with started("get", f"{url}/stream/numbers?limit=1000000000") as process:
        assert '"n' in first_line(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(SECONDS) == Exit.PIPE_CLOSED


@pytest.mark.parametrize("arguments", [["--version"], ["check", "/stream/users"]])
def test_the_reader_never_was_there(url: str, arguments: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [*COMMAND, *(url + word if word[0] == "/" else word for word in arguments)]
    done = subprocess.run(
        command,
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=SECONDS,
        check=False,
        env=BUFFERED,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (Exit.PIPE_CLOSED, b"")


def test_a_stdout_that_knows_little_gets_escapes(url: str) -> None:
    done = subprocess.run(
        [*COMMAND, "check", f"{url}/stream/users?limit=1"],
        capture_output=True,
        timeout=SECONDS,
        check=False,
        env={**BUFFERED, "PYTHONIOENCODING": "ascii"},
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Timeouts(idle=\u2026)" in done.stdout


@pytest.mark.parametrize(
    ("closed", "arguments", "code"),
    [
        ("2>&-", ["get", "/stream/users?cut_after=2", *LINES], Exit.TRUNCATED),
        ("2>&-", ["get", "/nothing"], Exit.STATUS),
        (">&-", ["get", "/stream/users"], Exit.FAILED),
        (">&-", ["get", "/stream/users", "-o", "/dev/null"], Exit.COMPLETE),
        (">&-", ["check", "/stream/users?limit=1"], Exit.FAILED),
    ],
)
def test_streams_that_are_closed(url: str, closed: str, arguments: list[str], code: Exit) -> None:
    """Errors never stand among the items, and items that cannot be written are an error."""
    words = [url + word if word[:2] in {"/s", "/n"} else word for word in arguments]
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, *words],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=BUFFERED,
    )
    assert done.returncode == code
    assert "Error" not in done.stdout
    assert "Traceback" not in done.stderr


def test_nobody_reads_the_errors(url: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*COMMAND, "get", f"{url}/nothing"],
        stdout=subprocess.PIPE,
        stderr=write,
        timeout=SECONDS,
        check=False,
        env=BUFFERED,
    )
    os.close(write)
    assert (done.returncode, done.stdout) == (Exit.STATUS, b"")


def test_the_readers_of_the_demo_leave() -> None:
    with started("demo") as process:
        assert first_line(process).startswith("health of ")
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(SECONDS) == Exit.PIPE_CLOSED


@pytest.mark.parametrize("decoder", ["sse", "raw"])
def test_ctrl_c_while_reading(url: str, decoder: str) -> None:
    parameters = "delay=60&label=interrupted"
    with started("get", f"{url}/stream/numbers?{parameters}", "--decoder", decoder) as process:
        first_line(process)
        assert interrupt(process) == "interrupted\n"
        assert process.returncode == Exit.INTERRUPTED


def test_an_unbuffered_stdout_gets_everything(url: str) -> None:
    with subprocess.Popen(
        [*COMMAND, "get", f"{url}/stream/numbers?limit=200000", "--terminal", "[DONE]"],
        stdout=subprocess.PIPE,
        env={**BUFFERED, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        assert len(process.stdout.readlines()) == 200_000
    assert process.returncode == 0


def test_ctrl_c_while_waiting_to_try_again(url: str) -> None:
    with started("get", f"{url}/stream/numbers?cut_after=1", "--follow", "-v") as process:
        assert process.stderr is not None
        while "again in" not in process.stderr.readline():
            pass
        assert interrupt(process).endswith("interrupted\n")
        assert process.returncode == Exit.INTERRUPTED


def test_ctrl_c_ends_the_server() -> None:
    with started("serve", "--port", "0") as process:
        base = first_line(process).removeprefix("serving on ").strip()
        assert httpx.get(f"{base}/health").json()["status"] == "ok"
        with httpx.stream("GET", f"{base}/stream/numbers?delay=60") as response:
            body = response.iter_raw()
            next(body)
            assert interrupt(process) == "interrupted\n"
            assert process.returncode == Exit.INTERRUPTED
            with pytest.raises(httpx.TransportError):
                next(body)


def test_a_port_in_use(url: str) -> None:
    port = url.rpartition(":")[2]
    done = completed("serve", "--port", port)
    assert done.returncode == Exit.FAILED
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("lines", [1, 2, 8])
def test_ctrl_c_ends_the_demo(lines: int) -> None:
    with started("demo") as process:
        told = [first_line(process) for _ in range(lines)]
        base = told[0].removeprefix("health of ").removesuffix(": ok\n")
        assert interrupt(process) == "interrupted\n"
        assert process.returncode == Exit.INTERRUPTED
    with pytest.raises(httpx.ConnectError):
        httpx.get(base)


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("cyclopts", "'--help'", "cli"),
        ("rich", "'get', 'http://127.0.0.1:1'", "cli"),
        ("uvicorn", "'serve'", "demo"),
        ("starlette", "'demo'", "demo"),
    ],
)
def test_a_missing_extra_is_named(module: str, arguments: str, extra: str) -> None:
    code = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv = ['streamable-http', {arguments}];"
        "from streamable_http.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == Exit.USAGE
    assert done.stdout == ""
    wanted = f"this command needs {module}: pip install 'streamable-http[{extra}]'\n"
    assert done.stderr == wanted


def test_a_fault_of_our_own_is_not_hidden() -> None:
    with pytest.raises(ModuleNotFoundError, match="other"):
        missing(ModuleNotFoundError("No module named 'other'", name="other"))
