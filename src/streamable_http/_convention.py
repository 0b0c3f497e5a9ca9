"""The convention of streaming data services: what is asked, and what the answers mean; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar, cast

from attrs import field, frozen

from ._decoders.convert import converter
from ._decoders.sse import SSEData
from ._errors import ConfigurationError, DecodeError, StreamError
from ._reports import Summary
from ._request import Request, SharedOptions, StreamOptions
from ._resume import LastEventID
from ._values import Failure, Limits, without_secrets

__all__ = [
    "Health",
    "Processed",
    "StreamInfo",
    "checked_base",
    "document_options",
    "health_of",
    "info_of",
    "info_path",
    "parsed",
    "stream_request",
    "stream_requests",
]

R_co = TypeVar("R_co", covariant=True)

_ENDPOINT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~-]{0,127}")
_DOCUMENT_LIMITS = Limits(max_stream_bytes=1024 * 1024)
_NO_DETAILS: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Health:
    """Whether a service answers; truthy if it does.

    Attributes:
        ok: Whether it answered with a success.
        details: What it said, if that was a JSON object.
        error: Why not, if it did not.
    """

    ok: bool
    details: Mapping[str, Any] = _NO_DETAILS
    error: StreamError | None = None

    def __bool__(self) -> bool:
        return self.ok


@frozen(kw_only=True)
class StreamInfo:
    """What a service says about one of its streams.

    Attributes:
        name: The endpoint.
        description: In words, or "".
        total: How many items it has, if told.
        details: All that the service said.
    """

    name: str
    description: str = ""
    total: int | None = None
    details: Mapping[str, Any] = field(default=_NO_DETAILS, repr=False)


@frozen(kw_only=True)
class Processed(Generic[R_co]):
    """What `process_stream` returns: the processor's results, and a summary of the stream."""

    results: list[R_co]
    summary: Summary


def _shown(url: object) -> object:
    return without_secrets(url) if isinstance(url, str) else url


def checked_base(base_url: object) -> str:
    """Where the service is, without a slash at the end."""
    if not isinstance(base_url, str) or not re.match(r"https?://[^/?#]+[^?#]*\Z", base_url):
        raise ConfigurationError(
            f"base_url={_shown(base_url)!r} is not where a service is: pass 'http://host:port', "
            f"with a path if need be, without query"
        )
    return base_url.rstrip("/")


def _checked_endpoint(endpoint: object) -> str:
    if not isinstance(endpoint, str) or not _ENDPOINT.fullmatch(endpoint):
        raise ConfigurationError(
            f"endpoint={endpoint!r:.80} is not a plain name: pass letters, digits, '_', '-', '.' "
            f"and '~' only, as in 'users'"
        )
    return endpoint


def info_path(endpoint: object) -> str:
    """Where the service tells about a stream."""
    return f"info/{_checked_endpoint(endpoint)}"


def stream_request(
    base: str, endpoint: str, data: Any, decoder: Any, options: SharedOptions
) -> Request[Any]:
    """The request for one stream."""
    name = _checked_endpoint(endpoint)
    merged: StreamOptions = {"resume": LastEventID(), "json": {} if data is None else data}
    if decoder is None:
        decoder = SSEData()
        merged |= {"terminal": "[DONE]", "failure": Failure(event="error")}
    merged.update(options)  # type: ignore[typeddict-item]  # all of SharedOptions are in it
    request: Request[Any] = Request(
        "POST", f"{base}/stream/{name}", key=name, decoder=decoder, **merged
    )
    return request


def stream_requests(
    base: str, endpoints: object, data: Any, decoder: Any, options: SharedOptions
) -> list[Request[Any]]:
    """The requests for several streams: names with common parameters, or with their own."""
    if isinstance(endpoints, str) or not isinstance(endpoints, Iterable):
        raise ConfigurationError(
            f"endpoints={endpoints!r} are not several: pass a list of names, or a mapping of names "
            f"to parameters"
        )
    if isinstance(endpoints, Mapping):
        if data is not None:
            raise ConfigurationError(
                f"data={data!r:.80} would be ignored, since endpoints= has parameters for each "
                f"name: leave one of them out"
            )
        pairs = list(cast("Mapping[str, Any]", endpoints).items())
    else:
        pairs = [(name, data) for name in cast("Iterable[str]", endpoints)]
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ConfigurationError(
                f"endpoints= holds {twice!r:.80} twice, and answers are by name: pass it once"
            )
    return [stream_request(base, name, value, decoder, options) for name, value in pairs]


def document_options(options: SharedOptions) -> SharedOptions:
    """How the small documents are asked for."""
    return {"headers": {"Accept": "application/json"}, "limits": _DOCUMENT_LIMITS, **options}


def parsed(body: bytes) -> dict[str, Any]:
    """A small document, which is a JSON object."""
    try:
        value = converter(Any)(body)
    except (ValueError, RecursionError) as exc:
        raise DecodeError(f"the service's answer is not JSON: {exc}", excerpt=body[:64]) from exc
    if not isinstance(value, dict):
        raise DecodeError("the service's answer is not a JSON object", excerpt=body[:64])
    return cast("dict[str, Any]", value)


def health_of(details: dict[str, Any]) -> Health:
    """What a health document says."""
    return Health(ok=True, details=MappingProxyType(details))


def info_of(endpoint: str, details: dict[str, Any]) -> StreamInfo:
    """What an info document says."""
    total = details.get("total")
    return StreamInfo(
        name=str(details.get("name", endpoint)),
        description=str(details.get("description", "")),
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
        details=MappingProxyType(details),
    )
