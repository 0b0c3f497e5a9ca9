"""Parts of a request that no HTTP client could send, or would send elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
from input_kit import ASYNC, SYNC, URL, Face, refused

AUTH = "pass (user, password), an httpx.Auth, a function of a request, or None"
A_URL = "pass one such as 'https://host/path', or set the client's base_url"


@pytest.mark.parametrize("face", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"auth": "secret"}, f"auth= of type str is no auth: {AUTH}"),
        ({"auth": ("user",)}, f"auth= of type tuple is no auth: {AUTH}"),
        ({"params": 5}, "params= of type int holds no names and values: pass a mapping"),
        ({"cookies": 5}, "cookies= of type int holds no names and values: pass a mapping"),
        (
            {"data": b"body"},
            (
                "data= of type bytes is no form: pass a mapping of fields, or content= for a body "
                "of text or bytes"
            ),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_parts_of_another_type(face: Face, options: dict[str, Any], message: str) -> None:
    assert refused(lambda: face.make().stream("POST", URL, **options)) == message
    if "data" not in options:
        assert refused(lambda: face.client(**options)) == message


@pytest.mark.parametrize("port", ["99999", "65536", "0", "x", "-1"])
def test_a_port_that_is_none(port: str) -> None:
    """The resolver takes 99999 for 34463, and would ask whoever is there."""
    url = f"http://host:{port}/feed"
    message = f"url='{url}' is not an http or https URL: {A_URL}"
    assert refused(lambda: SYNC.make().stream("GET", url)) == message
    assert refused(lambda: SYNC.make(base_url=url)) == (
        f"base_url='{url}' is not an http or https URL: pass one such as 'https://host/v1'"
    )
