"""The grammar of JSON (RFC 8259) as patterns of bytes, strict and possessive."""

from __future__ import annotations

__all__ = ["ESCAPE", "SCALAR", "container"]

ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
SCALAR = rb"(?:-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][-+]?+[0-9]++)?+|true|false|null)"

_BLANK = rb"[ \t\r\n]*+"
# RFC 3629, section 4: no overlong forms, no surrogates, nothing beyond U+10FFFF.
_UTF8 = (
    rb"[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|"
    rb"\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|"
    rb"\xf4[\x80-\x8f][\x80-\xbf]{2}"
)
_STRING = rb'"(?:[ !#-\[\]-\x7f]++|' + ESCAPE + b"|" + _UTF8 + rb')*+"'


def container(levels: int) -> bytes:
    """A pattern of an object or array that holds no more than `levels` levels of others."""
    inner = b"|" + container(levels - 1) if levels else b""
    value = b"(?:" + _STRING + b"|" + SCALAR + inner + b")" + _BLANK
    member = _STRING + _BLANK + b":" + _BLANK + value
    return b"(?:" + _listed(rb"\{", member, rb"\}") + b"|" + _listed(rb"\[", value, rb"\]") + b")"


def _listed(start: bytes, part: bytes, end: bytes) -> bytes:
    # Behind each part its comma, if it is not the last: so the part, which may be large, is
    # written once.
    comma = b"(?:," + _BLANK + b"(?!" + end + b")|(?=" + end + b"))"
    return start + _BLANK + b"(?:" + part + comma + b")*+" + end
