"""Checks of settings that a client has, or that a client and a stream share."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from attrs import evolve

from ._checks import refuse_async
from ._errors import ConfigurationError
from ._reports import EventHook
from ._values import Timeouts, without_secrets

__all__ = [
    "TOKEN",
    "check_auth",
    "check_pairs",
    "check_transport",
    "checked_base_url",
    "checked_flag",
    "checked_header_source",
    "checked_headers",
    "checked_hooks",
    "checked_http",
    "checked_instance",
    "checked_prefetch",
    "checked_timeouts",
    "layered",
    "refuse_beside_http",
]

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name (RFC 9110, section 5.6.2)."""


def check_auth(auth: Any) -> None:
    """Refuses what is no auth, and auth that would read an endless body before it answers."""
    pair = issubclass(type(auth), tuple) and len(auth) == 2
    if not (auth is None or pair or callable(auth) or hasattr(auth, "auth_flow")):
        # The value is left out: it may be a secret.
        raise ConfigurationError(
            f"auth= of type {type(auth).__name__} is no auth: pass (user, password), an "
            f"httpx.Auth, a function of a request, or None"
        )
    refuse_async(auth, "auth")
    if getattr(auth, "requires_response_body", False):
        raise ConfigurationError(
            f"auth={type(auth).__name__}(…) reads whole responses (requires_response_body), and a "
            f"stream may never end: use auth that looks at headers only"
        )


def check_pairs(value: object, name: str) -> None:
    """Refuses what holds no names and values."""
    if value is not None and not isinstance(value, Iterable):
        raise ConfigurationError(
            f"{name}= of type {type(value).__name__} holds no names and values: pass a mapping"
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
        if not TOKEN.fullmatch(key):
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


def checked_header_source(headers: object) -> tuple[tuple[str, str], ...] | Callable[[], Any]:
    """Headers as pairs of text, or the function that is to be asked for them."""
    return headers if callable(headers) else checked_headers(headers, "headers")


def layered(*layers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """One set of headers: those of a later layer replace all of that name in the earlier ones."""
    merged: tuple[tuple[str, str], ...] = ()
    for layer in layers:
        own = {name.lower() for name, _ in layer}
        merged = (*[pair for pair in merged if pair[0].lower() not in own], *layer)
    return merged


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
        refuse_async(hook, "on_event")
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
        # Reading the port checks it: the resolver takes one above 65535 for another, silently.
        wrong = text and not (
            parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
        )
    except ValueError:
        wrong = True
    if wrong:
        raise ConfigurationError(
            f"base_url={without_secrets(text)!r} is not an http or https URL: pass one such as "
            f"'https://host/v1'"
        )
    return text
