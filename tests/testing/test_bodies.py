"""Bodies that a script can play again and again, or cannot; and the same end on every way."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from streamable_http import ConfigurationError
from streamable_http.testing import (
    Chunk,
    Cut,
    RecordedRequest,
    Response,
    Script,
    ScriptedServer,
    ScriptedTransport,
    Stall,
    Step,
    Wire,
    events,
    gzipped,
    truncated,
)

URL = "http://script.test/"


class Lazy:
    """Steps without a length, made anew each time."""

    def __iter__(self) -> Iterator[Step]:
        yield from (b"a", b"b")


def generated() -> Any:
    return (b"%d\n" % number for number in range(3))


def fetched(script: Any, way: str, times: int = 1) -> list[httpx.Response]:
    if way == "transport":
        with httpx.Client(transport=ScriptedTransport(script)) as client:
            return [client.get(URL) for _ in range(times)]
    with ScriptedServer(script) as server, httpx.Client(trust_env=False, timeout=5) as client:
        return [client.get(server.url) for _ in range(times)]


# Played again ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: Script(Response(body=generated())),
        lambda: Script(Response(body=[b"a", [generated()]])),
        lambda: Script(Response(body=itertools.repeat(generated()))),
        lambda: Script(Response(body=itertools.cycle([b"a"]))),
        lambda: ScriptedTransport(Response(body=generated())),
        lambda: ScriptedServer({"/": Wire(generated())}),
        lambda: ScriptedServer().serve("/", events("a", then=generated())),
    ],
)
def test_a_script_takes_no_steps_that_can_be_played_once(make: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"only once.* as a list, or .* a function"):
        make()


@pytest.mark.parametrize("way", ["transport", "server"])
def test_a_function_may_answer_with_them(way: str) -> None:
    def answer(request: RecordedRequest) -> Response:
        return Response(body=generated())

    assert [one.text for one in fetched(answer, way, 2)] == ["0\n1\n2\n"] * 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (itertools.repeat(b"ab", 3), "ababab"),
        (itertools.repeat([b"a", Chunk(b"b")], 2), "abab"),
        ([b"x", itertools.repeat(b"y", 2)], "xyy"),
        (itertools.repeat(b"a", 0), ""),
        (Lazy(), "ab"),
        ({b"a": 0}.keys(), "a"),
    ],
)
def test_what_can_be_played_again_is_whole_each_time(body: Any, text: str) -> None:
    response = Response(body=body)
    assert [one.text for one in fetched(response, "transport", 2)] == [text] * 2


# Bodies without a length -----------------------------------------------------------------------


@pytest.mark.parametrize("body", [itertools.repeat(b"x"), [b"a", [Lazy()]], generated()])
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda body: Response(body=body, framing="length"), "choose another framing"),
        (lambda body: Response(before=body), "pass a list"),
        (lambda body: truncated(Response(body=body), 100), r"truncated\(…\) needs the whole"),
        (lambda body: gzipped(Response(body=body)), r"gzipped\(…\) needs the whole body"),
    ],
)
def test_what_has_to_be_counted_has_a_length(body: Any, make: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        make(body)


@pytest.mark.parametrize("wrong", [itertools.repeat("text"), [itertools.repeat([b"a", 5])]])
def test_what_is_repeated_is_checked(wrong: Any) -> None:
    with pytest.raises(ConfigurationError, match="is no step of a script"):
        Response(body=wrong)


# The same on every way -------------------------------------------------------------------------

WAYS = pytest.mark.parametrize("way", ["transport", "server"])


@WAYS
@pytest.mark.parametrize("end", [Cut(), Stall()], ids=repr)
@pytest.mark.parametrize("body", [[], [b""], [b"ab", b"c"]], ids=repr)
def test_what_is_behind_the_last_byte_of_a_length_ends_nothing(
    way: str, body: list[Step], end: Step
) -> None:
    response = Response(framing="length", body=[*body, end])
    (one,) = fetched(response, way)
    assert one.content == b"".join(step for step in body if isinstance(step, bytes))


@WAYS
def test_what_is_before_it_does(way: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        fetched(Response(framing="length", body=[b"ab", Cut(), b"c"]), way)


@WAYS
def test_headers_are_sent_as_latin_1(way: str) -> None:
    (one,) = fetched(Response(headers={"x": "é"}, framing="length"), way)
    assert [value for name, value in one.headers.raw if name == b"x"] == [b"\xe9"]
    with pytest.raises(ConfigurationError, match=r"headers\['x'\] is sent as Latin-1"):
        Response(headers={"x": "€"})
