"""What the commands that open a stream have in common: the request, as the arguments tell it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from streamable_http import ConfigurationError

__all__ = ["Target", "shown_url"]


@frozen
class Target:
    """A request to send.

    Attributes:
        method: Its method.
        url: Where to.
        headers: Names and values.
        body: Its body, to be sent as JSON, or None.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: Any = None

    @classmethod
    def of(
        cls, url: str, *, method: str | None, body: str | None, headers: Sequence[str]
    ) -> Target:
        """The request that the arguments ask for.

        Raises:
            ConfigurationError: An argument is wrong; it is named.
        """
        default = "GET" if body is None else "POST"
        parsed = None if body is None else _parsed(body)
        pairs = tuple(_split(header) for header in headers)
        return cls((method or default).upper(), url, pairs, parsed)


def shown_url(url: str) -> str:
    """A URL for people: no credentials, no query. One that cannot be read is not shown."""
    try:
        parts = urlsplit(url)
        return parts._replace(
            netloc=parts.netloc.rpartition("@")[2], query="", fragment=""
        ).geturl()
    except ValueError:
        return ""


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as exc:
        raise ConfigurationError(f"the body {body[:80]!r} is not JSON: {exc}") from exc


def _split(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise ConfigurationError(f"--header {header!r} is not one: pass 'Name: value'")
    return name.strip(), value.strip()
