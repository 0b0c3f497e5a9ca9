"""csv-spectrum: tables and the JSON of their rows, cut at every byte."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from decoder_harness import every_cut, tell_spec

from streamable_http._decoders.csv_table import CSV

_DATA = "node_modules/csv-spectrum"
# Its bytes and its JSON differ: both were damaged on the way into the package, each in its way.
_DAMAGED = {"location_coordinates"}


def _suite() -> dict[str, Path]:
    folder = Path(os.environ["STREAMABLE_HTTP_SUITES"]) / _DATA / "csvs"
    return {file.stem: file for file in sorted(folder.glob("*.csv"))}


SUITE = _suite()


def test_there_is_a_suite() -> None:
    assert len(SUITE) == 12
    assert SUITE.keys() > _DAMAGED


@pytest.mark.parametrize("name", sorted(SUITE.keys() - _DAMAGED))
def test_every_row(name: str) -> None:
    file = SUITE[name]
    rows = json.loads((file.parent.parent / "json" / f"{name}.json").read_bytes())
    whole, *others = (tell_spec(CSV(), pieces) for pieces in every_cut(file.read_bytes()))
    assert whole.items == rows
    assert whole.error is None
    assert all(other == whole for other in others)
