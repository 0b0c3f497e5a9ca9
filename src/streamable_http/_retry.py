"""Whether to try again, and when: pure arithmetic on what has happened.

Strategies come from tenacity (`stop_after_attempt`, `wait_exponential`, …); the clock and the
randomness come from the caller, so that minutes of backoff can be tested in no time.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any, Protocol

from attrs import field, frozen

from ._checks import refuse_async
from ._errors import (
    ConfigurationError,
    ConnectError,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)
from ._values import Headers

if TYPE_CHECKING:  # it brings asyncio: loaded with the first policy that needs it
    from tenacity import RetryCallState

__all__ = ["Backoff", "RetryPolicy", "is_retryable", "parse_retry_after"]

# Refused before being acted on, so even a POST may be sent again (RFC 9110, section 15; RFC 6585).
_NOT_ACTED_ON = frozenset({408, 425, 429, 503})
_MAY_PASS = _NOT_ACTED_ON | {500, 502, 504}

_UNAUTHORIZED = 401
# Nothing comes now, and nothing will.
_LAST_WORDS = frozenset({204, 205, 416})

_DEFAULT_TRIES = 5
_A_WAIT = "a tenacity strategy such as wait_fixed(1)"
_A_VERDICT = "a function of a StreamError that returns True, False or None"


def is_retryable(error: StreamError, *, resend: bool, refresh: bool = False) -> bool:
    """Whether trying again may help, and cannot do harm.

    | error | retried |
    |---|---|
    | no connection (`ConnectError`, the connect clock) | always: not one byte was sent (*) |
    | status 408, 425, 429, 503 | always: the server says that it did not act (*) |
    | status 500, 502, 504 | if the request may be sent again |
    | connection lost, stream truncated, the clocks first_byte, idle, between_items | likewise |
    | status 401 | once, if headers come from a function, which may have a new token |
    | 204 and 205 where a terminal was expected; every other status | never: that is an answer |
    | the clock total; errors of content, limits, redirects, configuration | never |

    (*) Not where a redirect had answered a request that must not be sent again: a POST that a 303
    answered was acted on, whatever becomes of the GET that follows.

    Args:
        error: What ended the attempt.
        resend: Whether the request may be sent again and the stream can go on faithfully: it is
            idempotent (or said to be) and no item is decoded yet or a position is known.
        refresh: Whether the next attempt may bring other credentials.
    """
    if isinstance(error, ConnectError):
        return True
    if isinstance(error, TimeoutExceeded):
        return error.kind == "connect" or (error.kind != "total" and resend)
    if isinstance(error, StatusError):
        status = error.status_code
        if status == _UNAUTHORIZED:
            return refresh
        return status in _NOT_ACTED_ON or (status in _MAY_PASS and resend)
    if isinstance(error, StreamTruncated):
        told_to_stop = error.response is not None and error.response.status_code in _LAST_WORDS
        return resend and not told_to_stop
    return False


class StopStrategy(Protocol):
    """tenacity's `stop_base`, or any function of that shape."""

    def __call__(self, retry_state: RetryCallState, /) -> bool: ...


class WaitStrategy(Protocol):
    """tenacity's `wait_base`, or any function of that shape."""

    def __call__(self, retry_state: RetryCallState, /) -> float: ...


def _as_stop(value: int | StopStrategy | None) -> StopStrategy:
    if value is None:
        value = _DEFAULT_TRIES
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        from tenacity import stop_after_attempt

        return stop_after_attempt(value)
    if callable(value):
        return value
    raise ConfigurationError(
        f"RetryPolicy(stop={value!r}) is no bound: pass the number of tries (1 = no retry) or a "
        f"tenacity strategy such as stop_after_delay(60)"
    )


@frozen(kw_only=True)
class RetryPolicy:
    """How often and how fast a stream is tried again.

    The budget is spent by lack of progress: every new item gives it back.

    Attributes:
        stop: When to give up: a number of tries in a row without a new item (default 5; 1 means
            no retry at all), or a tenacity stop strategy.
        wait: How long to wait: a tenacity wait strategy, which brings its own jitter. Default:
            full jitter over 0.5 s, doubled with each try, up to 30 s.
        on: Overrules the classification of an error (see `is_retryable`): True retries, False
            does not, None leaves it to the table. It cannot make a stream repeat items.
        min_delay: The shortest wait, in seconds, whatever the server's `retry:` says.
        max_delay: The longest. A `Retry-After` above it is not waited for: the error is raised.
        healthy_after: With `follow=True`: seconds after which a connection counts as healthy and
            its end costs no try.
    """

    stop: StopStrategy = field(default=None, converter=_as_stop)
    wait: WaitStrategy | None = None
    on: Callable[[StreamError], bool | None] | None = None
    min_delay: float = 0.1
    max_delay: float = 30.0
    healthy_after: float = 10.0

    def __attrs_post_init__(self) -> None:
        for name in ("min_delay", "max_delay", "healthy_after"):
            value: Any = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
                raise ConfigurationError(
                    f"RetryPolicy({name}={value!r}) is not a number of seconds: pass 0 or more"
                )
        if self.min_delay > self.max_delay:
            raise ConfigurationError(
                f"RetryPolicy(min_delay={self.min_delay}) is above max_delay={self.max_delay}: "
                f"raise max_delay, or lower min_delay"
            )
        for name, fix in (("wait", _A_WAIT), ("on", _A_VERDICT)):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise ConfigurationError(
                    f"RetryPolicy({name}={value!r}) is not callable: pass {fix}"
                )
        for name in ("stop", "wait", "on"):
            refuse_async(getattr(self, name), name)

    def allows(
        self, error: StreamError, *, resend: bool, refresh: bool = False, answered: bool = False
    ) -> bool:
        """`is_retryable`, unless `on` overrules it.

        Args:
            error: As there.
            resend: As there.
            refresh: As there.
            answered: Whether a redirect had answered the request; the error then is only about
                where it led, and says nothing of what the request itself brought about.
        """
        verdict = None if self.on is None else self.on(error)
        if verdict is not None:
            return verdict
        if answered and not resend:
            return False
        return is_retryable(error, resend=resend, refresh=refresh)


class Backoff:
    """The budget of one stream, and the waits.

    Attributes:
        tries: Attempts that were charged since the last new item.
    """

    def __init__(self, policy: RetryPolicy, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._jitter = jitter
        self.tries = 0
        self._rounds = 0
        self._since = 0.0

    def progress(self) -> None:
        """A new item came: the whole budget is back."""
        self.tries = self._rounds = 0

    def failed(self, now: float, *, charge: bool = True) -> None:
        """An attempt is over. Without `charge` only the wait grows."""
        if self._rounds == 0:
            self._since = now
        self._rounds += 1
        self.tries += charge

    def exhausted(self, now: float, error: StreamError | None) -> bool:
        """Whether the policy stops here."""
        return self._policy.stop(self._state(max(self.tries, 1), now, error)) and self.tries > 0

    def delay(
        self, now: float, error: StreamError | None, *, asked: float | None, floor: float | None
    ) -> float | None:
        """Seconds to wait before the next attempt, or None if that is more than `max_delay`.

        Args:
            now: The time.
            error: What ended the attempt.
            asked: The stream's own reconnection time (`retry:`), clamped to the policy's bounds.
            floor: `Retry-After`: never undercut, only extended by jitter.
        """
        policy = self._policy
        state = self._state(max(self._rounds, 1), now, error)
        own = policy.wait
        wait = own(state) if own is not None else _default_wait(state) * self._jitter()
        wait = min(max(policy.min_delay, wait, asked or 0.0), policy.max_delay)
        if floor is None:
            return wait
        if floor > policy.max_delay:
            return None
        return max(wait, floor + self._jitter() * policy.min_delay)

    def _state(self, attempt: int, now: float, error: StreamError | None) -> RetryCallState:
        from tenacity import RetryCallState

        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]  # strategies never look
        if error is not None:
            state.set_exception((type(error), error, None))
        # tenacity stamps its own clock: these three make its strategies obey ours.
        state.start_time = self._since
        state.outcome_timestamp = now
        state.attempt_number = attempt
        return state


def _default_wait(state: RetryCallState) -> float:
    from tenacity import wait_exponential

    return wait_exponential(multiplier=0.5, max=30)(state)


def parse_retry_after(headers: Headers) -> float | None:
    """`Retry-After` in seconds (RFC 9110, section 10.2.3), or None.

    A date is read against the response's own `Date`, so neither side's clock need be right; where
    there is none, it says nothing.
    """
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value[:18])
    wanted, sent = _seconds(value), _seconds(headers.get("date", ""))
    return None if wanted is None or sent is None else max(wanted - sent, 0.0)


def _seconds(date: str) -> float | None:
    parsed = parsedate_tz(date)
    try:
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError):
        return None
