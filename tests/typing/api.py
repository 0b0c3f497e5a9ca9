"""What type checkers make of the public interface. It is checked, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, assert_type

import httpx
import httpx2
import msgspec
import tenacity
from starlette.responses import StreamingResponse

import streamable_http as shttp
from streamable_http.arrow import ArrowBatches, AsyncArrowBatches, to_arrow_batches
from streamable_http.starlette import relay
from streamable_http.transports import AsyncHTTPTransport, HTTPTransport


class User(msgspec.Struct):
    name: str


class Admin(User):
    level: int


class Row(TypedDict):
    number: int


@dataclass
class Point:
    x: float


class Words:
    """A decoder of the user's own; its class is the factory."""

    def decode(self, data: bytes) -> Iterable[str]:
        return data.decode().split()

    def flush(self) -> Iterable[str]:
        return []


def make_words() -> Words:
    return Words()


# Decoders ------------------------------------------------------------------------------------


def every_decoder(client: shttp.Client) -> None:
    get = client.stream
    assert_type(get("GET", ""), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=None), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.SSE()), shttp.Stream[shttp.ServerSentEvent])
    assert_type(get("GET", "", decoder=shttp.SSEText()), shttp.Stream[str])
    assert_type(get("GET", "", decoder=shttp.SSEData()), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.SSEData(int | str)), shttp.Stream[int | str])
    assert_type(get("GET", "", decoder=shttp.SSEData(User)), shttp.Stream[User])
    assert_type(get("GET", "", decoder=shttp.NDJSON()), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.NDJSON(User)), shttp.Stream[User])
    assert_type(get("GET", "", decoder=shttp.NDJSON(User | None)), shttp.Stream[User | None])
    assert_type(get("GET", "", decoder=shttp.NDJSON(list[Row])), shttp.Stream[list[Row]])
    assert_type(get("GET", "", decoder=shttp.NDJSON(Point)), shttp.Stream[Point])
    assert_type(get("GET", "", decoder=shttp.JSONSeq()), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.JSONSeq(User | None)), shttp.Stream[User | None])
    assert_type(get("GET", "", decoder=shttp.JSONArray()), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.JSONArray(path=("data",))), shttp.Stream[Any])
    assert_type(get("GET", "", decoder=shttp.JSONArray(User)), shttp.Stream[User])
    assert_type(
        get("GET", "", decoder=shttp.JSONArray(User | str, path=("data", "items"))),
        shttp.Stream[User | str],
    )
    assert_type(get("GET", "", decoder=shttp.Lines()), shttp.Stream[str])
    assert_type(get("GET", "", decoder=shttp.Raw()), shttp.Stream[bytes])
    assert_type(get("GET", "", decoder=shttp.LengthPrefixed(2)), shttp.Stream[bytes])
    assert_type(get("GET", "", decoder=shttp.CSV()), shttp.Stream[dict[str, str]])
    assert_type(get("GET", "", decoder=shttp.CSV(empty=None)), shttp.Stream[dict[str, str | None]])
    assert_type(get("GET", "", decoder=shttp.CSV(User, header=["id"])), shttp.Stream[User])
    assert_type(get("GET", "", decoder=shttp.CSV(tuple[int, str])), shttp.Stream[tuple[int, str]])
    assert_type(get("GET", "", decoder=shttp.CSV(list[str], header=False)), shttp.Stream[list[str]])
    assert_type(get("GET", "", decoder=shttp.Multipart()), shttp.Stream[shttp.Part])
    assert_type(get("GET", "", decoder=Words), shttp.Stream[str])
    assert_type(get("GET", "", decoder=make_words), shttp.Stream[str])


def every_decoder_async(client: shttp.AsyncClient) -> None:
    get = client.stream
    assert_type(get("GET", ""), shttp.AsyncStream[Any])
    assert_type(get("GET", "", decoder=None), shttp.AsyncStream[Any])
    assert_type(get("GET", "", decoder=shttp.SSE()), shttp.AsyncStream[shttp.ServerSentEvent])
    assert_type(get("GET", "", decoder=shttp.SSEText()), shttp.AsyncStream[str])
    assert_type(get("GET", "", decoder=shttp.SSEData()), shttp.AsyncStream[Any])
    assert_type(get("GET", "", decoder=shttp.SSEData(int | str)), shttp.AsyncStream[int | str])
    assert_type(get("GET", "", decoder=shttp.NDJSON(User)), shttp.AsyncStream[User])
    assert_type(get("GET", "", decoder=shttp.Lines()), shttp.AsyncStream[str])
    assert_type(get("GET", "", decoder=shttp.Raw()), shttp.AsyncStream[bytes])
    assert_type(get("GET", "", decoder=shttp.LengthPrefixed(2)), shttp.AsyncStream[bytes])
    assert_type(get("GET", "", decoder=shttp.CSV(User, delimiter=";")), shttp.AsyncStream[User])
    assert_type(get("GET", "", decoder=shttp.Multipart("b")), shttp.AsyncStream[shttp.Part])
    assert_type(get("GET", "", decoder=Words), shttp.AsyncStream[str])
    assert_type(get("GET", "", decoder=make_words), shttp.AsyncStream[str])


def without_a_client(chunks: list[bytes], stream: AsyncIterator[bytes]) -> None:
    assert_type(shttp.decode(chunks, shttp.SSEData(User)), Iterator[User])
    assert_type(shttp.decode(iter(chunks), Words), Iterator[str])
    assert_type(shttp.adecode(stream, shttp.SSE()), AsyncIterator[shttp.ServerSentEvent])


def chosen_at_run_time(client: shttp.Client, decoder: shttp.DecoderFactory[User] | None) -> None:
    if decoder is None:
        assert_type(client.stream("GET", "", decoder=decoder), shttp.Stream[Any])
    else:
        assert_type(client.stream("GET", "", decoder=decoder), shttp.Stream[User])


# Streams -------------------------------------------------------------------------------------


def name_of(user: User) -> str:
    return user.name


async def name_of_later(user: User) -> str:
    return user.name


def reading(client: shttp.Client) -> None:
    with client.stream("GET", "", decoder=shttp.NDJSON(User)) as users:
        assert_type(users, shttp.Stream[User])
        for user in users:
            assert_type(user, User)
        assert_type(next(users), User)
        assert_type(users.response, shttp.ResponseInfo)
        assert_type(users.response.headers["a"], str)
        assert_type(users.stats, shttp.StreamStats)
        assert_type(users.cursor, shttp.Cursor | None)
        assert_type(users.map(name_of), shttp.Flow[str])
        assert_type(users.map(name_of, 8, ordered=False).batches(10), shttp.Flow[list[str]])
        assert_type(users.map(lambda user: user.name), shttp.Flow[str])
        assert_type(users.batches(), shttp.Flow[list[User]])
        assert_type(users.batches(10, seconds=1.5), shttp.Flow[list[User]])
        assert_type(users.batches(10, weigh=lambda user: len(user.name)), shttp.Flow[list[User]])
        assert_type(users.process(print, on_progress=lambda p: p.rate), shttp.Summary)
        assert_type(shttp.track(users), shttp.Flow[User])
        assert_type(users.collect(), list[User])
        assert_type(users.collect(max_items=3), list[User])
        assert_type(users.reduce(add_length, 0), int)
        assert_type(users.reduce(add_name, ""), str)


def add_length(total: int, user: User) -> int:
    return total + len(user.name)


def add_name(names: str, user: User) -> str:
    return names + user.name


async def add_name_later(names: str, user: User) -> str:
    return names + user.name


async def reading_async(client: shttp.AsyncClient) -> None:
    async with client.stream("GET", "", decoder=shttp.NDJSON(User)) as users:
        assert_type(users, shttp.AsyncStream[User])
        async for user in users:
            assert_type(user, User)
        assert_type(await anext(users), User)
        assert_type(users.stats, shttp.StreamStats)
        assert_type(users.cursor, shttp.Cursor | None)
        assert_type(users.map(name_of), shttp.AsyncFlow[str])
        assert_type(users.map(name_of_later, 8), shttp.AsyncFlow[str])
        assert_type(users.map(name_of).batches(10), shttp.AsyncFlow[list[str]])
        assert_type(users.batches(seconds=1), shttp.AsyncFlow[list[User]])
        assert_type(await users.process(name_of_later, 4), shttp.Summary)
        assert_type(await users.process(name_of), shttp.Summary)
        assert_type(await users.collect(), list[User])
        assert_type(await users.reduce(add_name, ""), str)
        assert_type(await users.reduce(add_name_later, ""), str)


async def writing(client: shttp.Client, aclient: shttp.AsyncClient) -> None:
    body, abody = client.stream("GET", ""), aclient.stream("GET", "", decoder=shttp.Raw())
    assert_type(body.write_to("a"), shttp.Summary)
    assert_type(await abody.write_to(Path("a"), on_progress=lambda p: p.eta), shttp.Summary)
    client.stream("GET", "", decoder=shttp.Lines()).write_to("a")  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]  # ty: ignore[invalid-argument-type]


# Many ----------------------------------------------------------------------------------------


def covariant(admins: shttp.Request[Admin]) -> None:
    users: shttp.Request[User] = admins
    anything: shttp.Request[object] = users
    decoder: shttp.DecoderFactory[User] = shttp.NDJSON(Admin)
    outcome: shttp.Outcome[User] = shttp.Succeeded[Admin](items=[], stats=shttp.StreamStats())
    del anything, decoder, outcome


def requests() -> None:
    assert_type(shttp.Request("GET", "", decoder=shttp.NDJSON(User)), shttp.Request[User])
    assert_type(shttp.Request("GET", ""), shttp.Request[Any])
    assert_type(
        shttp.Request("POST", "", key=7, json={}, decoder=shttp.SSEText(), terminal="[DONE]"),
        shttp.Request[str],
    )


def failed(outcome: shttp.Failed[Any]) -> None:
    assert_type(outcome.error, shttp.StreamError)


def many(client: shttp.Client, users: list[shttp.Request[User]]) -> None:
    assert_type(client.merge(users), shttp.Merged[User])
    with client.merge(users, max_concurrent=3, on_failure=failed) as merged:
        for key, user in merged:
            assert_type(key, Any)
            assert_type(user, User)
        assert_type(merged.streams, Mapping[Any, shttp.Stream[User]])
    outcomes = client.gather(users, max_items=3)
    assert_type(outcomes, dict[Any, shttp.Succeeded[User] | shttp.Failed[User]])
    for outcome in outcomes.values():
        assert_type(outcome.items, list[User])
        match outcome:
            case shttp.Failed():
                assert_type(outcome.error, shttp.StreamError)
            case shttp.Succeeded():
                assert_type(outcome.stats, shttp.StreamStats)
    assert_type(client.open_request(users[0]), shttp.Stream[User])


def mixed(client: shttp.Client) -> None:
    """Requests of several types in one list."""
    users = shttp.Request("GET", "a", decoder=shttp.NDJSON(User))
    words = shttp.Request("GET", "b", decoder=Words)
    both: list[shttp.Request[User | str]] = [users, words]
    with client.merge(both) as merged:
        for _, item in merged:
            assert_type(item, User | str)


async def many_async(client: shttp.AsyncClient, users: list[shttp.Request[User]]) -> None:
    async with client.merge(users) as merged:
        assert_type(merged, shttp.AsyncMerged[User])
        async for _, user in merged:
            assert_type(user, User)
    outcomes = await client.gather(users)
    assert_type(outcomes, dict[Any, shttp.Succeeded[User] | shttp.Failed[User]])
    assert_type(client.open_request(users[0]), shttp.AsyncStream[User])


# The service ---------------------------------------------------------------------------------


def service(data: shttp.StreamService) -> None:
    assert_type(data.health(), shttp.Health)
    assert_type(data.get_stream_info("users"), shttp.StreamInfo)
    assert_type(data.stream_data("users"), shttp.Stream[Any])
    assert_type(data.stream_data("users", {}, decoder=shttp.SSEData(User)), shttp.Stream[User])
    assert_type(data.stream_data("users", decoder=shttp.Raw(), prefetch=3), shttp.Stream[bytes])
    assert_type(data.process_stream("users", {}, str), shttp.Processed[str])
    assert_type(data.process_stream("users", {}, str).results, list[str])
    assert_type(data.batch_stream(["users"]), dict[str, shttp.Succeeded[Any] | shttp.Failed[Any]])


async def later(item: Row) -> int:
    return item["number"]


async def service_async(data: shttp.AsyncStreamService) -> None:
    assert_type(await data.health(), shttp.Health)
    assert_type(await data.get_stream_info("users"), shttp.StreamInfo)
    assert_type(data.stream_data("users"), shttp.AsyncStream[Any])
    assert_type(data.stream_data("users", decoder=shttp.SSEText()), shttp.AsyncStream[str])
    assert_type(await data.process_stream("users", {}, later), shttp.Processed[int])
    assert_type(await data.process_stream("users", {}, str), shttp.Processed[str])
    assert_type(
        await data.batch_stream({"users": {"limit": 3}}),
        dict[str, shttp.Succeeded[Any] | shttp.Failed[Any]],
    )


# Options -------------------------------------------------------------------------------------


def seen(event: shttp.StreamEvent) -> None:
    match event:
        case shttp.Connecting():
            assert_type(event.attempt, int)
        case shttp.Connected():
            assert_type(event.response, shttp.ResponseInfo)
        case shttp.Retrying():
            assert_type(event.error, shttp.StreamError | None)
        case shttp.Ended():
            assert_type(event.stats, shttp.StreamStats)
        case _:
            assert_type(event.request, str)


def on_bad_item(error: shttp.DecodeError) -> None:
    assert_type(error.offset, int)


def options(client: shttp.Client, cursor: shttp.Cursor | None) -> None:
    client.stream(
        "POST",
        "/x",
        params={"a": 1},
        headers={"X": "y"},
        cookies={"a": "b"},
        json={},
        auth=("user", "password"),
        decoder=shttp.SSEData(User),
        terminal=shttp.Terminal("stop"),
        failure=shttp.Failure(event="error"),
        resume=shttp.LastEventID(),
        follow=True,
        start=cursor,
        retry=shttp.RetryPolicy(
            stop=tenacity.stop_after_attempt(3) | tenacity.stop_after_delay(10),
            wait=tenacity.wait_exponential(),
            on=lambda error: isinstance(error, shttp.StatusError) or None,
        ),
        timeout=shttp.Timeouts(idle=None),
        limits=shttp.Limits(max_items=3),
        prefetch=8,
        on_bad_item=on_bad_item,
        on_event=seen,
        any_content_type=True,
    )
    client.stream("GET", "", headers=[("a", "b")], terminal=lambda item: item is None, timeout=3)
    client.stream("GET", "", retry=shttp.RetryPolicy(stop=3, wait=lambda state: 1.0))
    client.stream("GET", "", on_bad_item="skip", content=iter([b""]), start="7")
    client.stream("GET", "", checkpoint="cursors.db")
    client.stream("GET", "", checkpoint=Path("cursors.db"))
    client.stream("GET", "", checkpoint=shttp.Checkpoint(Path("cursors.db"), "users", every=10))
    client.stream("GET", "", checkpoint=shttp.Checkpoint(Kept(), seconds=None, manual=True))
    wrong: Any = client
    assert_type(wrong, Any)


def shared() -> None:
    """Options that are kept for several streams."""
    kept: shttp.StreamOptions = {"prefetch": 8, "json": {}, "terminal": "[DONE]"}
    assert_type(shttp.Client().stream("POST", "", **kept), shttp.Stream[Any])
    assert_type(
        shttp.Client().stream("POST", "", decoder=shttp.SSEText(), **kept), shttp.Stream[str]
    )
    less: shttp.SharedOptions = {"prefetch": 8}
    assert_type(shttp.StreamService("").stream_data("a", **less), shttp.Stream[Any])


class Kept:
    """A store of the user's own."""

    def get(self, key: str, /) -> shttp.Cursor | None:
        return None

    def put(self, key: str, cursor: shttp.Cursor, /) -> None: ...


def stores() -> None:
    simple: shttp.CursorStore = Kept()
    atomic: list[shttp.AtomicCursorStore] = [shttp.MemoryStore(), shttp.SQLiteStore("cursors.db")]
    assert_type(shttp.Checkpoint(simple).store, shttp.CursorStore)
    assert_type(atomic[0].put_if_absent("", shttp.Cursor(kind="", value="")), shttp.Cursor)


def refused(client: shttp.Client) -> None:
    """What a checker must not let pass."""
    client.stream("GET", "", timout=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    client.stream("GET", "", prefetch="8")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]  # ty: ignore[invalid-argument-type]
    client.stream("GET", "", decoder=shttp.SSE)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]  # ty: ignore[no-matching-overload]
    client.stream("GET", "", timeout=httpx.Timeout(3))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]  # ty: ignore[invalid-argument-type]
    shttp.Client("", {})  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # ty: ignore[too-many-positional-arguments]
    shttp.Timeouts(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]  # ty: ignore[too-many-positional-arguments]


def clients() -> None:
    shttp.Client(http=httpx.Client())
    shttp.Client(http=httpx2.Client())
    shttp.AsyncClient(http=httpx.AsyncClient())
    shttp.AsyncClient(http=httpx2.AsyncClient())
    shttp.Client(transport="httpx")
    shttp.Client(transport=HTTPTransport(uds="/run/x"))
    shttp.AsyncClient(transport=AsyncHTTPTransport(uds="/run/x"))
    shttp.Client(decoders={"text/csv": shttp.Lines(), "text/words": Words})
    with shttp.Client("http://host", headers={}, timeout=3, compress=True) as client:
        assert_type(client, shttp.Client)


def extras(events: shttp.Stream[User], users: shttp.AsyncStream[User]) -> None:
    assert_type(to_arrow_batches(events), ArrowBatches)
    assert_type(to_arrow_batches(events.map(name_of), batch_bytes=9), ArrowBatches)
    assert_type(to_arrow_batches(users), AsyncArrowBatches)
    assert_type(relay(users), StreamingResponse)
    relay(users, convert=lambda user: user.name, heartbeat=None)
    relay(events)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # ty: ignore[invalid-argument-type]


def errors(error: shttp.StreamError) -> None:
    assert_type(error.stats, shttp.StreamStats | None)
    assert_type(error.cursor, shttp.Cursor | None)
    assert_type(error.response, shttp.ResponseInfo | None)
    if isinstance(error, shttp.RetriesExhausted):
        assert_type(error.last_error, shttp.StreamError | None)
    if isinstance(error, shttp.StatusError):
        assert_type(error.status_code, int)
        assert_type(error.retry_after, float | None)
        assert_type(error.json(), Any)
