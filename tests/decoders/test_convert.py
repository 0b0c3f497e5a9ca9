from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from typing import Annotated, Any, Generic, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from streamable_http._decoders.convert import bad_item, converter
from streamable_http._errors import ConfigurationError, DecodeError


class Struct(msgspec.Struct):
    n: int


class Tagged(msgspec.Struct, tag="t"):
    n: int


class Other(msgspec.Struct, tag="o"):
    n: int


class Node(msgspec.Struct):
    children: list[Node] = []


@dataclasses.dataclass
class Data:
    n: int


@attrs.frozen
class Attrs:
    n: int


class Dict(TypedDict):
    n: int


class Model(pydantic.BaseModel):
    n: int
    any: Any = None


class Second(pydantic.BaseModel):
    m: int


@pydantic.dataclasses.dataclass
class Checked:
    n: int

    @pydantic.field_validator("n")
    @classmethod
    def small(cls, n: int) -> int:
        if n > 9:
            raise ValueError("too large")
        return n


@dataclasses.dataclass
class Holder:
    model: Model


T = TypeVar("T")


class Box(pydantic.BaseModel, Generic[T]):
    value: T


@pytest.mark.parametrize(
    ("type", "value"),
    [
        (Struct, Struct(1)), (Data, Data(1)), (Attrs, Attrs(1)), (Dict, {"n": 1}), (Any, {"n": 1}),
        (dict[str, int], {"n": 1}), (Struct | int, Struct(1)), (Struct | None, Struct(1)),
        (Annotated[Struct, {"no": "hash"}], Struct(1)), (Node, Node()), (Checked, Checked(1)),
        (Model, Model(n=1)), (Model | None, Model(n=1)), (Model | Second, Model(n=1)),
        (Annotated[Model, {"no": "hash"}], Model(n=1)),
    ],
)  # fmt: skip
def test_types_that_are_converted_to(type: Any, value: Any) -> None:
    assert converter(type)(b'{"n": 1}') == value


def test_more_types() -> None:
    assert converter(Tagged | Other)(b'{"type": "o", "n": 1}') == Other(1)
    assert converter(list[Model])(b'[{"n": 1}]') == [Model(n=1)]
    assert converter(Holder)(b'{"model": {"n": 1}}') == Holder(Model(n=1))
    assert converter(list[Checked])(b'[{"n": 1}]') == [Checked(1)]
    assert converter(Box[int])(b'{"value": 1}') == Box(value=1)
    assert converter(Model | Second)(b'{"m": 1}') == Second(m=1)
    assert converter(int | str)(b'"x"') == "x"
    assert converter(Node)(b'{"children": [{}]}') == Node([Node()])


def test_a_converter_is_made_once() -> None:
    assert converter(Struct) is converter(Struct)
    assert converter(Model) is converter(Model)


BAD = [
    b"", b"{", b'{"n": 1} 2', b'{"n": 1}{}', b'{"n": 01}', b'{"n": "x"}', b"[]", b"NaN",
    b'{"n": 1, "any": NaN}', b'{"n": 1, "any": Infinity}', b'{"n": 1, "any": -Infinity}',
    b'{"n": 1, "any": "\xff"}', b'{"n": 1, "\xff": 1}', b'{"n": 1, "any": "\xed\xa0\x80"}',
    b'{"n": 1, "any": "\\ud800"}', b'{"n": 1, "any": "\\udc00"}', b'{"n": 1, "any": [1,]}',
    b'{"n": 1, "any": "\x01"}', b'\xef\xbb\xbf{"n": 1}', b'{"n": 1, "any": ' + b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("type", [Struct, Data, Attrs, Dict, Model, Checked, Model | None, Holder])
@pytest.mark.parametrize("text", BAD, ids=[repr(text[:30]) for text in BAD])
def test_json_is_strict_for_every_kind_of_type(type: Any, text: bytes) -> None:
    # Also in fields that the type leaves out.
    with pytest.raises((ValueError, RecursionError)):
        converter(type)(text)


def test_a_number_beyond_a_double_is_not_made_infinite() -> None:
    for kind, text in ((Any, b"1e999"), (float, b"1e999"), (Model, b'{"n": 1, "any": 1e999}')):
        with pytest.raises(ValueError):
            converter(kind)(text)


class Plain:
    pass


@pytest.mark.parametrize(
    ("type", "message"),
    [
        (Plain, "cannot be read from JSON .msgspec knows nothing of Plain"),
        (complex, "msgspec knows nothing of complex"),
        (object, "msgspec knows nothing of object"),
        (list[Plain], r"type=list\[.*Plain\] cannot be read"),
        (Struct | Plain, "Plain"),
        (list[Model | Plain], "cannot be read from JSON"),
        (list["Unknown"], "cannot be read from JSON"),  # type: ignore[name-defined] # noqa: F821
        ("User", "type='User' is a string: pass the type itself, such as User without quotes"),
        (Struct(1), "an object of class Struct, not a type: pass the type, such as Struct itself"),
        (Model(n=1), "an object of class Model, not a type"),
        (5, "an object of class int, not a type"),
        ({"n": int}, "an object of class dict, not a type"),
    ],
)
def test_types_that_are_refused(type: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        converter(type)


def test_pydantic_is_imported_only_for_its_own_types() -> None:
    code = (
        "import sys, dataclasses\n"
        "from streamable_http._decoders.convert import converter\n"
        "A = dataclasses.make_dataclass('A', [('n', int)])\n"
        "converter(A)(b'{\"n\": 1}'); converter(int | str)\n"
        "assert 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def failure(convert: Callable[[bytes], Any], data: bytes) -> Exception:
    with pytest.raises(Exception) as caught:
        convert(data)
    return caught.value


def test_a_bad_item_names_its_place_and_reason() -> None:
    data = b'{"n": "x"}' + b" " * 100
    for kind, reason in ((Struct, "Expected `int`, got `str`"), (Model, "Input should be a valid")):
        cause = failure(converter(kind), data)
        error = bad_item(cause, "raise", index=7, offset=70, data=data)
        assert isinstance(error, DecodeError)
        assert (error.index, error.offset, error.excerpt) == (7, 70, data[:64])
        assert error.__cause__ is cause
        assert str(error).startswith(f"item 7 at byte 70 cannot be decoded: {reason}")
        assert "\n" not in str(error)
    assert str(error).endswith("- at `n`")
    whole = failure(converter(Checked | Model), b"1")
    assert "\n" not in str(bad_item(whole, "raise", index=0, offset=0, data=b""))


def test_the_reason_of_pydantic_for_a_whole_item_has_no_place() -> None:
    class Root(pydantic.RootModel[int]):
        pass

    cause = failure(converter(Root), b'"x"')
    assert str(bad_item(cause, "raise", index=0, offset=0, data=b"")).endswith("as an integer")


def test_what_a_bad_item_becomes() -> None:
    def become(exc: Exception, policy: Any) -> Exception | None:
        return bad_item(exc, policy, index=0, offset=0, data=b"")

    mine = KeyError("mine")

    def stop(error: DecodeError) -> None:
        raise mine

    assert become(ValueError("x"), "skip") is None
    assert become(ValueError("x"), lambda error: None) is None
    assert become(ValueError("x"), stop) is mine
    assert become(mine, "skip") is mine
    assert isinstance(become(RecursionError("deep"), "raise"), DecodeError)
