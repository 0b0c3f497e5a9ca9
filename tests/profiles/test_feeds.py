"""Profiles of feeds without an end, against servers of the shape that each documents."""

from __future__ import annotations

from typing import Any

import pytest
from driver import Face

from streamable_http import Cursor, ResumeError, ServerSentEvent, StreamFailed, profiles
from streamable_http.testing import (
    Cut,
    Delay,
    Response,
    Script,
    ScriptedTransport,
    VirtualClock,
    events,
    ndjson,
)

END = Response(status=204)


async def follow(
    face: Face, profile: Any, target: str, script: Script, **more: Any
) -> tuple[list[Any], list[str]]:
    """What a feed brings before its server ends it with a 204, and what was asked for."""
    transport = ScriptedTransport(script)
    items: list[Any] = []
    async with face.client(transport=transport) as client:
        options = {**profile.options(), **more}
        async with client.stream("GET", f"http://testserver{target}", **options) as stream:
            async for item in stream:
                items.append(item)
    return items, [request.target for request in transport.requests]


# Kubernetes ------------------------------------------------------------------------------------

PODS = "/api/v1/pods?watch=true&allowWatchBookmarks=true"


def pod(kind: str, version: str, uid: str = "u1") -> dict[str, Any]:
    metadata = {"name": uid, "uid": uid, "resourceVersion": version}
    return {"type": kind, "object": {"kind": "Pod", "apiVersion": "v1", "metadata": metadata}}


def bookmark(version: str) -> dict[str, Any]:
    metadata = {"resourceVersion": version, "creationTimestamp": None}
    return {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": metadata}}


def failed(code: int, reason: str) -> dict[str, Any]:
    status = {"kind": "Status", "metadata": {}, "status": "Failure"}
    return {"type": "ERROR", "object": {**status, "code": code, "reason": reason}}


def watch(*items: Any, then: Any = ()) -> Response:
    body = [*ndjson(*items).body, *then]
    return Response(headers={"Content-Type": "application/json"}, body=body)


async def test_a_watch_goes_on_by_its_version(pulled: Face) -> None:
    script = Script(
        watch(pod("ADDED", "10"), pod("MODIFIED", "12"), then=[Cut()]),
        watch(pod("DELETED", "13")),  # the server's time for one watch is over
        END,
    )
    items, targets = await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)
    assert items == [pod("ADDED", "10"), pod("MODIFIED", "12"), pod("DELETED", "13")]
    assert targets == [PODS, f"{PODS}&resourceVersion=12", f"{PODS}&resourceVersion=13"]


async def test_a_version_that_was_given_is_replaced(pulled: Face) -> None:
    target = f"{PODS}&resourceVersion=9"
    script = Script(watch(pod("MODIFIED", "10")), END)
    _, targets = await follow(pulled, profiles.KUBERNETES_WATCH, target, script)
    assert targets == [target, f"{PODS}&resourceVersion=10"]


async def test_json_is_asked_for(pulled: Face) -> None:
    """An API server refuses a type that it does not know with a 406."""
    transport = ScriptedTransport(Script(watch(), END))
    async with pulled.client(transport=transport) as client:
        headers = {"Authorization": "Bearer t"}
        options = profiles.KUBERNETES_WATCH.options(headers)
        async with client.stream("GET", f"http://testserver{PODS}", **options) as stream:
            assert await stream.collect() == []
    sent = transport.requests[0].headers
    assert (sent["accept"], sent["authorization"]) == ("application/json", "Bearer t")


async def test_a_bookmark_moves_the_position(pulled: Face) -> None:
    script = Script(
        watch(pod("ADDED", "10"), bookmark("50"), then=[Cut()]),
        watch(bookmark("50"), pod("ADDED", "51", "u2")),
        watch(pod("ADDED", "51", "u2"), bookmark("51")),  # behind a pod of this very version
        END,
    )
    items, targets = await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)
    assert items == [
        pod("ADDED", "10"),
        bookmark("50"),
        pod("ADDED", "51", "u2"),
        bookmark("51"),
    ]
    assert [target.rpartition("=")[2] for target in targets] == ["true", "50", "50", "51"]


STATE = [pod("ADDED", "100", "a"), pod("ADDED", "50", "b"), pod("ADDED", "70", "c")]


@pytest.mark.parametrize("end", [[Cut()], []], ids=["cut", "ended"])
@pytest.mark.parametrize("had", [1, 2, 3])
async def test_the_state_that_a_watch_begins_with_is_no_position(
    pulled: Face, had: int, end: list[Cut]
) -> None:
    """Its versions are in no order: behind a at 100, b and c would never come."""
    script = Script(watch(*STATE[:had], then=end), END)
    with pytest.raises(ResumeError, match="no item told a position"):
        await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)


@pytest.mark.parametrize("first", [pod("MODIFIED", "101", "b"), bookmark("101")])
async def test_what_comes_behind_the_state_is_a_position(pulled: Face, first: Any) -> None:
    script = Script(
        watch(*STATE, first, pod("ADDED", "102", "d"), then=[Cut()]),
        watch(pod("ADDED", "102", "d"), pod("DELETED", "103", "a")),
        END,
    )
    items, targets = await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)
    assert items == [*STATE, first, pod("ADDED", "102", "d"), pod("DELETED", "103", "a")]
    assert [target.rpartition("=")[2] for target in targets] == ["true", "101", "103"]


async def test_what_is_added_behind_a_list_comes_once(pulled: Face) -> None:
    script = Script(
        watch(pod("ADDED", "101", "a"), then=[Cut()]),
        watch(pod("ADDED", "101", "a"), pod("ADDED", "102", "b"), then=[Cut()]),
        watch(pod("ADDED", "101", "a"), pod("ADDED", "102", "b"), pod("ADDED", "103", "c")),
        END,
    )
    items, targets = await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script, start="100")
    assert items == [pod("ADDED", f"10{n}", uid) for n, uid in enumerate("abc", 1)]
    assert {target.rpartition("=")[2] for target in targets} == {"100"}


@pytest.mark.parametrize(
    "lost", [watch(failed(410, "Expired")), Response(status=410)], ids=["in-band", "status"]
)
async def test_a_version_that_is_forgotten(pulled: Face, lost: Response) -> None:
    script = Script(watch(pod("MODIFIED", "10")), lost)
    with pytest.raises(ResumeError, match=r"has lost the position|410"):
        await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)


async def test_a_forgotten_version_at_the_start(pulled: Face) -> None:
    with pytest.raises(ResumeError, match="lost the position"):
        await follow(pulled, profiles.KUBERNETES_WATCH, PODS, Script(watch(failed(410, "Expired"))))


async def test_another_error_of_a_watch(pulled: Face) -> None:
    script = Script(watch(pod("MODIFIED", "10"), failed(500, "InternalError")))
    with pytest.raises(StreamFailed) as caught:
        await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script)
    assert caught.value.item == failed(500, "InternalError")
    assert caught.value.cursor is not None
    assert caught.value.cursor.value == '"10"'


async def test_a_watch_from_the_version_of_a_list(pulled: Face) -> None:
    script = Script(watch(pod("ADDED", "101")), END)
    _, targets = await follow(pulled, profiles.KUBERNETES_WATCH, PODS, script, start="100")
    assert targets[0] == f"{PODS}&resourceVersion=100"


# CouchDB ---------------------------------------------------------------------------------------

CHANGES = "/db/_changes?feed=continuous&since=now"


def change(sequence: str) -> dict[str, Any]:
    return {"seq": sequence, "id": f"doc{sequence}", "changes": [{"rev": "1-a"}]}


def last(sequence: str) -> dict[str, Any]:
    return {"last_seq": sequence, "pending": 0}


async def test_changes_go_on_by_their_sequence(pulled: Face) -> None:
    script = Script(
        watch(change("1-g1"), b"\n", change("2-g2"), b"\n", then=[Cut()]),
        watch(change("3-g3"), last("3-g3")),
        END,
    )
    items, targets = await follow(pulled, profiles.COUCHDB_CHANGES, CHANGES, script)
    assert items == [change("1-g1"), change("2-g2"), change("3-g3"), last("3-g3")]
    path = "/db/_changes?feed=continuous&since"
    assert targets == [CHANGES, f"{path}=2-g2", f"{path}=3-g3"]


async def test_a_feed_that_was_idle_goes_on_from_where_it_began(pulled: Face) -> None:
    """With `since=now` again, what was written between two responses would be lost."""
    script = Script(watch(last("7-g7")), watch(last("7-g7")), watch(change("8-g8")), END)
    items, targets = await follow(pulled, profiles.COUCHDB_CHANGES, CHANGES, script)
    assert items == [last("7-g7"), change("8-g8")]
    assert [target.rpartition("=")[2] for target in targets] == ["now", "7-g7", "7-g7", "8-g8"]


async def test_numbers_are_sequences_too(pulled: Face) -> None:
    script = Script(watch({**change("1"), "seq": 1}, then=[Cut()]), END)
    _, targets = await follow(pulled, profiles.COUCHDB_CHANGES, CHANGES, script)
    assert targets[1].endswith("since=1")


async def test_an_error_among_changes(pulled: Face) -> None:
    failure = {"error": "unauthorized", "reason": "You are not authorized to access this db."}
    with pytest.raises(StreamFailed) as caught:
        await follow(
            pulled, profiles.COUCHDB_CHANGES, CHANGES, Script(watch(change("1-g"), failure))
        )
    assert caught.value.item == failure


async def test_a_document_may_speak_of_errors(pulled: Face) -> None:
    row = {**change("1-g"), "doc": {"_id": "doc", "error": "404"}}
    items, _ = await follow(pulled, profiles.COUCHDB_CHANGES, CHANGES, Script(watch(row), END))
    assert items == [row]


async def test_blank_lines_keep_a_feed_alive(pulled: Face) -> None:
    clock = VirtualClock()
    beats = [Delay(60), b"\n"] * 30
    script = Script(watch(change("1-g"), then=[*beats, *ndjson(change("2-g")).body]), END)
    transport = ScriptedTransport(script)
    async with pulled.client(transport=transport, clock=clock) as client:
        url = f"http://testserver{CHANGES}"
        async with client.stream("GET", url, **profiles.COUCHDB_CHANGES.options()) as stream:
            assert await stream.collect() == [change("1-g"), change("2-g")]
    assert len(transport.requests) == 2
    assert clock.now() >= 1800


async def test_a_restart_goes_on_from_the_cursor(pulled: Face) -> None:
    transport = ScriptedTransport(Script(watch(change("1-g"), change("2-g")), END))
    url = f"http://testserver{CHANGES}"
    options = profiles.COUCHDB_CHANGES.options()
    async with pulled.client(transport=transport) as client:
        async with client.stream("GET", url, **options) as stream:
            async for item in stream:
                if item["seq"] == "2-g":
                    break
            cursor = stream.cursor
        assert cursor is not None
        start = Cursor.from_json(cursor.to_json())
        async with client.stream("GET", url, start=start, **options) as again:
            await again.collect()
    assert transport.requests[1].target.endswith("since=1-g")


# Wikimedia -------------------------------------------------------------------------------------

RECENT = "/v2/stream/recentchange"


def position(offset: int) -> str:
    topics = f'{{"topic":"eqiad.change","partition":0,"offset":{offset}}}'
    return f'[{topics},{{"topic":"codfw.change","partition":0,"offset":-1}}]'


def edit(offset: int) -> ServerSentEvent:
    return ServerSentEvent("message", f'{{"title":"Page {offset}"}}', position(offset))


async def test_a_feed_goes_on_by_its_ids(pulled: Face) -> None:
    script = Script(
        events(b": ok\n\n", edit(1), edit(2), then=[Cut()]),
        events(edit(3)),
        END,
    )
    transport = ScriptedTransport(script)
    async with pulled.client(transport=transport) as client:
        url = f"http://testserver{RECENT}"
        async with client.stream("GET", url, **profiles.WIKIMEDIA.options()) as stream:
            items = await stream.collect()
    assert items == [edit(1), edit(2), edit(3)]
    sent = [request.headers.get("last-event-id") for request in transport.requests]
    assert sent == [None, position(2), position(3)]


async def test_a_feed_without_ids_that_is_cut_goes_on_as_a_live_feed(pulled: Face) -> None:
    script = Script(events(ServerSentEvent("message", "1"), then=[Cut()]), END)
    items, targets = await follow(pulled, profiles.WIKIMEDIA, RECENT, script)
    assert ([item.data for item in items], len(targets)) == (["1"], 2)
