"""Goes on at a byte, by range requests (RFC 9110, section 14), and never on a guess.

Bytes of two representations are never spliced: a strong validator goes with each request, and each
answer is checked against what was asked for.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from .._decoders.engine import Position
from .._effects import Patch, Target
from .._errors import ResumeError, StreamTruncated
from .._redirects import DEFAULT_PORTS
from .._resume import BYTE_RANGE
from .._values import ResponseInfo
from .way import Plan, Way

__all__ = ["ByBytes", "offers_ranges", "place_of"]

# 18 digits are an exabyte; a number of thousands of them is one that `int` refuses to read.
# Units are of any case (RFC 9110, section 14.1).
_CONTENT_RANGE = re.compile(r"(?i:bytes) ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_UNSATISFIED = re.compile(r"(?i:bytes) \*/([0-9]{1,18})")


def offers_ranges(head: ResponseInfo) -> bool:
    """Whether the server says that the body can be had in parts, and proves each to be of it."""
    units = head.headers.get("accept-ranges", "").lower().split(",")
    return "bytes" in [unit.strip() for unit in units] and bool(_validator(head))


def _validator(head: ResponseInfo) -> str:
    """The strong ETag of bytes that come as they are, or ""."""
    coding = head.headers.get("content-encoding", "").strip().lower()
    etag = head.headers.get("etag", "").strip()
    strong = len(etag) >= 2 and etag[0] == etag[-1] == '"'
    return etag if strong and coding in {"", "identity"} else ""


def place_of(head: ResponseInfo) -> str:
    """Which resource a body is of: the origin and the path that answered, after redirects.

    An ETag is unique among the versions of one resource only (RFC 9110, section 8.8.1): that of
    another one may be equal, and its bytes may not. The query is left out, though another query
    may mean another resource: a redirect to a signed URL brings another signature each time.
    """
    url = urlsplit(head.url)
    port = "" if url.port in {None, DEFAULT_PORTS.get(url.scheme)} else f":{url.port}"
    return f"{url.scheme}://{url.hostname}{port}{url.path}"


class ByBytes(Way):
    """Goes on at the exact byte with the same decoder, in the midst of an item too."""

    same_engine = True

    def __init__(self, start: Position) -> None:
        self.etag = start.etag
        self._start = start.offset
        self._at = start.offset
        self._place = ""  # of a cursor it is not known
        self._whole: int | None = None
        self._partial = False
        self._until: int | None = None
        self._concluded = False

    def plan(self, target: Target, position: Position, *, begun: bool) -> Plan | None:
        self._at = at = self._at if begun else self._start
        if not at:
            return None
        headers = (
            ("range", f"bytes={at}-".encode()),
            ("if-range", self.etag.encode("latin-1")),
            ("accept-encoding", b"identity"),
        )
        return Plan(target, Patch(headers=headers), f"byte {at}", partial=True)

    def connected(self, head: ResponseInfo, position: Position, plan: Plan | None) -> None:
        self._partial, self._until = plan is not None, None
        if plan is None:
            self.etag, self._at, self._whole = _validator(head), 0, head.content_length
            self._place = place_of(head)
        else:
            self._check(head)

    def _check(self, head: ResponseInfo) -> None:
        if head.status_code != 206:
            raise _refused(
                f"the server answered {head.status_code} with a whole body, so it has changed or "
                f"comes in no parts"
            )
        match = _CONTENT_RANGE.fullmatch(head.headers.get("content-range", "").strip())
        if match is None:
            raise _refused("the answer does not say which bytes it holds (Content-Range)")
        first, last = int(match[1]), int(match[2])
        whole = None if match[3] == "*" else int(match[3])
        if first != self._at:
            raise _refused(f"bytes from {self._at} on were asked for, and those from {first} came")
        if last < first or (whole is not None and last >= whole):
            raise _refused(f"the Content-Range {match[0]!r} contradicts itself")
        if None not in (whole, self._whole) and whole != self._whole:
            raise _refused(f"the body had {self._whole:,} bytes, and now it has {whole:,}")
        if head.content_length not in (None, last - first + 1):
            raise _refused("its Content-Length and its Content-Range disagree")
        if _validator(head) != self.etag:
            raise _refused(f"the ETag {self.etag} is gone: the body may have changed")
        if not self._is_same_place(head):
            raise _refused(
                f"its first bytes came from {self._place}, and a redirect led to {place_of(head)}"
            )
        self._place = place_of(head)
        self._whole = whole if self._whole is None else self._whole
        self._until = last + 1

    def received(self, count: int) -> None:
        self._at += count
        if self._until is not None and self._at > self._until:
            raise _refused("more bytes came than its Content-Range told")

    def finish(self) -> bool:
        if not self._partial:
            return False
        # A part may hold less than was asked for (RFC 9110, section 15.3.7), so HTTP's framing
        # ends the part and says nothing of the body. Where nobody knows its length, only the
        # answer to the next range can: that there is nothing left.
        if self._whole is None or self._at < self._whole:
            whole = "an unknown number" if self._whole is None else f"{self._whole:,}"
            raise StreamTruncated(
                f"the server sent the bytes up to {self._at:,} of {whole} and no more"
            )
        return True

    def concluded(self) -> None:
        self._concluded = True

    def nothing_left(self, head: ResponseInfo) -> bool:
        match = _UNSATISFIED.fullmatch(head.headers.get("content-range", "").strip())
        if head.status_code != 416 or match is None:
            return False
        # It ends the body only where nothing that is known of the body speaks against it.
        ends_here = int(match[1]) == self._at and self._whole in {None, self._at}
        return ends_here and _validator(head) in {"", self.etag} and self._is_same_place(head)

    def _is_same_place(self, head: ResponseInfo) -> bool:
        return self._place in {"", place_of(head)}

    def refusal(self, position: Position, *, live: bool) -> str:
        if self._concluded:
            return "your own decoder was told that the body had ended"
        return "" if self.etag else "the response has no strong ETag to know the same bytes by"


def _refused(why: str) -> ResumeError:
    return ResumeError(f"the stream cannot go on at a byte ({BYTE_RANGE}): {why}")
