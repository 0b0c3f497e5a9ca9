"""Server-Sent Events (WHATWG HTML, section 9.2): the event, and three ways to decode a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, TypeVar, overload

from attrs import frozen
from typing_extensions import TypeForm

from .convert import converter, every, utf8_converter
from .engine import Context, Engine, Spec
from .sse_blocks import Plain
from .sse_engine import SSEEngine
from .sse_event import ServerSentEvent

__all__ = ["SSE", "SSEData", "SSEText", "ServerSentEvent"]

T = TypeVar("T")

_EVENT_STREAM = "text/event-stream"


@frozen
class SSE(Spec[ServerSentEvent]):
    """Decodes an event stream into `ServerSentEvent` items.

    The stream is UTF-8 whatever its charset says; bytes that are not become U+FFFD.

    Attributes:
        comments: Deliver comments too, each as soon as its line ends, as an event whose type is
            "" (no event of the stream's own has that) and whose data is the comment's text.
    """

    comments: bool = False

    media_type: ClassVar[str] = _EVENT_STREAM
    has_events: ClassVar[bool] = True

    def build(self, context: Context, /) -> Engine[ServerSentEvent]:
        return _Events(context, comments=self.comments)


@frozen
class SSEText(Spec[str]):
    """Decodes an event stream into the data of its events, as text.

    The stream is UTF-8 whatever its charset says; bytes that are not become U+FFFD.
    """

    media_type: ClassVar[str] = _EVENT_STREAM
    has_events: ClassVar[bool] = True

    def build(self, context: Context, /) -> Engine[str]:
        return _Texts(context)


@frozen(init=False)
class SSEData(Spec[T]):
    """Decodes an event stream into items of a type, from the JSON data of its events.

    The JSON is read strictly: see `NDJSON`.

    Attributes:
        type: What an item is: anything msgspec converts (a Struct, dataclass, attrs class,
            TypedDict, builtin), a pydantic model, or a union of such. Without it: any JSON value.

    Raises:
        ConfigurationError: There is no way to convert to `type`.
    """

    type: Any

    media_type: ClassVar[str] = _EVENT_STREAM
    has_events: ClassVar[bool] = True

    @overload
    def __init__(self: SSEData[Any]) -> None: ...
    @overload
    def __init__(self, type: TypeForm[T]) -> None: ...
    def __init__(self, type: Any = Any) -> None:
        converter(type)  # finds out now that there is none
        object.__setattr__(self, "type", type)

    def build(self, context: Context, /) -> Engine[T]:
        return _Data(context, converter(self.type), utf8_converter(self.type))


class _Events(SSEEngine[ServerSentEvent]):
    def make(self, event: str, data: bytes, event_id: str, retry: int | None) -> ServerSentEvent:
        return ServerSentEvent(event, data.decode("utf-8", "replace"), event_id, retry)

    def make_all(
        self, events: Iterable[str], data: list[Any], ids: Iterable[str]
    ) -> list[ServerSentEvent]:
        return list(map(ServerSentEvent, events, data, ids))


class _Texts(SSEEngine[str]):
    def make(self, event: str, data: bytes, event_id: str, retry: int | None) -> str:
        return data.decode("utf-8", "replace")

    def make_all(self, events: Iterable[str], data: list[Any], ids: Iterable[str]) -> list[str]:
        return data


class _Data(SSEEngine[T]):
    reads_bytes = True

    def __init__(
        self, context: Context, convert: Callable[[bytes], T], utf8: Callable[[bytes], T]
    ) -> None:
        super().__init__(context)
        self._convert, self._convert_utf8 = convert, utf8

    def make(self, event: str, data: bytes, event_id: str, retry: int | None) -> T:
        return self._convert(data)

    def make_all(self, events: Iterable[str], data: list[Any], ids: Iterable[str]) -> list[T]:
        return every(self._convert, data)

    def make_plain(self, found: Plain) -> list[T]:
        return every(self._convert_utf8 if found.is_utf8 else self._convert, found.data)
