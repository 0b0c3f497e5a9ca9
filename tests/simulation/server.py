"""The server: it knows the truth, and tells it in its own manner."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from attrs import evolve, field, frozen

from .truth import MEDIA_TYPES, Resource

__all__ = ["HONEST", "MANNERS", "Answer", "ModelServer"]

ETAG = '"v1"'
_OTHER = bytes.maketrans(b"0123456789", b"8888888888")
"""What a later version of a body has in place of an earlier one's digits."""

MANNERS: Mapping[str, tuple[str, ...]] = {
    "last-event-id": (
        "honest",
        "remembers",
        "ignores",
        "rewinds",
        "inclusive",
        "gone",
        "missing",
        "empty",
    ),
    "range": (
        "honest",
        "piecemeal",
        "ignores",
        "changed",
        "other-etag",
        "no-etag",
        "wrong-start",
        "wrong-size",
        "no-content-range",
        "unsatisfiable",
        "multipart",
        "coded",
        "over-long",
        "weak",
        "unmarked",
    ),
    "item": ("honest", "inclusive", "ignores", "gone", "gone-inside", "missing"),
    "none": ("honest",),
}
"""How servers answer a request to go on, by what they go on with."""

HONEST = frozenset({"honest", "remembers", "piecemeal"})
"""The manners with which every stream that has positions can be brought to its end.

`remembers`: items without an id are not sent again where the client has them. `piecemeal`: a range
is answered with a part of it.
"""


@frozen
class Answer:
    """A response as the server means it, before the network has its way.

    Attributes:
        first: The item that its body begins with.
        ends: Where which number of items is complete: pairs of bytes of the body and items.
    """

    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    first: int = 0
    ends: tuple[tuple[int, int], ...] = ()
    blocks: tuple[int, ...] = ()
    """Where a block may be put in: the offsets between two of them."""


@frozen
class ModelServer:
    """Serves one resource.

    Attributes:
        resource: What it serves.
        goes_on_with: "last-event-id", "range", "query", "body", "header" or "none".
        manner: One of `MANNERS`.
    """

    resource: Resource
    goes_on_with: str
    manner: str

    def answer(self, request: Any, reached: int) -> Answer:
        """The answer to a request (of httpx); the client has `reached` items completely."""
        if self.goes_on_with == "last-event-id":
            return self._after_event(request.headers.get("last-event-id"), reached)
        if self.goes_on_with == "range":
            return self._range(request.headers.get("range"), request.headers.get("if-range"))
        if self.goes_on_with == "none":
            return self._from(0)
        return self._after_item(self._asked(request))

    def _from(self, first: int) -> Answer:
        resource = self.resource
        ends = resource.ends(first)
        body = resource.body(first)
        whole = [
            (end, first + number)
            for number, end in enumerate(ends, 1)
            if resource.format in {"raw", "json-array", "frames"} or body[end - 1] in b"\r\n"
        ]
        blocks = [len(resource.opening), *(end for end, _ in whole)]
        return Answer(
            headers={"content-type": MEDIA_TYPES[resource.format]},
            body=body,
            first=first,
            ends=tuple(whole),
            blocks=() if resource.format == "raw" else tuple(blocks),
        )

    def _after_event(self, event_id: str | None, reached: int) -> Answer:
        if event_id is None:
            return self._from(0)
        if event_id not in self.resource.after:
            raise AssertionError(f"the client made up the id {event_id!r}")
        at = self.resource.after[event_id]
        match self.manner:
            case "remembers":
                while at < reached and self.resource.ids[at] is None:
                    at += 1
            case "ignores":
                at = 0
            case "rewinds":
                at = max(at - 2, 0)
            case "inclusive":
                at = max(at - 1, 0)
            case "gone":
                return Answer(410)
            case "missing":
                return Answer(404)
            case "empty":
                return Answer(204)
        return self._from(at)

    def _asked(self, request: Any) -> int | None:
        """The number of the item that the client wants to go on behind."""
        if self.goes_on_with == "query":
            value = request.url.params.get("since")
        elif self.goes_on_with == "header":
            value = request.headers.get("x-since")
        else:
            # A redirect may have made a GET of it.
            body = json.loads(request.content or '{"kept": 1}')
            if body.get("kept") != 1:
                raise AssertionError("the body lost what it held")
            value = body.get("since")
        return None if value is None else int(value)

    def _after_item(self, number: int | None) -> Answer:
        if number is None:
            return self._from(0)
        match self.manner:
            case "ignores":
                return self._from(0)
            case "inclusive":
                return self._from(number)
            case "gone":
                return Answer(410)
            case "missing":
                return Answer(404)
            case "gone-inside":
                answer = self._from(0)
                at = len(self.resource.opening) if self.resource.format == "json-array" else 0
                body = answer.body[:at] + self._gone() + answer.body[at:]
                return evolve(answer, body=body, ends=())
        return self._from(number + 1)

    def _gone(self) -> bytes:
        """How the stream itself says that it cannot go on there; the rest is of no account."""
        gone = b'{"gone":true}'
        if self.resource.is_events:
            return b"data: " + gone + b"\n\n"
        marks = {"json-array": (b"", b","), "json-seq": (b"\x1e", b"\n")}
        before, behind = marks.get(self.resource.format, (b"", b"\n"))
        return before + gone + behind

    def _range(self, asked: str | None, condition: str | None) -> Answer:
        whole = self._from(0)
        headers = {**whole.headers, "etag": ETAG, "accept-ranges": "bytes"}
        if self.manner == "weak":
            headers["etag"] = f"W/{ETAG}"
        elif self.manner == "unmarked":
            del headers["etag"]
        whole = evolve(whole, headers=headers)
        if asked is None:
            return whole
        if self.manner == "ignores" or (condition is not None and condition != ETAG):
            return whole
        if self.manner == "changed":
            return evolve(whole, headers={**headers, "etag": '"v2"'})
        size = len(whole.body)
        match = re.fullmatch(r"bytes=(\d+)-", asked)
        if match is None:
            raise AssertionError(f"the client asked for the range {asked!r}")
        start = int(match[1])
        if start >= size or self.manner == "unsatisfiable":
            return Answer(416, {"content-range": f"bytes */{size}"})
        return self._part(whole, start)

    def _part(self, whole: Answer, start: int) -> Answer:
        size = len(whole.body)
        stop = start + (size - start + 1) // 2 if self.manner == "piecemeal" else size
        headers = {**whole.headers, "content-range": f"bytes {start}-{stop - 1}/{size}"}
        match self.manner:
            case "other-etag":
                headers["etag"] = '"v2"'
                return Answer(206, headers, whole.body[start:].translate(_OTHER))
            case "no-etag":
                del headers["etag"]
                return Answer(206, headers, whole.body[start:].translate(_OTHER))
            case "wrong-start":
                headers["content-range"] = f"bytes {start - 1}-{size - 1}/{size}"
                return Answer(206, headers, whole.body[start - 1 :])
            case "wrong-size":
                headers["content-range"] = f"bytes {start}-{stop - 1}/{size + 7}"
            case "no-content-range":
                del headers["content-range"]
            case "multipart":
                headers["content-type"] = "multipart/byteranges; boundary=x"
                del headers["content-range"]
            case "coded":
                headers["content-encoding"] = "gzip"
            case "over-long":
                return evolve(whole, status=206, headers=headers)
        return Answer(
            206,
            headers,
            whole.body[start:stop],
            first=sum(end <= start for end, _ in whole.ends),
            ends=tuple((end - start, n) for end, n in whole.ends if start < end <= stop),
            blocks=(),
        )
