"""`LastEventID(by=…)`: a POST goes on with a GET; and tries with fresh credentials."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from playbook import CLOSE, LOST, OPEN, READ, A, B, asked, head, over, script, session

from streamable_http._effects import Sleep
from streamable_http._errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    ResumeError,
    StatusError,
    StreamError,
)
from streamable_http._resume import LastEventID, sends_again
from streamable_http._session import Session

POST: dict[str, Any] = {"method": "POST", "resendable": False, "replayable": False}
FAULT: list[Any] = [(READ, LOST), (CLOSE, None), (Sleep, None)]


def broken(by: Any, location: str = "", **changes: Any) -> Session[Any]:
    return script(
        session(resume=LastEventID(by=by), **{**POST, **changes}),
        (asked(method="POST"), head(location=location)),
        (READ, A),
        (["a"], None),
        *FAULT,
    )


def test_a_get_of_the_same_url_goes_on() -> None:
    s = broken("get")
    script(s, (asked(after="1", method="GET", body=False), head()), (READ, B), (["b"], None))
    script(s, *FAULT, (asked(after="2", method="GET", body=False), head()), (READ, b""))
    over(s)


@pytest.mark.parametrize("location", ["http://host/runs/7", "/runs/7", "runs/7"])
def test_a_get_of_the_location_goes_on(location: str) -> None:
    s = broken("location", location)
    there = asked(after="1", method="GET", url="http://host/runs/7", body=False)
    script(s, (there, head(url="http://host/runs/7", location="/elsewhere")), (READ, B))
    script(s, (["b"], None), (READ, LOST), (CLOSE, None), (Sleep, None))
    script(s, (asked(after="2", **_of(there)), head()), (READ, b""))
    over(s)


def _of(there: Any) -> dict[str, Any]:
    target = there[0]
    return {"method": target.method, "url": target.url, "body": target.body}


@pytest.mark.parametrize("location", ["", "http://other/runs/7", "https://host:1/", "//other/x"])
def test_a_location_that_is_missing_or_of_another_origin_is_refused(location: str) -> None:
    s = script(broken("location", location), (CLOSE, None))
    over(s, ResumeError, "no Location of its own origin")


@pytest.mark.parametrize(
    ("elsewhere", "location", "bare"),
    [
        ("http://other/feed", "/runs/7", True),
        ("http://other/feed", "http://other/runs/7", True),
        ("http://host:81/feed", "/runs/7", True),
        ("http://host/elsewhere", "/runs/7", False),
        ("https://host/feed", "/runs/7", False),  # the same server, over a safer channel
    ],
)
def test_nothing_of_the_callers_goes_to_where_a_redirect_led(
    elsewhere: str, location: str, bare: bool
) -> None:
    """The Location is of the origin that answered, which need not be the one that was asked."""
    s = session(resume=LastEventID(by="location"), **{**POST, "replayable": True})
    script(s, (asked(method="POST"), head(303, location=elsewhere)), (CLOSE, None))
    there = asked(method="GET", url=elsewhere, body=False, bare=not _is_of_the_host(elsewhere))
    script(s, (there, head(url=elsewhere, location=location)), (READ, A), (["a"], None), *FAULT)
    url = urljoin(elsewhere, location)
    script(s, (asked(after="1", method="GET", url=url, body=False, bare=bare), head(url=url)))
    over(script(s, (READ, b"")))


def _is_of_the_host(url: str) -> bool:
    return urlsplit(url).netloc == "host"


def test_what_moved_elsewhere_for_good_stays_bare() -> None:
    s = session(resume=LastEventID(by="location"))
    script(s, (OPEN, head(301, location="http://other/feed")), (CLOSE, None))
    script(s, (OPEN, head(url="http://other/feed", location="/runs/7")), (READ, A), (["a"], None))
    there = asked(after="1", url="http://other/runs/7", body=False, bare=True)
    over(script(s, *FAULT, (there, head()), (READ, b"")))


def test_the_location_of_an_earlier_run_is_not_guessed() -> None:
    from streamable_http._decoders.engine import Position

    s = session(resume=LastEventID(by="location"), start=Position("7"), **POST)
    over(script(s, (CLOSE, None)), ResumeError, "is not known")


@pytest.mark.parametrize("by", ["get", "location"])
def test_before_an_event_the_post_is_not_sent_again(by: Any) -> None:
    assert not sends_again(LastEventID(by=by))
    s = script(session(resume=LastEventID(by=by), **POST), (OPEN, LOST), (CLOSE, None))
    over(s, ConnectionLost)


def test_a_way_that_there_is_none_of() -> None:
    with pytest.raises(ConfigurationError, match=r"LastEventID\(by='put'\)"):
        LastEventID(by="put")  # type: ignore[arg-type]


# Fresh credentials ---------------------------------------------------------------------------


def refused(s: Session[Any], status: int = 401) -> Session[Any]:
    return script(s, (OPEN, head(status)), (type(READ), b""), (CLOSE, None))


def test_a_401_is_tried_once_more_with_headers_that_may_be_new() -> None:
    s = script(refused(session(refreshes=True)), (Sleep, None))
    over(refused(s), StatusError, "answered 401")


def test_a_401_is_final_where_nothing_can_change() -> None:
    over(refused(session()), StatusError, "answered 401")


def test_each_connection_may_need_a_new_token() -> None:
    s = script(session(refreshes=True), (OPEN, head()), (READ, A), (["a"], None), *FAULT)
    script(refused(s), (Sleep, None), (asked(after="1"), head()), (READ, B), (["b"], None), *FAULT)
    script(refused(s), (Sleep, None), (asked(after="2"), head()), (READ, b""))
    over(s)


def test_a_token_is_asked_for_once_though_other_faults_come_between() -> None:
    s = script(refused(session(refreshes=True)), (Sleep, None))
    faults: list[StreamError] = [ConnectError("refused")]
    for fault in faults:
        script(s, (OPEN, fault), (CLOSE, None), (Sleep, None))
    over(refused(s), StatusError)


def test_another_refusal_does_not_use_up_the_one_more_try() -> None:
    s = script(session(refreshes=True), (OPEN, ConnectError("refused")), (CLOSE, None))
    s = script(s, (Sleep, None))
    assert isinstance(script(refused(s)).effect, Sleep)
