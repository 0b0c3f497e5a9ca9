"""The iterators of record batches, sync and async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar, cast, overload

from anyio.to_thread import run_sync

from streamable_http import (
    AsyncFlow,
    ConfigurationError,
    Cursor,
    DecodeError,
    Flow,
    StreamStats,
)

from ._blocks import block_of
from ._pyarrow import pa
from ._reader import Outcome, Reader, Work
from ._types import twice_named

__all__ = ["ArrowBatches", "AsyncArrowBatches", "to_arrow_batches"]

F = TypeVar("F", Flow[list[bytes]], AsyncFlow[list[bytes]])


@overload
def to_arrow_batches(
    stream: Flow[Any],
    schema: Any = None,
    *,
    batch_bytes: int = 1 << 20,
    seconds: float | None = None,
) -> ArrowBatches: ...
@overload
def to_arrow_batches(
    stream: AsyncFlow[Any],
    schema: Any = None,
    *,
    batch_bytes: int = 1 << 20,
    seconds: float | None = None,
) -> AsyncArrowBatches: ...
def to_arrow_batches(
    stream: Flow[Any] | AsyncFlow[Any],
    schema: Any = None,
    *,
    batch_bytes: int = 1 << 20,
    seconds: float | None = None,
) -> ArrowBatches | AsyncArrowBatches:
    """The records of a stream as Arrow record batches.

    Fastest are `Raw(whole_lines=True)` on a stream of NDJSON, which makes no Python object of any
    record, and `SSEData(msgspec.Raw)` on events. Any other items will do that are JSON objects:
    dicts, msgspec Structs, dataclasses, attrs classes, pydantic models, events.

    Args:
        stream: A stream, or what `map` made of one.
        schema: A `pyarrow.Schema`; fields that it does not name are left out, missing ones are
            null. Default: the first batch's, as pyarrow finds it, of up to 1,000 fields; a later
            record that does not fit, or has more fields, is an error then.
        batch_bytes: How much JSON makes a batch, in bytes; a batch may have as much more as one
            read from the network brings, and less where a wide schema makes far more of it.
        seconds: A batch is handed out at most this long after its first record came, however
            small it is; for streams that never end.

    Returns:
        An iterator of `pyarrow.RecordBatch`, all of one schema.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    given = cast("object", stream)
    if not isinstance(given, (Flow, AsyncFlow)):
        raise ConfigurationError(
            f"to_arrow_batches(stream=…) got an object of class {type(given).__qualname__}: pass "
            f"what client.stream(…) returned"
        )
    _check_schema(schema)
    if isinstance(stream, AsyncFlow):
        found = stream.batches().map(block_of).batches(batch_bytes, seconds, weigh=len)
        return AsyncArrowBatches(found, Reader(schema))
    blocks = stream.batches().map(block_of).batches(batch_bytes, seconds, weigh=len)
    return ArrowBatches(blocks, Reader(schema))


def _check_schema(schema: Any) -> None:
    if schema is None:
        return
    if not isinstance(schema, pa.Schema):
        raise ConfigurationError(
            f"schema={schema!r:.80} is no schema: pass a pyarrow.Schema, as pyarrow.schema(…) "
            f"makes one"
        )
    name = twice_named(schema)
    if name is not None:
        raise ConfigurationError(
            f"schema= has two fields named {name!r:.80} in one record, and JSON cannot tell them "
            f"apart: name each once, and rename the columns of the batches"
        )


class _Batches(Generic[F]):
    """What both iterators have in common.

    Attributes:
        error: What ended the batches too early, or None. Where they are read by something else
            than Python, its own error only quotes this one.
    """

    def __init__(self, flow: F, reader: Reader) -> None:
        self._flow: F = flow
        self._reader = reader
        self._work: Work | None = None
        self._upcoming: DecodeError | None = None
        self.error: Exception | None = None

    @property
    def schema(self) -> Any:
        """The `pyarrow.Schema`; None before the first batch, if none was given."""
        return self._reader.schema

    @property
    def cursor(self) -> Cursor | None:
        """Where a restart goes on (`start=`): behind the last batch that is done with."""
        return self._flow.cursor

    @property
    def stats(self) -> StreamStats:
        """What the stream did so far; its items are those of its decoder."""
        return self._flow.stats

    def ack(self) -> None:
        """The batch in hand is done: the cursor passes it without the next being asked for.

        Where several batches came of one block, it passes them with the last.
        """
        if self._work is None:
            self._flow.ack()

    def _fail(self, error: Exception) -> None:
        self.error = error

    def _refuse_more(self) -> None:
        if self._upcoming is not None:
            self.error, self._upcoming = self._witnessed(self._upcoming), None
        if self.error is not None:
            raise self.error

    def _witnessed(self, error: DecodeError) -> DecodeError:
        error.stats, error.cursor = self._flow.stats, self._flow.cursor
        return error

    def _took(self, outcome: Outcome) -> Any:
        batch, self._upcoming, self._work = outcome
        self._reader.took(batch)
        return batch


class ArrowBatches(_Batches[Flow[list[bytes]]], Iterator[Any]):
    """Record batches; made by `to_arrow_batches`. It is an iterator and, once, an Arrow stream.

    As an Arrow stream (`__arrow_c_stream__`) it is read by pyarrow, Polars, pandas, DuckDB and
    others, each batch as they ask for it.
    """

    _first: Any = None
    _read_as_stream = False

    def __next__(self) -> Any:
        first, self._first = self._first, None
        return self._next() if first is None else first

    def _next(self) -> Any:
        while True:
            self._refuse_more()
            try:
                if self._work is None:
                    self._work = next(self._flow)
                batch = self._took(self._reader.read(self._work))
            except StopIteration:
                raise
            except Exception as exc:
                self._fail(exc)
                raise
            if batch is not None:
                return batch

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """The batches as a capsule of the Arrow C stream interface.

        Raises:
            ConfigurationError: They were read by way of one already; where that begins later, the
                reader of the second says so, in an error of its own.
            StreamError: There was no first batch to take the schema from, as the stream failed.
        """
        self._refuse_second()
        if self.schema is None:
            self._first = next(self, None)
        schema = pa.schema([]) if self.schema is None else self.schema
        reader = pa.RecordBatchReader.from_batches(schema, self._as_stream())
        capsule: object = reader.__arrow_c_stream__(requested_schema)
        return capsule

    def _as_stream(self) -> Iterator[Any]:
        # DuckDB has a first capsule for the schema alone, and reads from a second one: which of
        # them is the one to read is known once it is read.
        self._refuse_second()
        self._read_as_stream = True
        yield from self

    def _refuse_second(self) -> None:
        if self._read_as_stream:
            raise ConfigurationError(
                "these batches were read as an Arrow stream already, and a response comes once: "
                "keep what was made of them, or open the stream again"
            )

    def close(self) -> None:
        """Ends the stream, from any thread, whatever it waits for."""
        self._flow.close()


class AsyncArrowBatches(_Batches[AsyncFlow[list[bytes]]], AsyncIterator[Any]):
    """Record batches; made by `to_arrow_batches`. An async iterator; threads do the parsing."""

    async def __anext__(self) -> Any:
        while True:
            self._refuse_more()
            try:
                # A cancellation is no verdict on the blocks: they are kept for the next call.
                if self._work is None:
                    self._work = await anext(self._flow)
                batch = self._took(await run_sync(self._reader.read, self._work))
            except StopAsyncIteration:
                raise
            except Exception as exc:
                self._fail(exc)
                raise
            if batch is not None:
                return batch

    async def aclose(self) -> None:
        """Ends the stream, from any task, whatever it waits for."""
        await self._flow.aclose()
