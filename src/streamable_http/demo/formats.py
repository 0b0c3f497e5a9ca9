"""The forms a stream can be sent in, and the choice among them by `Accept`."""

from __future__ import annotations

import abc
import csv
import io
from collections.abc import Callable

import msgspec

from .records import Record

__all__ = ["FORMATS", "Format", "choose_format"]

_encode = msgspec.json.Encoder().encode


class Format(abc.ABC):
    """Turns records into the bytes of one media type."""

    media_type: str
    """What a request asks for, and the name in `GET /info/{endpoint}`."""
    content_type: str
    """The response's `Content-Type`."""
    heartbeat: bytes = b""
    """What says "still here" between two records; empty if the form has no way to."""
    tail: bytes = b""
    """What follows the last record of a complete stream."""
    has_ids: bool = False
    """Whether a record carries its number, so that `Last-Event-ID` can ask to go on after it."""

    def head(self, record: Record) -> bytes:
        """What comes before the first record; `record` shows the fields."""
        del record
        return b""

    @abc.abstractmethod
    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        """The records with these numbers."""

    def failure(self, error: Record) -> bytes | None:
        """How the stream itself reports a failure; None if the form has no way to."""
        del error
        return None


class _Events(Format):
    media_type = "text/event-stream"
    content_type = "text/event-stream"
    heartbeat = b": still here\n\n"
    tail = b"data: [DONE]\n\n"
    has_ids = True

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        return b"".join(
            b"id: %d\ndata: %b\n\n" % (number, _encode(record(number))) for number in numbers
        )

    def failure(self, error: Record) -> bytes:
        return b"event: error\ndata: %b\n\n" % _encode({"error": error})


class _Lines(Format):
    media_type = "application/x-ndjson"
    content_type = "application/x-ndjson"
    heartbeat = b"\n"

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        return b"".join(b"%b\n" % _encode(record(number)) for number in numbers)

    def failure(self, error: Record) -> bytes:
        return b"%b\n" % _encode({"error": error})


class _Table(Format):
    media_type = "text/csv"
    content_type = "text/csv; charset=utf-8; header=present"

    def head(self, record: Record) -> bytes:
        return self._write([list(record)])

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        return self._write([list(record(number).values()) for number in numbers])

    def _write(self, rows: list[list[object]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        return text.getvalue().encode()


class _Binary(Format):
    """Each record as JSON behind its length: four bytes, the most significant first."""

    media_type = "application/octet-stream"
    content_type = "application/octet-stream"

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        bodies = [_encode(record(number)) for number in numbers]
        return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


class _Sequence(Format):
    """Each record as JSON between an RS and an LF (RFC 7464)."""

    media_type = "application/json-seq"
    content_type = "application/json-seq"
    heartbeat = b"\n"

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        return b"".join(b"\x1e%b\n" % _encode(record(number)) for number in numbers)

    def failure(self, error: Record) -> bytes:
        return b"\x1e%b\n" % _encode({"error": error})


class _Array(Format):
    """All records in one JSON array."""

    media_type = "application/json"
    content_type = "application/json"
    heartbeat = b"\n"
    tail = b"]\n"

    def head(self, record: Record) -> bytes:
        return b"["

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        return b"".join(
            b"%b%b" % (b",\n" if number > 1 else b"", _encode(record(number))) for number in numbers
        )


class _Parts(Format):
    """Each record as JSON in a part of its own (RFC 2046, section 5.1.3)."""

    media_type = "multipart/mixed"
    content_type = "multipart/mixed; boundary=record"
    tail = b"--record--\r\n"

    def rows(self, numbers: range, record: Callable[[int], Record]) -> bytes:
        head = b"--record\r\nContent-Type: application/json\r\n\r\n"
        return b"".join(b"%b%b\r\n" % (head, _encode(record(number))) for number in numbers)


FORMATS: tuple[Format, ...] = (
    _Events(), _Lines(), _Table(), _Binary(), _Sequence(), _Array(), _Parts(),
)  # fmt: skip
"""All of them, the preferred one first."""


def choose_format(accept: str) -> Format | None:
    """The form that suits an `Accept` header best, or None (RFC 9110, section 12.5.1).

    Among equals the order of `FORMATS` decides, so no header at all means events.
    """
    wanted = [_weighted(entry) for entry in accept.split(",") if entry.strip()] or [("*/*", 1.0)]

    def quality(media_type: str) -> float:
        family = media_type.partition("/")[0] + "/*"
        for pattern in (media_type, family, "*/*"):
            weights = [weight for name, weight in wanted if name == pattern]
            if weights:
                return max(weights)
        return 0.0

    best = max(FORMATS, key=lambda form: quality(form.media_type))
    return best if quality(best.media_type) > 0 else None


def _weighted(entry: str) -> tuple[str, float]:
    name, _, rest = entry.partition(";")
    weight = 1.0
    for parameter in rest.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return name.strip().lower(), weight
