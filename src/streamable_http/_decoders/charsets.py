"""The charset of a response whose lines are found as bytes."""

from __future__ import annotations

import codecs
import contextlib
import functools

from .._errors import ConfigurationError, ContentTypeError
from .engine import Context
from .media_types import parse_content_type

__all__ = ["ascii_codec", "charset_of", "encoded_terminal", "is_cut", "stands_alone"]

# What a codec must leave as it is, for ASCII to be meant wherever its bytes are met: what would be
# an escape sequence to the codecs that have such, and all of ASCII.
_PLAIN = (
    rb"\u0041",
    b"+AGE-",
    b"~{VPND~}",
    b"xn--mnchen-3ya",
    b'\x1b$B$"\x1b(B',
    bytes(range(128)),
)


def ascii_codec(charset: str) -> str | None:
    """The name of Python's codec for `charset`; None if there is none that leaves ASCII as it is.

    Line ends, commas and quotes can be looked for in the bytes of those that do.
    """
    with contextlib.suppress(LookupError, ValueError):
        codec = codecs.lookup(charset).name
        if all(text.decode(codec) == text.decode("ascii") for text in _PLAIN):
            return "utf-8" if codec == "utf-8-sig" else codec
    return None


def charset_of(context: Context) -> str:
    """The codec for the charset of the Content-Type, UTF-8 without one.

    Raises:
        ContentTypeError: The charset is unknown, or has no plain line ends.
    """
    content_type = context.headers.get("content-type", "")
    charset = parse_content_type(content_type).charset or "utf-8"
    codec = ascii_codec(charset)
    if codec is None:
        raise ContentTypeError(
            f"the charset {charset!r} of the response is unknown, or has no plain line ends: "
            f"pass decoder=Raw() and decode the bytes yourself",
            content_type=content_type,
        )
    return codec


def encoded_terminal(context: Context, codec: str) -> bytes | None:
    """A `terminal=` that is text, as the bytes of its line; None if it is no text.

    Raises:
        ConfigurationError: The charset cannot write it.
    """
    terminal = context.terminal
    if not isinstance(terminal, str):
        return None
    try:
        return terminal.encode(codec)
    except UnicodeEncodeError as exc:
        raise ConfigurationError(
            f"terminal={terminal!r} cannot be written in {codec}, the charset of the response, so "
            f"it would never come: pass another, or a predicate"
        ) from exc


@functools.lru_cache(maxsize=64)
def stands_alone(character: str, codec: str) -> bool:
    """Whether the byte of an ASCII character always is that character, and no other byte is."""
    for first in range(128, 256):
        for text in (bytes([first]), bytes([first, ord(character)])):
            with contextlib.suppress(UnicodeDecodeError):
                if text.decode(codec).count(character) != len(text) - 1:
                    return False
    return True


def is_cut(data: bytes, codec: str) -> bool:
    """Whether `data` ends inside of a character."""
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        decoder.decode(data)
    except UnicodeDecodeError:
        return False
    return bool(decoder.getstate()[0])
