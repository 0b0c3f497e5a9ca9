"""Ends a stream from inside by what its items say, whatever decoder they come from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from .._checks import no_end
from .._errors import ConfigurationError, StreamFailed
from .._values import Failure, Terminal
from .engine import Batch, Context, Spec
from .paths import look_into
from .sse_event import ServerSentEvent

__all__ = ["check_watch", "watch"]

T = TypeVar("T")

Test = Callable[[Any], bool]


def watch(context: Context) -> Callable[[Batch[T]], Batch[T]] | None:
    """What to pass every batch of a stream through; None if there is nothing to watch.

    It applies predicates (`terminal=`, `failure=`) and `Failure(path=)`; a string, `Terminal` and
    `Failure(event=)` are the decoder's own business. A batch that is cut short here ends at its
    own `end`; the engine it came from is already further.
    """
    failed = _failure_test(context.failure)
    done = context.terminal if callable(context.terminal) else None
    if failed is None and done is None:
        return None

    def watched(batch: Batch[T]) -> Batch[T]:
        for index, item in enumerate(batch.items):
            try:
                if failed is not None and failed(item):
                    what = f"the server reported a failure: {item!r:.200}"
                    return _cut(batch, index, error=StreamFailed(what, item=item))
                if done is not None and done(item):
                    return _cut(batch, index + 1, ended=True)
            except Exception as exc:
                return _cut(batch, index, error=no_end(exc))
        return batch

    return watched


def _cut(
    batch: Batch[T], count: int, *, error: Exception | None = None, ended: bool = False
) -> Batch[T]:
    end = batch.marks.position(count - 1) if count else None
    return Batch(batch.items[:count], batch.marks, end, error, ended, batch.size)


def _failure_test(failure: Failure | Test | None) -> Test | None:
    if isinstance(failure, Failure):
        return _path_test(failure.path.split(".")) if failure.path is not None else None
    return failure


def _path_test(path: list[str]) -> Test:
    # A key may be written with escapes; without any, it stands in the text as it is.
    quoted = msgspec.json.encode(path[0]).decode()

    def failed(item: Any) -> bool:
        if isinstance(item, ServerSentEvent):
            item = item.data
        if isinstance(item, str) and quoted not in item and "\\" not in item:
            return False
        return look_into(item, path) is not None

    return failed


def check_watch(spec: Spec[Any] | None, context: Context) -> None:
    """Checks that the terminal and the failure can be seen in what a decoder gives.

    Args:
        spec: The decoder; None for a user's own.
        context: With the terminal and the failure.

    Raises:
        ConfigurationError: They would never be met.
    """
    name = "a decoder of your own" if spec is None else f"{type(spec).__name__}()"
    terminal, failure = context.terminal, context.failure
    if isinstance(terminal, str):
        if spec is None or not spec.has_records:
            raise ConfigurationError(
                f"terminal={terminal!r} is compared with the raw text of an item, which {name} has "
                f"not: pass a predicate, such as terminal=lambda item: item == {terminal!r}"
            )
    elif isinstance(terminal, Terminal):
        _check_events(spec, name, f"terminal={terminal!r}", "terminal")
    elif terminal is not None and not callable(terminal):
        raise ConfigurationError(
            f"terminal={terminal!r} ends no stream: pass a string such as '[DONE]', "
            f"Terminal(event=...) or a predicate"
        )
    if isinstance(failure, Failure):
        if failure.event is not None:
            _check_events(spec, name, f"failure={failure!r}", "failure")
        elif spec is not None and not spec.has_records:
            raise ConfigurationError(
                f"failure={failure!r} needs items with keys, and {name} gives bytes: "
                f"pass a predicate, such as failure=lambda item: ..."
            )
    elif failure is not None and not callable(failure):
        raise ConfigurationError(
            f"failure={failure!r} reports no failure: pass Failure(event=...), "
            f"Failure(path=...) or a predicate"
        )


def _check_events(spec: Spec[Any] | None, name: str, argument: str, keyword: str) -> None:
    if spec is None or not spec.has_events:
        raise ConfigurationError(
            f"{argument} is an event type, and {name} has no events: "
            f"pass decoder=SSE(), or a predicate, such as {keyword}=lambda item: ..."
        )
