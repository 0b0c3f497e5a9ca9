"""A slow and plain reading of the event stream rules (WHATWG HTML, section 9.2), as test oracle.

It takes the whole body and walks it byte by byte, so it knows nothing of cuts or shortcuts.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Event:
    event: str
    data: str
    id: str
    retry: int | None
    end: int  # of the byte that dispatches it
    start: int  # of its block
    own_id: bool


@dataclass
class Reading:
    events: list[Event] = field(default_factory=list)
    last_event_id: str = ""
    retry_ms: int | None = None
    is_open: bool = False
    end: int = 0  # of the last block


def lines_of(body: bytes) -> tuple[list[tuple[bytes, int, int]], bytes]:
    """(line, where its line end starts, where the next line starts) of each; and the rest."""
    lines = []
    line = b""
    place = 0
    while place < len(body):
        byte = body[place : place + 1]
        if byte == b"\r" and body[place + 1 : place + 2] == b"\n":
            lines.append((line, place, place + 2))
            line, place = b"", place + 2
        elif byte in (b"\r", b"\n"):
            lines.append((line, place, place + 1))
            line, place = b"", place + 1
        else:
            line, place = line + byte, place + 1
    return lines, line


def read(body: bytes, last_event_id: str = "") -> Reading:
    reading = Reading(last_event_id=last_event_id)
    skipped = 3 if body[:3] == b"\xef\xbb\xbf" else 0
    id_buffer = last_event_id
    data = event = ""
    own_id, retry, start = False, None, skipped
    lines, rest = lines_of(body[skipped:])
    for raw, line_end, following in lines:
        line = raw.decode("utf-8", "replace")
        if line == "":
            reading.last_event_id = id_buffer
            reading.end = skipped + line_end + 1
            if data != "":
                found = Event(
                    event=event or "message",
                    data=data[:-1],
                    id=id_buffer,
                    retry=retry,
                    end=reading.end,
                    start=start,
                    own_id=own_id,
                )
                reading.events.append(found)
            data, event = "", ""
            own_id, retry, start = False, None, skipped + following
            continue
        if line[0] == ":":
            continue
        name, value = line.split(":", 1) if ":" in line else (line, "")
        if value[:1] == " ":
            value = value[1:]
        if name == "event":
            event = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            id_buffer, own_id = value, True
        elif name == "retry" and value != "" and all(c in "0123456789" for c in value):
            retry = reading.retry_ms = min(int(value), 10**18)
    reading.is_open = data != "" or (rest != b"" and rest[:1] != b":")
    return reading
