"""Peers for lines, tables, arrays and bytes, sync: loops over httpx, and parsers of others."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from . import models
from .contender import Target, sync


def httpx_of(each: Callable[[Any], Iterable[Any]]) -> Callable[[Target], Iterator[Any]]:
    def read(target: Target) -> Iterator[Any]:
        import httpx

        with httpx.Client(timeout=60) as client, client.stream("GET", target.url) as response:
            yield each(response)

    return read


def loads(response: Any) -> Iterator[Any]:
    return (json.loads(line) for line in response.iter_lines())


def structs(response: Any) -> Iterator[Any]:
    import msgspec

    decode = msgspec.json.Decoder(models.User).decode
    return (decode(line) for line in response.iter_lines())


def validated(response: Any) -> Iterator[Any]:
    validate = models.user_model().model_validate_json
    return (validate(line) for line in response.iter_lines())


def cells(response: Any) -> Iterator[list[str]]:
    """Wrong where a cell holds a line end, since `iter_lines` takes it away: there is none here."""
    return islice(csv.reader(response.iter_lines()), 1, None)


def rows(response: Any) -> Iterator[dict[str, str]]:
    return csv.DictReader(response.iter_lines())


class Pieces:
    """A file for parsers that read: what is there, at most."""

    def __init__(self, response: Any) -> None:
        self._pieces = response.iter_bytes()
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        if size == 0:
            return b""
        data = self._rest or next(self._pieces, b"")
        end = size if size > 0 else len(data)
        self._rest = data[end:]
        return data[:end]


def with_ijson(response: Any) -> Iterator[Any]:
    import ijson

    return ijson.items(Pieces(response), "item")


def with_json_stream(response: Any) -> Iterator[Any]:
    import json_stream

    # It reads with the call, so the call belongs to what is measured.
    for one in json_stream.load(response.iter_bytes()):
        yield json_stream.to_standard_types(one)


def whole(response: Any) -> Iterator[Any]:
    """All of it is loaded, then parsed: no item before the last byte."""
    yield from json.loads(response.read())


LINES = sync("httpx iter_lines, json.loads", "record", httpx_of(loads), quick=True)
LINES_STRUCT = sync("httpx iter_lines, msgspec", "typed", httpx_of(structs))
LINES_MODEL = sync(
    "httpx iter_lines, model_validate_json", "typed", httpx_of(validated), needs=("pydantic",)
)
CELLS = sync("httpx iter_lines, csv.reader", "cells", httpx_of(cells), quick=True)
ROWS = sync("httpx iter_lines, csv.DictReader", "row", httpx_of(rows))
IJSON = sync("ijson", "record", httpx_of(with_ijson), needs=("ijson",), quick=True)
JSON_STREAM = sync("json-stream", "record", httpx_of(with_json_stream), needs=("json_stream",))
WHOLE = sync("httpx read, json.loads", "record", httpx_of(whole), quick=True)
BYTES = sync("httpx iter_raw", "bytes", httpx_of(lambda response: response.iter_raw()), quick=True)
