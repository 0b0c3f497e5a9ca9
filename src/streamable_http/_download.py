"""What `write_to` does, once with threads and once with tasks: the body of a stream in a file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from anyio import CancelScope
from anyio.to_thread import run_sync
from attrs import evolve

from ._decoders.text import Raw
from ._errors import ConfigurationError, ResumeError
from ._part_file import PartFile
from ._progress import ProgressTeller
from ._reports import Progress, Summary
from ._resume import ByteRange
from ._saving import beside
from ._values import Cursor
from ._ways.byte_range import place_of

if TYPE_CHECKING:
    from ._async import AsyncStream
    from ._sync import Stream

__all__ = ["download", "download_async"]

OnProgress = Callable[[Progress], object] | None


def download(stream: Stream[Any], path: str | os.PathLike[str], on_progress: OnProgress) -> Summary:
    """What `Stream.write_to` does."""
    job = _Job(stream, path, on_progress)
    with contextlib.closing(job.part) as part:
        try:
            job.choose_start(part.open(job.request))
            chunks = _first(stream, job)
            job.watch()
            if not chunks and job.has_no_body:
                return job.summary()
            part.begin(job.offset, job.place)
            while chunks:
                part.add(chunks)
                if part.due:
                    part.advance(job.cursor)
                    job.tell()
                chunks = _next(stream)
            part.finish()
        except BaseException as exc:
            with beside(exc):
                part.keep(job.cursor)
            raise
        finally:
            if job.opens:
                stream.close()
    return job.summary()


def _first(stream: Stream[Any], job: _Job) -> list[bytes]:
    """The first bytes, of a stream that is opened here if need be."""
    if not job.opens:
        job.check_place()
        return _next(stream)
    try:
        stream.open()
        job.check_place()
        return _next(stream)
    except ResumeError:
        if not job.may_begin_anew:
            raise
    if stream._batches is not None:
        stream._batches.close()
    stream._batches = None  # `close` has to find what is opened next
    job.begin_anew()
    return _next(stream.open())


def _next(stream: Stream[Any]) -> list[bytes]:
    try:
        return stream._next_list()
    except StopIteration:
        return []


async def download_async(
    stream: AsyncStream[Any], path: str | os.PathLike[str], on_progress: OnProgress
) -> Summary:
    """What `AsyncStream.write_to` does."""
    job = _Job(stream, path, on_progress)
    part = job.part
    try:
        job.choose_start(await run_sync(part.open, job.request))
        chunks = await _first_async(stream, job)
        job.watch()
        if not chunks and job.has_no_body:
            return job.summary()
        await run_sync(part.begin, job.offset, job.place)
        while chunks:
            part.add(chunks)
            if part.due:
                await run_sync(part.advance, job.cursor)
                job.tell()
            chunks = await _next_async(stream)
        await run_sync(part.finish)
    except BaseException as exc:
        with beside(exc), CancelScope(shield=True):
            await run_sync(part.keep, job.cursor)
        raise
    finally:
        with CancelScope(shield=True):
            try:
                if job.opens:
                    await stream.aclose()
            finally:
                await run_sync(part.close)
    return job.summary()


async def _first_async(stream: AsyncStream[Any], job: _Job) -> list[bytes]:
    if not job.opens:
        job.check_place()
        return await _next_async(stream)
    try:
        await stream.open()
        job.check_place()
        return await _next_async(stream)
    except ResumeError:
        if not job.may_begin_anew:
            raise
    if stream._batches is not None:
        await stream._batches.close()
    stream._batches = None
    job.begin_anew()
    return await _next_async(await stream.open())


async def _next_async(stream: AsyncStream[Any]) -> list[bytes]:
    try:
        return await stream._next_list()
    except StopAsyncIteration:
        return []


class _Job:
    """What both faces have to know and to decide.

    Attributes:
        part: The file.
        request: What its bytes are of.
        opens: Whether the stream is opened here, and so closed, too.
        offset: The byte of the body at which the stream begins, or stands.
        may_begin_anew: Whether it may begin at its start, if it cannot go on at `offset`.
    """

    def __init__(
        self,
        stream: Stream[Any] | AsyncStream[Any],
        path: str | os.PathLike[str],
        on_progress: OnProgress,
    ) -> None:
        self._stream, self._on_progress = stream, on_progress
        opening = self._opening = stream._opening
        if opening.saver is not None:
            raise ConfigurationError(
                "write_to keeps its place beside the file: leave checkpoint= out"
            )
        self.opens: bool = not opening.begun
        if self.opens and opening.order.decoder is None:
            opening.order = evolve(opening.order, decoder=Raw())
        if not isinstance(opening.order.decoder, Raw):
            raise ConfigurationError(
                f"write_to writes the body as it comes, and decoder={opening.order.decoder!r} "
                f"makes items of it: pass decoder=Raw()"
            )
        self.part = PartFile(path)
        self.request: str = opening.fingerprint()
        self.offset: int = 0
        self.may_begin_anew: bool = False
        self._joins = False  # whether bytes of an earlier run stay
        self._teller: ProgressTeller | None = None

    @property
    def cursor(self) -> Cursor | None:
        """Where the stream goes on, behind all that it has handed out."""
        return self._stream._cursor_at(self._stream._mark())

    def choose_start(self, kept: Cursor | None) -> None:
        """Decides where the stream begins; `kept` is how far an earlier run came."""
        if self.opens and self._opening.may_move:
            resume = self._opening.order.resume
            self.may_begin_anew = kept is not None and isinstance(resume, (ByteRange, type(None)))
            if self.may_begin_anew:
                self._joins = True
                self._begin_at(kept)
            return
        self.offset = self._stream._mark().resolve().offset
        self._joins = self.offset > 0
        if self._joins and not _holds(kept, self.cursor):
            raise ConfigurationError(
                f"write_to: the stream stands at byte {self.offset:,}, and what comes before is "
                f"not in {str(self.part.name)!r}: call it on a stream that nobody opened, without "
                f"start="
            )

    @property
    def place(self) -> str:
        """Where the bytes come from."""
        return place_of(self._stream.response)

    @property
    def has_no_body(self) -> bool:
        """Whether the answer is that there is no body, which is not an empty one: no file is it."""
        return self._stream.response.status_code in {204, 205}

    def check_place(self) -> None:
        """The stream is open, and where it goes on with an earlier run it is of the same resource.

        Raises:
            ResumeError: It is not, whatever its ETag says.
        """
        if self._joins and not self.part.came_from(self.place):
            raise ResumeError(
                f"write_to: a redirect led to {self.place}, and what {str(self.part.name)!r} has "
                f"came from elsewhere"
            )

    def begin_anew(self) -> None:
        """The server does not go on there, or with another body: begins at the start.

        Nothing is spliced, since nothing of what was kept stays; and nothing was delivered yet.
        """
        self._joins = False
        self._begin_at(None)

    def _begin_at(self, cursor: Cursor | None) -> None:
        self._stream._delivery = self._opening.begin_at(cursor)
        self.offset = self._opening.start.offset

    def watch(self) -> None:
        """The stream is open."""
        self._teller = ProgressTeller(self._on_progress, 1, self._stream.response)

    def tell(self) -> None:
        """More has been written."""
        if self._teller is not None:
            self._teller.done(self._stream.stats.items, self._stream)

    def summary(self) -> Summary:
        """All has been written."""
        stats = self._stream.stats
        if self._teller is not None:
            self._teller.end(stats.items, self._stream)
        return Summary(items=stats.items, stats=stats, cursor=self.cursor)


def _holds(kept: Cursor | None, place: Cursor | None) -> bool:
    """Whether what was kept goes at least up to a place in the same body."""
    if kept is None or place is None or kept.etag != place.etag:
        return False
    return int(kept.value) >= int(place.value)
