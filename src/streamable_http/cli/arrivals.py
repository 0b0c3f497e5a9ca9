"""How the bytes of a stream arrive: items, IDs, heartbeats, silence and bursts."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from streamable_http import SSE, Lines, ServerSentEvent

__all__ = ["Arrivals"]

_BURST_SECONDS = 0.02
_KEPT_IDS = 100
_LINES = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"}
)


def _events(found: Arrivals) -> Callable[[bytes], int]:
    decoder = SSE(comments=True)()

    def count(data: bytes) -> int:
        items = 0
        for event in decoder.decode(data):
            if event.event:
                items += 1
                found.saw_event(event)
            else:
                found.heartbeats += 1
        return items

    return count


def _lines(found: Arrivals) -> Callable[[bytes], int]:
    decoder = Lines()()

    def count(data: bytes) -> int:
        lines = list(decoder.decode(data))
        blank = sum(not line.strip() for line in lines)
        found.heartbeats += blank
        return len(lines) - blank

    return count


@define(kw_only=True)
class Arrivals:
    """What came when; told chunk by chunk.

    Attributes:
        media_type: What the body is; it decides what counts as an item.
        start: When the head was complete.
        items: Events or lines so far; None in a body that has neither.
        size: All bytes.
        ids: The first event IDs, each once.
        events_with_id: How many events set one of their own.
        heartbeats: Comments, or blank lines.
        pulses: How often heartbeats alone came, after a pause.
        bursts: How often something came after a pause.
        largest_burst: The most items that came without a pause between.
        longest_silence: Seconds.
        last_data: The data of the last event.
        last: When the last chunk came.
    """

    media_type: str
    start: float
    items: int | None = None
    size: int = 0
    ids: list[str] = field(factory=list[str])
    events_with_id: int = 0
    heartbeats: int = 0
    pulses: int = 0
    bursts: int = 0
    largest_burst: int = 0
    longest_silence: float = 0.0
    last_data: str = ""
    last: float = field(init=False)
    _count: Callable[[bytes], int] | None = field(init=False, default=None)
    _burst: int = field(init=False, default=0)
    _last_id: str = field(init=False, default="")

    def __attrs_post_init__(self) -> None:
        self.last = self.start
        if self.media_type == "text/event-stream":
            self._count = _events(self)
        elif self.media_type in _LINES:
            self._count = _lines(self)
        if self._count is not None:
            self.items = 0

    def add(self, now: float, data: bytes) -> None:
        """A chunk came.

        Raises:
            StreamError: It cannot be read as what its media type says.
        """
        self.silence_until(now)
        rested = now - self.last > _BURST_SECONDS
        if not self.size:
            self._forget_lines_of_an_array(data)
        if not self.size or rested:
            self.bursts, self._burst = self.bursts + 1, 0
        self.last = now
        self.size += len(data)
        if self._count is not None and self.items is not None:
            heartbeats = self.heartbeats
            items = self._count(data)
            self.items += items
            self.pulses += rested and not items and self.heartbeats > heartbeats
            self._burst += items
            self.largest_burst = max(self.largest_burst, self._burst)

    def _forget_lines_of_an_array(self, data: bytes) -> None:
        """A JSON array is no lines, though its media type is that of some."""
        if self.media_type == "application/json" and data.lstrip().startswith(b"["):
            self._count = self.items = None

    def silence_until(self, now: float) -> None:
        """Nothing came since the last chunk."""
        self.longest_silence = max(self.longest_silence, now - self.last)

    def saw_event(self, event: ServerSentEvent) -> None:
        """An event came."""
        self.last_data = event.data
        if event.id and event.id != self._last_id:
            self.events_with_id += 1
            if len(self.ids) < _KEPT_IDS:
                self.ids.append(event.id)
        self._last_id = event.id
