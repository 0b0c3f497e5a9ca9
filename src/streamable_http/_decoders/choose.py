"""Which decoder reads a response: the caller's, or the one for its Content-Type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from .._errors import ConfigurationError, ContentTypeError
from .adapted import Adapted
from .csv_table import CSV
from .engine import Context, DecoderFactory, Engine, Spec
from .json_body import JSONBody
from .json_sequence import JSONSeq
from .media_types import is_media_type, parse_content_type
from .multipart import Multipart
from .records import NDJSON
from .sse import SSE
from .text import Raw
from .watch import check_watch

__all__ = ["Registry", "accept_header", "build_engine", "check_registry"]

T = TypeVar("T")

Registry = Mapping[str, DecoderFactory[Any]]
"""A decoder by media type."""


DEFAULTS: Registry = {
    "text/event-stream": SSE(),
    **dict.fromkeys(
        (
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonlines",
            "application/json-lines",
            "application/jsonlines",
            "application/stream+json",
        ),
        NDJSON(),
    ),
    "application/json": JSONBody(),
    "application/json-seq": JSONSeq(),
    "application/geo+json-seq": JSONSeq(),
    "text/csv": CSV(),
    "text/tab-separated-values": CSV(delimiter="\t"),
    "multipart/mixed": Multipart(),
    "multipart/x-mixed-replace": Multipart(),
    "multipart/parallel": Multipart(),
    "application/octet-stream": Raw(),
}


def check_registry(registry: Registry) -> Registry:
    """The registry to choose from: the caller's entries, then the defaults.

    Raises:
        ConfigurationError: A key is no media type, or a value no decoder factory.
    """
    given = cast("object", registry)
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"decoders= of type {type(given).__name__} is no registry: pass a mapping of media "
            f"types to decoders, such as {{'text/csv': Lines()}}"
        )
    for media_type, factory in registry.items():
        if not is_media_type(media_type):
            raise ConfigurationError(
                f"decoders[{media_type!r}]: the key is no media type: pass one in lower case "
                f"and without parameters, such as 'text/csv'"
            )
        check_factory(factory, f"decoders[{media_type!r}]")
    return {**registry, **{name: spec for name, spec in DEFAULTS.items() if name not in registry}}


def accept_header(registry: Registry) -> str:
    """What to ask for when the Content-Type chooses: all that is registered, then anything."""
    return ", ".join([*registry, "*/*;q=0.1"])


def build_engine(
    decoder: DecoderFactory[T] | None, registry: Registry, context: Context
) -> Engine[T]:
    """The engine for one response.

    Args:
        decoder: The caller's choice: a built-in spec, or a factory of a decoder of the caller's
            own; None for the one that `registry` has for the Content-Type.
        registry: From `check_registry`.
        context: What is known about the stream.

    Raises:
        ConfigurationError: `decoder` makes no decoder, or one that cannot see the terminal or
            the failure that is asked for.
        ContentTypeError: Nothing is registered for the Content-Type, or its charset is no use.
    """
    if decoder is None:
        decoder = _registered(registry, context)
    check_factory(decoder, "decoder")
    if isinstance(decoder, Spec):
        spec = cast("Spec[T]", decoder)
        check_watch(spec, context)
        return spec.build(context)
    check_watch(None, context)
    made = decoder()
    if isinstance(made, Engine):
        return made
    if not _decodes(made):
        raise ConfigurationError(
            f"decoder={_name(decoder)} made an object of class {type(made).__qualname__}, which "
            f"lacks decode() or flush(): pass a decoder's class, or a function that returns one"
        )
    return Adapted(made, context.offset)


def _registered(registry: Registry, context: Context) -> DecoderFactory[Any]:
    content_type = context.headers.get("content-type", "")
    media_type = parse_content_type(content_type).media_type
    factory = registry.get(media_type)
    if factory is None:
        what = f"of type {media_type!r}" if media_type else "without a Content-Type"
        raise ContentTypeError(
            f"the response is {what}, for which no decoder is registered: pass decoder=SSE(), "
            f"NDJSON(), CSV(), Lines(), Raw() or another, or register one with "
            f"Client(decoders={{...}})",
            content_type=content_type,
        )
    return factory


def check_factory(factory: object, argument: str) -> None:
    name = _name(factory)
    if _is_spec_class(factory):
        raise ConfigurationError(
            f"{argument}={name} is a class: pass {name}(), not the class {name}"
        )
    if callable(factory):
        return
    if _decodes(factory):
        raise ConfigurationError(
            f"{argument}={name} is a decoder, and each connection needs a fresh one: pass its "
            f"class, or a function that makes one"
        )
    raise ConfigurationError(
        f"{argument}={factory!r:.80} is no decoder: pass one such as SSE(), NDJSON(), CSV(), "
        f"Lines() or Raw(), or the class of your own"
    )


def _is_spec_class(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Spec)


def _decodes(value: object) -> bool:
    return callable(getattr(value, "decode", None)) and callable(getattr(value, "flush", None))


def _name(factory: object) -> str:
    return str(getattr(factory, "__qualname__", type(factory).__qualname__))
