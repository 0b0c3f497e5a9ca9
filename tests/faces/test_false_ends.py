"""StopIteration and its like, raised by the user's own code, never look like a stream's end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from driver import Face
from server import Server, chunk, streamed

from streamable_http import NDJSON, JSONArray, JSONSeq, RetryPolicy, SSEData, decode

ENDS = pytest.mark.parametrize("end", [StopIteration, StopAsyncIteration])
LINES = b"".join(b'{"id":%d}\n' % number for number in range(1, 5))


def hooked(end: type[Exception]) -> Any:
    @dataclass
    class Hooked:
        id: int

        def __post_init__(self) -> None:
            if self.id == 2:
                raise end

    return Hooked


@ENDS
@pytest.mark.parametrize(
    ("spec", "body"),
    [
        (NDJSON, LINES),
        (JSONArray, b"[" + LINES.rstrip().replace(b"\n", b",") + b"]"),
        (JSONSeq, b"\x1e" + LINES[:-1].replace(b"\n", b"\n\x1e") + b"\n"),
        (SSEData, b"data: " + LINES[:-1].replace(b"\n", b"\n\ndata: ") + b"\n\n"),
        (SSEData, (b"data: " + LINES[:-1].replace(b"\n", b"\n\ndata: ") + b"\n\n") * 20),
    ],
)
def test_of_a_type(end: type[Exception], spec: Any, body: bytes) -> None:
    for pieces in ([body], [body[at : at + 1] for at in range(len(body))]):
        got: list[int] = []
        items = decode(pieces, spec(hooked(end)))
        with pytest.raises(RuntimeError, match=r"raised Stop|generator raised"):
            while True:
                got.append(next(items).id)
        assert got == [1]


def raising(end: type[Exception]) -> Callable[[Any], Any]:
    def function(_: Any) -> Any:
        raise end

    return function


@ENDS
@pytest.mark.parametrize("option", ["terminal", "failure", "on_bad_item", "on"])
async def test_of_a_function(
    pulled: Face, server: Server, end: type[Exception], option: str
) -> None:
    body = LINES + b"bad\n" if option == "on_bad_item" else LINES
    url = server.serve("/", streamed(chunk(body)), *([[]] if option == "on" else []))
    options: dict[str, Any] = {option: raising(end)}
    if option == "on":
        options = {"retry": RetryPolicy(on=raising(end))}
        url = "http://127.0.0.1:9/"
    got: list[Any] = []
    async with pulled.client() as client:
        with pytest.raises(RuntimeError, match=r"raised Stop|generator raised"):
            async with client.stream("GET", url, decoder=NDJSON(), **options) as stream:
                while True:
                    got.append(await anext(stream))
    assert len(got) == (4 if option == "on_bad_item" else 0)
