"""Killed at any instant, again and again, a download still comes to the very same bytes.

By hand, with many more kills and figures: DOWNLOAD_ROUNDS=20 pytest -s tests/faces
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import downloader
import pytest
from server import Received, Script, Server, cut, delay, head, reply

ROUNDS = int(os.environ.get("DOWNLOAD_ROUNDS", "1"))
BODY = random.Random(3).randbytes(30 * 1024 * 1024)
DIGEST = hashlib.sha256(BODY).hexdigest()
PIECE = 256 * 1024
PAUSE = 0.008  # so all of it takes a second or more

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that are forked")


def slowly(chance: random.Random) -> Any:
    """The file, piece by piece, over connections that break now and then."""

    def answer(request: Received) -> Script:
        wanted = request.headers.get("range")
        first = int(wanted[6:-1]) if wanted else 0
        if first == len(BODY):
            return reply(status=416, content_range=f"bytes */{first}")
        last = min(first + chance.randrange(len(BODY)), len(BODY))
        headers = {"etag": '"v1"', "accept_ranges": "bytes"}
        headers["content_length"] = str(len(BODY) - first)
        if wanted:
            assert request.headers["if-range"] == '"v1"'
            headers["content_range"] = f"bytes {first}-{len(BODY) - 1}/{len(BODY)}"
        sent = [
            [BODY[at : min(at + PIECE, last)], delay(PAUSE)] for at in range(first, last, PIECE)
        ]
        return [head(206 if wanted else 200, "x/y", **headers), *sent, cut()]

    return answer


def processes() -> Any:
    """Where new processes come from: quickly, and from one that has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["downloader"])
    return context


@pytest.mark.parametrize("face", downloader.FACES)
def test_a_file_is_whole_or_not_there(face: str, server: Server, tmp_path: Path) -> None:
    chance = random.Random(len(face))
    path = tmp_path / "file"
    kills = gone_on = 0
    for _ in range(ROUNDS):
        url = server.serve("/", slowly(chance))
        path.unlink(missing_ok=True)
        while not path.exists():
            known = len(server.requests)
            process = processes().Process(target=downloader.write, args=(face, url, path))
            process.start()
            assert server.wait_for(lambda: len(server.requests) > known, 30)  # noqa: B023
            gone_on += "range" in server.requests[known].headers
            process.join(chance.uniform(0.0, 0.8))
            process.kill()
            process.join(30)
            assert process.exitcode in {0, -signal.SIGKILL}
            kills += process.exitcode != 0
        assert hashlib.sha256(path.read_bytes()).hexdigest() == DIGEST
        assert not (tmp_path / "file.part").exists()
    sys.stdout.write(f"\n{face}: {ROUNDS} files, {kills} kills, went on {gone_on} times\n")
    assert kills >= ROUNDS
    assert gone_on >= ROUNDS
