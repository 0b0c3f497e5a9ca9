"""The arguments of a call, checked: a model may pass anything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from attrs import frozen

from ._positions import LONGEST_CURSOR, read_cursor
from ._problems import ToolProblem
from ._reading import Query
from ._values import ToolLimits, encode, is_deep

__all__ = ["NAME", "Reader"]

NAME = "[A-Za-z0-9_][A-Za-z0-9_.~-]{0,127}"
_MAX_PARAMS_BYTES = 8_192
_MAX_DEPTH = 16


def _refused(message: str) -> ToolProblem:
    return ToolProblem("invalid_arguments", message)


@frozen
class Reader:
    """Reads arguments. Each method raises `ToolProblem` for what it does not accept.

    Attributes:
        endpoints: The names that may be asked for; None allows every plain name.
        limits: The limits of a call.
    """

    endpoints: frozenset[str] | None
    limits: ToolLimits

    def known(self, arguments: object, names: tuple[str, ...]) -> dict[str, Any]:
        """The arguments that were given; null stands for one that was not."""
        if not isinstance(arguments, Mapping):
            raise _refused("The arguments are no JSON object.")
        given = cast("Mapping[str, Any]", arguments)
        if not given.keys() <= {*names}:
            raise _refused(f"There are no arguments but {', '.join(names)}.")
        return {name: value for name, value in given.items() if value is not None}

    def endpoint(self, value: object) -> str:
        """The name of one stream."""
        if not isinstance(value, str) or not re.fullmatch(NAME, value):
            raise _refused("endpoint: pass the plain name of a stream.")
        if self.endpoints is not None and value not in self.endpoints:
            raise ToolProblem(
                "unknown_endpoint", f"endpoint: pass one of {', '.join(sorted(self.endpoints))}."
            )
        return value

    def one(self, given: Mapping[str, Any]) -> Query:
        """What `stream_data` is to read."""
        return self._query(given.get("endpoint"), given, given.get("params"), given.get("cursor"))

    def several(self, given: Mapping[str, Any]) -> list[Query]:
        """What `batch_stream` is to read: each endpoint once, in the order given."""
        names = given.get("endpoints")
        if not isinstance(names, list) or not names:
            raise _refused("endpoints: pass a list of names.")
        listed = cast("list[object]", names)
        if len(listed) > self.limits.max_endpoints:
            raise _refused(f"endpoints: pass at most {self.limits.max_endpoints}.")
        unique = dict.fromkeys(map(self.endpoint, listed))
        params = self._by_endpoint(given, "params_by_endpoint", unique)
        cursors = self._by_endpoint(given, "cursors_by_endpoint", unique)
        return [self._query(name, given, params.get(name), cursors.get(name)) for name in unique]

    def _query(
        self, name: object, given: Mapping[str, Any], params: object, cursor: object
    ) -> Query:
        endpoint, params = self.endpoint(name), _params(params)
        most = self._max_records(given.get("max_records"))
        if cursor is None:
            return Query(endpoint, params, most)
        if not isinstance(cursor, str) or len(cursor) > LONGEST_CURSOR:
            raise ToolProblem("invalid_cursor", "cursor: pass one that an answer gave, unchanged.")
        return Query(endpoint, params, most, read_cursor(cursor, endpoint, params))

    def _max_records(self, value: object) -> int:
        most = self.limits.max_records
        if value is None:
            return most
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise _refused(f"max_records: pass a whole number from 1 to {most}.")
        return value

    def _by_endpoint(
        self, given: Mapping[str, Any], name: str, endpoints: Mapping[str, None]
    ) -> Mapping[str, Any]:
        value = given.get(name, {})
        if not isinstance(value, dict) or not cast("dict[str, Any]", value).keys() <= {*endpoints}:
            raise _refused(f"{name}: pass an object with names of endpoints as keys.")
        return cast("dict[str, Any]", value)


def _params(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _refused("params: pass a JSON object.")
    params = cast("dict[str, Any]", value)
    try:
        text = encode(params)
    except ValueError:
        raise _refused("params: pass plain JSON, without NaN and infinities.") from None
    if len(text.encode()) > _MAX_PARAMS_BYTES or is_deep(params, _MAX_DEPTH):
        raise _refused(f"params: pass at most {_MAX_PARAMS_BYTES} bytes, {_MAX_DEPTH} levels deep.")
    return cast("dict[str, Any]", json.loads(text))  # keys are text now, as in what will be sent
