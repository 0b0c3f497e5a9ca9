"""haproxy in front of an app: it cuts what is silent, and whoever reads too slowly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asgi_kit import asgi
from driver import FAST, Face
from real_harness import debian_program, free_port, library_path, listening, running

from streamable_http import (
    ConnectionLost,
    NoResume,
    RetriesExhausted,
    SSEData,
    StatusError,
    Timeouts,
)

NUMBERS = [{"n": n, "é": ""} for n in range(20)]

_CONFIG = """
defaults
    mode http
    timeout connect 2s
    timeout client 1s
    timeout server 2s
    retries 0

frontend entrance
    bind 127.0.0.1:{port}
    use_backend nobody if {{ path_beg /nobody }}
    default_backend app

backend app
    server one 127.0.0.1:{app}

backend nobody
    server one 127.0.0.1:{nobody}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program, folder, port = debian_program("haproxy"), tmp_path_factory.mktemp("ha"), free_port()
    with asgi("uvicorn", folder) as app:
        config = folder / "haproxy.cfg"
        config.write_text(_CONFIG.format(port=port, app=app, nobody=free_port()))
        command = [program, "-db", "-f", config]
        with running(*command, folder=folder, ready=listening(port), env=library_path()):
            yield f"http://127.0.0.1:{port}"


async def test_what_is_silent_is_cut_and_goes_on(own: Face, url: str) -> None:
    async with (
        own.client() as client,
        client.stream(
            "GET", f"{url}/events?n=20&quiet=5", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        assert await stream.collect() == NUMBERS
    assert (stream.stats.connects, stream.stats.resumes) == (2, 1)


async def test_the_cut_is_told_from_an_end(pulled: Face, url: str) -> None:
    async with pulled.client() as client:
        with pytest.raises(ConnectionLost) as caught:
            async with client.stream(
                "GET", f"{url}/events?n=20&quiet=5", decoder=SSEData(dict), resume=NoResume()
            ) as stream:
                await stream.collect()
    assert caught.value.items == NUMBERS[:10]


async def test_pings_keep_the_connection(pulled: Face, url: str) -> None:
    async with (
        pulled.client(timeout=Timeouts(idle=1.9)) as client,
        client.stream(
            "GET", f"{url}/events?n=20&quiet=4&ping=1", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        assert await stream.collect() == NUMBERS
    assert stream.stats.connects == 1


async def test_a_reader_that_is_too_slow_is_cut_and_loses_nothing(own: Face, url: str) -> None:
    """What the buffers held is delivered before the client notices, and then it goes on."""
    async with (
        own.client() as client,
        client.stream(
            "GET", f"{url}/bulk?n=2000", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        taken = 0
        async for item in stream:
            assert item["n"] == taken
            taken += 1
            if taken == 3:
                await own.sleep(2.5)
    assert taken == 2000
    assert stream.stats.resumes == 1


async def test_a_dead_backend_is_tried_as_often_as_the_policy_says(pulled: Face, url: str) -> None:
    async with pulled.client(retry=FAST) as client:
        with pytest.raises(RetriesExhausted) as caught:
            async with client.stream("POST", f"{url}/nobody", json={}, decoder=SSEData(dict)):
                pass
    assert caught.value.tries == 5
    assert isinstance(caught.value.last_error, StatusError)
    assert caught.value.last_error.status_code == 503
