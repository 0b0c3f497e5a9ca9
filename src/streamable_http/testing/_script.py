"""Responses, and scripts of them: what a scripted server answers, connection by connection."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from attrs import field, frozen

from .._errors import ConfigurationError
from .._request import HeaderTypes
from .._settings import checked_headers
from .._values import Headers
from ._steps import Steps, checked_steps, data_of, is_known, is_used_up

__all__ = [
    "Answer",
    "RecordedRequest",
    "Refuse",
    "Response",
    "Script",
    "ScriptExhausted",
    "Wire",
    "checked_answer",
    "is_bodiless",
]

Framing: TypeAlias = Literal["chunked", "length", "close"]

_FRAMING = ("content-length", "transfer-encoding")
_BODILESS = frozenset({204, 304})


class ScriptExhausted(AssertionError):
    """More was asked than the script has answers for: it names the request."""


@frozen(kw_only=True)
class RecordedRequest:
    """A request as it arrived.

    Attributes:
        method: The method.
        url: The absolute URL.
        headers: The headers, by name in any case.
        body: The whole body.
        at: When it came, in seconds of the clock.
        connection: Which connection it came on, from 0.
    """

    method: str
    url: str
    headers: Headers
    body: bytes = b""
    at: float = 0.0
    connection: int = 0

    @property
    def path(self) -> str:
        """The URL's path, without the query."""
        return urlsplit(self.url).path or "/"

    @property
    def target(self) -> str:
        """Path and query, as in the request line."""
        query = urlsplit(self.url).query
        return f"{self.path}?{query}" if query else self.path

    def json(self) -> Any:
        """The body, decoded as JSON."""
        import msgspec

        return msgspec.json.decode(self.body)


def _pairs(value: HeaderTypes | None) -> tuple[tuple[str, str], ...]:
    pairs = checked_headers(value, "headers")
    for name, text in pairs:
        try:
            text.encode("latin-1")
        except UnicodeEncodeError:
            raise ConfigurationError(
                f"headers[{name!r}] is sent as Latin-1, which lacks some of its letters: encode it "
                f"by the rules of that header, or write the whole response by hand with Wire(…)"
            ) from None
        if name.lower() in _FRAMING:
            raise ConfigurationError(
                f"headers= has {name!r}, which framing= writes: choose framing=, or write the "
                f"whole response by hand with Wire(…)"
            )
    return pairs


@frozen(kw_only=True)
class Response:
    """One response, and what happens while it is sent.

    The answer to a HEAD, a 204 and a 304 have no body: its steps are not played then.

    Attributes:
        status: The status code.
        headers: The headers, but for those that `framing` writes.
        body: The steps: bytes, `Delay`, `Stall`, `Until`, `Cut`, `Reset`, in lists or not. Each
            bytes arrive on their own. For an endless body: `itertools.repeat`, or an iterable of
            your own; a generator only in what a function answers, since it can be played once.
        framing: What marks the end of the body: `"chunked"`, `"length"` (a Content-Length of all
            the bytes, those behind a `Cut` included) or `"close"` (the end of the connection,
            which proves nothing).
        before: Steps before the head; no bytes among them.

    Raises:
        ConfigurationError: A value is wrong.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = field(default=(), converter=_pairs)
    body: Steps = field(default=(), converter=checked_steps)
    framing: Framing = "chunked"
    before: Steps = field(default=(), converter=checked_steps)

    def __attrs_post_init__(self) -> None:
        status: Any = self.status
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ConfigurationError(
                f"Response(status={status!r}) is no status of a response: pass 200 to 599"
            )
        if self.framing not in {"chunked", "length", "close"}:
            raise ConfigurationError(
                f"Response(framing={self.framing!r}) is not known: pass 'chunked', 'length' or "
                f"'close'"
            )
        if not is_known(self.before):
            raise ConfigurationError(
                "Response(before=…) has no length: pass a list (Stall() is for ever)"
            )
        if self.framing == "length" and not is_known(self.body):
            raise ConfigurationError(
                "Response(framing='length') counts the bytes of its body, which has no length: "
                "pass a list, or choose another framing"
            )
        if data_of(self.before):
            raise ConfigurationError(
                "Response(before=…) has bytes, and the head comes first: put them into body=, or "
                "write the response by hand with Wire(…)"
            )

    @property
    def fields(self) -> list[tuple[str, str]]:
        """All headers, those of the framing included."""
        if self.status in _BODILESS:
            return [*self.headers]
        match self.framing:
            case "chunked":
                framing = ("Transfer-Encoding", "chunked")
            case "length":
                framing = ("Content-Length", str(len(data_of(self.body))))
            case "close":
                framing = ("Connection", "close")
        return [*self.headers, framing]


def is_bodiless(response: Response, method: str) -> bool:
    """Whether the answer to a request of this method ends with its head (RFC 9112, section 6.3)."""
    return method == "HEAD" or response.status in _BODILESS


@frozen
class Wire:
    """Bytes exactly as they go over the wire, head and all; for a `ScriptedServer` only.

    For heads that drip in, chunk sizes that are none, lengths that lie. The connection stays open
    behind the last step: add `Cut()` to end it.
    """

    steps: Steps = field(converter=checked_steps)


@frozen
class Refuse:
    """No connection comes about (`ConnectError`); for a transport only."""


Reply: TypeAlias = Response | Wire | Refuse
Answer: TypeAlias = Reply | Callable[[RecordedRequest], Reply]


def checked_answer(value: Any) -> Any:
    """An answer, checked."""
    if isinstance(value, (Response, Wire)) and is_used_up(
        value.body if isinstance(value, Response) else value.steps
    ):
        raise ConfigurationError(
            f"the steps of {value!r:.200} can be played only once, and a script holds no state: "
            f"pass them as a list, or answer with a function that makes them"
        )
    if isinstance(value, (Response, Wire, Refuse)) or (
        callable(value) and not isinstance(value, type)
    ):
        return value
    raise ConfigurationError(
        f"{value!r} is no answer: pass Response(…) or what makes one, such as events(…), or a "
        f"function of a RecordedRequest that returns one"
    )


class Script:
    """Answers in order: the first request gets the first one, and so on.

    A script holds no state: one and the same can be played anywhere, and as often as you like.

    Attributes:
        answers: The answers.
        strict: Whether a request after the last answer is an error.
    """

    def __init__(self, *answers: Answer, strict: bool = False) -> None:
        """A script.

        Args:
            *answers: `Response(…)` or what makes one, or functions of a `RecordedRequest` that
                return one.
            strict: After the last answer a request raises `ScriptExhausted`, which names it: from
                a transport where it was sent, from a server when its `with` block ends. Default:
                the last answer is given again and again.

        Raises:
            ConfigurationError: There is no answer, or something that is none.
        """
        if not answers:
            raise ConfigurationError("Script() has no answer: pass one or more")
        self.answers: tuple[Answer, ...] = tuple(checked_answer(one) for one in answers)
        self.strict = strict

    def __repr__(self) -> str:
        return f"Script({', '.join(map(repr, self.answers))}, strict={self.strict})"


Playable: TypeAlias = Script | Answer
Routes: TypeAlias = Playable | Mapping[str, Playable]


def routes_of(value: Routes) -> dict[str, Script]:
    """Scripts by path or by method and path; "*" is for everything."""
    raw: Any = value
    if isinstance(value, Mapping):
        return {_route(key): script_of(one) for key, one in raw.items()}
    return {"*": script_of(raw)}


def script_of(value: Playable) -> Script:
    """A single answer is a script, too."""
    return value if isinstance(value, Script) else Script(value)


def _route(key: Any) -> str:
    words: Iterable[str] = key.split(" ") if isinstance(key, str) else ()
    match [*words]:
        case [path] if path.startswith("/") or path == "*":
            return path
        case [method, path] if method.isalpha() and path.startswith("/"):
            return f"{method.upper()} {path}"
        case _:
            raise ConfigurationError(
                f"{key!r} is no route: pass a path such as '/feed', or 'POST /feed', or '*' for "
                f"every other request"
            )
