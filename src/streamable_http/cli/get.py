"""`get`: a stream's items to stdout or to a file, as they come."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Literal

import msgspec
from attrs import frozen
from rich.console import Console
from typing_extensions import Unpack

from streamable_http import (
    CSV,
    NDJSON,
    SSE,
    Client,
    ConfigurationError,
    Gap,
    JSONArray,
    JSONSeq,
    LengthPrefixed,
    Lines,
    Multipart,
    Part,
    Progress,
    Raw,
    ResponseInfo,
    Retrying,
    SSEData,
    SSEText,
    Stream,
    StreamError,
    StreamEvent,
    StreamOptions,
)
from streamable_http.progress import shown_progress

from .console import QuietConsole, plain
from .exits import Exit
from .request import Target, shown_url

__all__ = ["DecoderName", "Output", "run_get"]

DecoderName = Literal[
    "auto",
    "sse",
    "sse-text",
    "sse-data",
    "ndjson",
    "json-seq",
    "json",
    "csv",
    "tsv",
    "multipart",
    "length-prefixed",
    "lines",
    "raw",
]

_DECODERS: dict[str, Any] = {
    "auto": None,
    "sse": SSE(),
    "sse-text": SSEText(),
    "sse-data": SSEData(),
    "ndjson": NDJSON(),
    "json-seq": JSONSeq(),
    "json": JSONArray(),
    "csv": CSV(),
    "tsv": CSV(delimiter="\t"),
    "multipart": Multipart(),
    "length-prefixed": LengthPrefixed(),
    "lines": Lines(),
    "raw": Raw(),
}

_encoder = msgspec.json.Encoder(enc_hook=str)


@frozen(kw_only=True)
class Output:
    """Where the items go, and what is said meanwhile.

    Attributes:
        path: The file to write; stdout if None.
        max_items: After how many items to stop, or None.
        progress: Whether to show progress on stderr.
        verbose: Whether to log on stderr.
    """

    path: Path | None = None
    max_items: int | None = None
    progress: bool = False
    verbose: bool = False

    def __attrs_post_init__(self) -> None:
        if self.max_items is not None and self.max_items < 1:
            raise ConfigurationError(f"--max-items {self.max_items} is not a number from 1 up")


def run_get(
    target: Target,
    output: Output,
    *,
    decoder: DecoderName,
    **options: Unpack[StreamOptions],
) -> Exit:
    """Reads the stream to its end, or to `max_items`; options are those of `Client.stream`."""
    console = QuietConsole(stderr=True)
    request: StreamOptions = {**options, "headers": target.headers, "json": target.body}
    if output.verbose:
        _log_to_stderr()
    with (
        Client(on_event=lambda event: _narrate(console, event)) as client,
        _progress(console, target, wanted=output.progress) as show,
    ):
        stream = client.stream(target.method, target.url, decoder=_DECODERS[decoder], **request)
        file = _whole_file(output) if decoder == "raw" else None
        if file is None:
            _print_items(stream, output, show, end=b"\n" if decoder == "length-prefixed" else b"")
        else:
            _write_file(console, stream, file, show)
    return Exit.COMPLETE


def _whole_file(output: Output) -> Path | None:
    """The file that is to hold the whole body; None if it goes to a terminal or a device."""
    path = output.path
    if path is None or output.max_items is not None or (path.exists() and not path.is_file()):
        return None
    return path


def _write_file(
    console: Console, stream: Stream[bytes], path: Path, show: Callable[[Progress], None]
) -> None:
    try:
        stream.write_to(path, on_progress=show)
    except (StreamError, KeyboardInterrupt):
        if path.with_name(f"{path.name}.part.json").exists():
            plain(console, f"what came is in {path}.part: the same command goes on behind it")
        raise


def _print_items(
    stream: Stream[Any], output: Output, show: Callable[[Progress], None], *, end: bytes
) -> None:
    # The stream first: where nothing comes, the file stays as it was.
    with stream, _opened(output.path) as sink:
        done = 0
        for items in _first(stream.batches(), output.max_items):
            _write(sink, _encoded(items, end))
            done += len(items)
            stats = stream.stats
            show(
                Progress(
                    items=done,
                    bytes=stats.bytes,
                    elapsed=stats.elapsed,
                    total_items=_announced(stream.response),
                    total_bytes=stream.response.content_length,
                )
            )


@contextlib.contextmanager
def _opened(path: Path | None) -> Generator[BinaryIO]:
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        file = path.open("wb")
    except OSError as exc:
        raise ConfigurationError(f"--output {path}: {exc.strerror}") from exc
    with file:
        yield file


def _progress(
    console: Console, target: Target, *, wanted: bool
) -> contextlib.AbstractContextManager[Callable[[Progress], None]]:
    if not wanted:
        return contextlib.nullcontext(_show_nothing)
    return shown_progress(console, shown_url(target.url))


def _show_nothing(progress: Progress) -> None:
    del progress


def _first(batches: Iterable[list[Any]], most: int | None) -> Iterator[list[Any]]:
    """The batches up to `most` items; the next one is not asked for once they are there."""
    if most is None:
        yield from batches
        return
    for items in batches:
        yield items[:most]
        most -= len(items)
        if most <= 0:
            return


def _encoded(items: list[Any], end: bytes) -> bytes:
    """The items as JSON lines; those that are bytes as they are, each with `end` behind it."""
    if isinstance(items[0], bytes):
        return b"".join([item + end for item in items])
    return _encoder.encode_lines([_plain(item) for item in items])


def _plain(item: Any) -> Any:
    """The item; a part with its headers as a mapping, and its body as text, or else in Base64."""
    if not isinstance(item, Part):
        return item
    body: dict[str, Any] = {"base64": item.body}
    with contextlib.suppress(UnicodeDecodeError):
        body = {"body": item.body.decode()}
    return {"headers": dict(item.headers), **body}


def _write(sink: BinaryIO, data: bytes) -> None:
    """Writes all of it, now: an unbuffered stdout (`python -u`) may take a part at a time."""
    rest = memoryview(data)
    while rest:
        rest = rest[sink.write(rest) :]
    sink.flush()


def _announced(response: ResponseInfo) -> int | None:
    total = response.headers.get("x-total-count", "")
    return int(total) if total.isascii() and total.isdigit() else None


def _narrate(console: Console, event: StreamEvent) -> None:
    """Tells what the items do not show: that the stream was interrupted."""
    match event:
        case Retrying(error=error, delay=delay):
            why = "the stream ended" if error is None else str(error)
            plain(console, f"{why}; again in {delay:.1f} s")
        case Gap():
            plain(console, "reconnecting without a position: items sent meanwhile are missed")
        case _:
            pass


def _log_to_stderr() -> None:
    logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("streamable_http").setLevel(logging.DEBUG)
