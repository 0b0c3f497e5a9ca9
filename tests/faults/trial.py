"""What one run is: a scenario of the simulation, a face, and faults as they are on the wire."""

from __future__ import annotations

from attrs import evolve, frozen
from driver import Face
from simulation.scenario import Fault, Scenario

import streamable_http as shttp

from .kinds import KINDS

__all__ = ["LONGEST_SECONDS", "Trial"]

LONGEST_SECONDS = 90.0
"""A run that takes longer hangs."""

_QUICK, _PATIENT = 1.0, 20.0


@frozen(kw_only=True)
class Trial:
    """One run.

    Attributes:
        seed: What it was drawn from.
        scenario: What happens; its faults are keys of `KINDS`.
        face: Which side of the library.
        consumer: Who takes the items, a key of `visit.FLOWS`.
        twins: Whether each two events share an id.
    """

    seed: int
    scenario: Scenario
    face: Face
    consumer: str = "loop"
    twins: bool = False

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault that may befall it."""
        scenario = self.scenario
        return (*scenario.plan, *([scenario.forever] if scenario.forever else []))

    @property
    def model(self) -> Scenario:
        """The scenario as the simulation knows it, for its judge."""
        plan = [translated for fault in self.scenario.plan if (translated := _like(fault))]
        forever = self.scenario.forever
        return evolve(
            self.scenario, plan=tuple(plan), forever=None if forever is None else _like(forever)
        )

    @property
    def clocks(self) -> shttp.Timeouts:
        """Short clocks only where one has to run out: a busy machine must not make it so."""
        slow = any(KINDS[fault.kind].slow for fault in self.faults)
        seconds = _QUICK if slow else _PATIENT
        return shttp.Timeouts(
            connect=_PATIENT,
            first_byte=seconds,
            idle=seconds,
            between_items=1.5 * seconds,
            total=self.scenario.total,
        )


def _like(fault: Fault) -> Fault | None:
    like = KINDS[fault.kind].like
    return None if like is None else evolve(fault, kind=like)
