"""How well-known streams are read, as data: `client.stream(…, **profiles.OPENAI_CHAT.options())`.

A `Profile` says what ends such a stream, what reports a failure inside it, and how it goes on. The
request is yours: URL, body, credentials.

Items are JSON values (dicts), or events where the feed has no one format. `with_decoder` gives them
a type of your own; the rest of a profile looks at keys and attributes alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NotRequired, TypedDict, TypeVar, cast

from attrs import evolve, frozen

from ._decoders.paths import look_into
from ._request import HeaderTypes
from ._resume import ItemCursor, LastEventID, Resume
from ._settings import checked_headers, layered
from ._values import Failure, Terminal, Timeouts
from .decoders import NDJSON, SSE, DecoderFactory, ServerSentEvent, SSEData

__all__ = [
    "AG_UI",
    "ANTHROPIC",
    "COUCHDB_CHANGES",
    "KUBERNETES_WATCH",
    "OLLAMA",
    "OPENAI_BACKGROUND",
    "OPENAI_CHAT",
    "OPENAI_RESPONSES",
    "WIKIMEDIA",
    "Profile",
    "ProfileOptions",
]

T = TypeVar("T")
U = TypeVar("U")

Test = Callable[[Any], bool]


class ProfileOptions(TypedDict, Generic[T]):
    """Keyword options of `Client.stream`, `AsyncClient.stream` and `Request`."""

    decoder: DecoderFactory[T]
    terminal: NotRequired[str | Terminal | Test]
    failure: NotRequired[Failure | Test]
    resume: NotRequired[Resume]
    follow: NotRequired[bool]
    timeout: NotRequired[Timeouts]
    headers: NotRequired[HeaderTypes]


@frozen(kw_only=True)
class Profile(Generic[T]):
    """How one kind of stream is read. `attrs.evolve(profile, …)` makes another of it.

    Attributes:
        decoder: What makes items of bytes.
        terminal: What ends a stream from inside; None where nothing does.
        failure: What reports a failure from inside, or None.
        resume: How to go on after a fault. Default: what is provably faithful.
        follow: Whether the end of a response is only a pause.
        timeouts: The clocks, in seconds. Default: the client's.
        accept: The media types to ask for. Default: the decoder's.
    """

    decoder: DecoderFactory[T]
    terminal: str | Terminal | Test | None = None
    failure: Failure | Test | None = None
    resume: Resume | None = None
    follow: bool = False
    timeouts: Timeouts | None = None
    accept: str | None = None

    def options(self, headers: HeaderTypes | None = None) -> ProfileOptions[T]:
        """The profile as keyword options: `client.stream(method, url, **profile.options())`.

        Args:
            headers: More headers; they win over the profile's. (A client's own headers are better
                kept in the client.)
        """
        options: ProfileOptions[T] = {"decoder": self.decoder}
        if self.terminal is not None:
            options["terminal"] = self.terminal
        if self.failure is not None:
            options["failure"] = self.failure
        if self.resume is not None:
            options["resume"] = self.resume
        if self.follow:
            options["follow"] = True
        if self.timeouts is not None:
            options["timeout"] = self.timeouts
        asked = _with_accept(self.accept, headers)
        if asked is not None:
            options["headers"] = asked
        return options

    def with_decoder(self, decoder: DecoderFactory[U]) -> Profile[U]:
        """The same profile with items of another type, as in `with_decoder(SSEData(Chunk))`."""
        return cast("Profile[U]", evolve(cast("Profile[Any]", self), decoder=decoder))


def _with_accept(accept: str | None, headers: HeaderTypes | None) -> HeaderTypes | None:
    if accept is None:
        return headers
    return layered((("Accept", accept),), checked_headers(headers, "headers"))


@frozen
class _Says:
    """Whether an item says one of some values at a path of keys."""

    path: str
    values: tuple[object, ...]

    def __call__(self, item: Any) -> bool:
        return look_into(item, self.path.split(".")) in self.values


# Models --------------------------------------------------------------------------------------

# Their own SDKs wait ten minutes for a response to begin: a model may think, or be loaded, first.
_PATIENT = Timeouts(first_byte=600)

OPENAI_CHAT: Profile[Any] = Profile(
    decoder=SSEData(),
    terminal="[DONE]",
    failure=Failure(path="error"),
    timeouts=_PATIENT,
)
"""Chat completions of OpenAI, and of the many that speak as it does: POST …/chat/completions with
`"stream": true`. Items are chunks."""

OPENAI_RESPONSES: Profile[Any] = Profile(
    decoder=SSEData(),
    terminal=_Says("type", ("response.completed", "response.incomplete")),
    failure=_Says("type", ("response.failed", "error")),
    timeouts=_PATIENT,
)
"""OpenAI's Responses API: POST …/responses with `"stream": true`. Items are its events, the last of
which, `response.completed` or `response.incomplete`, has the response as a whole."""

OPENAI_BACKGROUND: Profile[Any] = evolve(
    OPENAI_RESPONSES,
    resume=ItemCursor(get="sequence_number", apply="starting_after", key="sequence_number"),
)
"""The same, of a response that runs in the background: GET …/responses/{id}?stream=true. A stream
that breaks goes on by `starting_after`."""

ANTHROPIC: Profile[Any] = Profile(
    decoder=SSEData(),
    terminal=Terminal(event="message_stop"),
    failure=Failure(event="error"),
    timeouts=_PATIENT,
)
"""Anthropic's Messages API: POST …/messages with `"stream": true`. Items are its events, pings
included."""

OLLAMA: Profile[Any] = Profile(
    decoder=NDJSON(),
    terminal=_Says("done", (True,)),
    failure=Failure(path="error"),
    timeouts=_PATIENT,
)
"""Ollama: POST …/api/chat or …/api/generate. Items are objects; the last, with `"done": true`, has
the statistics."""

AG_UI: Profile[Any] = Profile(
    decoder=SSEData(),
    terminal=_Says("type", ("RUN_FINISHED",)),
    failure=_Says("type", ("RUN_ERROR",)),
    timeouts=_PATIENT,
)
"""A run of an agent by the Agent User Interaction protocol, over server-sent events. Items are its
events."""

# Feeds ---------------------------------------------------------------------------------------


def _version_lost(item: Any) -> bool:
    is_error: bool = look_into(item, ["type"]) == "ERROR"
    return is_error and look_into(item, ["object", "code"]) == 410


_BEHIND_THE_STATE = ("MODIFIED", "DELETED", "BOOKMARK")


def _version(item: Any) -> Any:
    # Without a version asked for, a watch begins with an ADDED for every object that there is, and
    # the versions of those are in no order. Nothing tells them from what is added later, so no
    # ADDED is a position. All else comes behind them, in order.
    if look_into(item, ["type"]) not in _BEHIND_THE_STATE:
        return None
    return look_into(item, ["object", "metadata", "resourceVersion"])


def _version_key(item: Any) -> object:
    # A bookmark may tell the version that an object had. It has no uid, and is no repeat of that.
    return [look_into(item, ["object", "metadata", key]) for key in ("uid", "resourceVersion")]


KUBERNETES_WATCH: Profile[Any] = Profile(
    decoder=NDJSON(),
    failure=_Says("type", ("ERROR",)),
    resume=ItemCursor(
        get=_version,
        apply="resourceVersion",
        key=_version_key,
        gone=_version_lost,
    ),
    follow=True,
    accept="application/json",
)
"""A Kubernetes watch: GET of a collection with `watch=true` and `allowWatchBookmarks=true`, and
`start=` the `metadata.resourceVersion` of a list of it. Items are events, `BOOKMARK` included. It
goes on by the `resourceVersion` of the last event that is no `ADDED`: a watch without `start=`
begins with those of all objects, in no order of versions. Where there is no position yet, or the
server has forgotten it (410, as a status or in an `ERROR`), there is a `ResumeError`: list the
collection again, and watch from there."""


def _sequence(item: Any) -> Any:
    found = look_into(item, ["seq"])
    return look_into(item, ["last_seq"]) if found is None else found


COUCHDB_CHANGES: Profile[Any] = Profile(
    decoder=NDJSON(),
    failure=Failure(path="error"),
    resume=ItemCursor(get=_sequence, apply="since", key=_sequence),
    follow=True,
    accept="application/json",
)
"""The changes of a CouchDB: GET …/{db}/_changes?feed=continuous, best with a `heartbeat=` shorter
than the idle clock. Items are changes, and `{"last_seq": …}` where a response ends; it goes on by
`since`."""

WIKIMEDIA: Profile[ServerSentEvent] = Profile(decoder=SSE(), resume=LastEventID(), follow=True)
"""Wikimedia's EventStreams, and all feeds like it: GET, server-sent events without an end. Items
are events; it goes on by their IDs, here a JSON array of Kafka positions."""
