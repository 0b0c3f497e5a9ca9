"""`get --decoder raw -o FILE`: a file that is whole or not there, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from ctrl_c import press_ctrl_c
from server import Script, Server, Step, cut, delay, head, hold, reply, send

from streamable_http.cli.app import run
from streamable_http.cli.exits import Exit

Capture = pytest.CaptureFixture[bytes]

BODY = os.urandom(50_000)
HALF = len(BODY) // 2
SECONDS = 30


def part_of_it(*steps: Step, first: int = 0, to: int = HALF) -> Script:
    """The body up to a byte, and then something else."""
    headers = {"etag": '"v1"', "accept_ranges": "bytes", "content_length": str(len(BODY) - first)}
    if first:
        headers["content_range"] = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
    return [head(206 if first else 200, "x/y", **headers), BODY[first:to], *steps]


def arguments(url: str, path: Path, *more: str) -> list[str]:
    return ["get", url, "--decoder", "raw", "-o", str(path), *more]


@contextmanager
def started(*words: str) -> Generator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "streamable_http", *words],
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(path: Path) -> None:
    limit = time.monotonic() + SECONDS
    while not path.exists():
        assert time.monotonic() < limit, f"{path} does not come"
        time.sleep(0.01)


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell that started the tests in the background has them, and their children, ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_was_cut_goes_on_with_the_same_command(
    server: Server, capsysbinary: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits between tries
    path = tmp_path / "file"
    refusals = [reply(status=503)] * 5
    url = server.serve("/", part_of_it(cut()), *refusals, part_of_it(first=HALF, to=len(BODY)))
    assert run(arguments(url, path)) == Exit.STATUS
    assert f"what came is in {path}.part: the same" in capsysbinary.readouterr().err.decode()
    assert not path.exists()

    assert run(arguments(url, path, "--progress")) == Exit.COMPLETE
    assert path.read_bytes() == BODY
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    captured = capsysbinary.readouterr()
    assert f"{HALF:,} bytes".encode() in captured.err
    assert captured.out == b""


@pytest.mark.usefixtures("heeds_ctrl_c")
@pytest.mark.parametrize("stop", [press_ctrl_c, subprocess.Popen.kill], ids=["Ctrl-C", "kill -9"])
def test_a_process_that_ends_early(
    server: Server, tmp_path: Path, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    path, note = tmp_path / "file", tmp_path / "file.part.json"
    sends_on = [delay(0.6), send(BODY[HALF : HALF + 9]), hold()]  # by now it is time to save
    url = server.serve("/", part_of_it(*sends_on), part_of_it(first=HALF + 9, to=len(BODY)))
    with started(*arguments(url, path)) as process:
        wait_for(note)
        stop(process)
        _, told = process.communicate(timeout=SECONDS)
        code = process.returncode
    assert not path.exists()
    if stop is press_ctrl_c:
        assert code == Exit.INTERRUPTED
        assert told.endswith("the same command goes on behind it\ninterrupted\n")

    assert run(arguments(url, path)) == Exit.COMPLETE
    assert server.requests[1].headers["range"] == f"bytes={HALF + 9}-"
    assert path.read_bytes() == BODY


def test_devices_and_bounded_outputs_are_written_as_they_are(
    server: Server, capsysbinary: Capture, tmp_path: Path
) -> None:
    url = server.serve("/", reply(BODY, content_type="x/y"))
    assert run(arguments(url, Path(os.devnull))) == Exit.COMPLETE
    assert run(arguments(url, tmp_path / "file", "--max-items", "1")) == Exit.COMPLETE
    assert BODY.startswith((tmp_path / "file").read_bytes())

    fifo, got = tmp_path / "fifo", list[bytes]()
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_bytes()))
    reader.start()
    assert run(arguments(url, fifo)) == Exit.COMPLETE
    reader.join()
    assert got == [BODY]
    assert {one.name for one in tmp_path.iterdir()} == {"file", "fifo"}


def test_no_place_for_a_file(server: Server, capsysbinary: Capture, tmp_path: Path) -> None:
    url = server.serve("/", reply(BODY, content_type="x/y"))
    assert run(arguments(url, tmp_path / "no" / "file")) == Exit.USAGE
    assert b"a directory that exists" in capsysbinary.readouterr().err
    assert not server.requests

    (tmp_path / "file.part").mkdir()
    assert run(arguments(url, tmp_path / "file")) == Exit.FAILED
    assert b"Is a directory" in capsysbinary.readouterr().err
