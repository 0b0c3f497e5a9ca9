"""`write_to`: a file that is whole or not there, and that goes on where an earlier run stopped."""

from __future__ import annotations

import errno
import os
import stat
import threading
import zlib
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from driver import FAST, Face
from server import Script, Server, chunk, closing, cut, end, head, hold, reply, stall
from test_going_on_over_http import file_that_breaks

from streamable_http import (
    NDJSON,
    ConfigurationError,
    Cursor,
    LastEventID,
    Lines,
    NoResume,
    Progress,
    Raw,
    ResumeError,
    StatusError,
    StreamClosed,
    StreamError,
    StreamTruncated,
)
from streamable_http._part_file import PartFile

BODY = os.urandom(30_000)
OTHER = os.urandom(20_000)
CUT_AT = 7_000


def whole(body: bytes = BODY, etag: str = '"v1"') -> Any:
    return file_that_breaks(10**9, cut, body, etag)


def breaking(each: int = CUT_AT) -> Any:
    return file_that_breaks(each, cut, BODY)


async def fail_once(client: Any, url: str, path: Path, **options: Any) -> None:
    """A first run, which gets up to where the server cuts it."""
    with pytest.raises(StreamError):
        await client.stream("GET", url, decoder=Raw(), resume=NoResume(), **options).write_to(path)


def ranges(server: Server) -> list[str | None]:
    return [request.headers.get("range") for request in server.requests]


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def test_a_file_comes_whole_over_connections_that_break(
    face: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", breaking())
    told: list[Progress] = []
    async with face.client() as client:
        summary = await client.stream("GET", url).write_to(
            tmp_path / "file", on_progress=told.append
        )
    assert (tmp_path / "file").read_bytes() == BODY
    assert names(tmp_path) == {"file"}
    assert summary.stats.ended == "framing"
    assert summary.stats.resumes >= 4
    assert (told[-1].fraction, told[-1].bytes) == (1.0, len(BODY))


async def test_it_goes_on_in_a_new_stream_at_the_exact_byte(
    own: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", breaking(), whole()) + "?id=1"
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
    assert names(tmp_path) == {"file.part", "file.part.json"}
    assert (tmp_path / "file.part").read_bytes() == BODY[:CUT_AT]

    async with own.client() as client:
        summary = await client.stream("GET", url, decoder=Raw()).write_to(str(tmp_path / "file"))

    assert ranges(server) == [None, f"bytes={CUT_AT}-"]
    assert (tmp_path / "file").read_bytes() == BODY
    assert names(tmp_path) == {"file"}
    assert summary.stats.bytes == len(BODY) - CUT_AT


async def test_the_old_file_stays_until_the_new_one_is_whole(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    gate = threading.Event()
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    headers = {"etag": '"v1"', "content_length": str(len(BODY))}
    halves = [head(200, "x/y", **headers), BODY[:99], stall(gate), BODY[99:]]
    url = server.serve("/", halves)
    async with pulled.client() as client:
        stream = client.stream("GET", url, decoder=Raw())
        running = pulled.spawn(lambda: stream.write_to(path))
        await pulled.until(lambda: stream.stats.items == 1)
        assert path.read_bytes() == b"old"
        gate.set()
        await running
    assert path.read_bytes() == BODY
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


WRONG = {"etag": '"v2"', "content_range": f"bytes {CUT_AT}-{len(BODY) - 1}/{len(BODY)}"}
CHANGED = {
    "another ETag": reply(OTHER, content_type="x/y", etag='"v2"'),
    "no ranges any more": reply(OTHER, content_type="x/y"),
    "a part of another body": reply(BODY[CUT_AT:], content_type="x/y", status=206, **WRONG),
    "shorter now": reply(status=416, content_range="bytes */20"),
    "precondition": reply(status=412),
    "lost": reply(status=410),
}


@pytest.mark.parametrize("answer", CHANGED)
async def test_what_cannot_be_gone_on_with_is_begun_anew(
    own: Face, server: Server, tmp_path: Path, answer: str
) -> None:
    fresh = reply(OTHER, content_type="x/y", etag='"v2"')
    url = server.serve("/", breaking(), CHANGED[answer], fresh)
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        summary = await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == OTHER
    assert names(tmp_path) == {"file"}
    assert ranges(server) == [None, f"bytes={CUT_AT}-", None]
    assert summary.stats.bytes == len(OTHER)


async def test_what_was_kept_stays_while_the_server_is_ill(
    own: Face, server: Server, tmp_path: Path
) -> None:
    answers = reply(status=404), reply(status=410), reply(status=410)
    url = server.serve("/", breaking(), *answers, whole())
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        for _ in range(2):  # the second is asked again from the start, and that is refused, too
            with pytest.raises(StatusError):
                await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
        assert (tmp_path / "file.part").read_bytes() == BODY[:CUT_AT]
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


async def test_a_file_that_changes_meanwhile_is_not_spliced(
    own: Face, server: Server, tmp_path: Path
) -> None:
    replaced = reply(OTHER, content_type="x/y", etag='"v2"')
    url = server.serve("/", breaking(), replaced)
    async with own.client() as client:
        with pytest.raises(ResumeError, match="a whole body"):
            await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
        assert not (tmp_path / "file").exists()
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == OTHER


async def test_without_a_validator_it_begins_anew_each_time(
    own: Face, server: Server, tmp_path: Path
) -> None:
    length = str(len(BODY))
    short = [head(200, "x/y", content_length=length), BODY[:CUT_AT], cut()]
    url = server.serve("/", short, reply(OTHER, content_type="x/y"))
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        assert names(tmp_path) == {"file.part"}
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert ranges(server) == [None, None]
    assert (tmp_path / "file").read_bytes() == OTHER
    assert names(tmp_path) == {"file"}


@pytest.mark.parametrize("resume", [NoResume(), LastEventID()])
async def test_who_does_not_go_on_by_bytes_begins_anew(
    pulled: Face, server: Server, tmp_path: Path, resume: Any
) -> None:
    url = server.serve("/", breaking(), whole())
    async with pulled.client() as client:
        await fail_once(client, url, tmp_path / "file")
        stream = client.stream("GET", url, decoder=Raw(), resume=resume)
        await stream.write_to(tmp_path / "file")
    assert ranges(server) == [None, None]
    assert (tmp_path / "file").read_bytes() == BODY


async def test_another_query_is_another_file(own: Face, server: Server, tmp_path: Path) -> None:
    url = server.serve("/file", breaking(), whole(OTHER))  # of the same ETag
    async with own.client() as client:
        await fail_once(client, f"{url}?token=1", tmp_path / "file")
        assert "token" not in (tmp_path / "file.part.json").read_text()
        await client.stream("GET", f"{url}?token=2", decoder=Raw()).write_to(tmp_path / "file")
    assert ranges(server) == [None, None]
    assert (tmp_path / "file").read_bytes() == OTHER


async def test_another_resource_of_the_same_etag_is_another_file(
    own: Face, server: Server, tmp_path: Path
) -> None:
    server.serve("/v1", breaking())
    server.serve("/v2", whole(OTHER), whole(OTHER))  # an ETag is unique for one resource only
    places = "/v1", "/v2", "/v2"
    url = server.serve("/latest", *[reply(status=302, location=place) for place in places])
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        assert "/v1" not in (tmp_path / "file.part.json").read_text()
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == OTHER
    at_places = [request.target for request in server.requests if request.target != "/latest"]
    assert at_places == list(places)
    assert ranges(server)[-3:] == [f"bytes={CUT_AT}-", None, None]


@pytest.mark.parametrize("opened", [False, True])
async def test_a_start_of_ones_own_is_joined_to_bytes_of_the_same_resource_alone(
    own: Face, server: Server, tmp_path: Path, opened: bool
) -> None:
    server.serve("/v1", breaking())
    server.serve("/v2", whole(OTHER))
    places = "/v1", "/v2"
    url = server.serve("/latest", *[reply(status=302, location=place) for place in places])
    start = Cursor(kind="byte-range", value=str(CUT_AT), etag='"v1"')
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        stream = client.stream("GET", url, decoder=Raw(), start=start)
        if opened:
            await stream.open()
        with pytest.raises(ResumeError, match=r"a redirect led to http://[^ ]*/v2, and what"):
            await stream.write_to(tmp_path / "file")
        await stream.aclose()
    assert (tmp_path / "file.part").read_bytes() == BODY[:CUT_AT]


async def test_a_signature_that_changes_is_gone_on_with(
    own: Face, server: Server, tmp_path: Path
) -> None:
    server.serve("/v1", breaking(), whole())
    places = "/v1?signature=1", "/v1?signature=2"
    url = server.serve("/latest", *[reply(status=302, location=place) for place in places])
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert ranges(server)[-1] == f"bytes={CUT_AT}-"


async def test_an_answer_without_a_body_is_no_file(
    own: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", reply(status=204), reply(status=204), reply(b"", content_type="x/y"))
    path = tmp_path / "file"
    async with own.client() as client:
        await client.stream("GET", url).write_to(path)
        assert not names(tmp_path)
        path.write_bytes(b"good")
        summary = await client.stream("GET", url).write_to(path)
        assert path.read_bytes() == b"good"
        assert names(tmp_path) == {"file"}
        assert (summary.items, summary.stats.ended) == (0, "framing")
        await client.stream("GET", url).write_to(path)
    assert path.read_bytes() == b""


async def test_a_disk_that_fails_tells_and_nothing_is_fetched_twice(
    own: Face, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(part: PartFile) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    url = server.serve("/", breaking(len(BODY)))
    async with own.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr(PartFile, "finish", full)
            with pytest.raises(OSError, match="no space left") as caught:
                await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
        assert type(caught.value) is OSError
        assert (tmp_path / "file.part").read_bytes() == BODY
        # All was there: the server says so, with a 416.
        summary = await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert names(tmp_path) == {"file"}
    assert ranges(server) == [None, f"bytes={len(BODY)}-"]
    assert (summary.items, summary.stats.bytes, summary.stats.ended) == (0, 0, "framing")


@pytest.mark.parametrize("kept", [0, CUT_AT - 1, CUT_AT, CUT_AT + 1])
async def test_only_what_is_safe_on_the_disk_counts(
    own: Face, server: Server, tmp_path: Path, kept: int
) -> None:
    url = server.serve("/", breaking(), whole())
    part = tmp_path / "file.part"
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        # As after a crash of the machine: a part is lost, or zeros are where data was to come.
        part.write_bytes((BODY[:CUT_AT] + bytes(99))[:kept])
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert ranges(server)[1] == (f"bytes={CUT_AT}-" if kept >= CUT_AT else None)


@pytest.mark.parametrize("note", [b"", b"{", b'{"version": 1, "kind": "byte-range", "value": "9"}'])
async def test_a_note_that_means_nothing_is_passed_over(
    own: Face, server: Server, tmp_path: Path, note: bytes
) -> None:
    (tmp_path / "file.part").write_bytes(b"something else")
    (tmp_path / "file.part.json").write_bytes(note)
    url = server.serve("/", whole())
    async with own.client() as client:
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert names(tmp_path) == {"file"}


async def test_what_proves_the_end(pulled: Face, server: Server, tmp_path: Path) -> None:
    url = server.serve("/", closing(BODY, content_type="x/y"))
    async with pulled.client(require_proof=True) as strict, pulled.client() as client:
        with pytest.raises(StreamTruncated, match="require_proof"):
            await strict.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
        assert names(tmp_path) == {"file.part"}
        summary = await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert summary.stats.ended == "closed"
    assert (tmp_path / "file").read_bytes() == BODY


async def test_what_is_coded_is_written_decoded(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    coded = zlib.compress(BODY)
    headers = {"etag": '"v1"', "accept_ranges": "bytes", "content_encoding": "deflate"}
    headers["content_length"] = str(len(coded))
    short = [head(200, "x/y", **headers), coded[:CUT_AT], cut()]
    url = server.serve("/", short, [head(200, "x/y", **headers), coded])
    async with pulled.client(retry=FAST) as client:
        await fail_once(client, url, tmp_path / "file")
        assert names(tmp_path) == {"file.part"}  # bytes of the file are no bytes on the wire
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


async def test_no_body_is_an_empty_file(pulled: Face, server: Server, tmp_path: Path) -> None:
    url = server.serve("/", reply(b"", content_type="x/y"))
    async with pulled.client() as client:
        summary = await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b""
    assert summary.items == 0


async def test_a_refusal_leaves_nothing_behind(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", reply(status=404))
    async with pulled.client() as client:
        for wrong in (url, "http://127.0.0.1:9/"):
            with pytest.raises(StreamError):
                await client.stream("GET", wrong, decoder=Raw()).write_to(tmp_path / "file")
    assert names(tmp_path) == set()


# Streams that are open -------------------------------------------------------------------------


async def test_an_open_stream_begins_at_its_start(
    own: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", breaking(), whole())
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        async with client.stream("GET", url, decoder=Raw()) as stream:
            summary = await stream.write_to(tmp_path / "file")
            assert stream.response.status_code == 200
    assert (tmp_path / "file").read_bytes() == BODY
    assert summary.cursor == stream.cursor


async def test_an_open_stream_that_begins_elsewhere_needs_what_comes_before(
    own: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", breaking(), whole())
    start = Cursor(kind="byte-range", value=str(CUT_AT - 5), etag='"v1"')
    async with own.client() as client:
        with pytest.raises(ConfigurationError, match="stands at byte 6,995, and what comes before"):
            await client.stream("GET", url, decoder=Raw(), start=start).write_to(tmp_path / "file")
        assert not server.requests
        await fail_once(client, url, tmp_path / "file")
        for wrong in (evolve(start, etag='"v2"'), evolve(start, value=str(CUT_AT + 1))):
            with pytest.raises(ConfigurationError, match="stands at byte"):
                stream = client.stream("GET", url, decoder=Raw(), start=wrong)
                await stream.write_to(tmp_path / "file")
        assert len(server.requests) == 1
        await client.stream("GET", url, decoder=Raw(), start=start).write_to(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == BODY

        async with client.stream("GET", url, decoder=Raw()) as stream:
            first = await anext(stream)
            with pytest.raises(ConfigurationError, match=f"stands at byte {len(first):,}"):
                await stream.write_to(tmp_path / "another")
    assert names(tmp_path) == {"file"}


async def test_a_stream_is_written_once(pulled: Face, server: Server, tmp_path: Path) -> None:
    url = server.serve("/", whole())
    async with pulled.client() as client:
        stream = client.stream("GET", url, decoder=Raw())
        await stream.write_to(tmp_path / "file")
        with pytest.raises(ConfigurationError, match="stands at byte 30,000"):
            await stream.write_to(tmp_path / "another")


# Interruptions ---------------------------------------------------------------------------------


def stalling(after: int) -> Script:
    headers = {"etag": '"v1"', "accept_ranges": "bytes", "content_length": str(len(BODY))}
    return [head(200, "x/y", **headers), BODY[:after], hold()]


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once the first bytes are on their way to the file."""
    event, add = threading.Event(), PartFile.add

    def telling(part: PartFile, chunks: list[bytes]) -> None:
        add(part, chunks)
        event.set()

    monkeypatch.setattr(PartFile, "add", telling)
    return event


async def test_a_stream_that_is_closed_keeps_what_came(
    own: Face, server: Server, tmp_path: Path, added: threading.Event
) -> None:
    url = server.serve("/", stalling(CUT_AT), whole())
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=Raw())
        running = own.spawn(lambda: stream.write_to(tmp_path / "file"))
        await own.until(added.is_set)
        await stream.aclose()
        with pytest.raises(StreamClosed):
            await running
        kept = (tmp_path / "file.part").read_bytes()
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert 0 < len(kept) <= CUT_AT
    assert (tmp_path / "file").read_bytes() == BODY
    assert ranges(server) == [None, f"bytes={len(kept)}-"]


async def test_a_stream_can_be_closed_while_it_begins_anew(
    own: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", breaking(), reply(b"new"), [hold()])
    async with own.client() as client:
        await fail_once(client, url, tmp_path / "file")
        stream = client.stream("GET", url, decoder=Raw())
        running = own.spawn(lambda: stream.write_to(tmp_path / "file"))
        await own.until(lambda: len(server.requests) == 3)
        await stream.aclose()
        with pytest.raises(StreamClosed):
            await running
    assert (tmp_path / "file.part").read_bytes() == BODY[:CUT_AT]


async def test_a_task_that_is_cancelled_keeps_what_came(
    own: Face, server: Server, tmp_path: Path, added: threading.Event
) -> None:
    if own.sync:
        return  # threads cannot be cancelled
    url = server.serve("/", stalling(CUT_AT), whole())
    async with own.client() as client:
        stream = client.stream("GET", url, decoder=Raw())
        running = own.spawn(lambda: stream.write_to(tmp_path / "file"))
        await own.until(added.is_set)
        running.cancel()
        await running.settled()
        kept = (tmp_path / "file.part").read_bytes()
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert kept == BODY[: len(kept)] != b""
    assert (tmp_path / "file").read_bytes() == BODY
    assert ranges(server) == [None, f"bytes={len(kept)}-"]


async def test_two_streams_do_not_write_one_file(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    url = server.serve("/", stalling(CUT_AT), whole())
    async with pulled.client() as client:
        first = client.stream("GET", url, decoder=Raw())
        running = pulled.spawn(lambda: first.write_to(tmp_path / "file"))
        await pulled.until(lambda: first.stats.items == 1)
        with pytest.raises(ConfigurationError, match="is being written by another stream"):
            await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
        assert len(server.requests) == 1
        await first.aclose()
        await running.settled()
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY


async def test_a_callback_that_fails_harms_nothing(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    def broken(progress: Progress) -> None:
        raise RuntimeError

    url = server.serve("/", whole())
    async with pulled.client() as client:
        await client.stream("GET", url, decoder=Raw()).write_to(
            tmp_path / "file", on_progress=broken
        )
    assert (tmp_path / "file").read_bytes() == BODY


# Arguments -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "no/file", ".", 7, b"file", "a\0b", "/dev/null"])
async def test_a_path_that_is_none(
    pulled: Face, server: Server, tmp_path: Path, path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = server.serve("/", whole())
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match=r"write_to\(.*pass "):
            await client.stream("GET", url, decoder=Raw()).write_to(path)
    assert not server.requests
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decoder": NDJSON()}, r"makes items of it: pass decoder=Raw\(\)"),
        ({"decoder": Lines()}, r"makes items of it: pass decoder=Raw\(\)"),
        ({"decoder": Raw(), "checkpoint": "cursors.db"}, "leave checkpoint= out"),
    ],
)
async def test_a_stream_that_is_no_plain_body(
    pulled: Face,
    server: Server,
    tmp_path: Path,
    options: Any,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = server.serve("/", whole())
    async with pulled.client() as client:
        with pytest.raises(ConfigurationError, match=message):
            await client.stream("GET", url, **options).write_to(tmp_path / "file")
    assert not server.requests


async def test_links_lead_to_the_file_that_they_name(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"old")
    url = server.serve("/", whole())
    async with pulled.client() as client:
        await client.stream("GET", url, decoder=Raw()).write_to(link)
    assert link.is_symlink()
    assert (tmp_path / "file").read_bytes() == BODY


async def test_a_part_file_that_leads_elsewhere_is_refused(
    pulled: Face, server: Server, tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / "file.part").symlink_to(victim)
    url = server.serve("/", whole())
    async with pulled.client() as client:
        with pytest.raises(OSError, match="symbolic links") as caught:
            await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert caught.value.errno == errno.ELOOP
    assert victim.read_bytes() == b"precious"


async def test_a_body_in_chunks(pulled: Face, server: Server, tmp_path: Path) -> None:
    pieces = [chunk(BODY[at : at + 1000]) for at in range(0, len(BODY), 1000)]
    url = server.serve("/", [head(200, "x/y", transfer_encoding="chunked"), *pieces, end()])
    async with pulled.client() as client:
        await client.stream("GET", url, decoder=Raw()).write_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
