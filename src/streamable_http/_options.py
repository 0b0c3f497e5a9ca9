"""From the caller's options for one stream to an `Opening`, with every check of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from attrs import evolve, field, frozen

from ._call import USE_CLIENTS_AUTH, Call, Pairs
from ._checkpoint import checked_checkpoint
from ._checks import refuse_async
from ._clock import Clock
from ._decoders.choose import check_factory
from ._decoders.engine import Context, DecoderFactory, Position, Spec
from ._decoders.watch import check_watch
from ._errors import ConfigurationError
from ._opening import Opening, PrefetchBounds
from ._order import Order
from ._reports import EventHook
from ._request import Request, StreamOptions
from ._resume import (
    ByteRange,
    ItemCursor,
    LastEventID,
    NoResume,
    Resume,
    is_idempotent,
    position_of,
    sends_again,
)
from ._retry import RetryPolicy
from ._saving import Saver
from ._settings import (
    TOKEN,
    check_auth,
    check_pairs,
    checked_flag,
    checked_header_source,
    checked_hooks,
    checked_instance,
    checked_prefetch,
    checked_timeouts,
    layered,
)
from ._values import Cursor, Failure, Limits, Terminal, Timeouts, without_secrets

__all__ = ["Defaults", "opening_of"]

T = TypeVar("T")

_WAYS = (LastEventID, ItemCursor, ByteRange, NoResume)
_NAMES = frozenset(StreamOptions.__optional_keys__)


@frozen(kw_only=True)
class Defaults:
    """What a client says for all its streams."""

    base_url: str
    headers: tuple[Pairs | Callable[[], Any], ...] = field(repr=False)
    timeouts: Timeouts
    retry: RetryPolicy
    limits: Limits
    prefetch: int
    registry: Mapping[str, Any]
    compress: bool
    require_proof: bool
    hooks: tuple[EventHook, ...]
    clock: Clock


def opening_of(request: Request[T], defaults: Defaults, http: Any) -> Opening[T]:
    """Checks a request and makes an `Opening` of it.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    options: dict[str, Any] = {**request.options}
    _check_names(options)
    method, url = _checked_method(request.method), _checked_url(request.url, defaults.base_url)
    label = _label(method, url, defaults.base_url)
    limits = checked_instance(options.get("limits"), "limits", (Limits,), defaults.limits)
    headers = (*defaults.headers, checked_header_source(options.get("headers")))
    call = _call(method, url, headers, options)
    start = options.get("start")
    resume = checked_instance(options.get("resume"), "resume", _WAYS, None)
    order = Order(
        label=label,
        method=method,
        resendable=_resendable(method, options, call.headers),
        has_body=call.has_body,
        replayable=_replayable(call.content),
        refreshes=bool(call.fresh_headers),
        follow_redirects=_flag(options, "follow_redirects", default=True),
        decoder=request.decoder,
        registry=defaults.registry,
        terminal=_checked_terminal(options.get("terminal")),
        failure=_checked_failure(options.get("failure")),
        on_bad_item=_checked_bad_item(options.get("on_bad_item", "raise")),
        resume=resume,
        follow=_flag(options, "follow"),
        start=_checked_start(start, resume, label),
        retry=checked_instance(options.get("retry"), "retry", (RetryPolicy,), defaults.retry),
        timeouts=checked_timeouts(options.get("timeout"), defaults.timeouts),
        limits=limits,
        any_content_type=_flag(options, "any_content_type"),
        compress=defaults.compress,
        require_proof=defaults.require_proof,
    )
    _check_order(order)
    prefetch = checked_prefetch(options.get("prefetch"), defaults.prefetch)
    hook = options.get("on_event")
    return Opening(
        order,
        call,
        http,
        prefetch=PrefetchBounds(prefetch, limits.prefetch_bytes) if prefetch else None,
        count=start.count if isinstance(start, Cursor) else 0,
        hooks=[*defaults.hooks, *checked_hooks(hook)],
        clock=defaults.clock,
        saver=_saver(options, call, label, http, defaults.clock),
        restart=_started_at if start is None else None,
    )


def _saver(
    options: Mapping[str, Any], call: Call, label: str, http: Any, clock: Clock
) -> Saver | None:
    checkpoint = checked_checkpoint(options.get("checkpoint"))
    if checkpoint is None:
        return None
    return Saver(checkpoint, checkpoint.key or _key(call, label, http), clock.now)


def _key(call: Call, label: str, http: Any) -> str:
    """What tells a request from others; a digest stands for query and body, which may be secret."""
    body = call.content if isinstance(call.content, (str, bytes)) else None
    clients = str(getattr(http, "params", ""))  # what the client adds to each query
    asked = (urlsplit(call.url).query, call.params, call.json, call.data, body, clients)
    if not any(asked):
        return label
    return f"{label} {hashlib.sha256(repr(asked).encode()).hexdigest()[:16]}"


def _started_at(order: Order[T], cursor: Cursor) -> Order[T]:
    """The same order from where an earlier run saved its cursor."""
    moved = evolve(order, start=_checked_start(cursor, order.resume, order.label))
    _check_order(moved)
    return moved


def _check_order(order: Order[Any]) -> None:
    if order.decoder is not None:
        check_factory(order.decoder, "decoder")
        check_watch(
            _spec_of(order.decoder), Context(terminal=order.terminal, failure=order.failure)
        )
    if order.follow and isinstance(order.resume, (NoResume, ByteRange)):
        raise ConfigurationError(
            f"follow=True and resume={order.resume!r} contradict each other: leave one of them out"
        )
    if isinstance(order.resume, ByteRange) and order.method != "GET":
        raise ConfigurationError(
            f"resume=ByteRange() asks for a part of what a GET returns, and this is a "
            f"{order.method}: pass another resume=, or none"
        )
    if order.start.offset and order.decoder is not None:
        # What only the response can tell, such as a charset, is found out once it is there.
        spec = _spec_of(order.decoder)
        context = Context(offset=order.start.offset, head=order.start.head)
        if spec is not None and not spec.build(context).starts_at_records:
            raise ConfigurationError(
                "start= is in the midst of a body, and this decoder has to read it from its "
                "start: start without it, or use NDJSON(…), JSONSeq(…), Lines() or Raw()"
            )
    if order.follow and not order.replayable:
        raise ConfigurationError(
            "follow=True sends the body again and again, and content= can be read only once: pass "
            "bytes"
        )
    if order.follow and not order.resendable:
        raise ConfigurationError(
            f"follow=True sends the request again and again, and {order.method} is not idempotent: "
            f"pass resume=LastEventID() if the server takes that"
        )


def _spec_of(decoder: DecoderFactory[T]) -> Spec[T] | None:
    return cast("Spec[T]", decoder) if isinstance(decoder, Spec) else None


def _check_names(options: Iterable[str]) -> None:
    """Refuses options that are misspelt: ignored, they would be believed to be in force."""
    for name in options:
        if name not in _NAMES:
            import difflib

            near = difflib.get_close_matches(name, _NAMES, n=1)
            fix = (
                f"did you mean {near[0]}=?" if near else f"pass one of {', '.join(sorted(_NAMES))}"
            )
            raise ConfigurationError(f"{name}= is no option of a stream: {fix}")


def _checked_method(method: object) -> str:
    if not isinstance(method, str) or not TOKEN.fullmatch(method):
        raise ConfigurationError(
            f"method={method!r} is not an HTTP method: pass text such as 'GET'"
        )
    return method.upper()


def _checked_url(url: object, base_url: str) -> str:
    text = str(url) if type(url).__module__.partition(".")[0] in {"httpx", "httpx2"} else url
    if not isinstance(text, str):
        raise ConfigurationError(f"url={url!r} is not a URL: pass text such as 'https://host/path'")
    parts: SplitResult | None = None
    try:
        found = urlsplit(text)
        # Reading the port checks it: the resolver takes one above 65535 for another, silently.
        parts = found if found.port != 0 else None
    except ValueError:
        pass
    if parts is not None and not parts.scheme and not parts.netloc and base_url:
        return text
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"url={without_secrets(text)!r} is not an http or https URL: pass one such as "
            f"'https://host/path', or set the client's base_url"
        )
    return text


def _label(method: str, url: str, base_url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme:
        base = urlsplit(base_url)
        path = f"{base.path.rstrip('/')}/{parts.path.lstrip('/')}" if parts.path else base.path
        parts = base._replace(path=path)
    return f"{method} {without_secrets(parts.geturl())}"


def _call(
    method: str,
    url: str,
    headers: tuple[Pairs | Callable[[], Any], ...],
    options: Mapping[str, Any],
) -> Call:
    bodies = [name for name in ("json", "data", "content") if options.get(name) is not None]
    if len(bodies) > 1:
        given = " and ".join(f"{name}=" for name in bodies)
        raise ConfigurationError(f"{given} are two bodies for one request: pass one of them")
    for name in ("params", "cookies"):
        check_pairs(options.get(name), name)
    if not isinstance(options.get("data", {}), Mapping | None):
        raise ConfigurationError(
            f"data= of type {type(options['data']).__name__} is no form: pass a mapping of fields, "
            f"or content= for a body of text or bytes"
        )
    check_auth(options.get("auth"))
    return Call(
        method=method,
        url=url,
        params=_as_now(options.get("params")),
        headers=layered(*[layer for layer in headers if not callable(layer)]),
        fresh_headers=headers if any(map(callable, headers)) else (),
        cookies=options.get("cookies"),
        json=_as_now(options.get("json")),
        data=_as_now(options.get("data")),
        content=options.get("content"),
        auth=options.get("auth", USE_CLIENTS_AUTH),
    )


def _as_now(value: Any) -> Any:
    """The value, whatever becomes of it later: a request that is sent again is the same one."""
    if isinstance(value, dict):
        held: dict[Any, Any] = value  # pyright: ignore[reportUnknownVariableType]
        return {key: _as_now(inner) for key, inner in held.items()}
    if isinstance(value, list):
        listed: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
        return [_as_now(inner) for inner in listed]
    return value


def _resendable(
    method: str, options: Mapping[str, Any], headers: tuple[tuple[str, str], ...]
) -> bool:
    keyed = any(name.lower() == "idempotency-key" for name, _ in headers)
    return is_idempotent(method) or keyed or sends_again(options.get("resume"))


def _replayable(content: object) -> bool:
    return content is None or isinstance(content, (str, bytes))


def _checked_terminal(value: Any) -> Any:
    refuse_async(value, "terminal")
    if value is None or isinstance(value, Terminal) or callable(value):
        return value
    if isinstance(value, str) and value:
        return value
    raise ConfigurationError(
        f"terminal={value!r} marks no end: pass text such as '[DONE]', Terminal(event=…), or a "
        f"function of an item"
    )


def _checked_failure(value: Any) -> Any:
    refuse_async(value, "failure")
    if value is None or isinstance(value, Failure) or callable(value):
        return value
    raise ConfigurationError(
        f"failure={value!r} recognises nothing: pass Failure(event=…), Failure(path=…), or a "
        f"function of an item"
    )


def _checked_bad_item(value: Any) -> Any:
    refuse_async(value, "on_bad_item")
    if value in {"raise", "skip"} if isinstance(value, str) else callable(value):
        return value
    raise ConfigurationError(
        f"on_bad_item={value!r} is no rule: pass 'raise', 'skip', or a function of a DecodeError"
    )


def _checked_start(start: object, resume: Resume | None, label: str) -> Position:
    if start is None:
        return Position()
    if not isinstance(start, (Cursor, str, int, float)) or isinstance(start, bool):
        raise ConfigurationError(
            f"start={start!r} is no position: pass stream.cursor of an earlier run, or a last "
            f"event ID as text"
        )
    if isinstance(start, Cursor) and start.request and start.request != label:
        raise ConfigurationError(
            f"start= is a cursor of {start.request!r}, not of {label!r}: a position means nothing "
            f"to another request"
        )
    return position_of(start, resume)


def _flag(options: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    return checked_flag(options.get(name, default), name)
