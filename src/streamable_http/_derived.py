"""What the operators of the sync face have in common."""

from __future__ import annotations

import abc
from typing import Any, Generic, TypeVar

from ._delivery import Mark
from ._errors import StreamError
from ._flow import Flow
from ._operator import InFront, Keeping
from ._sync import Stream

__all__ = ["Derived", "Governing"]

T = TypeVar("T")
R = TypeVar("R")


class Derived(InFront[Flow[T]], Flow[R], Generic[T, R]):
    """An operator in front of another flow."""

    @property
    def _source(self) -> Stream[Any]:  # what it is on this face
        return self._upstream._source

    def close(self) -> None:
        self._upstream.close()


class Governing(Keeping[Flow[T]], Derived[T, R]):
    """An operator that takes more items than it has handed on."""

    def __next__(self) -> R:
        self._source._read_by(self)
        try:
            return self._next()
        except StreamError as exc:
            # What upstream failed with may have waited for results before it to be handed out.
            if self._source._is_own(exc):
                exc.cursor = self.cursor
            raise

    @abc.abstractmethod
    def _next(self) -> R:
        """The next result."""

    def _save(self, mark: Mark, upcoming: int = 1, *, at_end: bool = False) -> None:
        """All before `mark` is done, and `upcoming` items go out next, unless this is the end."""
        self._source._save(mark, upcoming, by=self, at_end=at_end)
