"""Record batches: their schema, their errors, and a cursor that never runs ahead."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pydantic
import pytest
from driver import Face
from server import Server, chunk, cut, delay, events, hold, reply, streamed

import streamable_http as shttp
from streamable_http import NDJSON, DecodeError, Raw, SSEData
from streamable_http.arrow import ArrowBatches, to_arrow_batches
from streamable_http.testing import Response, ScriptedTransport, ndjson

pa: Any = import_module("pyarrow")

LINES = Raw(whole_lines=True)
ROWS = [{"a": n, "b": f"é{n}", "c": {"d": [n, n + 1]}} for n in range(1000)]
SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])


def body(rows: Iterable[object]) -> bytes:
    dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    return b"".join(dump(row).encode() + b"\n" for row in rows)


_streams: list[shttp.Stream[Any]] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _streams:
        _streams.pop().close()


def opened(answer: bytes | Response, decoder: Any = LINES, **options: Any) -> shttp.Stream[Any]:
    if isinstance(answer, bytes):
        answer = ndjson(*[answer[at : at + 1000] for at in range(0, len(answer), 1000)])
    retry = shttp.RetryPolicy(stop=1)
    client = shttp.Client(transport=ScriptedTransport(answer), retry=retry)
    _streams.append(client.stream("GET", "http://data/", decoder=decoder, **options))
    return _streams[-1].open()


def batches(answer: bytes | Response, decoder: Any = LINES, **options: Any) -> ArrowBatches:
    return to_arrow_batches(opened(answer, decoder), **options)


class Struct(msgspec.Struct):
    a: int


@dataclasses.dataclass
class Data:
    a: int


class Model(pydantic.BaseModel):
    a: int


@pytest.mark.parametrize("decoder", [LINES, NDJSON(), NDJSON(msgspec.Raw)])
@pytest.mark.parametrize("batch_bytes", [1, 4000, 1 << 20])
def test_batches_hold_all_records_in_order(decoder: Any, batch_bytes: int) -> None:
    made = list(batches(body(ROWS), decoder, batch_bytes=batch_bytes))

    assert [row for batch in made for row in batch.to_pylist()] == ROWS
    assert {batch.schema for batch in made} == {made[0].schema}
    assert all(type(batch) is pa.RecordBatch for batch in made)
    if batch_bytes == 4000:
        sizes = [len(body(batch.to_pylist())) for batch in made]
        assert all(4000 <= size < 6000 for size in sizes[:-1])
    if batch_bytes > 4000:
        assert len(made) == 1


@pytest.mark.parametrize("kind", [Struct, Data, Model, dict[str, int]])
def test_items_of_any_class_become_records(kind: Any) -> None:
    (batch,) = batches(body([{"a": 1}, {"a": 2}]), NDJSON(kind))

    assert batch.to_pylist() == [{"a": 1}, {"a": 2}]


def test_events_become_records() -> None:
    spread = [b'data: {"a":\ndata: 1}\n\n', b'data: {"a": 2}\n\n']
    answer = Response(headers={"Content-Type": "text/event-stream"}, body=spread)

    for decoder in (SSEData(msgspec.Raw), SSEData()):
        (batch,) = batches(answer, decoder)
        assert batch.to_pylist() == [{"a": 1}, {"a": 2}]


def test_a_schema_chooses_the_fields_and_their_types() -> None:
    schema = pa.schema(
        [
            pa.field("at", pa.timestamp("us"), metadata={"k": "v"}),
            ("x", pa.float64()),
            ("gone", pa.string()),
        ],
        metadata={"m": "n"},
    )
    (batch,) = batches(body([{"x": 1, "more": [1], "at": "2026-01-02 03:04:05"}]), schema=schema)

    at = dt.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
    assert batch.to_pylist() == [{"at": at, "x": 1.0, "gone": None}]
    assert batch.schema.equals(schema, check_metadata=True)


@pytest.mark.parametrize(
    "lists",
    [
        [[None, None, 7], [8], [9, 10]],
        [[None, None, "x"], ["y"], None, [None, "zwölf"]],
        [[], [None, 2.5], [1.5]],
        [[None, None, {"c": [None, 1]}], [{"c": [2]}], [{"c": None}, None]],
        [[None, [None, 1]], [[2]], [[], None]],
        [[None, None], [], None],
        [[{"c": None, "d": [None]}, None], [], [{"c": None, "d": []}]],
    ],
)
@pytest.mark.parametrize("given", [True, False])
def test_nulls_in_lists_stay_where_they_are(lists: list[object], given: bool) -> None:
    """pyarrow's reader loses those that come before the first value, where it finds the types."""
    answer = body({"a": {"b": one}} for one in lists)
    (found,) = batches(answer)
    (batch,) = batches(answer, schema=found.schema) if given else (found,)

    assert batch.column("a").to_pylist() == [{"b": one} for one in lists]
    batch.validate(full=True)


def test_a_value_where_a_list_had_but_nulls_does_not_fit() -> None:
    values: list[object] = [True, 1, "x", []]
    for value in values:
        rows: list[Any] = [{"a": [None]}, {"a": []}, {"a": [None]}, {"a": [None, value]}]
        made = batches(ndjson(*rows), batch_bytes=1)
        assert [next(made).to_pylist() for _ in range(3)] == [[row] for row in rows[:3]]
        with pytest.raises(DecodeError, match="pass schema="):
            next(made)


@pytest.mark.parametrize(
    ("kind", "value", "held"),
    [
        (pa.float64(), b"9007199254740993", 9007199254740992.0),
        (pa.float32(), b"16777217", 16777216.0),
        (pa.float32(), b"1e39", float("inf")),
        (pa.int64(), b"9007199254740993", 9007199254740993),
        (pa.int64(), b"1.0", None),
        (pa.int8(), b"128", None),
        (pa.decimal128(20, 2), b"9007199254740993", Decimal(9007199254740993)),
        (pa.decimal128(20, 2), b"1.001", None),
        (pa.timestamp("s"), b'"2026-01-02 03:04:05.5"', None),
    ],
)
def test_but_for_floats_a_value_is_held_exactly_or_refused(
    kind: Any, value: bytes, held: object
) -> None:
    made = batches(b'{"a":' + value + b"}\n", schema=pa.schema([("a", kind)]))

    if held is None:
        with pytest.raises(DecodeError):
            next(made)
    else:
        assert next(made).to_pylist() == [{"a": held}]


def test_what_json_has_no_word_for_is_written_as_it_can_be() -> None:
    odd = opened(body([{}]), NDJSON()).map(lambda _: {"a": float("nan"), "b": b"hi"})
    schema = pa.schema([("a", pa.float64()), ("b", pa.binary())])

    assert next(to_arrow_batches(odd, schema)).to_pylist() == [{"a": None, "b": b"aGk="}]


@pytest.mark.parametrize("decoder", [LINES, NDJSON()])
@pytest.mark.parametrize(
    ("schema", "bad", "says"),
    [
        (None, {"a": "x"}, "pass schema="),
        (None, {"a": 1.5}, "pass schema="),
        (None, {"a": 1, "new": 2}, "pass schema="),
        (None, {"c": {"d": [1], "new": 2}}, "pass schema="),
        (SCHEMA, {"a": "x"}, "change schema="),
        (SCHEMA, {"a": 1.5}, "change schema="),
        (SCHEMA, [1], "a row is made of an object"),
        (SCHEMA, None, "a row is made of an object"),
        (None, None, "a row is made of an object"),
        (pa.schema([pa.field("a", pa.int64(), nullable=False)]), {"b": "x"}, "change schema="),
    ],
)
@pytest.mark.parametrize("place", [0, 300, 999])
def test_a_record_that_does_not_fit_is_named(
    decoder: Any, schema: Any, bad: object, says: str, place: int
) -> None:
    """Those before it come first, in batches of the same schema."""
    if schema is None and bad is not None and place == 0:
        return  # there is nothing yet that it would not fit
    rows = [*ROWS[:place], bad, *ROWS[place + 1 :]]
    made = batches(body(rows), decoder, schema=schema, batch_bytes=10_000)
    seen: list[Any] = []

    with pytest.raises(DecodeError, match=says) as caught:
        seen.extend(row["a"] for batch in made for row in batch.to_pylist())
    assert seen == [row["a"] for row in ROWS[:place]]
    assert caught.value.index == place
    assert f"record {place} " in str(caught.value)
    assert caught.value.excerpt == body([bad])[:-1]
    assert made.error is caught.value
    with pytest.raises(DecodeError):
        next(made)


@pytest.mark.parametrize(
    "line",
    [
        b'{"a": "\xff"}',
        b'{"a": 1} {"a": 2}',
        b'{"a": 1} null',
        b'{"a": 1',
        b"nonsense",
        b" null ",
        b'{"a":1,"a":2}',
    ],
)
def test_what_is_no_json_object_is_refused(line: bytes) -> None:
    made = batches(b'{"a": 1}\n' + line + b"\n")

    assert next(made).to_pylist() == [{"a": 1}]
    with pytest.raises(DecodeError) as caught:
        next(made)
    assert (caught.value.index, caught.value.excerpt) == (1, line)


@pytest.mark.parametrize(
    "lines",
    [
        b'{"a":\n1} {"a":2}\n',
        b'{"a":1} {"a":2}\n\n',
        b'{"b":{}\n} {"a":2}\n',
        b'{"b":"}\n{"} {}\n',
        b"null\n",
        b"[]\n",
    ],
)
@pytest.mark.parametrize("schema", [None, SCHEMA])
def test_each_record_has_a_line_of_its_own(lines: bytes, schema: Any) -> None:
    """Two lines may not hold two records in another way."""
    made = batches(lines, schema=schema)

    with pytest.raises(DecodeError) as caught:
        next(made)
    assert (caught.value.index, caught.value.excerpt) == (0, lines.split(b"\n")[0])


def test_what_is_mapped_to_no_object_is_refused() -> None:
    made = to_arrow_batches(opened(body([{"a": 1}]), NDJSON()).map(lambda _: None))

    with pytest.raises(DecodeError, match="map"):
        next(made)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_schema_is_not_found_in_the_depths(opening: bytes) -> None:
    deep = b'{"a":1,"b":' + opening * 100_000 + b"1" + bytes([opening[0] + 2]) * 100_000 + b"}\n"
    made = batches(b'{"a":1}\n' + deep)

    assert next(made).to_pylist() == [{"a": 1}]
    with pytest.raises(DecodeError, match=r"deeper than 64.*pass schema=") as caught:
        next(made)
    assert (caught.value.index, caught.value.excerpt) == (1, deep[:64])
    (batch,) = batches(deep, schema=pa.schema([("a", pa.int64())]))
    assert batch.to_pylist() == [{"a": 1}]


def test_what_is_deep_may_be_found_up_to_64_levels() -> None:
    deep = b'{"a":["]}\\"[{"],"b":' + b"[" * 63 + b"1" + b"]" * 63 + b"}\n"
    (batch,) = batches(deep * 3)

    assert batch.num_rows == 3
    with pytest.raises(DecodeError, match="deeper than 64"):
        next(batches(deep.replace(b"[1]", b"[[1]]")))


FLAT = b"".join(b'{"%x":1}\n' % n for n in range(20_000))
WITHIN = b"".join(b'{"a":{"%c":{"%c":{"%c":1}}}}\n' % (*b"%04d" % n,)[1:] for n in range(1000))


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        (FLAT, 1000),
        (b'{"a":1}\n{' + FLAT[1:-2].replace(b"}\n{", b",") + b"}\n", 1),
        (b'{"a":1}\n{"a":[' + FLAT.replace(b"\n", b",") + b"{}]}\n", 1),
        (WITHIN * 10, 900),
        (b'{"a":1}\n{"a":[' + WITHIN.replace(b"\n", b",") + b"{}]}\n", 1),
        (b"".join(FLAT.splitlines(keepends=True)[:500]) + b"{}\n" * 100_000, 2350),
    ],
)
def test_the_fields_that_are_found_are_bounded(answer: bytes, index: int) -> None:
    """Memory would grow with the square of what came, had each record a field of its own."""
    made = batches(answer)

    batch = next(made)
    assert batch.num_rows == index
    assert batch.nbytes < 16 * 1024 * 1024
    with pytest.raises(DecodeError, match="pass schema=") as caught:
        next(made)
    assert caught.value.index == index


def test_a_text_that_never_ends_is_looked_at_once() -> None:
    line = b'{"a":"' + b'x\\"' * 200_000 + b"}"
    began = time.process_time()

    with pytest.raises(DecodeError) as caught:
        next(batches(line + b"\n"))
    assert caught.value.excerpt == line[:64]
    assert time.process_time() - began < 10  # minutes, were it looked at from each quote on


def test_records_may_leave_out_most_of_their_fields() -> None:
    rows = [{f"key {m}": m for m in range(n, n + 900, 9)} for n in range(9)]
    (batch,) = batches(body(rows * 50))

    assert (batch.num_columns, batch.num_rows) == (900, 450)


WIDE = pa.schema([(f"{n}", pa.int64()) for n in range(1000)])


@pytest.mark.parametrize("given", [True, False])
def test_records_of_nothing_make_smaller_batches(given: bool) -> None:
    """Each has a place in each column: 1 MiB of them would make 2.8 GB."""
    first = body([dict.fromkeys(WIDE.names, 1)])
    pieces = [first, *[b"{}\n" * 10_000] * 2]
    made = batches(ndjson(*pieces), schema=WIDE if given else None, batch_bytes=len(first))
    sizes = [(batch.num_rows, batch.nbytes) for batch in made]

    assert sum(rows for rows, _ in sizes) == 20_001
    assert max(held for _, held in sizes) < 16 * 1024 * 1024


def test_items_of_nothing_do_not_fit() -> None:
    """The list of one record cannot be cut."""
    schema = pa.schema([("a", pa.list_(pa.struct(WIDE))), ("b", pa.string())])
    bad = b'{"a":[' + b"{}," * 10_000 + b"{}]}\n"
    text = b'{"b":"' + b"{" * 10_000 + b'"}\n'
    made = batches(text + b"{}\n" + bad, schema=schema)

    seen: list[Any] = []
    with pytest.raises(DecodeError, match="lists") as caught:
        seen.extend(row["b"] for batch in made for row in batch.to_pylist())
    assert (caught.value.index, caught.value.excerpt) == (2, bad[:64])
    assert seen == ["{" * 10_000, None]


def test_the_cursor_passes_the_batches_of_one_block_with_the_last() -> None:
    piece = b"{}\n" * 3000
    headers = {"Content-Type": "application/x-ndjson", "ETag": '"v"', "Accept-Ranges": "bytes"}
    answer = Response(headers=headers, body=[piece, piece])
    made = batches(answer, schema=WIDE, batch_bytes=len(piece))
    rows, passed = 0, list[int]()
    for batch in made:
        rows += batch.num_rows
        made.ack()
        cursor = made.cursor
        passed.append(0 if cursor is None else int(cursor.value))
        assert passed[-1] <= rows * 3

    assert len(passed) > 2
    assert set(passed) == {0, len(piece), 2 * len(piece)}


def test_text_that_is_not_utf_8_is_refused() -> None:
    made = batches(b'{"b": "\xc3\xa9"}\n{"b": "\xff"}\n', schema=SCHEMA)

    assert next(made).to_pylist() == [{"a": None, "b": "é"}]
    with pytest.raises(DecodeError, match="utf-8"):
        next(made)


def test_blank_lines_and_empty_streams_are_no_records() -> None:
    assert [batch.num_rows for batch in batches(b'\r\n\n{"a": 1}\n\n{"a": 2}')] == [2]
    assert list(batches(b"\n\n")) == []
    assert list(batches(b"")) == []
    assert [batch.num_rows for batch in batches(b"{}\n{}\n")] == [2]


def test_batches_before_a_fault_come_before_its_error() -> None:
    made = batches(ndjson(*ROWS[:3], then=[shttp.testing.Cut()]))

    assert next(made).to_pylist() == ROWS[:3]
    with pytest.raises(shttp.ConnectionLost) as caught:
        next(made)
    assert made.error is caught.value


TWICE = ("a", pa.int64())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"stream": [1]}, "class list"),
        ({"schema": {"a": int}}, "pyarrow.schema"),
        ({"schema": pa.schema([TWICE, TWICE])}, "two fields named 'a'"),
        ({"schema": pa.schema([("l", pa.list_(pa.struct([TWICE, TWICE])))])}, "two fields named"),
        ({"batch_bytes": 0}, "size=0"),
        ({"seconds": 0}, "seconds=0"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(shttp.ConfigurationError, match=named):
        to_arrow_batches(**{"stream": opened(b""), **arguments})


def test_a_type_that_json_cannot_have_is_the_schemas_fault() -> None:
    schema = pa.schema([("a", pa.duration("s")), ("b", pa.list_view(pa.int8()))])

    with pytest.raises(shttp.ConfigurationError, match="cast the batches"):
        next(batches(b'{"a": 1}\n', schema=schema))


# The cursor ----------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["threads", "asyncio", "trio"])
def test_a_restart_goes_on_behind_the_last_batch_that_is_done(server: Server, runtime: Any) -> None:
    face = Face(runtime)
    rows = [{"a": n, "b": "x" * 2000} for n in range(1000)]
    whole = body(rows)

    def answer(request: Any) -> Any:
        start = int(request.headers.get("range", "bytes=0-")[6:-1])
        more: dict[str, Any] = {"etag": '"v"', "accept_ranges": "bytes"}
        if not start:
            return reply(whole, content_type="application/x-ndjson", **more)
        size = len(whole)
        more["content_range"] = f"bytes {start}-{size - 1}/{size}"
        return reply(whole[start:], status=206, content_type="application/x-ndjson", **more)

    url = server.serve("/", answer)

    async def main() -> None:
        async with face.client() as client:
            async with client.stream("GET", url, decoder=LINES) as stream:
                made = arrow(face, stream)
                first = await anext(made)
                assert made.cursor is None
                await anext(made)
                cursor = made.cursor
                assert cursor is not None
                assert int(cursor.value) == len(body(first.to_pylist()))
            async with client.stream("GET", url, decoder=LINES, start=cursor) as stream:
                rest = [row async for batch in arrow(face, stream) for row in batch.to_pylist()]
        assert first.to_pylist() + rest == rows

    face.run(main)


class Awaited:
    """Sync batches, awaited."""

    def __init__(self, inner: ArrowBatches) -> None:
        self.inner = inner

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self.inner)
        except StopIteration:
            raise StopAsyncIteration from None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def arrow(face: Face, stream: Any, **options: Any) -> Any:
    options = {"batch_bytes": 1000, **options}
    if face.sync:
        return Awaited(to_arrow_batches(stream.inner, **options))
    return to_arrow_batches(stream, **options)


async def test_the_cursor_stands_before_a_record_that_does_not_fit(
    own: Face, server: Server
) -> None:
    data = [*range(1, 300), '"x"']
    events_ = [f'id: {n}\ndata: {{"a": {value}}}\n\n' for n, value in enumerate(data, 1)]
    pieces = [chunk(event.encode()) for event in events_]
    url = server.serve("/", streamed(*pieces[:100], delay(0.3), *pieces[100:], hold()))
    async with own.client() as client, client.stream("GET", url, decoder=SSEData()) as stream:
        made = arrow(own, stream, seconds=0.05)
        seen = 0
        with pytest.raises(DecodeError) as caught:
            async for batch in made:
                seen += batch.num_rows
    assert seen == 299
    assert caught.value.index == 299
    assert caught.value.cursor is not None
    assert int(caught.value.cursor.value) < 300
    assert caught.value.cursor == made.cursor


async def test_a_feed_gives_its_batches_in_time(own: Face, server: Server) -> None:
    url = server.serve("/", streamed(events(1, 2), hold()))
    async with own.client() as client, client.stream("GET", url) as stream:
        batch = await anext(arrow(own, stream, batch_bytes=1 << 20, seconds=0.1))
        assert batch.column("data").to_pylist() == ["1", "2"]


async def test_what_is_cut_is_resumed_within_a_batch(own: Face, server: Server) -> None:
    half = b"".join(b'id: %d\ndata: {"a": %d}\n\n' % (n, n) for n in range(1, 4))
    rest = half.replace(b"1", b"4").replace(b"2", b"5").replace(b"3", b"6")
    url = server.serve("/", streamed(chunk(half), cut()), streamed(chunk(rest)))
    async with own.client() as client, client.stream("GET", url, decoder=SSEData()) as stream:
        found = [row["a"] async for batch in arrow(own, stream) for row in batch.to_pylist()]
    assert found == [1, 2, 3, 4, 5, 6]


def test_a_missing_pyarrow_is_named(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['pyarrow'] = None; import streamable_http.arrow"
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert "pip install 'streamable-http[arrow]'" in done.stderr
