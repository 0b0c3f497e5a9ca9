"""What takes Arrow streams takes these batches, each as it asks for it, and its errors are told."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import streamable_http as shttp
from streamable_http.arrow import ArrowBatches, to_arrow_batches
from streamable_http.testing import Cut, ScriptedTransport, ndjson

pa: Any = import_module("pyarrow")
pandas: Any = import_module("pandas")
polars: Any = import_module("polars")
duckdb: Any = import_module("duckdb")

COUNT = 20_000
SCHEMA = pa.schema([("n", pa.int64()), ("name", pa.string())])


def lines(first: int, last: int) -> bytes:
    return b"".join(b'{"n":%d,"name":"user %d"}\n' % (n, n) for n in range(first, last))


@pytest.fixture
def stream() -> Iterator[shttp.Stream[Any]]:
    pieces = [lines(first, first + 100) for first in range(0, COUNT, 100)]
    with shttp.Client(transport=ScriptedTransport(ndjson(*pieces))) as client:
        decoder = shttp.Raw(whole_lines=True)
        with client.stream("GET", "http://data/", decoder=decoder) as opened:
            yield opened


@pytest.fixture(params=[SCHEMA, None], ids=["schema", "found"])
def batches(request: pytest.FixtureRequest, stream: shttp.Stream[Any]) -> ArrowBatches:
    return to_arrow_batches(stream, request.param, batch_bytes=20_000)


TOTAL = COUNT * (COUNT - 1) // 2


def test_polars(batches: ArrowBatches) -> None:
    frame = polars.DataFrame(batches)

    assert frame["n"].sum() == TOTAL
    assert frame.columns == ["n", "name"]


def test_pandas(batches: ArrowBatches) -> None:
    frame = pandas.DataFrame.from_arrow(batches)

    assert (frame["n"].sum(), list(frame.columns)) == (TOTAL, ["n", "name"])


def test_a_table(batches: ArrowBatches) -> None:
    table = pa.table(batches)

    assert (table.num_rows, table.schema) == (COUNT, SCHEMA)


def test_duckdb_pulls_what_it_needs(batches: ArrowBatches) -> None:
    connection = duckdb.connect()

    assert connection.sql("select n from batches limit 5").fetchall() == [(n,) for n in range(5)]
    assert batches.stats.items < COUNT / 100


def test_duckdb_aggregates(batches: ArrowBatches) -> None:
    assert duckdb.connect().sql("select sum(n) from batches").fetchall() == [(TOTAL,)]


def test_parquet(batches: ArrowBatches, tmp_path: Path) -> None:
    parquet: Any = import_module("pyarrow.parquet")
    first = next(batches)
    with parquet.ParquetWriter(tmp_path / "users.parquet", first.schema) as writer:
        writer.write_batch(first)
        for batch in batches:
            writer.write_batch(batch)

    assert parquet.read_table(tmp_path / "users.parquet").num_rows == COUNT


def test_a_data_set_in_parts(batches: ArrowBatches, tmp_path: Path) -> None:
    dataset: Any = import_module("pyarrow.dataset")
    reader = pa.RecordBatchReader.from_stream(batches)
    dataset.write_dataset(reader, tmp_path, format="parquet", max_rows_per_file=7000,
                          max_rows_per_group=7000)  # fmt: skip

    assert len(list(tmp_path.iterdir())) == 3
    assert dataset.dataset(tmp_path).count_rows() == COUNT


def test_a_reader_takes_one_batch_at_a_time(batches: ArrowBatches) -> None:
    reader = pa.RecordBatchReader.from_stream(batches)
    first = reader.read_next_batch()

    assert first.column("n")[0].as_py() == 0
    assert batches.stats.items < COUNT / 100 / 10


def test_an_arrow_stream_can_be_had_once(batches: ArrowBatches) -> None:
    pa.table(batches)

    with pytest.raises(shttp.ConfigurationError, match="once"):
        pa.table(batches)


def test_of_two_arrow_streams_had_beforehand_one_is_read(batches: ArrowBatches) -> None:
    first, second = (pa.RecordBatchReader.from_stream(batches) for _ in range(2))
    assert second.read_all().num_rows == COUNT

    with pytest.raises(Exception, match="once"):
        first.read_all()


@pytest.mark.parametrize("read", [polars.DataFrame, pandas.DataFrame.from_arrow, pa.table])
def test_the_error_itself_is_kept(read: Any) -> None:
    answer = ndjson(lines(0, 100), then=[Cut()])
    retry = shttp.RetryPolicy(stop=1)
    with (
        shttp.Client(transport=ScriptedTransport(answer), retry=retry) as client,
        client.stream("GET", "http://data/", decoder=shttp.NDJSON()) as stream,
    ):
        batches = to_arrow_batches(stream, batch_bytes=100)
        with pytest.raises(Exception, match="cut before its end"):
            read(batches)
    assert isinstance(batches.error, shttp.ConnectionLost)


def test_an_error_before_the_first_batch_is_raised_as_it_is() -> None:
    retry = shttp.RetryPolicy(stop=1)
    transport = ScriptedTransport(ndjson(then=[Cut()]))
    with (
        shttp.Client(transport=transport, retry=retry) as client,
        client.stream("GET", "http://data/", decoder=shttp.NDJSON()) as stream,
        pytest.raises(shttp.ConnectionLost),
    ):
        pa.table(to_arrow_batches(stream))


@pytest.mark.parametrize("decoder", [shttp.Raw(whole_lines=True), shttp.NDJSON()])
def test_memory_is_bounded_by_the_batch(decoder: Any) -> None:
    """60 MB of records, in batches of 256 KiB."""
    piece = lines(0, 2000)
    answer = ndjson(*[piece] * 1000)
    before, most, records = pa.total_allocated_bytes(), 0, 0
    with (
        shttp.Client(transport=ScriptedTransport(answer)) as client,
        client.stream("GET", "http://data/", decoder=decoder) as stream,
    ):
        for batch in to_arrow_batches(stream, SCHEMA, batch_bytes=1 << 18):
            records += batch.num_rows
            most = max(most, pa.total_allocated_bytes() - before)
    assert records == 2_000_000
    assert most < 4 * 1024 * 1024
