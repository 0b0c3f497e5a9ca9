"""What the file of a download has to stand: other writers, threads left behind, restarts."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from server import Server, hold
from test_going_on_over_http import file_that_breaks

import streamable_http as shttp
from streamable_http import _part_file
from streamable_http._part_file import PartFile

CURSOR = shttp.Cursor(kind="byte-range", value="0", etag='"v1"')
BODY = os.urandom(3_000_000)


def written(part: PartFile, *pieces: bytes, offset: int = 0) -> None:
    part.begin(offset)
    part.add(list(pieces))


def kept(path: Path, data: bytes, request: str = "GET a") -> None:
    """What a run leaves that comes to these bytes and no further."""
    part = PartFile(path)
    part.open(request)
    written(part, data)
    part.keep(CURSOR)
    part.close()


def test_what_is_kept_tells_how_far_it_goes(tmp_path: Path) -> None:
    kept(tmp_path / "file", b"12345")
    part = PartFile(tmp_path / "file")
    assert part.open("GET a") == shttp.Cursor(kind="byte-range", value="5", etag='"v1"')
    part.close()
    other = PartFile(tmp_path / "file")
    assert other.open("GET b") is None
    other.close()
    assert (tmp_path / "file.part").read_bytes() == b"12345"


def test_old_bytes_are_never_vouched_for_by_what_came_later(tmp_path: Path) -> None:
    kept(tmp_path / "file", b"12345")
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"of another body")
    part.advance(None)  # and then the process is killed
    assert not (tmp_path / "file.part.json").exists()
    part.close()


def test_a_part_is_cut_to_where_the_stream_begins(tmp_path: Path) -> None:
    kept(tmp_path / "file", b"12345")
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"c", offset=2)
    part.finish()
    part.close()
    assert (tmp_path / "file").read_bytes() == b"12c"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_nothing_is_left_of_a_run_that_was_killed_as_it_saved(tmp_path: Path) -> None:
    kept(tmp_path / "file", b"12345")
    (tmp_path / "file.part.json.new").write_bytes(b"{")
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"67", offset=5)
    part.finish()
    part.close()
    assert (tmp_path / "file").read_bytes() == b"1234567"
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


def test_a_note_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "file.part.json.new").symlink_to(tmp_path / "victim")
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"12345")
    with pytest.raises(OSError, match="symbolic links"):
        part.keep(CURSOR)
    part.close()
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_position_of_another_kind_is_not_kept(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"12345")
    part.keep(shttp.Cursor(kind="item", value="7"))
    part.close()
    assert [one.name for one in tmp_path.iterdir()] == ["file.part"]


def test_a_file_that_got_its_name_meanwhile_is_let_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = PartFile(tmp_path / "file"), PartFile(tmp_path / "file")
    first.open("GET a")
    written(first, b"whole")
    lock = _part_file._locked

    def late(file: object) -> bool:  # the second has opened what the first renames
        first.finish()
        return lock(file)  # type: ignore[arg-type]

    monkeypatch.setattr(_part_file, "_locked", late)
    assert second.open("GET a") is None
    written(second, b"new")
    second.advance(None)
    assert (tmp_path / "file").read_bytes() == b"whole"
    assert (tmp_path / "file.part").read_bytes() == b"new"
    second.close()


def removed(part: Path) -> None:
    part.unlink()


def replaced(part: Path) -> None:
    part.unlink()
    part.write_bytes(b"of another stream")


def linked(part: Path) -> None:
    part.rename(part.with_name("moved"))
    part.symlink_to(part.with_name("moved"))


@pytest.mark.skipif(sys.platform == "win32", reason="an open file keeps its name there")
@pytest.mark.parametrize("taken", [removed, replaced, linked])
def test_what_is_not_the_streams_own_file_is_not_made_whole(
    tmp_path: Path, taken: Callable[[Path], None]
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    written(part, b"whole")
    part.advance(None)
    taken(part.name)
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(shttp.ConfigurationError, match="not the file any more that this stream"):
        part.finish()
    part.keep(CURSOR)  # which must not vouch for it either
    part.close()
    assert (tmp_path / "file").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.skipif(sys.platform == "win32", reason="an open file keeps its name there")
def test_an_empty_part_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    part.name.unlink()
    part.name.touch()
    part.close()
    assert part.name.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="an open file keeps its name there")
def test_a_file_that_is_called_as_the_part_of_another(tmp_path: Path) -> None:
    outer, inner = PartFile(tmp_path / "x"), PartFile(tmp_path / "x.part")
    outer.open("GET a")
    inner.open("GET b")
    written(outer, b"a")
    written(inner, b"b")
    inner.finish()
    with pytest.raises(shttp.ConfigurationError, match="somebody removed or replaced it"):
        outer.finish()
    outer.close()
    assert (tmp_path / "x.part").read_bytes() == b"b"
    assert not (tmp_path / "x").exists()


def test_after_the_close_nothing_is_done(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "file")
    part.open("GET a")
    part.close()
    late = PartFile(tmp_path / "file")
    late.close()
    calls: list[Callable[[], object]] = [
        lambda: part.begin(0),
        lambda: part.advance(CURSOR),
        lambda: part.keep(CURSOR),
        part.finish,
        part.close,
        lambda: late.open("GET a"),
    ]
    for call in calls:
        assert call() is None
    assert not list(tmp_path.iterdir())


def test_a_task_that_is_cancelled_while_a_thread_writes(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go_on, write = threading.Event(), threading.Event(), PartFile._write
    at_work, overlaps = threading.Lock(), list[bool]()

    def slow(part: PartFile) -> None:
        overlaps.append(at_work.locked())
        with at_work:
            writing.set()
            assert go_on.wait(10)
            write(part)

    async def main(url: str) -> None:
        async with shttp.AsyncClient(trust_env=False) as client:
            stream = client.stream("GET", url)
            task = asyncio.create_task(stream.write_to(tmp_path / "file"))
            assert await asyncio.to_thread(writing.wait, 10)
            task.cancel()
            asyncio.get_running_loop().call_later(0.05, go_on.set)
            with pytest.raises(asyncio.CancelledError):
                await task
            size = (tmp_path / "file.part").stat().st_size
            assert size >= 1024 * 1024
            assert overlaps == [False, False]  # what came is written, and then what was left
            monkeypatch.undo()
            await client.stream("GET", url).write_to(tmp_path / "file")
            assert server.requests[1].headers["range"] == f"bytes={size}-"

    monkeypatch.setattr(PartFile, "_write", slow)
    asyncio.run(main(server.serve("/", file_that_breaks(2_000_000, hold, BODY))))
    assert (tmp_path / "file").read_bytes() == BODY
