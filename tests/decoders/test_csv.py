"""CSV: the rows of RFC 4180, however the bytes are cut, and what is not sure to be one refused."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import io
import re
from typing import Any, NamedTuple, TypedDict

import msgspec
import pydantic
import pytest
from decoder_harness import cut, cuts, every_cut, tell, tell_spec
from hypothesis import given, settings
from hypothesis import strategies as st

from streamable_http import ConfigurationError, ContentTypeError, Headers, Limits
from streamable_http._decoders.csv_table import CSV
from streamable_http._decoders.engine import Context, Position
from streamable_http._errors import DecodeError, LimitExceeded, StreamTruncated


def read(body: bytes, spec: CSV[Any] | None = None, **context: Any) -> Any:
    """What is told of a body, which is the same for every cut."""
    whole, *others = (tell_spec(spec or CSV(), pieces, **context) for pieces in every_cut(body))
    assert all(other == whole for other in others)
    return whole


def rows(body: bytes, **options: Any) -> list[Any]:
    told = read(body, CSV(list[str], header=False, **options))
    assert told.error is None
    return list(told.items)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_examples_of_the_standard(end: bytes) -> None:
    assert rows(b"aaa,bbb,ccc" + end + b"zzz,yyy,xxx" + end) == [
        ["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"],
    ]  # fmt: skip
    assert rows(b"aaa,bbb,ccc" + end + b"zzz,yyy,xxx") == [
        ["aaa", "bbb", "ccc"], ["zzz", "yyy", "xxx"],
    ]  # fmt: skip
    assert rows(b'"aaa","b' + end + b'bb","ccc"' + end) == [["aaa", f"b{end.decode()}bb", "ccc"]]
    assert rows(b'"aaa","b""bb","ccc"' + end) == [["aaa", 'b"bb', "ccc"]]


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"", []),
        (b"\n\r\n\n", []),
        (b'""\n', [[""]]),
        (b",\n", [["", ""]]),
        (b" a , b \n", [[" a ", " b "]]),
        (b'5" pipe,a"b"\n6" pipe,\n', [['5" pipe', 'a"b"'], ['6" pipe', ""]]),
        (b' "a",b\n', [[' "a"', "b"]]),
        (b"a\rb,c\r\r\n", [["a\rb", "c\r"]]),
        (b"c\r\r\n", [["c\r"]]),
        (b"c\r\r\nd\n", [["c\r"], ["d"]]),
        (b'c\r\r\n"d\ne"\n', [["c\r"], ["d\ne"]]),
        (b'"a\rb"\r\n', [["a\rb"]]),
        (b'"a\nb",c\r\nd,e\n', [["a\nb", "c"], ["d", "e"]]),
        (b'"""",""\n', [['"', ""]]),
        (b'"a,\nb"\n', [["a,\nb"]]),
        (b"a\x00b,\x0c\x1c\xc2\x85\n", [["a\x00b", "\x0c\x1c\x85"]]),
        (b'x\n"y"', [["x"], ["y"]]),
        (b'x\n"y"\r', [["x"], ["y"]]),
        (b"\xef\xbb\xbfa\n", [["a"]]),
    ],
)
def test_cells_are_read_as_they_are_written(body: bytes, items: list[list[str]]) -> None:
    assert rows(body) == items


def test_other_delimiters() -> None:
    assert rows(b'a\t"b\tc"\t,\n', delimiter="\t") == [["a", "b\tc", ","]]
    assert rows(b'a|"b|c"|^\n', delimiter="|") == [["a", "b|c", "^"]]
    assert rows(b'a^"b^c"^-\n', delimiter="^") == [["a", "b^c", "-"]]
    assert rows(b'a-"b-c"- ]\n', delimiter="-") == [["a", "b-c", " ]"]]
    assert rows(b"a b\n", delimiter=" ") == [["a", "b"]]
    assert CSV().accept == "text/csv"
    assert CSV(delimiter="\t").accept == "text/tab-separated-values"


@pytest.mark.parametrize("body", [b'"a"b\n', b'x\n"a" ,b\n', b'"a"\rb\n', b'x,"a""" "\ny\n'])
def test_behind_a_closing_quote_nothing_can_be_trusted(body: bytes) -> None:
    for policy in ("raise", "skip"):
        told = read(body, CSV(list[str], header=False), on_bad_item=policy)
        assert told.error is not None
        assert told.error[0] is DecodeError
        assert "closing quote" in told.error[1]
        assert told.items == ([["x"]] if body.startswith(b"x\n") else [])
    at = told.error[3]
    assert body[at : at + 1] not in b',\n"'


table = b'id,name\r\n1,Ada\r\n2,"Alan ""T"" Turing,\r\nMr"\r\n3,\r\n'


def test_rows_by_name() -> None:
    told = read(table)
    assert told.items == [
        {"id": "1", "name": "Ada"},
        {"id": "2", "name": 'Alan "T" Turing,\r\nMr'},
        {"id": "3", "name": ""},
    ]
    ends = [table.index(b"2,"), table.index(b"3,"), len(table)]
    assert [position.offset for position in told.positions] == ends
    assert told.end == Position(offset=len(table))


class Struct(msgspec.Struct):
    id: int
    name: str | None = "-"


@dataclasses.dataclass
class Data:
    id: int
    name: str


class Dict(TypedDict):
    id: int
    name: str


class Model(pydantic.BaseModel):
    id: int
    name: str | None


class Pair(NamedTuple):
    id: int
    name: str


class Array(msgspec.Struct, array_like=True):
    id: int


@pytest.mark.parametrize(
    ("spec", "item"),
    [
        (CSV(list[str]), ["1", "Ada"]),
        (CSV(list), ["1", "Ada"]),
        (CSV(dict), {"id": "1", "name": "Ada"}),
        (CSV(dict[str, str | None]), {"id": "1", "name": "Ada"}),
        (CSV(Struct), Struct(1, "Ada")),
        (CSV(Data), Data(1, "Ada")),
        (CSV(Dict), {"id": 1, "name": "Ada"}),
        (CSV(Model), Model(id=1, name="Ada")),
        (CSV(Struct, rename={"name": "other"}), Struct(1)),
        (CSV(tuple[int, str]), (1, "Ada")),
        (CSV(list[str | None]), ["1", "Ada"]),
    ],
)
def test_a_row_becomes_what_the_type_says(spec: CSV[Any], item: Any) -> None:
    assert read(b"id,name\n1,Ada\n", spec).items == [item]


def test_the_text_of_a_cell_is_read_as_its_field() -> None:
    class Row(msgspec.Struct):
        flag: bool
        day: dt.date
        price: float
        note: str | None

    told = read(b"flag,day,price,note\ntrue,2024-05-01,1e3,\n", CSV(Row, empty=None))
    assert told.items == [Row(True, dt.date(2024, 5, 1), 1000.0, None)]
    assert read(b"a\n\n\x22\x22\n", CSV(empty="none")).items == [{"a": "none"}]


@pytest.mark.parametrize("form", [int, str, Any, Pair, Array, Struct | list[str]])
def test_what_a_row_cannot_be(form: Any) -> None:
    with pytest.raises(ConfigurationError, match="type="):
        CSV(form)


def test_a_row_that_does_not_fit_is_a_bad_item() -> None:
    body = b"id,name\n1,a\nx,b\n2,c,d\n3\n\n4,\xff\n5,e\n"
    told = read(body, CSV(Struct))
    assert told.items == [Struct(1, "a")]
    assert told.error[2:4] == (1, 12)
    assert "Expected `int`" in told.error[1]
    told = read(body, CSV(Struct), on_bad_item="skip")
    assert told.items == [Struct(1, "a"), Struct(5, "e")]
    assert (told.skipped, told.error) == (4, None)
    told = read(b"id,name\n1\n", CSV())
    assert "the row has 1 cells, and the table has 2 columns" in told.error[1]
    told = read(b"id,name\nx,b\n", CSV(Model))
    assert "item 0 at byte 8 cannot be decoded" in told.error[1]


def test_names_from_elsewhere() -> None:
    given = CSV(header=("a", "b"))
    assert read(b"1,2\n", given).items == [{"a": "1", "b": "2"}]
    told: dict[str, Any] = {"headers": Headers([("Content-Type", "text/csv; header=present")])}
    assert read(b"x,y\n1,2\n", given, **told).items == [{"a": "1", "b": "2"}]
    absent: dict[str, Any] = {"headers": Headers([("Content-Type", 'text/csv; header="absent"')])}
    assert read(b"1,2\n", given, **absent).items == [{"a": "1", "b": "2"}]
    assert read(b"1,2\n", CSV(list[str]), **absent).items == [["1", "2"]]
    with pytest.raises(ContentTypeError, match="no header: pass the names"):
        CSV().build(Context(**absent))


def test_headers_that_name_no_columns() -> None:
    for policy in ("raise", "skip"):
        told = read(b"a,b,a\n1,2,3\n", CSV(), on_bad_item=policy)
        assert told.items == []
        assert "names the column 'a' twice" in told.error[1]
    assert read(b"a,b,a\n1,2,3\n", CSV(list[str])).items == [["1", "2", "3"]]
    assert read(b"a,b,a\n", CSV(header=("x", "y", "z"))).items == [{"x": "a", "y": "b", "z": "a"}]
    told = read(b"a,b\n1,2\n", CSV(rename={"c": "d"}))
    assert "no column 'c'" in told.error[1]
    told = read(b"a,b\n1,2\n", CSV(rename={"b": "a"}))
    assert "names the column 'a' twice" in told.error[1]
    assert read(b"\n\na,b", CSV()).items == []


def test_an_end_inside_of_a_row() -> None:
    for framed in (True, False):
        told = read(table[:-1], framed=framed)
        assert len(told.items) == (3 if framed else 2)
        assert (told.error is None) == framed
        quoted = table[: table.index(b"\r\nMr") + 2]
        told = read(quoted, framed=framed)
        assert len(told.items) == 1
        assert told.error[:2] == (
            StreamTruncated, "the body ended inside row 1: the stream is not complete",
        )  # fmt: skip
    assert read(table, framed=False).error is None
    # What HTTP proves to be all may still be cut: a gateway in between ends it in good order.
    for cut_off in (b"id,name\n1", b"id,name\n1,\xc3", b'id,name\n"1"'):
        assert read(cut_off).error[0] is StreamTruncated
    assert read(b"id,name\n1,2,3").error[0] is DecodeError
    assert read(b"id,name\n1,\xff").error[0] is DecodeError


def test_a_terminal_is_a_row_as_it_is_written() -> None:
    for end in (b"\r\n", b"\n", b""):
        told = read(b'a,b\n1,2\n"END",x\nEND' + end + b"3,4\n" * bool(end), terminal="END")
        assert told.ended
        assert [item["a"] for item in told.items] == ["1", "END"]
        assert told.error is None
    assert read(b"END\n", terminal="END").ended
    with pytest.raises(ConfigurationError, match="cannot be written in iso8859-1"):
        CSV(encoding="latin-1").build(Context(terminal="☃"))


def test_the_charset() -> None:
    latin: dict[str, Any] = {"headers": Headers([("Content-Type", "text/csv; charset=iso-8859-1")])}
    assert read(b"a\n\xe9\n", **latin).items == [{"a": "é"}]
    assert read(b"a\n\xc3\xa9\n", CSV(encoding="utf-8"), **latin).items == [{"a": "é"}]
    japanese = Context(headers=Headers([("Content-Type", "text/csv; charset=shift_jis")]))
    assert tell(CSV().build(japanese), [b"a\n\x81\x7c\n"]).items == [{"a": "\u2212"}]
    with pytest.raises(ContentTypeError, match=r"the byte of '\|' or of a quote may be"):
        CSV(delimiter="|").build(japanese)
    with pytest.raises(ContentTypeError, match="utf-16"):
        CSV().build(Context(headers=Headers([("Content-Type", "text/csv; charset=utf-16")])))


@pytest.mark.parametrize("charset", ["euc-jp", "euc_jis_2004", "gb18030", "big5", "cp949"])
def test_charsets_whose_characters_are_several_bytes(charset: str) -> None:
    headers = Headers([("Content-Type", f"text/csv; charset={charset}")])
    body = 'id,name\n1,日本\n2,"一,二"\n'.encode(charset)
    assert [item["name"] for item in read(body, headers=headers).items] == ["日本", "一,二"]


@pytest.mark.parametrize("charset", ["mac-arabic", "mac-farsi"])
def test_charsets_in_which_a_quote_has_two_bytes(charset: str) -> None:
    headers = Headers([("Content-Type", f"text/csv; charset={charset}")])
    with pytest.raises(ContentTypeError, match="or of a quote may be"):
        CSV().build(Context(headers=headers))


@pytest.mark.parametrize("form", [dict, list[str]])
def test_many_columns_are_no_more_work_each(form: Any) -> None:
    names = [f"column{number}" for number in range(60_000)]
    told = tell_spec(CSV(form), [",".join(names).encode() + b"\n"])
    assert (told.error, told.items) == (None, [])
    told = tell_spec(CSV(), [",".join([*names, "column7"]).encode() + b"\n"])
    assert told.error is not None


def test_cells_beyond_what_the_reader_of_the_standard_library_takes() -> None:
    long = "x" * (csv.field_size_limit() + 1)
    body = f'a,b\n1,{long}\n2,"{long}\n"\n3,y\n'.encode()
    for pieces in ([body], [body[:1000], body[1000:]], cut(body, list(range(0, len(body), 777)))):
        told = tell_spec(CSV(), pieces)
        assert [item["b"] for item in told.items] == [long, long + "\n", "y"]
    assert csv.field_size_limit() == 131_072


@pytest.mark.parametrize("limit", range(1, 16))
def test_rows_over_the_limit(limit: int) -> None:
    body = b'ab,c\n1,2\n"3 ","4\n5"\n6,7777\n'
    told = read(body, CSV(), limits=Limits(max_item_bytes=limit))
    longest = next((n for n, size in enumerate((4, 3, 10, 6)) if size > limit), None)
    if longest is None:
        assert told.error is None
    else:
        assert told.error[0] is LimitExceeded
        assert told.error[5:7] == ("max_item_bytes", limit + 1)
        assert len(told.items) == max(longest - 1, 0)
    read(b'a\n"b"c' + b"d" * limit, CSV(), limits=Limits(max_item_bytes=limit))


def test_nothing_but_one_row_is_kept() -> None:
    engine = CSV().build(Context(limits=Limits(max_item_bytes=64)))
    for piece in (b"a\n" * 10_000, b'"' + b"x" * 50, b'"\n' + b"y\n" * 100_000):
        assert engine.feed(piece).error is None
        assert len(engine._tail) <= 64  # type: ignore[attr-defined]


def test_one_can_begin_behind_any_row_that_knows_the_header() -> None:
    engine = CSV().build(Context())
    assert not engine.starts_at_records
    engine.feed(table)
    assert engine.starts_at_records
    whole = read(table)
    for index, position in enumerate(whole.positions):
        told = read(table[position.offset :], offset=position.offset, head=engine.head)
        assert told.items == whole.items[index + 1 :]
        assert told.positions == whole.positions[index + 1 :]
    assert not CSV().build(Context(offset=9)).starts_at_records
    assert CSV(list[str], header=False).build(Context(offset=9)).starts_at_records
    given = CSV(header=("a", "b"))
    present = Headers([("Content-Type", "text/csv; header=present")])
    assert read(b"1,2\n", given, offset=9, headers=present).items == [{"a": "1", "b": "2"}]
    with pytest.raises(ConfigurationError, match="whose header is no list of names"):
        CSV().build(Context(offset=9, head="{}"))
    with pytest.raises(ConfigurationError, match="does not fit this decoder: the header has no"):
        CSV(rename={"c": "d"}).build(Context(offset=9, head='["a"]'))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ""}, "delimiter=''"),
        ({"delimiter": ",,"}, "delimiter=',,'"),
        ({"delimiter": '"'}, "delimiter='\"'"),
        ({"delimiter": "\n"}, r"delimiter='\\n'"),
        ({"delimiter": "a"}, "delimiter='a'"),
        ({"delimiter": "é"}, "delimiter='é'"),
        ({"delimiter": 5}, "delimiter=5"),
        ({"header": False}, "header=False leaves"),
        ({"header": "ab"}, "header='ab' names no columns"),
        ({"header": ()}, r"header=\(\) names no columns"),
        ({"header": 3}, "header=3 names no columns"),
        ({"header": ["a", 1]}, "names no columns"),
        ({"header": ["a", "a"]}, "has a name twice"),
        ({"rename": ["a"]}, "renames nothing"),
        ({"rename": {"a": 1}}, "renames nothing"),
        ({"rename": {"a": "b"}, "header": ["a"]}, "contradict each other"),
        ({"empty": 0}, "empty=0 is no cell"),
        ({"encoding": "utf-16"}, "encoding='utf-16' is unknown"),
        ({"encoding": 8}, "encoding=8 is unknown"),
    ],
)
def test_bad_arguments(options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CSV(**options)


# By chance ---------------------------------------------------------------------------------------

pieces = st.sampled_from(
    [b'"', b'"', b'""', b",", b",", b"\n", b"\r\n", b"\r", b"a", b"1", b" ", b"\xc3\xa9", b"\xff"]
)
bodies = st.lists(pieces, max_size=24).map(b"".join)
specs = st.sampled_from(
    [CSV(list[str], header=False), CSV(list[str]), CSV(), CSV(header=("a", "b"), empty=None)]
)


@settings(max_examples=400, deadline=None)
@given(bodies, cuts, specs, st.sampled_from(["raise", "skip"]), st.booleans(), st.integers(1, 9))
def test_cuts_change_nothing(
    body: bytes, places: list[int], spec: CSV[Any], policy: str, framed: bool, limit: int
) -> None:
    limits = Limits(max_item_bytes=limit if limit < 9 else 1000)
    options: dict[str, Any] = {"on_bad_item": policy, "framed": framed, "limits": limits}
    whole = tell_spec(spec, [body], **options)
    assert tell_spec(spec, cut(body, places), **options) == whole
    assert tell_spec(spec, [bytes([byte]) for byte in body], **options) == whole


cells = st.text(st.sampled_from('a", \r\né☃\x00'), max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6), st.sampled_from(["\n", "\r\n"])
)
def test_what_the_standard_library_wrote_is_read_again(table: list[list[str]], end: str) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows(table)
    assert tell_spec(CSV(list[str], header=False), [text.getvalue().encode()]).items == table


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(cells, min_size=1, max_size=4), max_size=6), st.data())
def test_the_quick_way_and_the_exact_one_agree(table: list[list[str]], data: st.DataObject) -> None:
    lines = []
    for row in table:
        line = ",".join(
            '"' + cell.replace('"', '""') + '"'
            if re.search(r'[",\r\n]', cell) or data.draw(st.booleans())
            else cell
            for cell in row
        )
        lines.append(line + data.draw(st.sampled_from(["\n", "\r\n"])))
    body = "".join(lines).encode()
    spec = CSV(list[str], header=False)
    # A terminal that could be there makes the engine go row by row.
    exact = tell_spec(spec, [body], terminal="\n")
    quick = tell_spec(spec, [body])
    assert quick == exact
    assert quick.items == [
        row for row, line in zip(table, lines, strict=True) if line.strip("\r\n")
    ]
