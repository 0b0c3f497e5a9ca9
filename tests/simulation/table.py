"""Counts of verdicts, and how they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from attrs import define, field

from .judge import BAD, VERDICTS

__all__ = ["Table", "shown"]


@define
class Table:
    """Verdicts by row, and what went wrong.

    Attributes:
        rows: How often each verdict fell, by what is looked at ("format", …) and its value.
        failures: The first runs with a bad verdict, in words.
    """

    rows: dict[tuple[str, str], Counter[str]] = field(factory=dict)
    failures: list[str] = field(factory=list)

    def count(self, looked_at: str, value: str, word: str) -> None:
        self.rows.setdefault((looked_at, value), Counter())[word] += 1

    def add(self, other: Table) -> None:
        for key, counts in other.rows.items():
            self.rows.setdefault(key, Counter()).update(counts)
        self.failures += other.failures

    @property
    def bad(self) -> int:
        """Runs with a verdict that must not fall."""
        counts = self.rows.get(("all", "runs"), Counter())
        return sum(counts[word] for word in BAD)

    def lines(self) -> list[str]:
        """The table as text, one block for each thing that is looked at."""
        lines: list[str] = []
        for looked_at in dict.fromkeys(name for name, _ in self.rows):
            rows = {
                value: counts for (name, value), counts in self.rows.items() if name == looked_at
            }
            lines += [*shown(looked_at, dict(sorted(rows.items()))), ""]
        return lines


def shown(title: str, rows: Mapping[str, Counter[str]]) -> list[str]:
    """One block of a table."""
    width = max(28, len(title), *map(len, rows))
    lines = [f"{title:<{width}} {'tried':>9}" + "".join(f"{word:>10}" for word in VERDICTS)]
    for name, counts in rows.items():
        numbers = "".join(f"{counts[word]:>10,}" for word in VERDICTS)
        lines.append(f"{name:<{width}} {counts.total():>9,}{numbers}")
    return lines
