"""What a refused upstream becomes, and what of the client's request it is asked with."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

import streamable_http as shttp
from streamable_http.starlette import last_event_id, refusal


def asked(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "headers": headers})


def test_the_last_event_id_is_utf_8() -> None:
    assert last_event_id(asked()) is None
    assert last_event_id(asked((b"last-event-id", b""))) is None
    assert last_event_id(asked((b"last-event-id", "é7".encode()))) == "é7"
    with pytest.raises(HTTPException) as caught:
        last_event_id(asked((b"last-event-id", b"\xff")))
    assert caught.value.status_code == 400


def status_errors(*statuses: int) -> Iterable[shttp.StreamError]:
    return [shttp.StatusError("", status_code=status) for status in statuses]


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        (status_errors(400), 400),
        (status_errors(404), 404),
        (status_errors(499), 499),
        (status_errors(503), 503),
        (status_errors(301, 401, 407, 500, 502, 505, 0), 502),
        ([shttp.ConnectError(""), shttp.StreamTruncated(""), shttp.ResumeError("")], 502),
        ([shttp.ContentTypeError(""), shttp.RedirectError(""), shttp.DecodeError("")], 502),
        ([*status_errors(504), shttp.TimeoutExceeded("", kind="connect")], 504),
        ([shttp.RetriesExhausted("", last_error=shttp.TimeoutExceeded(""))], 504),
        ([shttp.RetriesExhausted("")], 502),
    ],
)
def test_what_a_refusal_becomes(errors: Iterable[shttp.StreamError], status: int) -> None:
    for error in errors:
        assert refusal(error).status_code == status


def test_a_wait_that_was_asked_for_is_passed_on() -> None:
    error = shttp.StatusError("", status_code=429, retry_after=1.5)

    assert refusal(error).headers == {"Retry-After": "2"}


def test_a_missing_starlette_is_named(tmp_path: Path) -> None:
    hide = "import sys; sys.modules['starlette'] = None; import streamable_http.starlette"
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert "pip install 'streamable-http[starlette]'" in done.stderr
