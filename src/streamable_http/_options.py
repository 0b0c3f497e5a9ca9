"""From the caller's options to an `Opening`: every check of an argument is here."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import SplitResult, urlsplit

from attrs import evolve, field, frozen

from ._call import USE_CLIENTS_AUTH, Call
from ._decoders.choose import check_factory
from ._decoders.engine import Context, DecoderFactory, Position, Spec
from ._decoders.watch import check_watch
from ._errors import ConfigurationError
from ._opening import Opening, PrefetchBounds
from ._order import Order
from ._reports import EventHook
from ._request import Request, StreamOptions
from ._resume import LastEventID, NoResume, is_idempotent, position_of
from ._retry import RetryPolicy
from ._values import Cursor, Failure, Limits, Terminal, Timeouts, without_secrets

__all__ = [
    "Defaults",
    "check_auth",
    "check_transport",
    "checked_base_url",
    "checked_flag",
    "checked_headers",
    "checked_hooks",
    "checked_http",
    "checked_instance",
    "checked_prefetch",
    "checked_timeouts",
    "opening_of",
    "refuse_beside_http",
    "with_default",
]

T = TypeVar("T")

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NAMES = frozenset(StreamOptions.__optional_keys__)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@frozen(kw_only=True)
class Defaults:
    """What a client says for all its streams."""

    base_url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    timeouts: Timeouts
    retry: RetryPolicy
    limits: Limits
    prefetch: int
    registry: Mapping[str, Any]
    compress: bool
    require_proof: bool
    hooks: tuple[EventHook, ...]


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
    headers = checked_headers(options.get("headers"), "headers")
    call = _call(method, url, (*_kept(defaults.headers, headers), *headers), options)
    start = options.get("start")
    order = Order(
        label=label,
        method=method,
        resendable=_resendable(method, options, call.headers),
        replayable=_replayable(call.content),
        decoder=request.decoder,
        registry=defaults.registry,
        terminal=_checked_terminal(options.get("terminal")),
        failure=_checked_failure(options.get("failure")),
        on_bad_item=_checked_bad_item(options.get("on_bad_item", "raise")),
        resume=checked_instance(options.get("resume"), "resume", (LastEventID, NoResume), None),
        follow=_flag(options, "follow"),
        start=_checked_start(start, label),
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
    )


def _check_order(order: Order[Any]) -> None:
    if order.decoder is not None:
        check_factory(order.decoder, "decoder")
        check_watch(
            _spec_of(order.decoder), Context(terminal=order.terminal, failure=order.failure)
        )
    if order.follow and isinstance(order.resume, NoResume):
        raise ConfigurationError(
            "follow=True and resume=NoResume() contradict each other: leave one of them out"
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
            near = difflib.get_close_matches(name, _NAMES, n=1)
            fix = (
                f"did you mean {near[0]}=?" if near else f"pass one of {', '.join(sorted(_NAMES))}"
            )
            raise ConfigurationError(f"{name}= is no option of a stream: {fix}")


def _checked_method(method: object) -> str:
    if not isinstance(method, str) or not _TOKEN.fullmatch(method):
        raise ConfigurationError(
            f"method={method!r} is not an HTTP method: pass text such as 'GET'"
        )
    return method.upper()


def _checked_url(url: object, base_url: str) -> str:
    text = str(url) if type(url).__module__.partition(".")[0] in {"httpx", "httpx2"} else url
    if not isinstance(text, str):
        raise ConfigurationError(f"url={url!r} is not a URL: pass text such as 'https://host/path'")
    try:
        parts: SplitResult | None = urlsplit(text)
    except ValueError:
        parts = None
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
    method: str, url: str, headers: tuple[tuple[str, str], ...], options: Mapping[str, Any]
) -> Call:
    bodies = [name for name in ("json", "data", "content") if options.get(name) is not None]
    if len(bodies) > 1:
        given = " and ".join(f"{name}=" for name in bodies)
        raise ConfigurationError(f"{given} are two bodies for one request: pass one of them")
    auth = options.get("auth", USE_CLIENTS_AUTH)
    check_auth(auth)
    return Call(
        method=method,
        url=url,
        params=options.get("params"),
        headers=headers,
        cookies=options.get("cookies"),
        json=options.get("json"),
        data=options.get("data"),
        content=options.get("content"),
        auth=auth,
    )


def check_auth(auth: object) -> None:
    """Refuses auth that would read an endless body before it answers."""
    if getattr(auth, "requires_response_body", False):
        raise ConfigurationError(
            f"auth={type(auth).__name__}(…) reads whole responses (requires_response_body), and a "
            f"stream may never end: use auth that looks at headers only"
        )


def checked_headers(headers: object, name: str) -> tuple[tuple[str, str], ...]:
    """Headers as pairs of text."""
    if headers is None:
        return ()
    raw: Any = headers
    pairs: Iterable[Any] = raw.items() if hasattr(raw, "items") else raw
    checked: list[tuple[str, str]] = []
    try:
        for key, value in pairs:
            if not isinstance(key, str) or not isinstance(value, str):
                raise TypeError
            checked.append((key, value))
    except (TypeError, ValueError, AttributeError):
        # Values are left out of the messages: they may be secrets.
        raise ConfigurationError(
            f"{name}= of type {type(headers).__name__} are not headers: pass a mapping of text to "
            f"text, or pairs of text"
        ) from None
    for key, value in checked:
        if not _TOKEN.fullmatch(key):
            raise ConfigurationError(
                f"{name}= has the name {key!r}, which HTTP does not allow: pass one of letters, "
                f"digits and '-'"
            )
        if _CONTROL.search(value):
            raise ConfigurationError(
                f"{name}[{key!r}] holds a line end or another control character: strip it (text "
                f"read from a file often ends with one)"
            )
    return tuple(checked)


def _kept(
    defaults: tuple[tuple[str, str], ...], headers: tuple[tuple[str, str], ...]
) -> list[tuple[str, str]]:
    own = {name.lower() for name, _ in headers}
    return [pair for pair in defaults if pair[0].lower() not in own]


def _resendable(
    method: str, options: Mapping[str, Any], headers: tuple[tuple[str, str], ...]
) -> bool:
    keyed = any(name.lower() == "idempotency-key" for name, _ in headers)
    return is_idempotent(method) or keyed or isinstance(options.get("resume"), LastEventID)


def _replayable(content: object) -> bool:
    return content is None or isinstance(content, (str, bytes))


def _checked_terminal(value: Any) -> Any:
    if value is None or isinstance(value, Terminal) or callable(value):
        return value
    if isinstance(value, str) and value:
        return value
    raise ConfigurationError(
        f"terminal={value!r} marks no end: pass text such as '[DONE]', Terminal(event=…), or a "
        f"function of an item"
    )


def _checked_failure(value: Any) -> Any:
    if value is None or isinstance(value, Failure) or callable(value):
        return value
    raise ConfigurationError(
        f"failure={value!r} recognises nothing: pass Failure(event=…), Failure(path=…), or a "
        f"function of an item"
    )


def _checked_bad_item(value: Any) -> Any:
    if value in {"raise", "skip"} if isinstance(value, str) else callable(value):
        return value
    raise ConfigurationError(
        f"on_bad_item={value!r} is no rule: pass 'raise', 'skip', or a function of a DecodeError"
    )


def _checked_start(start: object, label: str) -> Position:
    if start is None:
        return Position()
    if not isinstance(start, (Cursor, str)):
        raise ConfigurationError(
            f"start={start!r} is no position: pass stream.cursor of an earlier run, or a last "
            f"event ID as text"
        )
    if isinstance(start, Cursor) and start.request and start.request != label:
        raise ConfigurationError(
            f"start= is a cursor of {start.request!r}, not of {label!r}: a position means nothing "
            f"to another request"
        )
    return position_of(start)


def checked_timeouts(value: object, default: Timeouts) -> Timeouts:
    """A number bounds the idle clock; the others stay the client's."""
    if value is None:
        return default
    if isinstance(value, Timeouts):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return evolve(default, idle=value)
    raise ConfigurationError(
        f"timeout={value!r} is not one of ours: pass Timeouts(connect=…, first_byte=…, idle=…, "
        f"between_items=…, total=…), or seconds of silence as a number"
    )


def checked_prefetch(value: object, default: int) -> int:
    """How many items to read ahead."""
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ConfigurationError(
            f"prefetch={value!r} is not a number of items: pass 0 (read when asked) or more"
        )
    return value


def checked_hooks(hook: object) -> tuple[EventHook, ...]:
    """The hook in a tuple, or nothing."""
    if hook is None:
        return ()
    if callable(hook):
        return (hook,)
    raise ConfigurationError(f"on_event={hook!r} is not callable: pass a function of a StreamEvent")


def checked_instance(value: object, name: str, kinds: tuple[type, ...], default: Any) -> Any:
    """A value of one of our own classes, or the default for None."""
    if value is None:
        return default
    if isinstance(value, kinds):
        return value
    ours = " or ".join(f"{kind.__name__}(…)" for kind in kinds)
    raise ConfigurationError(f"{name}={value!r} is not one of ours: pass {ours}")


def _flag(options: Mapping[str, Any], name: str) -> bool:
    return checked_flag(options.get(name, False), name)


def checked_flag(value: object, name: str) -> bool:
    """A setting that is on or off."""
    if isinstance(value, bool):
        return value
    raise ConfigurationError(f"{name}={value!r} is neither on nor off: pass True or False")


def checked_http(http: object, *, is_async: bool) -> Any:
    """A client of the caller's own, of the right face."""
    send = getattr(http, "send", None)
    builds = callable(getattr(http, "build_request", None))
    if builds and callable(send) and inspect.iscoroutinefunction(send) is is_async:
        return http
    kind, fits = ("async", "AsyncClient") if is_async else ("sync", "Client")
    raise ConfigurationError(
        f"http= of type {type(http).__name__} is no {kind} HTTP client: pass an httpx.{fits} or "
        f"httpx2.{fits}"
    )


def check_transport(transport: object, kind: type) -> None:
    """Refuses what is neither the word for httpx's own transport nor a transport of this face."""
    if transport is None or transport == "httpx" or isinstance(transport, kind):
        return
    raise ConfigurationError(
        f"transport={transport!r} is no transport: pass 'httpx', or an instance of "
        f"httpx.{kind.__name__}"
    )


def refuse_beside_http(**settings: Any) -> None:
    """Refuses settings that a client passed as `http=` would silently ignore."""
    given = [f"{name}=" for name, value in settings.items() if value]
    if given:
        raise ConfigurationError(
            f"http= brings its own settings, so {', '.join(given)} would be ignored: set them on "
            f"that client"
        )


def checked_base_url(url: object) -> str:
    """The base URL as text; "" if there is none."""
    text = str(url)
    try:
        parts = urlsplit(text)
        wrong = text and not (parts.scheme in {"http", "https"} and parts.hostname)
    except ValueError:
        wrong = True
    if wrong:
        raise ConfigurationError(
            f"base_url={without_secrets(text)!r} is not an http or https URL: pass one such as "
            f"'https://host/v1'"
        )
    return text


def with_default(
    headers: tuple[tuple[str, str], ...], default: tuple[str, str]
) -> tuple[tuple[str, str], ...]:
    """The headers, with `default` unless there is one of its name."""
    named = any(name.lower() == default[0] for name, _ in headers)
    return headers if named else (*headers, default)
