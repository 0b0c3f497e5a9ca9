"""etcd's watch by its JSON gateway: a POST whose position is in the body, and can be compacted."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from cutting import Cut, CuttingProxy, every
from driver import Face
from real_harness import debian_program, free_port, listening, running

from streamable_http import ConnectionLost, Cursor, ItemCursor, ResumeError, StreamError, Timeouts

COUNT = 30
CLOCKS = Timeouts(total=20)
_names = itertools.count()


def text(value: str) -> str:
    return base64.b64encode(value.encode()).decode()


class Store:
    """A running etcd."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False)

    def call(self, path: str, **body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._http.post(path, json=body).raise_for_status().json()
        return answer

    def put(self, key: str, value: str) -> int:
        """Returns the revision."""
        answer = self.call("/v3/kv/put", key=text(key), value=text(value))
        return int(answer["header"]["revision"])

    def close(self) -> None:
        self._http.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder, port, peers = tmp_path_factory.mktemp("etcd"), free_port(), free_port()
    options = {
        "data-dir": folder / "data",
        "listen-client-urls": f"http://127.0.0.1:{port}",
        "advertise-client-urls": f"http://127.0.0.1:{port}",
        "listen-peer-urls": f"http://127.0.0.1:{peers}",
        "initial-advertise-peer-urls": f"http://127.0.0.1:{peers}",
        "initial-cluster": f"default=http://127.0.0.1:{peers}",
    }
    command = [debian_program("etcd"), *(f"--{name}={value}" for name, value in options.items())]
    with running(*command, folder=folder, ready=listening(port)):
        store = Store(port)
        yield store
        store.close()


@pytest.fixture
def key() -> str:
    """A key that nobody has set."""
    return f"key{next(_names)}"


def revision(item: dict[str, Any]) -> int | None:
    """Of the last change in an item; the answer that the watch stands has none."""
    events = item["result"].get("events", [])
    return max((int(event["kv"]["mod_revision"]) for event in events), default=None)


BY_REVISION = ItemCursor(
    get=revision,
    apply=lambda last: {"json": {"create_request": {"start_revision": str(last + 1)}}},
    gone=lambda item: "compact_revision" in item["result"],
)


def watch(key: str) -> dict[str, Any]:
    return {"create_request": {"key": text(key)}}


def values(items: list[dict[str, Any]]) -> list[int]:
    events = [event for item in items for event in item["result"].get("events", [])]
    return [int(base64.b64decode(event["kv"]["value"])) for event in events]


def is_last(item: dict[str, Any]) -> bool:
    return COUNT - 1 in values([item])


async def counting(stream: Any, store: Store, key: str) -> list[dict[str, Any]]:
    """Reads the watch of a key that is set to the next number as soon as the last one came."""
    items: list[dict[str, Any]] = []
    async for item in stream:
        if not items:  # the watch stands
            store.put(key, "0")
        items.append(item)
        for n in values([item]):
            if n < COUNT - 1:
                store.put(key, str(n + 1))
    return items


async def test_a_cut_watch_goes_on_by_a_revision_in_its_body(
    own: Face, store: Store, key: str
) -> None:
    """The revision of now is the first position: before a change, no item tells one."""
    with CuttingProxy(store.port, *every(90, 300, 1500, 700)) as proxy:
        async with (
            own.client(timeout=CLOCKS) as client,
            client.stream(
                "POST",
                f"{proxy.url}/v3/watch",
                json=watch(key),
                start=store.put("now", ""),
                resume=BY_REVISION,
                terminal=is_last,
            ) as stream,
        ):
            items = await counting(stream, store, key)
    assert values(items) == [*range(COUNT)]
    assert stream.response.media_type == "application/json"
    assert proxy.made == 4
    assert (len(proxy.requests), stream.stats.ended) == (5, "terminal")


async def test_a_cut_before_the_first_position_is_an_error(
    pulled: Face, store: Store, key: str
) -> None:
    with CuttingProxy(store.port, Cut(300)) as proxy:
        async with pulled.client(timeout=CLOCKS) as client:
            with pytest.raises(ResumeError, match="no item told a position") as caught:
                async with client.stream(
                    "POST", f"{proxy.url}/v3/watch", json=watch(key), resume=BY_REVISION
                ) as stream:
                    await counting(stream, store, key)
    assert caught.value.stats is not None
    assert caught.value.stats.items == 1
    assert len(proxy.requests) == 1


async def test_a_compacted_position_is_an_error(pulled: Face, store: Store, key: str) -> None:
    def compact() -> None:
        latest = store.put(key, "999")
        store.call("/v3/kv/compaction", revision=str(latest))

    seen: list[int] = []
    with CuttingProxy(store.port, Cut(2000, then=compact)) as proxy:
        async with pulled.client(timeout=CLOCKS) as client:
            with pytest.raises(ResumeError, match="lost the position"):
                async with client.stream(
                    "POST", f"{proxy.url}/v3/watch", json=watch(key), resume=BY_REVISION
                ) as stream:
                    async for item in stream:
                        seen += values([item])
                        store.put(key, str(len(seen)))
    assert len(seen) > 2
    assert seen == [*range(len(seen))]
    assert len(proxy.requests) == 2


async def test_without_being_told_how_a_watch_is_not_repeated(
    pulled: Face, store: Store, key: str
) -> None:
    with CuttingProxy(store.port, Cut(2000)) as proxy:
        async with pulled.client(timeout=CLOCKS) as client:
            with pytest.raises(StreamError) as caught:
                async with client.stream(
                    "POST", f"{proxy.url}/v3/watch", json=watch(key)
                ) as stream:
                    await counting(stream, store, key)
    assert type(caught.value) is ConnectionLost
    assert len(proxy.requests) == 1


async def test_a_restarted_program_goes_on_from_its_cursor(
    own: Face, store: Store, key: str
) -> None:
    url = f"http://127.0.0.1:{store.port}/v3/watch"
    seen: list[int] = []
    async with own.client(timeout=CLOCKS) as client:
        options: dict[str, Any] = {"json": watch(key), "resume": BY_REVISION, "terminal": is_last}
        async with client.stream("POST", url, **options) as stream:
            async for item in stream:
                if seen and seen[-1] == 11:
                    break  # the item in hand is not done with
                seen += values([item])
                store.put(key, str(len(seen)))
            cursor = stream.cursor
        assert cursor is not None
        assert cursor.kind == "item"
        for n in range(13, COUNT):
            store.put(key, str(n))
        stored = Cursor.from_json(cursor.to_json())
        async with client.stream("POST", url, start=stored, **options) as stream:
            seen += values(await stream.collect())
    assert seen == [*range(COUNT)]
