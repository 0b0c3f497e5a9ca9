"""What the caller ordered, checked and in the session's own terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from ._decoders.engine import BadItem, DecoderFactory, Position
from ._resume import Resume
from ._retry import RetryPolicy
from ._values import Failure, Limits, Terminal, Timeouts

__all__ = ["Order"]

T = TypeVar("T")


@frozen(kw_only=True)
class Order(Generic[T]):
    """What the caller ordered: the options of `Client.stream` that the session acts on.

    Attributes:
        label: Method and URL without query and credentials, for messages.
        resendable: Whether the request may be sent twice: its method is idempotent, or it has an
            Idempotency-Key, or `resume=` says so.
        has_body: Whether it has a body, whatever its method.
        replayable: Whether its body can be sent twice.
        refreshes: Whether an attempt may bring other credentials than the one before.
        follow_redirects: Whether to go where a redirect points.
        follow: Whether the end of a response is only a pause.
        require_proof: Whether an end that nothing proves is an error.
    """

    label: str
    method: str
    resendable: bool
    has_body: bool
    replayable: bool
    follow_redirects: bool
    refreshes: bool
    decoder: DecoderFactory[T] | None
    registry: Mapping[str, DecoderFactory[Any]]
    terminal: str | Terminal | Callable[[T], bool] | None
    failure: Failure | Callable[[T], bool] | None
    on_bad_item: BadItem
    resume: Resume | None
    follow: bool
    start: Position
    retry: RetryPolicy
    timeouts: Timeouts
    limits: Limits
    any_content_type: bool
    compress: bool
    require_proof: bool
