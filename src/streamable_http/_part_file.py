"""A file that is written under another name, and gets its own only when it is whole.

Beside `name` there is `name.part`, with the bytes so far, and `name.part.json`, which says how many
of them are safe on the disk and what they are of. Bytes behind that may be lost by a crash of the
machine, so the next run drops them, whatever the file's size.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attrs import evolve

from ._errors import ConfigurationError
from ._resume import BYTE_RANGE, ByteRange, position_of
from ._values import Cursor

if sys.platform != "win32":
    import fcntl

__all__ = ["PartFile"]

_PIECE = 1024 * 1024
"""Bytes that are gathered before they are written; they are written before a saving, too."""

_SECONDS = 0.5
"""Between two savings, at least: each waits for the disk."""

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)  # whoever may write here must not choose another file


class PartFile:
    """The file that one stream writes. All but `add` and `due` may block.

    A call that is still at work in a thread nobody waits for any more is no danger: one call is
    made at a time, and none does anything after `close`.

    Args:
        path: The name that the file is to have.

    Attributes:
        name: The name that it has until then.

    Raises:
        ConfigurationError: No file can have that name.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = _checked(path)
        self.name: Path = self._path.with_name(f"{self._path.name}.part")
        self._note = self._path.with_name(f"{self.name.name}.json")
        self._new_note = self._path.with_name(f"{self._note.name}.new")
        self._request = ""
        self._place = ""
        self._noted_place = ""
        self._file: io.FileIO | None = None
        self._using = threading.Lock()
        self._over = False
        self._pending: list[bytes] = []
        self._size = 0
        self._save_at = 0.0
        self._noted: int | None = None

    def open(self, request: str) -> Cursor | None:
        """Makes the part file this stream's own, and tells how far an earlier run came.

        Args:
            request: What the bytes are of; those of anything else do not count.

        Raises:
            ConfigurationError: Another stream is writing it.
            OSError: It cannot be made or read.
        """
        with self._using:
            if self._over:
                return None
            self._file = _claimed(self.name, _mode_of(self._path))
            self._request = request
            cursor = self._read_note(os.fstat(self._file.fileno()).st_size)
            self._noted = None if cursor is None else int(cursor.value)
            return cursor

    def _read_note(self, size: int) -> Cursor | None:
        try:
            cursor = Cursor.from_json(self._note.read_bytes())
            position = position_of(cursor, ByteRange())
        except (FileNotFoundError, ConfigurationError):
            return None
        request, _, self._noted_place = cursor.request.rpartition(" ")
        if request != self._request or position.offset > size:
            return None
        return evolve(cursor, request="")

    def came_from(self, place: str) -> bool:
        """Whether the bytes of the earlier run are of this resource."""
        return self._noted_place == _digest(place)

    def begin(self, offset: int, place: str = "") -> None:
        """Drops all behind the first `offset` bytes; what is added comes there.

        Args:
            offset: Of the stream, where it begins.
            place: What the bytes are of: where the request led to, which a redirect decides.
        """
        with self._using:
            if self._file is None:
                return
            self._place = place
            if self._noted != offset:
                # Gone for good before other bytes come: or it could vouch for those one day.
                self._note.unlink(missing_ok=True)
                self._sync_directory()
                self._noted = None
            self._file.truncate(offset)
            self._file.seek(offset)
            self._save_at = time.monotonic() + _SECONDS

    def add(self, chunks: list[bytes]) -> None:
        """These come next."""
        self._pending += chunks
        self._size += sum(map(len, chunks))

    @property
    def due(self) -> bool:
        """Whether `advance` is to be called."""
        return self._size >= _PIECE or time.monotonic() >= self._save_at

    def advance(self, cursor: Cursor | None) -> None:
        """Writes what was added; now and then it also sees that it is safe.

        Args:
            cursor: Of the stream, behind all that was added; None if it has no positions.
        """
        with self._using:
            self._write()
            if time.monotonic() >= self._save_at:
                self._save(cursor)
                self._save_at = time.monotonic() + _SECONDS

    def keep(self, cursor: Cursor | None) -> None:
        """The stream broke: writes what was added, for the next run to go on with."""
        with self._using:
            self._write()
            self._save(cursor)

    def finish(self) -> None:
        """The stream is whole: the file takes its name, in place of one that has it.

        Raises:
            ConfigurationError: Somebody removed the part file, or put another in its place.
        """
        with self._using:
            self._write()
            if self._file is None:
                return
            os.fsync(self._file.fileno())
            if not self._is_here():
                raise ConfigurationError(
                    f"{str(self.name)!r} is not the file any more that this stream wrote: somebody "
                    f"removed or replaced it, so {str(self._path)!r} stays as it was; write again"
                )
            if sys.platform == "win32":
                self._file.close()  # an open file has to keep its name there
            self.name.replace(self._path)  # under the lock: else it might be another's
            self._note.unlink(missing_ok=True)
            self._new_note.unlink(missing_ok=True)  # of a run that was killed just then
            self._sync_directory()
            self._release()

    def close(self) -> None:
        """Lets the part file go, for the next run, unless it is empty."""
        with self._using:
            self._over = True
            if self._file is None:
                return
            try:
                if not os.fstat(self._file.fileno()).st_size and self._is_here():
                    self.name.unlink()
            finally:
                self._release()

    def _is_here(self) -> bool:
        """Whether the part file's name still means the file that is being written.

        What bears the name may be another stream's by now. The lock keeps no one from removing a
        file, nor from renaming another over it.
        """
        return self._file is not None and _has_name(self._file, self.name)

    def _release(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self) -> None:
        # Taken out first: after an interrupt no byte may be written twice.
        pending, self._pending, self._size = self._pending, [], 0
        if self._file is not None:
            rest = memoryview(b"".join(pending))
            while rest:
                rest = rest[self._file.write(rest) :]

    def _save(self, cursor: Cursor | None) -> None:
        if self._file is None or cursor is None or cursor.kind != BYTE_RANGE:
            return
        # The file itself knows best how much of the stream it holds, after an interrupt, too. It
        # stands at 0 until `begin`, and then there is nothing to say.
        size = self._file.tell()
        if size in {0, self._noted} or not self._is_here():
            return
        os.fsync(self._file.fileno())
        # As a digest: a path may be as good as a password, and the file lies about.
        request = f"{self._request} {_digest(self._place)}"
        noted = evolve(cursor, value=str(size), request=request)
        with io.FileIO(self._new_note, "w", opener=_opener()) as file:
            file.write(noted.to_json().encode())
            os.fsync(file.fileno())
        self._new_note.replace(self._note)
        self._noted = size

    def _sync_directory(self) -> None:
        """What was renamed or removed stays so, as far as the file system can promise it."""
        if sys.platform != "win32":
            directory = os.open(self._path.parent, os.O_RDONLY)
            try:
                with contextlib.suppress(OSError):
                    os.fsync(directory)
            finally:
                os.close(directory)


def _checked(path: object) -> Path:
    if isinstance(path, (str, os.PathLike)):
        name: str | bytes = os.fspath(path)
        if isinstance(name, str) and name and "\0" not in name:
            # Through a symbolic link to what it names, as a file that is opened would be written.
            target = Path(os.path.realpath(name))
            if target.parent.is_dir() and (target.is_file() or not os.path.lexists(target)):
                return target
            raise ConfigurationError(
                f"write_to({name!r}): there can be no such file: pass the name of a plain file in "
                f"a directory that exists"
            )
    raise ConfigurationError(f"write_to({path!r}) names no file: pass a path")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mode_of(path: Path) -> int:
    """With whom the file that is there is shared; a new one is as the process makes files."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return 0o666


def _opener(mode: int = 0o666) -> Callable[[str, int], int]:
    return lambda name, flags: os.open(name, flags | os.O_CREAT | _NO_FOLLOW, mode)


def _claimed(path: Path, mode: int) -> io.FileIO:
    """The part file, made if need be, and locked.

    Raises:
        ConfigurationError: Somebody else has it.
    """
    while True:
        file = io.FileIO(path, "r+", opener=_opener(mode))
        try:
            if not _locked(file):
                raise ConfigurationError(
                    f"{str(path)!r} is being written by another stream: wait for that one, or "
                    f"write to another file"
                )
            # Whoever had the lock may have renamed or removed the file meanwhile.
            if _has_name(file, path):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _has_name(file: io.FileIO, path: Path) -> bool:
    try:
        named = path.stat(follow_symlinks=not _NO_FOLLOW)  # as it was opened
        return os.path.samestat(os.fstat(file.fileno()), named)
    except FileNotFoundError:
        return False


def _locked(file: io.FileIO) -> bool:
    """Locks it until it is closed; False if somebody else has."""
    if sys.platform != "win32":
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass  # not every file system has locks
    return True
