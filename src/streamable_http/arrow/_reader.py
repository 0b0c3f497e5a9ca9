"""From JSON lines to record batches of one schema, or a clear error that names the record."""

from __future__ import annotations

from typing import Any, NamedTuple

from streamable_http import ConfigurationError, DecodeError

from ._pyarrow import pa, pa_json
from ._survey import outgrown, overfull, portions
from ._types import readable, restored, widths

__all__ = ["Outcome", "Reader", "Work"]

Work = list[bytes] | tuple[bytes, ...]
"""Blocks of lines as they came, in a list; or portions of them, each of which makes a batch."""

_EXCERPT = 64


class _NoObject(ValueError):
    """A line that is no JSON object, or not alone on its line."""

    def __init__(self) -> None:
        super().__init__("it is no JSON object")


_UNFIT: Any = (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeDecodeError, _NoObject)


class Outcome(NamedTuple):
    """What some work came to.

    Attributes:
        batch: The record batch, or None where there was no record.
        error: What is wrong behind it.
        rest: The work that is left.
    """

    batch: Any
    error: DecodeError | None
    rest: Work | None


class Reader:
    """Reads blocks of lines.

    Attributes:
        schema: The `pyarrow.Schema` of all batches; without one that is given, the first batch's.
    """

    def __init__(self, schema: Any) -> None:
        self.schema: Any = schema
        self._given = schema is not None
        self._records = 0  # in the batches so far

    def read(self, work: Work) -> Outcome:
        """The next batch.

        Raises:
            ConfigurationError: The schema has a type that cannot be read from JSON.
        """
        if isinstance(work, list):
            work = self._portions(b"".join(work))
        return Outcome(*self._read(work[0]), work[1:] or None)

    def _portions(self, data: bytes) -> tuple[bytes, ...]:
        # Where the schema is to be found, all there is has to tell it.
        return (data,) if self.schema is None else portions(data, *widths(self.schema))

    def _read(self, data: bytes) -> tuple[Any, DecodeError | None]:
        if not data.strip():
            return None, None
        error = None
        if self.schema is None:
            data, error = self._up_to_what_outgrows(data)
            if not data:
                return None, error
        try:
            batch = self._parse(data)
        except _UNFIT:
            batch, error = self._up_to_the_bad_one(_lines(data))
        return batch, error

    def took(self, batch: Any) -> None:
        """The batch is handed out next; one that was read in vain may be read again."""
        if batch is not None:
            self._records += batch.num_rows
            self.schema = batch.schema

    def _parse(self, data: bytes) -> Any:
        lines = _count_objects(data)
        if not data.isascii():
            data.decode()  # the parser does not look, and readers of the batch rely on it
        schema = self.schema
        if schema is None:
            schema = self._found(data)
        elif data.count(b"\n") == 1 and overfull(data, widths(schema)[1]):
            raise pa.ArrowInvalid("most fields of the items in its lists are empty")
        # A given schema chooses; one that was found must not lose what came later.
        rest = "ignore" if self._given else "error"
        try:
            table = _read(data, explicit_schema=readable(schema), unexpected_field_behavior=rest)
        except pa.ArrowNotImplementedError as exc:
            raise ConfigurationError(
                f"schema={self.schema!r:.200} has a type that pyarrow does not read from JSON "
                f"({exc}): give the type that the JSON has, and cast the batches"
            ) from exc
        if table.num_rows != lines:
            raise pa.ArrowInvalid(f"{lines} lines hold {table.num_rows} records")
        return _batch(table, schema)

    def _found(self, data: bytes) -> Any:
        """The schema that pyarrow finds, and no more of what it read.

        Where types are to be found, it miscounts nulls that begin a list, and reads beyond its
        memory then: with the types known, it reads the same bytes right.
        """
        return _read(data).schema

    def _up_to_what_outgrows(self, data: bytes) -> tuple[bytes, DecodeError | None]:
        lines = _lines(data)
        found = outgrown(lines)
        if found is None:
            return data, None
        place, cause = found
        before = b"".join(line + b"\n" for line in lines[:place])
        return before, self._error(lines, place, cause, "pass schema= to say what to take")

    def _up_to_the_bad_one(self, lines: list[bytes]) -> tuple[Any, DecodeError]:
        """The batch of the records before the first that does not fit, and what it says."""
        good, bad = 0, len(lines)
        batch = None
        while bad - good > 1:
            middle = (good + bad) // 2
            try:
                batch = self._parse(b"\n".join(lines[:middle]) + b"\n")
            except _UNFIT:
                bad = middle
            else:
                good = middle
        return batch, self._unfit(lines, good)

    def _unfit(self, lines: list[bytes], place: int) -> DecodeError:
        cause: Exception | None = None
        try:
            self._parse(b"\n".join(lines[: place + 1]) + b"\n")
        except _UNFIT as exc:
            cause = exc
        if isinstance(cause, _NoObject):
            fix = "a row is made of an object: decode with NDJSON(…), and map() what is none"
        elif self._given:
            fix = "change schema= so that it fits what the server sends"
        else:
            fix = "the schema is that of the records before it: pass schema= to say what comes"
        error = self._error(lines, place, str(cause), fix)
        error.__cause__ = cause
        return error

    def _error(self, lines: list[bytes], place: int, cause: str, fix: str) -> DecodeError:
        index = self._records + place
        return DecodeError(
            f"record {index} does not fit the batch: {cause}; {fix}",
            index=index,
            excerpt=lines[place][:_EXCERPT],
        )


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.split(b"\n") if line.strip()]


def _count_objects(data: bytes) -> int:
    """The number of lines, blank ones aside, if each begins and ends as an object does.

    pyarrow crashes on a null that comes first, and takes a later one for a record. It reads on
    over the ends of lines: but no value has a line's end between `}` and `{`, so that each record
    is then proven to have a line of its own, once their numbers agree.

    Raises:
        _NoObject: A line does not.
    """
    ends = data.count(b"\n")
    if data.startswith(b"{") and data.endswith(b"}\n") and data.count(b"}\n{") == ends - 1:
        return ends
    lines = [line.strip() for line in _lines(data)]
    if not all(line.startswith(b"{") and line.endswith(b"}") for line in lines):
        raise _NoObject
    return len(lines)


def _read(data: bytes, **options: Any) -> Any:
    return pa_json.read_json(
        pa.BufferReader(data),
        # The block whole: cut into several, each would have a type of its own.
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
        parse_options=pa_json.ParseOptions(**options),
    )


def _batch(table: Any, schema: Any) -> Any:
    if not table.num_columns:
        rows = pa.array([{}] * table.num_rows, pa.struct([]))
        return pa.RecordBatch.from_struct_array(rows)
    (read,) = table.combine_chunks().to_batches()
    columns = [
        restored(column, field.type) for column, field in zip(read.columns, schema, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema)
    # The parser has been wrong before: what would crash a reader of the batch stops here.
    batch.validate(full=True)
    return batch
