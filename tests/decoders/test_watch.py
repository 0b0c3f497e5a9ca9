from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from streamable_http._decoders.engine import Batch, Context, Position, Spec
from streamable_http._decoders.records import NDJSON
from streamable_http._decoders.sse import SSE, ServerSentEvent, SSEData, SSEText
from streamable_http._decoders.text import Lines, Raw
from streamable_http._decoders.watch import check_watch, watch
from streamable_http._errors import ConfigurationError, StreamFailed
from streamable_http._values import Failure, Terminal


class Marks:
    def position(self, index: int, /) -> Position:
        return Position(offset=10 * (index + 1))

    def digest(self, index: int, /) -> bytes | None:
        return None


def passed(items: list[Any], **context: Any) -> Batch[Any]:
    watched = watch(Context(**context))
    assert watched is not None
    return watched(Batch(items, Marks(), Position(offset=99), size=3))


@pytest.mark.parametrize(
    "context",
    [{}, {"terminal": "x"}, {"terminal": Terminal("x"), "failure": Failure(event="x")}],
)
def test_what_is_the_decoders_own_business_is_not_watched(context: dict[str, Any]) -> None:
    assert watch(Context(**context)) is None


def test_a_batch_that_says_nothing_passes() -> None:
    batch = passed([1, 2], terminal=lambda item: item == 3, failure=lambda item: item == 4)
    assert (batch.items, batch.end, batch.error, batch.ended) == (
        [1, 2], Position(offset=99), None, False,
    )  # fmt: skip


def test_a_terminal_is_delivered_and_ends() -> None:
    batch = passed([1, 2, 3], terminal=lambda item: item == 2)
    assert (batch.items, batch.ended, batch.error) == ([1, 2], True, None)
    assert (batch.end, batch.size) == (Position(offset=20), 3)


def test_a_failure_comes_after_the_items_before_it() -> None:
    batch = passed([1, 2, 3], failure=lambda item: item == 2)
    assert (batch.items, batch.ended, batch.end) == ([1], False, Position(offset=10))
    assert isinstance(batch.error, StreamFailed)
    assert batch.error.item == 2
    assert str(batch.error) == "the server reported a failure: 2"
    assert passed([2], failure=lambda item: item == 2).end is None


def test_a_failure_beats_a_terminal_on_the_same_item() -> None:
    batch = passed([1], failure=lambda item: True, terminal=lambda item: True)
    assert (batch.items, batch.ended) == ([], False)


def test_an_exception_of_the_predicate_is_not_wrapped() -> None:
    def fail(item: int) -> bool:
        return bool(1 // (item - 2)) and False

    for context in ({"terminal": fail}, {"failure": fail}):
        batch = passed([1, 2, 3], **context)
        assert (batch.items, batch.end) == ([1], Position(offset=10))
        assert isinstance(batch.error, ZeroDivisionError)


def test_the_error_of_the_batch_stays_behind_its_items() -> None:
    error = ValueError()
    watched = watch(Context(terminal=lambda item: False))
    assert watched is not None
    assert watched(Batch([1], error=error)).error is error


class Answer(msgspec.Struct):
    error: str | None = None


@pytest.mark.parametrize(
    ("item", "fails"),
    [
        ({"error": "x"}, True), ({"error": {}}, True), ({"error": False}, True),
        ({"error": None}, False),
        ({"a": 1}, False), ([1], False), (None, False), (1, False), (Answer("x"), True),
        (Answer(), False), (SimpleNamespace(error=0), True),
        ('{"error": 1}', True), ('{"error": null}', False), ('{"a": "error"}', False),
        ('{"\\u0065rror": 1}', True), ('"error"', False), ('{bad "error"', False), ("error", False),
        ("[" * 100_000 + '"error"', False),
        (ServerSentEvent("error", '{"error": 1}'), True), (ServerSentEvent("error", "{}"), False),
    ],
)  # fmt: skip
def test_a_path_of_one_key(item: Any, fails: bool) -> None:
    assert (passed([item], failure=Failure(path="error")).error is not None) == fails


def test_a_path_of_several_keys() -> None:
    failure = Failure(path="a.b")
    failing: list[Any] = [{"a": {"b": 0}}, {"a": SimpleNamespace(b=1)}, '{"a": {"b": 1}}']
    fine: list[Any] = [{"a": {}}, {"a": None}, {"b": 1}, '{"a": 1, "b": 2}', {"a.b": 1}]
    for item in failing:
        assert passed([item], failure=failure).error is not None
    for item in fine:
        assert passed([item], failure=failure).error is None


@pytest.mark.parametrize(
    ("spec", "context", "message"),
    [
        (Raw(), {"terminal": "END"}, r"Raw\(\) has not: pass a predicate"),
        (None, {"terminal": "END"}, r"terminal='END' .* a decoder of your own has not"),
        (NDJSON(), {"terminal": Terminal("x")}, r"NDJSON\(\) has no events: pass decoder=SSE\(\)"),
        (None, {"terminal": Terminal("x")}, "a decoder of your own has no events"),
        (Lines(), {"failure": Failure(event="x")}, r"Lines\(\) has no events.*failure=lambda"),
        (Raw(), {"failure": Failure(path="x")}, r"Raw\(\) gives bytes"),
        (SSE(), {"terminal": 5}, "terminal=5 ends no stream"),
        (SSE(), {"failure": "error"}, "failure='error' reports no failure"),
    ],
)
def test_what_would_never_be_met_is_refused(
    spec: Spec[Any] | None, context: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        check_watch(spec, Context(**context))


@pytest.mark.parametrize(
    ("spec", "context"),
    [
        (Raw(), {"terminal": bool, "failure": bool}), (None, {"terminal": bool, "failure": bool}),
        (None, {"failure": Failure(path="x")}), (Lines(), {"terminal": "x"}),
        (NDJSON(), {"terminal": "x", "failure": Failure(path="x")}), (None, {}), (Raw(), {}),
        (SSE(), {"terminal": Terminal("x"), "failure": Failure(event="x")}),
        (SSEText(), {"terminal": Terminal("x")}), (SSEData(), {"failure": Failure(event="x")}),
    ],
)  # fmt: skip
def test_what_can_be_met_is_accepted(spec: Spec[Any] | None, context: dict[str, Any]) -> None:
    check_watch(spec, Context(**context))
