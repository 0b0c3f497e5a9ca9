"""Files of nginx by range requests: whole or an error, never spliced."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from cutting import Cut, CuttingProxy, every
from driver import Face
from nginx_kit import Nginx, nginx

from streamable_http import (
    NDJSON,
    ByteRange,
    ConnectionLost,
    Cursor,
    Lines,
    NoResume,
    Raw,
    ResumeError,
    StatusError,
    StreamError,
    StreamTruncated,
)

COUNT = 5000
_names = itertools.count()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("files")) as running:
        yield running


@pytest.fixture
def records(served: Nginx) -> Path:
    """A file of numbered records with characters of many bytes."""
    path = served.files / f"records{next(_names)}.ndjson"
    path.write_text("".join(f'{{"n":{n},"é":"{"€" * (n % 9)}"}}\n' for n in range(COUNT)))
    return path


@pytest.fixture(scope="module")
def blob(served: Nginx) -> Path:
    path = served.files / "blob.bin"
    path.write_bytes(os.urandom(3_000_000))
    return path


def same_bytes(path: Path, chunks: list[bytes]) -> bool:
    wanted = hashlib.sha256(path.read_bytes())
    return wanted.digest() == hashlib.sha256(b"".join(chunks)).digest()


def replace(path: Path, text: str) -> None:
    """Another file of that name; its validator is the time, in whole seconds, and the length."""
    path.write_text(text)
    os.utime(path, (1, 1))


async def gather(face: Face, url: str, **options: Any) -> tuple[list[Any], Any]:
    async with (
        face.client(compress=options.pop("compress", False)) as client,
        client.stream("GET", url, **options) as stream,
    ):
        return await stream.collect(), stream.stats


async def broken(face: Face, url: str, error: type[StreamError], **options: Any) -> Any:
    with pytest.raises(error) as caught:
        await gather(face, url, **options)
    assert type(caught.value) is error
    return caught.value


def whole(items: list[Any]) -> bool:
    return [item["n"] for item in items] == [*range(COUNT)]


def first_part(items: Sequence[Any]) -> bool:
    return 0 < len(items) < COUNT and [item["n"] for item in items] == [*range(len(items))]


async def test_records_cut_anywhere_go_on_at_the_byte(
    own: Face, served: Nginx, records: Path
) -> None:
    """Also within a record, and within a character."""
    cuts = every(10_001, 33_333, 50_000, 12_345, 17)
    with CuttingProxy(served.port, *cuts) as proxy:
        items, stats = await gather(own, f"{proxy.url}/plain/{records.name}")
    assert whole(items)
    assert (proxy.made, len(proxy.requests), stats.replayed) == (5, 6, 0)
    assert stats.ended == "framing"
    ranges = proxy.sent("Range")
    assert ranges[:2] == [None, "bytes=10001-"]
    assert len(set(ranges)) >= 4  # a reset may take with it what it followed
    assert len(set(proxy.sent("If-Range")[1:])) == 1


async def test_a_table_cut_within_cells_and_restarted_within_rows_is_whole(
    own: Face, served: Nginx
) -> None:
    path = served.files / f"table{next(_names)}.csv"
    rows = [{"n": str(n), "text": f'"{n}",\r\n' * (n % 3)} for n in range(COUNT)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["n", "text"])
        writer.writeheader()
        writer.writerows(rows)
    got: list[Any] = []
    cursor: Cursor | None = None
    with CuttingProxy(served.port, *every(1, 6, 7, 40_001, 20_000)) as proxy:
        async with own.client() as client:
            for count in (1000, 1500, COUNT):
                url = f"{proxy.url}/plain/{path.name}"
                async with client.stream("GET", url, start=cursor) as stream:
                    async for row in stream:
                        got.append(row)
                        if len(got) == count:
                            stream.ack()
                            break
                    cursor = stream.cursor
    assert got == rows
    assert proxy.made == 5


async def test_bytes_arrive_whole(own: Face, served: Nginx, blob: Path) -> None:
    with CuttingProxy(served.port, *every(1_000_000, 999_999, 5)) as proxy:
        chunks, stats = await gather(own, f"{proxy.url}/plain/{blob.name}", decoder=Raw())
    assert same_bytes(blob, chunks)
    assert (proxy.made, len(proxy.requests), stats.ended) == (3, 4, "framing")


async def test_a_stall_is_left_and_gone_on_from(pulled: Face, served: Nginx, records: Path) -> None:
    with CuttingProxy(served.port, Cut(40_000, "stall")) as proxy:
        items, stats = await gather(pulled, f"{proxy.url}/plain/{records.name}", timeout=0.4)
    assert whole(items)
    assert (proxy.made, stats.connects) == (1, 2)


@pytest.mark.parametrize("explicit", [False, True], ids=["default", "ByteRange"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda path: replace(path, path.read_text().replace('"n"', '"m"')), ResumeError),
        (lambda path: replace(path, path.read_text() + '{"n": -1}\n'), ResumeError),
        (lambda path: replace(path, '{"n": -1}\n'), ResumeError),
        (lambda path: path.unlink(), StatusError),
    ],
    ids=["rewritten", "appended", "shorter", "gone"],
)
async def test_a_file_that_changed_meanwhile_is_never_spliced(
    pulled: Face,
    served: Nginx,
    records: Path,
    change: Callable[[Path], object],
    error: type[StreamError],
    explicit: bool,
) -> None:
    options = {"resume": ByteRange()} if explicit else {}
    with CuttingProxy(served.port, Cut(40_000, then=lambda: change(records))) as proxy:
        url = f"{proxy.url}/plain/{records.name}"
        failure = await broken(pulled, url, error, **options)
    assert first_part(failure.items)
    assert len(proxy.requests) == 2


async def test_nothing_decoded_yet_starts_over_with_the_new_file(
    pulled: Face, served: Nginx, records: Path
) -> None:
    with CuttingProxy(served.port, Cut(0, then=lambda: replace(records, '{"n": -1}\n'))) as proxy:
        items, _ = await gather(pulled, f"{proxy.url}/plain/{records.name}")
    assert items == [{"n": -1}]


async def test_a_compressed_body_has_no_byte_to_go_on_at(
    pulled: Face, served: Nginx, records: Path
) -> None:
    """Its ETag is weak, and its bytes may be others the next time."""
    url = f"{served.url}/gzipped/{records.name}"
    items, stats = await gather(pulled, url, compress=True)
    assert whole(items)
    assert stats.bytes > 0
    with CuttingProxy(served.port, Cut(9_000)) as proxy:
        url = f"{proxy.url}/gzipped/{records.name}"
        error = await broken(pulled, url, ConnectionLost, compress=True)
    assert first_part(error.items)
    assert len(proxy.requests) == 1


async def test_a_server_without_ranges_cannot_be_gone_on_with(
    pulled: Face, served: Nginx, records: Path
) -> None:
    for options, error in (({}, ConnectionLost), ({"resume": ByteRange()}, ResumeError)):
        with CuttingProxy(served.port, Cut(40_000)) as proxy:
            failure = await broken(pulled, f"{proxy.url}/whole/{records.name}", error, **options)
        assert first_part(failure.items)


async def test_resuming_can_be_refused(pulled: Face, served: Nginx, records: Path) -> None:
    with CuttingProxy(served.port, Cut(40_000)) as proxy:
        url = f"{proxy.url}/plain/{records.name}"
        error = await broken(pulled, url, ConnectionLost, resume=NoResume())
    assert isinstance(error, StreamTruncated)
    assert first_part(error.items)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("decoder", [NDJSON(), Lines()], ids=["NDJSON", "Lines"])
async def test_a_restart_begins_at_a_record(
    own: Face, served: Nginx, records: Path, decoder: Any
) -> None:
    lines = records.read_text().splitlines()  # noqa: ASYNC240  # nobody else runs yet
    url = f"{served.url}/plain/{records.name}"
    async with own.client() as client:
        first: list[Any] = []
        async with client.stream("GET", url, decoder=decoder) as stream:
            async for item in stream:
                if len(first) == 1234:
                    break  # not done with
                first.append(item)
            cursor = stream.cursor
        assert cursor is not None
        assert cursor.kind == "byte-range"
        stored = Cursor.from_json(cursor.to_json())
        async with client.stream("GET", url, decoder=decoder, start=stored) as stream:
            rest = await stream.collect()
        wanted = lines if isinstance(decoder, Lines) else [json.loads(line) for line in lines]
        assert first + rest == wanted
        replace(records, '{"n": -1}\n')
        with pytest.raises(ResumeError):
            async with client.stream("GET", url, decoder=decoder, start=stored) as stream:
                await stream.collect()
