"""Errors and values cross process borders with all their evidence."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import streamable_http as shttp
from streamable_http import _errors, _values

STATS = shttp.StreamStats(items=3, bytes=40, connects=2, ended="framing")
CURSOR = shttp.Cursor(kind="last-event-id", value="7", behind=("ab",), count=3, request="GET x")
RESPONSE = shttp.ResponseInfo(503, shttp.Headers([("A", "1"), ("a", "2")]), "http://host/")
LOST = shttp.ConnectionLost("cut")

ERRORS: list[shttp.StreamError] = [
    shttp.StreamError("m"),
    shttp.ConfigurationError("m"),
    shttp.StreamClosed("m"),
    shttp.ConnectError("m"),
    shttp.TimeoutExceeded("m", kind="idle", seconds=3.0),
    shttp.StatusError(
        "m", status_code=503, headers=RESPONSE.headers, body=b'{"a": 1}', retry_after=2.0
    ),
    shttp.ContentTypeError("m", content_type="text/html", body=b"<p>"),
    shttp.RedirectError("m", location="/x"),
    shttp.StreamTruncated("m"),
    LOST,
    shttp.DecodeError("m", index=4, offset=99, excerpt=b"{"),
    shttp.LimitExceeded("m", limit="max_items", setting=2, seen=3),
    shttp.StreamFailed("m", item={"error": "x"}),
    shttp.StreamsFailed("m", failures={"a": LOST}),
    shttp.ResumeError("m"),
    shttp.RetriesExhausted("m", last_error=LOST, tries=3),
]

VALUES: list[Any] = [
    shttp.Timeouts(idle=3),
    shttp.Limits(max_items=3),
    shttp.Terminal("stop"),
    shttp.Failure(path="error"),
    RESPONSE,
    RESPONSE.headers,
    CURSOR,
    STATS,
    shttp.Progress(items=1, bytes=2, elapsed=3),
    shttp.Summary(items=1, stats=STATS, cursor=CURSOR),
    shttp.Succeeded(items=[1], stats=STATS),
    shttp.Connecting(request="GET x", attempt=1, resume="7"),
    shttp.Connected(request="GET x", response=RESPONSE),
    shttp.Gap(request="GET x", count=1),
    shttp.Ended(request="GET x", proof="closed", stats=STATS),
    shttp.ServerSentEvent("a", "b", "c", 5),
    shttp.SSE(comments=True),
    shttp.SSEText(),
    shttp.SSEData(int),
    shttp.NDJSON(dict[str, int]),
    shttp.JSONSeq(dict[str, int]),
    shttp.JSONArray(int, ("data", "items")),
    shttp.CSV(dict[str, str], rename={"a": "b"}),
    shttp.Multipart("b"),
    shttp.Part(shttp.Headers([("a", "b")]), b"c"),
    shttp.LengthPrefixed(2),
    shttp.Lines(),
    shttp.Raw(),
    shttp.LastEventID(),
    shttp.NoResume(),
]


def test_no_error_and_no_event_is_left_out() -> None:
    def names(objects: list[Any]) -> set[str]:
        return {type(each).__name__ for each in objects}

    assert names(ERRORS) == set(_errors.__all__)
    tested = names(VALUES) | {"Failed", "Retrying", "StreamEvent", "Outcome", "Proof"}
    assert set(_values.__all__) <= tested


def facts(error: Any) -> Any:
    if not isinstance(error, shttp.StreamError):
        return error
    evidence = {name: facts(value) for name, value in vars(error).items()}
    if isinstance(error, shttp.StreamsFailed):
        evidence["failures"] = {key: facts(each) for key, each in error.failures.items()}
    return type(error), str(error), evidence


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_keeps_its_evidence(error: shttp.StreamError, protocol: int) -> None:
    again = copy.copy(error)
    again.stats, again.cursor, again.response = STATS, CURSOR, RESPONSE
    again.request, again.items = "GET http://host/", [1, 2]
    for twin in (pickle.loads(pickle.dumps(again, protocol)), copy.deepcopy(again)):
        assert facts(twin) == facts(again)
        assert (twin.stats, twin.items, twin.response) == (STATS, [1, 2], RESPONSE)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_survives(value: Any) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value


def test_what_holds_an_error_survives() -> None:
    failed: Any = shttp.Failed(error=LOST, items=[1], stats=STATS, key="a")
    retrying: Any = shttp.Retrying(request="GET x", error=LOST, delay=1.0, tries=2)
    for value in (failed, retrying):
        twin = pickle.loads(pickle.dumps(value))
        assert facts(twin.error) == facts(LOST)
        assert repr(twin) == repr(value)


def test_a_retry_policy_survives() -> None:
    twin = pickle.loads(pickle.dumps(shttp.RetryPolicy(stop=3)))
    assert (twin.stop.max_attempt_number, twin.max_delay) == (3, 30)


def test_the_body_of_a_status_error_as_json() -> None:
    assert shttp.StatusError("m", body=b'{"a": 1}').json() == {"a": 1}
    with pytest.raises(ValueError, match="Expecting value"):
        shttp.StatusError("m", body=b"<p>").json()
