"""What the operators of the async face have in common.

The same as the sync face's, in the same order; read them side by side.
"""

from __future__ import annotations

import abc
from typing import Any, Generic, TypeVar

from ._async import AsyncStream
from ._async_flow import AsyncFlow
from ._delivery import Mark
from ._errors import StreamError
from ._operator import InFront, Keeping

__all__ = ["Derived", "Governing"]

T = TypeVar("T")
R = TypeVar("R")


class Derived(InFront[AsyncFlow[T]], AsyncFlow[R], Generic[T, R]):
    """An operator in front of another flow."""

    @property
    def _source(self) -> AsyncStream[Any]:  # what it is on this face
        return self._upstream._source

    async def aclose(self) -> None:
        await self._upstream.aclose()


class Governing(Keeping[AsyncFlow[T]], Derived[T, R]):
    """An operator that takes more items than it has handed on."""

    async def __anext__(self) -> R:
        self._source._read_by(self)
        try:
            return await self._next()
        except StreamError as exc:
            # What upstream failed with may have waited for results before it to be handed out.
            if self._source._is_own(exc):
                exc.cursor = self.cursor
            raise

    @abc.abstractmethod
    async def _next(self) -> R:
        """The next result."""

    async def _save(self, mark: Mark, upcoming: int = 1, *, at_end: bool = False) -> None:
        """All before `mark` is done, and `upcoming` items go out next, unless this is the end."""
        await self._source._save(mark, upcoming, by=self, at_end=at_end)
