"""What `merge`, `gather` and `batch_stream` are given instead of sources."""

from __future__ import annotations

from typing import Any

import pytest
from input_kit import ASYNC, SYNC, URL, Face, refused

import streamable_http as shttp


@pytest.fixture(params=[SYNC, ASYNC], ids=["sync", "async"])
def face(request: pytest.FixtureRequest) -> Face:
    found: Face = request.param
    return found


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        (
            shttp.Request("GET", URL),
            (
                f"requests=Request('GET', '{URL}', key='{URL}') are not several: pass a list of "
                f"Request(method, url)"
            ),
        ),
        (7, "requests=7 are not several: pass a list of Request(method, url)"),
        ([f"{URL}?token=secret"], f"'{URL}' is no source: pass Request(method, url)"),
        (
            [shttp.Request("GET", URL, key=[1])],
            "Request(key=[1]) is no key of a mapping: pass text, or another hashable value",
        ),
    ],
    ids=["one request", "a number", "a URL", "a key that is a list"],
)
def test_sources(face: Face, requests: Any, message: str) -> None:
    assert refused(lambda: face.make().merge(requests)) == message
    assert refused(lambda: face.make().gather(requests)) == message


def test_a_source_that_is_added(face: Face) -> None:
    merged = face.make().merge([])
    assert refused(lambda: merged.add(URL)) == f"'{URL}' is no source: pass Request(method, url)"


def test_parameters_that_would_be_ignored(face: Face) -> None:
    service = face.service("http://127.0.0.1:9")
    own = {"users": {"limit": 1}}
    assert refused(lambda: service.batch_stream(own, {"limit": 2})) == (
        "data={'limit': 2} would be ignored, since endpoints= has parameters for each name: leave "
        "one of them out"
    )


def test_an_endpoint_named_twice(face: Face) -> None:
    service = face.service("http://127.0.0.1:9")
    assert refused(lambda: service.batch_stream(["logs", "users", "logs"])) == (
        "endpoints= holds 'logs' twice, and answers are by name: pass it once"
    )
