"""The running counts behind `StreamStats`; cheap to add to, once per chunk."""

from __future__ import annotations

from attrs import define

from ._reports import Proof, StreamStats

__all__ = ["Tally"]


@define
class Tally:
    """What happened on all connections so far, but for the engine and the replay in use."""

    bytes: int = 0
    connects: int = 0
    retries: int = 0
    resumes: int = 0
    gaps: int = 0
    skipped: int = 0
    replayed: int = 0

    def stats(
        self, *, items: int, skipped: int, replayed: int, elapsed: float, ended: Proof | None
    ) -> StreamStats:
        """The public form, with what the connection in use adds."""
        return StreamStats(
            items=items,
            bytes=self.bytes,
            connects=self.connects,
            retries=self.retries,
            resumes=self.resumes,
            gaps=self.gaps,
            skipped=self.skipped + skipped,
            replayed=self.replayed + replayed,
            elapsed=elapsed,
            ended=ended,
        )
