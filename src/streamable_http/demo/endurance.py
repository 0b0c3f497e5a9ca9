"""The two steps of the demo with a million records: against a slow consumer, and in flat memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from streamable_http import NDJSON, Client

from .memory import resident_bytes
from .stage import Stage
from .verify import Mismatch

__all__ = ["million", "slow_consumer"]

_PAUSE_SECONDS = 0.3
_PATIENCE_SECONDS = 15.0
_MIB = 1024 * 1024
_FLAT = 32 * _MIB


def slow_consumer(stage: Stage) -> None:
    """A consumer that pauses, and the service's own view of it."""
    label = f"demo-{uuid.uuid4()}"
    tally = stage.tally("numbers")
    with (
        Client(base_url=stage.url) as client,
        stage.service.stream_data("numbers", {"label": label}) as stream,
    ):
        tally.take(next(stream))
        held = _wait_for(lambda: _stuck(client, label), "the service never had to wait")
        time.sleep(_PAUSE_SECONDS)
        later = _view(client, label)
        if later["sent"] != held["sent"]:
            raise Mismatch(
                f"numbers: the service sent {later['sent'] - held['sent']:,} records "
                f"while nobody read"
            )
        stage.say(
            f"paused after {tally.count:,}: the service is stuck at {later['sent']:,} of "
            f"{tally.total:,} records, for {later['blocked_for']:.2f} s now"
        )
        while tally.count < held["sent"]:
            tally.take(next(stream))
        moved = _wait_for(lambda: _moved(client, label, held["sent"]), "the service never went on")
        stage.say(f"read on to {tally.count:,}: the service is at {moved['sent']:,}")


def million(stage: Stage) -> None:
    """A million records, with an eye on the memory."""
    tally = stage.tally("numbers")
    before = peak = None
    with stage.service.stream_data("numbers") as stream:
        for batch in stream.batches():
            for record in batch:
                tally.take(record)
            now = resident_bytes()
            if now is not None:
                before = now if before is None else before
                peak = now if peak is None else max(peak, now)
        elapsed = stream.stats.elapsed
    tally.end()
    memory = "memory cannot be measured here"
    if before is not None and peak is not None:
        if peak - before > _FLAT:
            raise Mismatch(f"numbers: memory grew by {(peak - before) / _MIB:.1f} MiB")
        memory = f"memory from {before / _MIB:.1f} to {peak / _MIB:.1f} MiB at most"
    stage.say(
        f"{tally.count:,} records in {elapsed:.2f} s ({tally.count / elapsed:,.0f}/s), {memory}"
    )


def _view(client: Client, label: str) -> dict[str, Any]:
    with client.stream("GET", "/pressure", decoder=NDJSON(dict[str, Any])) as answer:
        (document,) = answer.collect()
    for stream in document["streams"]:
        if stream["label"] == label:
            return dict(stream)
    raise Mismatch("numbers: /pressure does not show the stream")


def _stuck(client: Client, label: str) -> dict[str, Any] | None:
    view = _view(client, label)
    return view if (view["blocked_for"] or 0) >= _PAUSE_SECONDS else None


def _moved(client: Client, label: str, past: int) -> dict[str, Any] | None:
    view = _view(client, label)
    return view if view["sent"] > past else None


def _wait_for(look: Callable[[], dict[str, Any] | None], otherwise: str) -> dict[str, Any]:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        view = look()
        if view is not None:
            return view
        time.sleep(0.05)
    raise Mismatch(f"numbers: {otherwise}")
