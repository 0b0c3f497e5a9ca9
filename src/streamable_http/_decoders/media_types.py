"""What a Content-Type says (RFC 9110, section 8.3; WHATWG Fetch, "extract a MIME type")."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["ContentType", "is_media_type", "parse_content_type"]

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*+"?'
_media_type = re.compile(rf"({_NAME}/{_NAME})[ \t]*+(?:;|$)")
_parameter = re.compile(rf";[ \t]*+({_NAME})=({_QUOTED}|[^;]*+)", re.DOTALL)
_piece = re.compile(rf"(?:{_QUOTED}|[^,\"])++", re.DOTALL)


class ContentType(NamedTuple):
    """The value of a Content-Type header."""

    media_type: str = ""
    """In lower case, without parameters; "" if there is none."""
    parameters: Mapping[str, str] = MappingProxyType({})
    """By name in lower case, the values as the server wrote them, without quotes."""

    @property
    def charset(self) -> str:
        """As the server wrote it; "" if there is none."""
        return self.parameters.get("charset", "")


def parse_content_type(value: str) -> ContentType:
    """Reads the header; of several types joined by commas the last one counts, as in browsers."""
    found = ContentType()
    for piece in _piece.findall(value):
        text = piece.strip()
        match = _media_type.match(text)
        if match is None or match[1] == "*/*":
            continue
        media_type = match[1].lower()
        parameters = _parameters(text[match.end(1) :])
        if media_type == found.media_type and found.charset:
            parameters.setdefault("charset", found.charset)
        found = ContentType(media_type, parameters)
    return found


def is_media_type(value: object) -> bool:
    """Whether `value` is one media type in lower case without parameters."""
    if not isinstance(value, str):
        return False
    return re.fullmatch(f"{_NAME}/{_NAME}", value) is not None and value == value.lower()


def _parameters(text: str) -> dict[str, str]:
    """The parameters; of several with one name the first counts (WHATWG MIME Sniffing, 4.4)."""
    found: dict[str, str] = {}
    for name, given in _parameter.findall(text):
        value = str(given.strip())
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value.removeprefix('"').removesuffix('"'))
        found.setdefault(name.lower(), value)
    return found
