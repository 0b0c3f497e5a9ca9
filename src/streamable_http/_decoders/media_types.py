"""What a Content-Type says (RFC 9110, section 8.3; WHATWG Fetch, "extract a MIME type")."""

from __future__ import annotations

import re
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
    charset: str = ""
    """As the server wrote it; "" if there is none."""


def parse_content_type(value: str) -> ContentType:
    """Reads the header; of several types joined by commas the last one counts, as in browsers."""
    found = ContentType()
    for piece in _piece.findall(value):
        text = piece.strip()
        match = _media_type.match(text)
        if match is None or match[1] == "*/*":
            continue
        media_type = match[1].lower()
        charset = found.charset if media_type == found.media_type else ""
        found = ContentType(media_type, _charset(text[match.end(1) :]) or charset)
    return found


def is_media_type(value: object) -> bool:
    """Whether `value` is one media type in lower case without parameters."""
    if not isinstance(value, str):
        return False
    return re.fullmatch(f"{_NAME}/{_NAME}", value) is not None and value == value.lower()


def _charset(parameters: str) -> str:
    for name, value in _parameter.findall(parameters):
        if name.lower() == "charset":
            if value.startswith('"'):
                return re.sub(r"\\(.)", r"\1", value.strip().removeprefix('"').removesuffix('"'))
            return str(value.strip())
    return ""
