"""What there is to be delivered, and how each format writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from typing import Any, TypedDict

from attrs import frozen

import streamable_http as shttp

from .scenario import Scenario

__all__ = ["DECODERS", "MEDIA_TYPES", "Resource", "make_resource", "values_of"]


class Row(TypedDict, total=False):
    """A row of a table; which columns there are, its header says."""

    n: int
    p: int | None
    t: str | None


DECODERS: Mapping[str, Any] = {
    "sse": shttp.SSE(),
    "sse-text": shttp.SSEText(),
    "sse-data": shttp.SSEData(dict),
    "ndjson": shttp.NDJSON(dict),
    "json-seq": shttp.JSONSeq(dict),
    "json-array": shttp.JSONArray(dict, ("data", "items")),
    "csv": shttp.CSV(Row, empty=None),
    "multipart": shttp.Multipart(),
    "frames": shttp.LengthPrefixed(),
    "lines": shttp.Lines(),
    "raw": shttp.Raw(),
}
MEDIA_TYPES: Mapping[str, str] = {
    "sse": "text/event-stream",
    "sse-text": "text/event-stream",
    "sse-data": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json-seq": "application/json-seq",
    "json-array": "application/json",
    "csv": "text/csv; charset=utf-8; header=present",
    "multipart": "multipart/mixed; boundary=next",
    "frames": "application/octet-stream",
    "lines": "text/plain; charset=utf-8",
    "raw": "application/octet-stream",
}
DONE = "[DONE]"
BETWEEN_PARTS = b"\r\n--next"
_PADS = ("", "", "x", "[DONE", "é☃", "data: no", 'a"b', "y" * 40)


@frozen
class Resource:
    """A finite stream, and all that is true of it.

    Attributes:
        format: A key of `DECODERS`.
        opening: Bytes before the first block of every body (a BOM, a header).
        blocks: The bytes of each item, with what is before it and is no item.
        closing: The bytes behind the last block, such as the terminal.
        items: What a consumer must see, in this order; for `raw` each byte.
        ids: The id that each item brings, or None.
        after: By every id of the stream, how many items lie before the place that it names.
    """

    format: str
    opening: bytes
    blocks: tuple[bytes, ...]
    closing: bytes
    items: tuple[Any, ...]
    ids: tuple[str | None, ...]
    after: Mapping[str, int]

    def body(self, first: int = 0) -> bytes:
        """The body that begins with item `first`."""
        return self.opening + b"".join(self._from(first)) + self.closing

    def ends(self, first: int = 0) -> list[int]:
        """Where the items from `first` on end in `body(first)`."""
        if self.format == "raw":
            return list(range(1, len(self.items) + 1))
        sizes = map(len, self._from(first))
        return list(accumulate(sizes, initial=len(self.opening)))[1:]

    def places(self) -> list[int]:
        """Where the items are complete in `body()`, be it without what marks their end."""
        ends, body = self.ends(), self.body()
        if self.format == "multipart":
            return [body.rindex(BETWEEN_PARTS, 0, end) for end in ends]
        if self.format == "raw":
            return ends
        return [len(body[:end].rstrip(b"\r\n")) for end in ends]

    def _from(self, first: int) -> list[bytes]:
        blocks = list(self.blocks[first:])
        if self.format == "json-array" and blocks:  # the first one follows no other
            blocks[0] = blocks[0].lstrip(b", \r\n\t")
        return blocks

    @property
    def is_events(self) -> bool:
        return self.format.startswith("sse")


def values_of(form: str, item: Any) -> list[Any]:
    """An item as it is compared with `Resource.items`."""
    if form == "raw":
        return list(item)
    if form == "sse":
        return [(item.event, item.data, item.id)]
    if form == "multipart":
        return [item.body]
    return [item]


def make_resource(scenario: Scenario, rng: Random) -> Resource:
    """Makes the stream of a scenario.

    Where the server goes on with a value of the items, their ids are numbers inside of them. `rng`
    decides the rest.
    """
    form, count, ids = scenario.form, scenario.count, scenario.ids
    noise, repeats, terminal = scenario.noise, scenario.repeats, scenario.terminal
    inside = scenario.server in {"query", "body", "header"}
    places = [not inside or _id(number, ids, rng) for number in range(count)]
    texts = [_text(number, place, repeats, noise, rng) for number, place in enumerate(places)]
    if inside:
        ids = "none"
    if form.startswith("sse"):
        return _events(form, texts, ids, inside, noise, terminal, rng)
    if form == "json-seq":
        return _sequence(texts, noise, terminal, rng)
    if form == "json-array":
        return _array(texts, noise, rng)
    if form == "csv":
        return _table(texts, noise, terminal, scenario.framing != "close", rng)
    if form == "multipart":
        return _parts(texts, noise, rng)
    if form == "frames":
        bodies = tuple(text.encode() for text in texts)
        framed = tuple(len(body).to_bytes(4, "big") + body for body in bodies)
        return Resource(form, b"", framed, b"", bodies, (None,) * len(texts), {})
    end = b"\r\n" if noise and rng.random() < 0.3 else b"\n"
    blocks = [text.encode() + end for text in texts]
    if noise and form == "ndjson":
        blocks = [rng.choice((b"", b"", b"\n", b" \r\n\n")) + block for block in blocks]
    closing = DONE.encode() + end if terminal == "text" else b""
    if form == "raw":
        body = b"".join(blocks)
        return Resource(form, b"", (body,), b"", tuple(body), (None,), {})
    if noise and rng.random() < 0.3:  # the last line lacks its end
        if closing:
            closing = closing.removesuffix(end)
        elif blocks:
            blocks[-1] = blocks[-1].removesuffix(end)
    opening = b"\xef\xbb\xbf" if noise and rng.random() < 0.1 else b""
    items = map(json.loads, texts) if form == "ndjson" else texts
    return Resource(form, opening, tuple(blocks), closing, tuple(items), (None,) * len(texts), {})


def _sequence(texts: Sequence[str], noise: bool, terminal: str, rng: Random) -> Resource:
    starts = ("\x1e", "\x1e", "\x1e\x1e", "\n\x1e ", "\x1e\n") if noise else ("\x1e",)
    blocks = [f"{rng.choice(starts)}{text}\n".encode() for text in texts]
    closing = f"\x1e{DONE}\n".encode() if terminal == "text" else b""
    return _resource("json-seq", b"", blocks, closing, texts)


def _array(texts: Sequence[str], noise: bool, rng: Random) -> Resource:
    """In the midst of a document, each item behind its comma."""
    opening = b'{"data":{"total":%d,"items":[' % len(texts)
    closing = b'],"t":"]"},"items":[]}'
    gaps = ("", "", " ", "\n", "\r\n\t") if noise else ("",)
    blocks = [
        f"{rng.choice(gaps)}{',' if number else ''}{rng.choice(gaps)}{text}".encode()
        for number, text in enumerate(texts)
    ]
    return _resource("json-array", opening, blocks, closing, texts)


def _table(texts: Sequence[str], noise: bool, terminal: str, framed: bool, rng: Random) -> Resource:
    end = rng.choice(("\r\n", "\n")) if noise else "\r\n"
    items: list[dict[str, Any]] = [json.loads(text) for text in texts]
    columns = [name for name in ("n", "p", "t") if any(name in item for item in items)]
    rows = [{name: item.get(name) for name in columns} for item in items]
    for row in rows:
        if noise:
            more = rng.choice(("", "", ",", '"', "\n", "\r\n,\r\n", "\r"))
            row["t"] = f"{row['t']}{more}" or None
    header = _row(columns or ["n"], noise, end, rng)
    blocks = [_row(list(row.values()), noise, end, rng) for row in rows]
    if noise:
        blocks = [rng.choice(("", "", end)) + block for block in blocks]
    closing = DONE + end if terminal == "text" else ""
    if noise and rng.random() < 0.3:  # the last row lacks its end
        if closing:
            closing = DONE
        elif blocks and framed:
            blocks[-1] = blocks[-1].removesuffix(end)
    opening = "\ufeff" + header if noise and rng.random() < 0.1 else header
    encoded = tuple(block.encode() for block in blocks)
    nothing = (None,) * len(texts)
    return Resource("csv", opening.encode(), encoded, closing.encode(), tuple(rows), nothing, {})


def _row(cells: Sequence[Any], noise: bool, end: str, rng: Random) -> str:
    def written(cell: Any) -> str:
        text = "" if cell is None else str(cell)
        if re.search(r'[",\r\n]', text) or (noise and rng.random() < 0.3):
            return '"' + text.replace('"', '""') + '"'
        return text

    return ",".join(map(written, cells)) + end


def _parts(texts: Sequence[str], noise: bool, rng: Random) -> Resource:
    opening = b"no part\r\n" if noise and rng.random() < 0.3 else b""
    heads = [b"", b"Content-Type: text/plain\r\nX: \r\n more\r\n"] if noise else [b""]
    bodies, blocks = [], []
    for number, text in enumerate(texts, 1):
        body = text.encode() + rng.choice((b"", b"\r\n--nex", b"\r\n", b"\n--")) * noise
        length = b"Content-Length: %d\r\n" % len(body) if noise and rng.random() < 0.3 else b""
        last = b"--" if number == len(texts) else b""
        bodies.append(body)
        blocks.append(rng.choice(heads) + length + b"\r\n" + body + BETWEEN_PARTS + last + b"\r\n")
    opening += b"--next\r\n" if texts else b"--next--\r\n"
    closing = b"and no more" if noise and rng.random() < 0.3 else b""
    nothing = (None,) * len(texts)
    return Resource("multipart", opening, tuple(blocks), closing, tuple(bodies), nothing, {})


def _resource(
    form: str, opening: bytes, blocks: Sequence[bytes], closing: bytes, texts: Sequence[str]
) -> Resource:
    items, ids = tuple(map(json.loads, texts)), (None,) * len(texts)
    return Resource(form, opening, tuple(blocks), closing, items, ids, {})


def _text(number: int, place: str | bool | None, repeats: bool, pad: bool, rng: Random) -> str:
    value: dict[str, Any] = {"n": number % 2 if repeats else number}
    if isinstance(place, str):
        value["p"] = number
    if pad:
        value["t"] = rng.choice(_PADS)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _events(
    form: str,
    texts: Sequence[str],
    ids: str,
    inside: bool,
    noise: bool,
    terminal: str,
    rng: Random,
) -> Resource:
    end = rng.choice(("\n", "\n", "\r\n", "\r")) if noise else "\n"
    blocks: list[bytes] = []
    items: list[Any] = []
    own: list[str | None] = []
    after: dict[str, int] = {}
    last = ""
    for number, text in enumerate(texts):
        before = _noise(rng) if noise else []
        if noise and ids in {"all", "some"} and number and rng.random() < 0.1:
            last = f"{number}-alone"
            after[last] = number
            before += [f"id: {last}", ""]
        event_id = _id(number, ids, rng)
        if event_id is not None:
            last = event_id
            after[last] = number + 1
        own.append(event_id)
        is_last = number == len(texts) - 1
        event = "end" if terminal == "event" and is_last else rng.choice(("", "", "note"))
        event = event if noise or event == "end" else ""
        lines = [f"data: {text}"]
        if noise and form != "sse-data" and not inside and rng.random() < 0.2:
            lines.append("data: more")
        lines = _fields(lines, event, event_id, noise, rng)
        blocks.append("".join(line + end for line in [*before, *lines, ""]).encode())
        items.append(_item(form, event or "message", text, last, lines))
    closing = f"data: {DONE}{end}{end}" if terminal == "text" else ""
    if noise and rng.random() < 0.2:
        closing = f": over and out{end}" + closing
    opening = b"\xef\xbb\xbf" if noise and rng.random() < 0.1 else b""
    return Resource(form, opening, tuple(blocks), closing.encode(), tuple(items), tuple(own), after)


def _id(number: int, ids: str, rng: Random) -> str | None:
    if ids == "none" or (ids == "first" and number) or (ids == "some" and rng.random() < 0.5):
        return None
    if ids == "reset" and rng.random() < 0.3:
        return ""
    if ids == "odd" and rng.random() < 0.3:
        return rng.choice((f" {number}", f"{number} ", f"{number}\x01"))
    return f"é☃{number}" if ids == "unicode" else str(number)


def _fields(
    data: Sequence[str], event: str, event_id: str | None, noise: bool, rng: Random
) -> list[str]:
    lines = [*data]
    if event_id is not None:
        place = rng.choice((0, len(lines))) if noise else 0
        lines.insert(place, f"id: {event_id}")
    return [f"event: {event}", *lines] if event else lines


def _item(form: str, event: str, text: str, last: str, lines: Sequence[str]) -> Any:
    if "data: more" in lines:
        text += "\nmore"
    if form == "sse-data":
        return json.loads(text)
    return (event, text, last) if form == "sse" else text


def _noise(rng: Random) -> list[str]:
    return list(
        rng.choice(
            (
                (),
                (),
                (": heartbeat",),
                (": heartbeat", ""),
                ("",),
                ("retry: 0",),
                ("retry: 99999999999999999999",),
                ("retry: -1",),
                ("retry: 20", ""),
                ("unknown: field", "unknown"),
            )
        )
    )
