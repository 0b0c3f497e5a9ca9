"""nginx with nchan: Server-Sent Events that no length and no last chunk ends, raw lines, polls."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest
from cutting import Cut, CuttingProxy, every
from driver import Face
from nginx_kit import Nginx, nginx

from streamable_http import (
    NDJSON,
    SSE,
    ContentTypeError,
    Cursor,
    Gap,
    Multipart,
    NoResume,
    Part,
    RetryPolicy,
    SSEData,
    StatusError,
    StreamEvent,
    StreamTruncated,
)

COUNT = 40
_names = itertools.count()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with nginx(tmp_path_factory.mktemp("nchan")) as running:
        yield running


@pytest.fixture
def channel(served: Nginx) -> str:
    """A channel with numbered messages and a last one that says so."""
    name = f"numbers{next(_names)}"
    served.publish(name, [*(f'{{"n":{n}}}' for n in range(COUNT)), "[DONE]"])
    return name


def numbers(start: int = 0, stop: int = COUNT) -> list[dict[str, int]]:
    return [{"n": n} for n in range(start, stop)]


async def test_events_with_ids_survive_every_kind_of_cut(
    own: Face, served: Nginx, channel: str
) -> None:
    with CuttingProxy(served.port, *every(7, 60, 200, 333, 1)) as proxy:
        async with own.client() as client:
            url = f"{proxy.url}/sse/{channel}"
            async with client.stream(
                "GET", url, decoder=SSEData(dict), terminal="[DONE]"
            ) as stream:
                items = await stream.collect()
    assert items == numbers()
    assert proxy.made == 5
    assert len(proxy.requests) == 6
    assert stream.stats.ended == "terminal"
    asked = proxy.sent("Last-Event-ID")
    assert asked[0] is None
    assert asked[-1] is not None


async def test_a_stalled_connection_is_left_and_the_stream_goes_on(
    pulled: Face, served: Nginx, channel: str
) -> None:
    with CuttingProxy(served.port, Cut(300, "stall")) as proxy:
        async with pulled.client(timeout=0.5) as client:
            url = f"{proxy.url}/sse/{channel}"
            async with client.stream(
                "GET", url, decoder=SSEData(dict), terminal="[DONE]"
            ) as stream:
                items = await stream.collect()
    assert items == numbers()
    assert (proxy.made, stream.stats.resumes) == (1, 1)


async def test_an_end_between_events_proves_nothing(
    pulled: Face, served: Nginx, channel: str
) -> None:
    """The server's own time limit ends the body with the connection, and so would a cut."""
    async with pulled.client() as client:
        async with client.stream("GET", f"{served.url}/brief/{channel}", decoder=SSE()) as stream:
            events = await stream.collect()
        assert [event.data for event in events[:-1]] == [f'{{"n":{n}}}' for n in range(COUNT)]
        assert stream.stats.ended == "closed"
    async with pulled.client(require_proof=True, retry=RetryPolicy(stop=1)) as client:
        with pytest.raises(StreamTruncated) as caught:
            async with client.stream("GET", f"{served.url}/brief/{channel}") as stream:
                await stream.collect()
    assert len(caught.value.items) == COUNT + 1


async def test_a_cut_within_an_event_is_seen_without_a_terminal(
    pulled: Face, served: Nginx, channel: str
) -> None:
    with CuttingProxy(served.port, Cut(300)) as proxy:
        async with pulled.client() as client:
            with pytest.raises(StreamTruncated) as caught:
                async with client.stream(
                    "GET", f"{proxy.url}/sse/{channel}", decoder=SSEData(dict), resume=NoResume()
                ) as stream:
                    await stream.collect()
    items = caught.value.items
    assert 0 < len(items) < COUNT
    assert items == numbers(stop=len(items))


async def test_a_feed_goes_on_whenever_the_server_ends_it(
    own: Face, served: Nginx, channel: str
) -> None:
    seen: list[StreamEvent] = []
    url = f"{served.url}/brief/{channel}"
    async with (
        own.client(on_event=seen.append) as client,
        client.stream("GET", url, decoder=SSE(), follow=True) as feed,
    ):
        data: list[str] = []
        async for event in feed:
            data.append(event.data)
            if len(data) == COUNT + 1:
                later = threading.Timer(
                    1.3, served.publish, [channel, [f'{{"n":{n}}}' for n in (98, 99)]]
                )
                later.start()
            if data[-1] == '{"n":99}':
                break
    later.join()
    assert data == [*(f'{{"n":{n}}}' for n in range(COUNT)), "[DONE]", '{"n":98}', '{"n":99}']
    assert feed.stats.connects >= 2
    assert not [event for event in seen if isinstance(event, Gap)]


async def test_a_restarted_program_goes_on_from_its_cursor(
    own: Face, served: Nginx, channel: str
) -> None:
    async with own.client() as client:
        url = f"{served.url}/sse/{channel}"
        async with client.stream("GET", url, decoder=SSEData(dict), terminal="[DONE]") as stream:
            async for item in stream:
                if item["n"] == 17:
                    break  # not done with
            cursor = stream.cursor
        assert cursor is not None
        stored = Cursor.from_json(cursor.to_json())
        async with client.stream(
            "GET", url, decoder=SSEData(dict), terminal="[DONE]", start=stored
        ) as rest:
            assert await rest.collect() == numbers(17)


async def test_lines_without_a_type_need_a_decoder(
    pulled: Face, served: Nginx, channel: str
) -> None:
    async with pulled.client() as client:
        with pytest.raises(ContentTypeError, match="NDJSON"):
            async with client.stream("GET", f"{served.url}/raw/{channel}") as stream:
                await stream.collect()
        async with client.stream(
            "GET",
            f"{served.url}/raw/{channel}",
            decoder=NDJSON(),
            terminal=lambda item: item == {"n": COUNT - 1},
        ) as stream:
            assert await stream.collect() == numbers()
    assert stream.stats.ended == "terminal"


def says_done(part: Part) -> bool:
    return part.body == b"[DONE]"


async def test_parts_come_as_they_are_published_and_a_cut_is_seen(
    pulled: Face, served: Nginx, channel: str
) -> None:
    """The server never writes the closing boundary: only a terminal tells the end."""
    url = f"/multipart/{channel}"
    async with pulled.client() as client:
        async with client.stream(
            "GET", served.url + url, decoder=Multipart(), terminal=says_done
        ) as stream:
            parts = await stream.collect()
        assert [part.body for part in parts[:-1]] == [b'{"n":%d}' % n for n in range(COUNT)]
        assert {part.headers["content-type"] for part in parts} == {"application/json"}
        with (
            CuttingProxy(served.port, Cut(1500)) as proxy,
            pytest.raises(StreamTruncated) as caught,
        ):
            async with client.stream("GET", proxy.url + url, terminal=says_done) as stream:
                await stream.collect()
    items = caught.value.items
    assert [part.body for part in items] == [b'{"n":%d}' % n for n in range(len(items))]
    assert 0 < len(items) < COUNT


async def test_lines_without_positions_that_were_cut_are_an_error(
    pulled: Face, served: Nginx, channel: str
) -> None:
    with CuttingProxy(served.port, Cut(99)) as proxy:
        async with pulled.client() as client:
            with pytest.raises(StreamTruncated) as caught:
                async with client.stream(
                    "GET", f"{proxy.url}/raw/{channel}", decoder=NDJSON()
                ) as stream:
                    await stream.collect()
    items = caught.value.items
    assert len(items) == 12  # ten of eight bytes, and two of nine
    assert items == numbers(stop=12)


@pytest.mark.parametrize(
    ("content_type", "message", "items"),
    [
        ("application/json", '{"n": 1}', [{"n": 1}]),
        ("application/x-ndjson", '{"n": 1}\n{"n": 2}\n', [{"n": 1}, {"n": 2}]),
        ("text/event-stream", "data: 1\n\ndata: 2\n\n", ["1", "2"]),
        ("text/plain", "one\ntwo\n", None),
        ("text/html", "<p>", None),
    ],
    ids=["json", "ndjson", "sse", "text", "html"],
)
async def test_a_long_poll_answers_in_the_type_of_its_message(
    pulled: Face, served: Nginx, content_type: str, message: str, items: list[object] | None
) -> None:
    name = f"poll{next(_names)}"
    served.publish(name, [message], content_type)
    async with (
        pulled.client() as client,
        client.stream("GET", f"{served.url}/poll/{name}") as stream,
    ):
        if items is None:
            with pytest.raises(ContentTypeError, match=content_type):
                await stream.collect()
            return
        got = [getattr(item, "data", item) for item in await stream.collect()]
    assert got == items
    assert stream.stats.ended == "framing"


async def test_a_long_poll_that_ran_out_is_asked_again(pulled: Face, served: Nginx) -> None:
    """The server answers 408: it did nothing, so the request is sent again."""
    name = f"late{next(_names)}"
    later = threading.Timer(1.5, served.publish, [name, ['{"n": 1}']])
    later.start()
    async with pulled.client() as client:
        async with client.stream("GET", f"{served.url}/poll/{name}") as stream:
            assert await stream.collect() == [{"n": 1}]
        later.join()
        assert (stream.stats.connects, stream.stats.retries) == (1, 1)
        with pytest.raises(StatusError) as caught:
            async with client.stream(
                "GET", f"{served.url}/poll/nothing", retry=RetryPolicy(stop=1)
            ):
                pass
    assert caught.value.status_code == 408
