"""Synthetic records, each made from its number alone: record 17 is the same in every stream.

So a test can tell a lost, repeated or altered record from a right one without keeping any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from attrs import frozen

from .parameters import Choice, Number, Parameter

__all__ = ["ENDPOINTS", "Endpoint", "Record"]

Record = dict[str, Any]

_MOST = 1_000_000_000
_START = datetime(2026, 1, 1, tzinfo=UTC)

_GIVEN = ("Ada", "Björn", "Chidi", "Dolores", "Emre", "Fumiko", "Gita", "Henk", "Inés", "Jamal")
_FAMILY = ("Quill", "Okafor", "Lindqvist", "Marlow", "Sato", "Vance", "Öztürk", "Zeller", "Roux")
_COUNTRIES = ("AR", "DE", "FR", "IN", "JP", "KE", "NG", "SE", "TR", "US")
_PAGES = ("/", "/pricing", "/docs", "/docs/streams", "/blog", "/sign-up")
_LEVELS = ("DEBUG", "INFO", "INFO", "INFO", "WARNING", "ERROR")
_SERVICES = ("gateway", "billing", "search", "mailer")
_MESSAGES = ("request served", "cache refreshed", "slow query", "connection reset by peer")
_METRICS = ("cpu.load", "memory.used", "disk.read", "net.sent")
_EVENTS = ("page_view", "sign_up", "purchase", "refund", "sign_out")

_PERIODS = {"day": 100, "week": 500, "month": 2_000, "year": 24_000}
_TIMEFRAMES = {"1h": 12, "24h": 300, "7d": 2_100, "30d": 9_000}


@frozen
class Endpoint:
    """One kind of data.

    Attributes:
        name: As in the path `/stream/{name}`.
        description: What its records are.
        sizing: The parameter that says how many there are.
        record: Makes the record of a number, counted from 1.
        totals: For a sizing parameter that is a word: how many records each word stands for.
    """

    name: str
    description: str
    sizing: Parameter
    record: Callable[[int], Record]
    totals: Mapping[str, int] | None = None

    def total(self, values: Mapping[str, Any]) -> int:
        """How many records a stream with these parameters has."""
        size = values[self.sizing.name]
        return int(size if self.totals is None else self.totals[size])


def _user(number: int) -> Record:
    mixed = _mix(number)
    given, family = _GIVEN[mixed % 10], _FAMILY[mixed // 10 % 9]
    return {
        "id": number,
        "name": f"{given} {family}",
        "email": f"user{number}@example.com",
        "country": _COUNTRIES[mixed // 90 % 10],
        "active": mixed % 4 != 0,
        "balance": mixed % 100_000 / 100,
    }


def _page(number: int) -> Record:
    mixed = _mix(number)
    return {
        "id": number,
        "time": _time(number, minutes=15),
        "page": _PAGES[mixed % 6],
        "visitors": mixed // 6 % 900,
        "bounce_rate": mixed % 1000 / 1000,
    }


def _log(number: int) -> Record:
    mixed = _mix(number)
    return {
        "id": number,
        "time": _time(number, seconds=7),
        "level": _LEVELS[mixed % 6],
        "service": _SERVICES[mixed // 6 % 4],
        "message": _MESSAGES[mixed // 24 % 4],
    }


def _metric(number: int) -> Record:
    mixed = _mix(number)
    return {
        "id": number,
        "time": _time(number, seconds=10),
        "metric": _METRICS[mixed % 4],
        "host": f"node-{mixed // 4 % 12 + 1}",
        "value": mixed % 10_000 / 100,
    }


def _event(number: int) -> Record:
    mixed = _mix(number)
    return {
        "id": number,
        "time": _time(number, minutes=5),
        "event": _EVENTS[mixed % 5],
        "user": mixed // 5 % 1000 + 1,
        "amount": mixed % 20_000 / 100,
    }


def _number(number: int) -> Record:
    return {"n": number}


def _mix(number: int) -> int:
    """Spreads neighbouring numbers apart (Knuth's multiplicative hash), so records differ."""
    return number * 2_654_435_761 % 2**32


def _time(number: int, **step: int) -> str:
    return (_START + timedelta(**step) * (number % 1_000_000)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _limit(default: int) -> Number:
    return Number(name="limit", description="How many records.", default=default, most=_MOST)


def _window(name: str, description: str, totals: Mapping[str, int], default: str) -> Choice:
    return Choice(name=name, description=description, default=default, choices=tuple(totals))


ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        endpoint.name: endpoint
        for endpoint in (
            Endpoint("users", "People with an account.", _limit(1000), _user),
            Endpoint(
                "analytics",
                "Page visits in quarters of an hour.",
                _window("period", "The time they cover.", _PERIODS, "week"),
                _page,
                _PERIODS,
            ),
            Endpoint("logs", "Log lines of four services.", _limit(250), _log),
            Endpoint("metrics", "Readings of twelve hosts.", _limit(150), _metric),
            Endpoint(
                "events",
                "What users did.",
                _window("timeframe", "The time they cover.", _TIMEFRAMES, "24h"),
                _event,
                _TIMEFRAMES,
            ),
            Endpoint("numbers", "1, 2, 3 and so on, by the million.", _limit(1_000_000), _number),
        )
    }
)
"""Every endpoint by its name."""
