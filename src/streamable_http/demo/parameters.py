"""What a request to the service may ask for: each parameter checks its own values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

__all__ = ["Choice", "InvalidParameters", "Number", "Parameter", "Text", "read_parameters"]

_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?")


class InvalidParameters(Exception):
    """Some parameters cannot be accepted.

    Attributes:
        problems: What is wrong, by parameter name.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {problem}" for name, problem in problems.items()))
        self.problems: dict[str, str] = dict(problems)


@frozen(kw_only=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Its name, in the JSON body as in the query.
        description: What it does.
        default: Its value when it is not given.
    """

    name: str
    description: str
    default: Any = None

    def read(self, value: Any) -> Any:
        """The value to use. `ValueError` says what is wrong with the one given."""
        raise NotImplementedError

    def read_text(self, text: str) -> Any:
        """The same for a value from a query string."""
        return self.read(text)

    def describe(self) -> dict[str, Any]:
        """The parameter in the words of `GET /info/{endpoint}`."""
        return {"description": self.description, "default": self.default}


@frozen(kw_only=True)
class Number(Parameter):
    """A number from `least` to `most`, both included; a whole one unless `fraction`."""

    least: float = 0
    most: float
    fraction: bool = False

    def read(self, value: Any) -> Any:
        types = (int, float) if self.fraction else (int,)
        right_type = isinstance(value, types) and not isinstance(value, bool)
        if not right_type or not self.least <= value <= self.most:
            raise ValueError(f"{value!r} is not {self._wanted()}")
        return value

    def read_text(self, text: str) -> Any:
        if not _NUMBER.fullmatch(text) or not (self.fraction or text.lstrip("-").isdigit()):
            raise ValueError(f"{text!r:.80} is not {self._wanted()}")
        return self.read(float(text) if self.fraction else int(text))

    def describe(self) -> dict[str, Any]:
        kind = "number" if self.fraction else "integer"
        bounds = {"minimum": self.least, "maximum": self.most}
        return {"type": kind, **bounds, **Parameter.describe(self)}

    def _wanted(self) -> str:
        kind = "number" if self.fraction else "whole number"
        return f"a {kind} from {self.least:,} to {self.most:,}"


@frozen(kw_only=True)
class Choice(Parameter):
    """One of a few words."""

    choices: tuple[str, ...]

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise ValueError(f"{value!r} is not one of {', '.join(self.choices)}")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "enum": list(self.choices), **Parameter.describe(self)}


@frozen(kw_only=True)
class Text(Parameter):
    """A short text."""

    longest: int

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or len(value) > self.longest:
            raise ValueError(f"{value!r:.80} is not a text of at most {self.longest} characters")
        return value

    def describe(self) -> dict[str, Any]:
        return {"type": "string", "maxLength": self.longest, **Parameter.describe(self)}


def read_parameters(
    known: Iterable[Parameter], given: Mapping[str, Any], *, text: bool = False
) -> dict[str, Any]:
    """The value of every known parameter.

    Args:
        known: The parameters that are accepted.
        given: What the request gave; null stands for the default.
        text: Whether the values are text, from a query string.

    Raises:
        InvalidParameters: A name is unknown or a value is wrong; all of them are named.
    """
    by_name = {parameter.name: parameter for parameter in known}
    values = {name: parameter.default for name, parameter in by_name.items()}
    problems: dict[str, str] = {}
    for name, value in given.items():
        parameter = by_name.get(name)
        if parameter is None:
            problems[name] = f"unknown parameter: known are {', '.join(by_name)}"
        elif value is not None:
            try:
                values[name] = parameter.read_text(value) if text else parameter.read(value)
            except ValueError as exc:
                problems[name] = str(exc)
    if problems:
        raise InvalidParameters(problems)
    return values
