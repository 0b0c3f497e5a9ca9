"""What makes the demo's counts worth something: records are followed one by one."""

from __future__ import annotations

from typing import Any, cast

__all__ = ["LeftOut", "Mismatch", "Tally"]


class Mismatch(Exception):
    """The service did not send what it said it would; the message says where."""


class LeftOut(Exception):
    """A step cannot be taken here; the message says what it needs."""


class Tally:
    """Follows the numbers of a stream's records, which count from 1 without a gap.

    Attributes:
        name: Of the stream, for messages.
        total: How many records `/info` promises.
        count: How many came, all in order.
    """

    def __init__(self, name: str, total: int) -> None:
        self.name = name
        self.total = total
        self.count: int = 0

    def take(self, record: Any) -> None:
        """The next record.

        Raises:
            Mismatch: It is not the next one.
        """
        number = _number(record)
        expected = self.count + 1
        if number != expected or isinstance(number, bool):
            raise Mismatch(f"{self.name}: {_wrong(number, expected)}")
        self.count = expected

    def end(self) -> None:
        """The stream has ended.

        Raises:
            Mismatch: Not with the last record.
        """
        if self.count != self.total:
            raise Mismatch(
                f"{self.name}: {self.count:,} records came, and /info promises {self.total:,}"
            )


def _number(record: Any) -> Any:
    if not isinstance(record, dict):
        return None
    fields = cast("dict[str, Any]", record)
    return fields.get("id", fields.get("n"))


def _wrong(number: object, expected: int) -> str:
    if not isinstance(number, int) or isinstance(number, bool):
        return f"record {expected:,} has no number"
    if number < expected:
        return f"record {number:,} came twice (where {expected:,} was due)"
    return f"record {expected:,} is missing (in its place came {number:,})"
