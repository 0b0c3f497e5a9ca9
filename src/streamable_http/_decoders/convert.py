"""JSON to typed items: strict, by msgspec, or by pydantic for pydantic's own types."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, TypeVar, cast, get_args

import msgspec
from typing_extensions import TypeForm

from .._checks import no_end
from .._errors import ConfigurationError, DecodeError
from .engine import EXCERPT, BadItem

__all__ = [
    "bad_item",
    "converter",
    "every",
    "json_fault",
    "needs_pydantic",
    "once_per_type",
    "utf8_converter",
]

T = TypeVar("T")

Conversion = Callable[[bytes], T]

_strictly: Conversion[Any] = msgspec.json.Decoder().decode


def converter(type: TypeForm[T]) -> Callable[[bytes], T]:
    """The converter for `type`, made once per type.

    JSON is read strictly: invalid UTF-8, NaN and Infinity, numbers beyond a double, lone
    surrogates, trailing data and nesting deeper than the interpreter's stack are errors
    (`ValueError` or `RecursionError`).

    Raises:
        ConfigurationError: `type` is not a type, or nothing can convert to it.
    """
    return _both(type)[0]


def utf8_converter(type: TypeForm[T]) -> Callable[[bytes], T]:
    """The same for bytes that are known to be UTF-8, which it need not look at again."""
    return _both(type)[1]


def _both(type: TypeForm[T]) -> tuple[Conversion[T], Conversion[T]]:
    return cast("tuple[Conversion[T], Conversion[T]]", _made(type))


def every(convert: Callable[[bytes], T], texts: Sequence[bytes]) -> list[T]:
    """The items of many texts; raises if one of them is none."""
    items = list(map(convert, texts))
    if len(items) != len(texts):  # a StopIteration of the type's own ended the loop
        raise RuntimeError("there are fewer items than texts")
    return items


def json_fault(text: bytes) -> Exception | None:
    """What is wrong with `text` as one JSON text, or None; a number beyond a double is not.

    `RecursionError` says that it is nested too deep to be sure.
    """
    try:
        _strictly(text)
    except (ValueError, RecursionError) as exc:
        return None if isinstance(exc, msgspec.ValidationError) else exc
    return None


def _twice(convert: Conversion[T]) -> tuple[Conversion[T], Conversion[T]]:
    return convert, convert


def _make(form: Any) -> tuple[Conversion[Any], Conversion[Any]]:
    if form is Any:
        return _strictly, _strictly
    try:
        if needs_pydantic(form):
            return _twice(_by_pydantic(form))
        strangers = list(_strangers(msgspec.inspect.type_info(form)))
        decode = msgspec.json.Decoder(form).decode
    except (TypeError, NameError, ValueError, AttributeError) as exc:
        raise _refused(form, str(exc)) from exc
    if strangers:
        raise _refused(form, f"msgspec knows nothing of {strangers[0].__qualname__}")
    return _with_utf8(decode), decode


def once_per_type(make: Callable[[Any], T]) -> Callable[[Any], T]:
    """`make`, which is asked only once about each type that can be remembered."""
    cached = functools.lru_cache(maxsize=512, typed=True)(make)

    def made(form: Any) -> T:
        try:
            return cached(cast("Hashable", form))
        except TypeError:  # not hashable, such as Annotated with a dict
            return make(form)

    return made


_made = once_per_type(_make)


def _refused(form: Any, reason: str) -> ConfigurationError:
    if isinstance(form, str):
        return ConfigurationError(
            f"type={form!r} is a string: pass the type itself, such as {form} without quotes"
        )
    if isinstance(form, type) or get_args(form):
        return ConfigurationError(
            f"type={form!r} cannot be read from JSON ({reason}): pass a msgspec.Struct, dataclass, "
            f"attrs class, TypedDict, pydantic model or builtin type, or a union of them"
        )
    name = type(form).__qualname__
    return ConfigurationError(
        f"type= is an object of class {name}, not a type: pass the type, such as {name} itself"
    )


def _with_utf8(decode: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def checked(data: bytes) -> Any:
        # msgspec does not look at the bytes of fields that the type leaves out.
        if not data.isascii():
            data.decode()
        return decode(data)

    return checked


def _parts(form: Any) -> Iterator[Any]:
    """`form` and everything it is written with, as in `list[A | B]`."""
    yield form
    for part in get_args(form):
        yield from _parts(part)


def needs_pydantic(form: Any) -> bool:
    """Whether a type is pydantic's own, or is made of such."""
    if any(map(_is_pydantic, _parts(form))):
        return True
    return any(map(_is_pydantic, _strangers(msgspec.inspect.type_info(form))))


def _strangers(info: object) -> Iterator[type]:
    """The classes below `info` that msgspec cannot convert to, or must not."""
    seen: set[int] = set()
    pending = [info]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        kind: type | None = getattr(node, "cls", None)
        if kind and (_is_pydantic(kind) or isinstance(node, msgspec.inspect.CustomType)):
            yield kind
        elif isinstance(node, (tuple, list)):
            pending.extend(cast("tuple[object, ...]", node))
        elif isinstance(node, (msgspec.inspect.Type, msgspec.inspect.Field)):
            pending.extend(getattr(node, name) for name in node.__struct_fields__)


def _is_pydantic(form: object) -> bool:
    return isinstance(form, type) and hasattr(form, "__pydantic_validator__")


def _by_pydantic(form: Any) -> Callable[[bytes], Any]:
    import pydantic

    try:
        validate = pydantic.TypeAdapter(form).validate_json
    except (pydantic.errors.PydanticUserError, NameError, TypeError) as exc:
        raise _refused(form, str(exc).partition("\n")[0]) from exc

    def decode(data: bytes) -> Any:
        # pydantic lets NaN, Infinity and 1e999 pass.
        _strictly(data)
        return validate(data)

    return decode


def bad_item(
    exc: Exception, policy: BadItem, *, index: int, offset: int, data: bytes
) -> Exception | None:
    """What becomes of an item that raised `exc`: the error to end with, or None to skip it.

    Only what says that the data is wrong is a bad item; any other exception comes from the
    user's own code (a hook of the item's type, or the policy), and reaches the user as it is.
    """
    if not isinstance(exc, (ValueError, RecursionError)):
        return no_end(exc)
    error = DecodeError(
        f"item {index} at byte {offset} cannot be decoded: {_reason(exc)}",
        index=index,
        offset=offset,
        excerpt=data[:EXCERPT],
    )
    error.__cause__ = exc
    if policy == "raise":
        return error
    if policy == "skip":
        return None
    try:
        policy(error)
    except Exception as stop:
        return no_end(stop)
    return None


def _reason(exc: Exception) -> str:
    """One line; pydantic's own text repeats the input and takes several."""
    errors = getattr(exc, "errors", None)
    if not callable(errors):
        return str(exc)
    first = cast("list[dict[str, Any]]", errors(include_url=False, include_input=False))[0]
    where = ".".join(map(str, first["loc"]))
    return f"{first['msg']} - at `{where}`" if where else str(first["msg"])
