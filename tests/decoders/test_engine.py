from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import pytest
from decoder_harness import tell

from streamable_http._decoders.adapted import Adapted
from streamable_http._decoders.engine import NO_MARKS, Batch, Context, Position
from streamable_http._decoders.plain import adecode, decode
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSEData, SSEText
from streamable_http._decoders.text import Lines
from streamable_http._errors import ConfigurationError, DecodeError, StreamFailed, StreamTruncated


class Words:
    """A decoder as a user would write it."""

    def __init__(self) -> None:
        self._rest = b""

    def decode(self, data: bytes) -> Iterator[str]:
        *whole, self._rest = (self._rest + data).split(b" ")
        for word in whole:
            if word == b"fail":
                raise StreamFailed("told so")
            yield word.decode("ascii")

    def flush(self) -> Iterable[str]:
        if self._rest == b"-":
            raise StreamTruncated("cut")
        return [self._rest.decode()] if self._rest else []


def test_a_users_decoder_becomes_an_engine() -> None:
    told = tell(Adapted(Words()), [b"a b", b"c d"])
    assert (told.items, told.error) == (["a", "bc", "d"], None)
    assert told.positions == [Position()] * 3
    assert told.digests == [None] * 3


def test_what_a_users_decoder_raises_comes_after_its_items() -> None:
    told = tell(Adapted(Words()), [b"a ", b"b \xff c d ", b"e f"])
    assert told.items == ["a", "b"]
    assert told.error is not None
    kind, message, index, offset, excerpt = told.error[:5]
    assert (kind, index, offset, excerpt) == (DecodeError, 2, 2, b"b \xff c d ")
    assert message.startswith("Words failed: UnicodeDecodeError")
    told = tell(Adapted(Words()), [b"a fail b "])
    assert told.items == ["a"]
    assert told.error is not None
    assert told.error[:2] == (StreamFailed, "told so")
    told = tell(Adapted(Words()), [b"a -"])
    assert told.error is not None
    assert told.error[0] is StreamTruncated


def test_the_cause_of_a_decoders_failure_is_kept() -> None:
    error = Adapted(Words()).feed(b"\xff ").error
    assert error is not None
    assert isinstance(error.__cause__, UnicodeDecodeError)


def test_an_engine_is_a_decoder_too() -> None:
    engine = NDJSON()()
    assert list(engine.decode(b"1\n2\n3")) == [1, 2]
    assert list(engine.flush()) == [3]
    items = NDJSON()().decode(b"1\nx\n")
    assert next(items) == 1
    with pytest.raises(DecodeError):
        next(items)
    cut = SSEText()()
    assert list(cut.decode(b"data: x\n")) == []
    with pytest.raises(StreamTruncated):
        list(cut.flush())


def test_the_first_part_of_a_batch() -> None:
    batch = Lines()().feed(b"a\nb\nc\n")
    batch.error = ValueError()
    first = batch.first(2)
    assert (first.items, first.end, first.error) == (["a", "b"], Position(offset=4), None)
    assert batch.first(0).end is None
    assert Batch([1]).marks is NO_MARKS


# decode and adecode


def test_decode() -> None:
    assert list(decode([b"data: 1\n\nda", b"", b"ta: 2\n\n"], SSEData(int))) == [1, 2]
    buffers: Any = [bytearray(b"1\n"), memoryview(b"2")]
    assert list(decode(buffers, NDJSON())) == [1, 2]
    assert list(decode([b"a b"], Words)) == ["a", "b"]
    assert list(decode([], NDJSON())) == []


def test_decode_raises_after_the_items_and_then_has_ended() -> None:
    items = decode([b"1\n2\nx\n", b"3\n"], NDJSON())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(DecodeError):
        next(items)
    assert list(items) == []
    items = decode([b"1\n{"], NDJSON())
    assert next(items) == 1
    with pytest.raises(StreamTruncated):
        next(items)
    assert list(items) == []


def test_decode_takes_no_more_than_it_needs() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"1\n"
        raise KeyError("mine")

    items = decode(chunks(), NDJSON())
    assert next(items) == 1
    with pytest.raises(KeyError, match="mine"):
        next(items)


def test_decode_takes_nothing_after_a_terminal() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"1\nEND\n"
        raise KeyError("mine")

    assert list(decode(chunks(), lambda: NDJSON(int).build(Context(terminal="END")))) == [1]


@pytest.mark.parametrize("chunks", [b"1\n", ["1\n"], "1\n"])
def test_decode_wants_bytes(chunks: Any) -> None:
    with pytest.raises(ConfigurationError, match="pass an iterable of bytes"):
        list(decode(chunks, NDJSON()))
    with pytest.raises(ConfigurationError, match="pass NDJSON"):
        decode(chunks, NDJSON)  # type: ignore[arg-type]


async def asynchronous(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def test_adecode() -> None:
    async def main() -> None:
        assert [x async for x in adecode(asynchronous(b"1\n", b"2"), NDJSON(int))] == [1, 2]
        items = adecode(asynchronous(b"1\nx\n2\n"), NDJSON(int))
        assert await anext(items) == 1
        with pytest.raises(DecodeError):
            await anext(items)
        assert [x async for x in items] == []

    asyncio.run(main())


class Placed(Words):
    """The same, telling where its words end."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0

    def decode(self, data: bytes) -> Iterator[str]:
        for word in super().decode(data):
            self.offset += len(word) + 1
            yield word

    def flush(self) -> Iterable[str]:
        self.offset += len(self._rest)
        return super().flush()


def test_a_decoder_may_tell_positions() -> None:
    assert not Adapted(Words()).starts_at_records
    engine = Adapted(Placed(), offset=100)
    assert engine.starts_at_records
    batch = engine.feed(b"a bcd e")
    assert [batch.marks.position(index).offset for index in range(2)] == [102, 106]
    assert batch.end == Position(offset=106)
    assert engine.feed(b"f").end is None
    assert engine.finish().end == Position(offset=108)


def test_items_that_share_an_offset_end_with_the_last_of_them() -> None:
    class Lists(Placed):
        def decode(self, data: bytes) -> Any:
            return list(super().decode(data))

    batch = Adapted(Lists(), offset=10).feed(b"a bcd e ")
    assert [batch.marks.position(index).offset for index in range(3)] == [10, 10, 18]
    engine = Adapted(Lists())
    engine.feed(b"a ")
    batch = engine.feed(b"b c ")
    assert [batch.marks.position(index).offset for index in range(2)] == [2, 6]


@pytest.mark.parametrize("offset", [-1, 3, 2.0, None, "2"])
def test_an_offset_that_cannot_be_is_refused(offset: Any) -> None:
    class Wrong(Words):
        offset: Any = 0

        def decode(self, data: bytes) -> Iterator[str]:
            for word in super().decode(data):
                self.offset = offset
                yield word

    batch = Adapted(Wrong()).feed(b"a ")
    assert batch.items == []
    assert isinstance(batch.error, ConfigurationError)
    assert f"Wrong.offset is {offset!r} after an item" in str(batch.error)


def test_where_a_decoder_failed_counts_from_the_start_of_the_body() -> None:
    error = Adapted(Words(), offset=7).feed(b"\xff ").error
    assert isinstance(error, DecodeError)
    assert error.offset == 7
