"""`StreamToolkit`: the streams of a data service as three tools."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeAlias, cast

import anyio

from streamable_http import AsyncStreamService, ConfigurationError

from ._arguments import NAME, Reader
from ._pace import Pace
from ._problems import Problem, ToolProblem, problem_of
from ._progress import told
from ._reading import MAX_DEPTH, Query, Reading, read_stream
from ._specs import INSTRUCTIONS, specs
from ._values import ProgressHook, ToolLimits, ToolReply, ToolSpec, is_deep, size

__all__ = ["StreamToolkit"]

_Arguments: TypeAlias = Mapping[str, Any]
_Tool: TypeAlias = Callable[[_Arguments, ProgressHook | None], Awaitable[ToolReply]]
_MOST = 2**53  # what every reader of JSON can tell apart (RFC 8259, section 6)
_NOTHING_READ = {"stop_reason": "error", "truncated": True, "received": 0, "returned": 0}


class StreamToolkit:
    """The streams of a data service as tools: `stream_data`, `get_stream_info`, `batch_stream`.

    The operator decides where the service is and what may be read of it; a model only names an
    endpoint and passes parameters. A call never raises, takes no more than `limits`, and says in
    its answer why it stopped and where to go on.

    It runs on asyncio and trio. It keeps nothing between calls but their number, so it may serve
    many agents; but the service's client keeps cookies, unless it is told not to.
    """

    def __init__(
        self,
        service: AsyncStreamService,
        endpoints: Collection[str] | None = None,
        *,
        limits: ToolLimits | None = None,
        redact: Callable[[Any], Any] | None = None,
        read_only: bool = True,
    ) -> None:
        """A toolkit.

        Args:
            service: The data service, with a client of your own for headers and the like; it
                stays yours to close.
            endpoints: The streams that may be read. Default: any plain name.
            limits: What one call may take. Default: `ToolLimits()`.
            redact: Applied to each record, and to what the service tells of a stream (a dict),
                before a model sees it; it returns what to show, of a dict a dict.
            read_only: Whether reading changes nothing in the service; hosts may then call the
                tools without asking the user.

        Raises:
            ConfigurationError: An argument is wrong.
        """
        self.limits: ToolLimits = _checked(limits, service)
        allowed = None if endpoints is None else _checked_names(endpoints)
        self._service = service
        self._redact = redact
        self._specs = specs(allowed, self.limits, read_only=read_only)
        self._reader = Reader(None if allowed is None else frozenset(allowed), self.limits)
        self._slots = threading.BoundedSemaphore(self.limits.max_calls)
        self._pace = Pace(self.limits.calls_per_minute)
        self._tools: dict[str, _Tool] = {
            "stream_data": self._stream_data,
            "get_stream_info": self._get_stream_info,
            "batch_stream": self._batch_stream,
        }

    @property
    def instructions(self) -> str:
        """How to stream well, for a model that has these tools."""
        return INSTRUCTIONS

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the tools are, always in the same order."""
        return self._specs

    async def call(
        self, name: str, arguments: _Arguments, *, progress: ProgressHook | None = None
    ) -> ToolReply:
        """Runs a tool. It raises nothing but the cancellation of its own task.

        Args:
            name: Which one.
            arguments: As in its `input_schema`; they are checked here again.
            progress: Told every second, and at the end, the seconds that the call has taken, the
                most it may take, and what it has. It may be async. What it raises is logged.

        Returns:
            The answer, also where it is an error: then it holds `error`, with a short `code`.
        """
        tool = self._tools.get(str(name))
        if tool is None:
            return _failed(Problem("unknown_tool", f"There are {', '.join(self._tools)}."))
        if not self._slots.acquire(blocking=False):
            return _failed(Problem("busy", "Too many calls run at once: try again later."))
        try:
            self._keep_pace()
            return await tool(arguments, progress)
        except Exception as exc:
            return _failed(problem_of(exc))
        finally:
            self._slots.release()

    def _keep_pace(self) -> None:
        wait = self._pace.admit()
        if wait is not None:
            raise ToolProblem("busy", f"Too many calls: try again in {math.ceil(wait)} s.")

    async def _stream_data(self, arguments: _Arguments, hook: ProgressHook | None) -> ToolReply:
        names = ("endpoint", "params", "max_records", "cursor")
        query = self._reader.one(self._reader.known(arguments, names))
        reading = self._reading(query, self.limits.max_bytes)
        await self._read([reading], hook)
        failed = reading.problem is not None
        return ToolReply(
            structured={**reading.summary(), "records": reading.records}, is_error=failed
        )

    async def _batch_stream(self, arguments: _Arguments, hook: ProgressHook | None) -> ToolReply:
        names = ("endpoints", "params_by_endpoint", "max_records", "cursors_by_endpoint")
        queries = self._reader.several(self._reader.known(arguments, names))
        share = self.limits.max_bytes // len(queries)
        readings = [self._reading(query, share) for query in queries]
        await self._read(readings, hook)
        reasons = {reading.stop_reason for reading in readings}
        structured = {
            "stop_reason": reasons.pop() if len(reasons) == 1 else "mixed",
            "truncated": any(reading.truncated for reading in readings),
            "received": sum(reading.received for reading in readings),
            "returned": sum(len(reading.records) for reading in readings),
            "streams": [reading.summary() for reading in readings],
            "records": {reading.query.endpoint: reading.records for reading in readings},
        }
        failed = all(reading.problem is not None for reading in readings)
        return ToolReply(structured=structured, is_error=failed)

    async def _get_stream_info(self, arguments: _Arguments, hook: ProgressHook | None) -> ToolReply:
        endpoint = self._reader.endpoint(
            self._reader.known(arguments, ("endpoint",)).get("endpoint")
        )

        replies: list[ToolReply] = []

        async def work() -> None:
            try:
                with anyio.fail_after(self.limits.timeout):
                    info = await self._service.get_stream_info(endpoint, follow_redirects=False)
                replies.append(self._described(endpoint, dict(info.details)))
            except TimeoutError:
                late = Problem("timeout", "The data service did not answer in time.")
                replies.append(_failed(late))
            except Exception as exc:
                replies.append(_failed(problem_of(exc)))

        await told(hook, self.limits.timeout, lambda: f"asking about {endpoint}", work)
        return replies[0]

    def _described(self, endpoint: str, details: dict[str, Any]) -> ToolReply:
        if self._redact is not None:
            redacted = self._redact(details)
            if not isinstance(redacted, dict):
                raise TypeError("redact= made no dict of what the service tells of a stream")
            details = cast("dict[str, Any]", redacted)
        fits = size(details) <= self.limits.max_record_bytes and not is_deep(details, MAX_DEPTH)
        total: Any = details.get("total")
        structured: dict[str, Any] = {
            "endpoint": endpoint,
            "stop_reason": "end" if fits else "max_bytes",
            "truncated": not fits,
            "received": 1,
            "returned": int(fits),
        }
        if isinstance(total, int) and not isinstance(total, bool) and abs(total) < _MOST:
            structured["total"] = total
        return ToolReply(structured={**structured, "info": details if fits else {}})

    def _reading(self, query: Query, max_bytes: int) -> Reading:
        return Reading(query, max_bytes, self.limits.max_record_bytes, self._redact)

    async def _read(self, readings: list[Reading], hook: ProgressHook | None) -> None:
        deadline = anyio.current_time() + self.limits.timeout
        limiter = anyio.CapacityLimiter(self.limits.max_concurrency)

        async def one(reading: Reading) -> None:
            async with limiter:
                await read_stream(self._service, reading, deadline)

        async def all_at_once() -> None:
            async with anyio.create_task_group() as group:
                for reading in readings:
                    group.start_soon(one, reading)

        def describe() -> str:
            return f"{sum(len(reading.records) for reading in readings)} records"

        await told(hook, self.limits.timeout, describe, all_at_once)


def _failed(problem: Problem) -> ToolReply:
    return ToolReply(structured={**_NOTHING_READ, "error": problem.as_json()}, is_error=True)


def _checked(limits: object, service: object) -> ToolLimits:
    if not isinstance(service, AsyncStreamService):
        raise ConfigurationError(
            f"service= of type {type(service).__name__} is no service: pass "
            f"AsyncStreamService('http://host:port')"
        )
    if limits is None:
        return ToolLimits()
    if not isinstance(limits, ToolLimits):
        raise ConfigurationError(
            f"limits= of type {type(limits).__name__} are no limits: pass ToolLimits(…)"
        )
    return limits


def _checked_names(endpoints: object) -> tuple[str, ...]:
    if isinstance(endpoints, str) or not isinstance(endpoints, Collection) or not endpoints:
        raise ConfigurationError(
            f"endpoints={endpoints!r} are not the names of streams: pass a list such as "
            f"['users', 'logs'], or leave it out to allow every name"
        )
    names: list[Any] = [*endpoints]
    for name in names:
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            raise ConfigurationError(
                f"endpoints= holds {name!r:.80}, which is not a plain name: pass letters, digits, "
                f"'_', '-', '.' and '~' only"
            )
    return tuple(dict.fromkeys(names))
