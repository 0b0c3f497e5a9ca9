"""caddy in front of an app and of files: TLS, gzip that is flushed, and HTTP/2 for async code."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme
from asgi_kit import asgi
from cutting import Cut, CuttingProxy, every
from driver import FAST, Face
from real_harness import accepting, free_port, python_program, running

from streamable_http import (
    AsyncClient,
    ConnectionLost,
    NoResume,
    ResumeError,
    SSEData,
    StreamError,
)
from streamable_http.transports import AsyncHTTPTransport

NUMBERS = [{"n": n, "é": ""} for n in range(20)]
COUNT = 5000

_CONFIG = """
{{
    admin off
    auto_https off
    skip_install_trust
    servers {{
        protocols h1 h2
    }}
}}
https://localhost:{port} {{
    bind 127.0.0.1
    tls {certificate} {key}
    encode gzip {{
        minimum_length 1
        match {{
            header Content-Type text/event-stream*
            header Content-Type application/x-ndjson*
        }}
    }}
    handle_path /files/* {{
        root * {files}
        header Content-Type application/x-ndjson
        file_server
    }}
    handle {{
        reverse_proxy 127.0.0.1:{app} {{
            flush_interval -1
            transport http {{
                read_timeout 1s
            }}
        }}
    }}
}}
"""


@dataclass(frozen=True)
class Caddy:
    """A running caddy."""

    port: int
    files: Path

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"


@pytest.fixture(scope="module")
def caddy(
    tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA, trusting: ssl.SSLContext
) -> Iterator[Caddy]:
    program, folder, port = python_program("caddy"), tmp_path_factory.mktemp("caddy"), free_port()
    issued = authority.issue_cert("localhost")
    certificate, key, files = folder / "chain.pem", folder / "key.pem", folder / "files"
    certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    files.mkdir()
    where = {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with asgi("uvicorn", folder) as app:
        config = folder / "Caddyfile"
        config.write_text(
            _CONFIG.format(port=port, certificate=certificate, key=key, files=files, app=app)
        )
        command = [program, "run", "--config", config, "--adapter", "caddyfile"]
        with running(*command, folder=folder, ready=accepting(port), env=where):
            yield Caddy(port, files)


@pytest.fixture
def records(caddy: Caddy) -> Path:
    path = caddy.files / "records.ndjson"
    path.write_text("".join(f'{{"n":{n},"é":"{"€" * (n % 9)}"}}\n' for n in range(COUNT)))
    return path


def whole(items: list[Any]) -> bool:
    return [item["n"] for item in items] == [*range(COUNT)]


async def test_events_over_tls_survive_a_failing_upstream(
    own: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    async with (
        own.client(verify=trusting) as client,
        client.stream(
            "GET", f"{caddy.url}/events?n=20&cut=7", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        assert await stream.collect() == NUMBERS
    assert (stream.stats.connects, stream.stats.resumes) == (3, 2)


async def test_cuts_within_tls_lose_nothing(
    own: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    """The proxy sees no HTTP; one cut is within the handshake."""
    with CuttingProxy(caddy.port, *every(3001, 2500, 300, 4000)) as proxy:
        url = f"https://localhost:{proxy.port}/events?n=200"
        async with (
            own.client(verify=trusting) as client,
            client.stream("GET", url, decoder=SSEData(dict), terminal="[DONE]") as stream,
        ):
            items = await stream.collect()
    assert [item["n"] for item in items] == [*range(200)]
    assert proxy.made == 4
    assert stream.stats.ended == "terminal"


async def test_a_silent_upstream_is_cut_off_and_the_stream_goes_on(
    pulled: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    url = f"{caddy.url}/events?n=20&quiet=3"
    async with pulled.client(verify=trusting) as client:
        async with client.stream("GET", url, decoder=SSEData(dict), terminal="[DONE]") as stream:
            assert await stream.collect() == NUMBERS
        assert stream.stats.resumes == 1
        with pytest.raises(ConnectionLost) as caught:
            async with client.stream(
                "GET", url, decoder=SSEData(dict), resume=NoResume()
            ) as stream:
                await stream.collect()
    assert caught.value.items == NUMBERS[:10]


async def test_compressed_events_go_on_by_their_ids(
    own: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    async with (
        own.client(verify=trusting, compress=True) as client,
        client.stream(
            "GET", f"{caddy.url}/events?n=20&cut=7", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        assert await stream.collect() == NUMBERS
    assert stream.response.headers["content-encoding"] == "gzip"
    assert stream.stats.resumes == 2


async def test_files_over_tls_go_on_at_the_byte(
    own: Face, caddy: Caddy, trusting: ssl.SSLContext, records: Path
) -> None:
    with CuttingProxy(caddy.port, *every(60_000, 50_000)) as proxy:
        url = f"https://localhost:{proxy.port}/files/{records.name}"
        async with (
            own.client(verify=trusting) as client,
            client.stream("GET", url) as stream,
        ):
            assert whole(await stream.collect())
    assert proxy.made == 2
    assert (len(proxy.requests), stream.stats.ended) == (3, "framing")


async def test_a_compressed_file_is_never_spliced(
    pulled: Face, caddy: Caddy, trusting: ssl.SSLContext, records: Path
) -> None:
    """Its validator names the coding; there is no byte to go on at."""
    with CuttingProxy(caddy.port, Cut(15_000)) as proxy:
        url = f"https://localhost:{proxy.port}/files/{records.name}"
        async with pulled.client(verify=trusting, compress=True) as client:
            with pytest.raises(StreamError) as caught:
                async with client.stream("GET", url) as stream:
                    await stream.collect()
    assert isinstance(caught.value, (ConnectionLost, ResumeError))
    got = [item["n"] for item in caught.value.items]
    assert got == [*range(len(got))]
    assert 0 < len(got) < COUNT


@pytest.fixture(params=[Face("asyncio"), Face("trio")], ids=str)
def concurrent(request: pytest.FixtureRequest) -> Face:
    return request.param  # type: ignore[no-any-return]


def http2(trusting: ssl.SSLContext, **options: Any) -> AsyncClient:
    pytest.importorskip("h2", reason="h2 is not here: `nox -s real` gets it by pip")
    transport = AsyncHTTPTransport(http2=True, verify=trusting, trust_env=False)
    return AsyncClient(transport=transport, retry=FAST, **options)


async def test_http2_a_reset_stream_goes_on(
    concurrent: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    async with (
        http2(trusting) as client,
        client.stream(
            "GET", f"{caddy.url}/events?n=20&cut=7", decoder=SSEData(dict), terminal="[DONE]"
        ) as stream,
    ):
        assert await stream.collect() == NUMBERS
    assert stream.response.http_version == "HTTP/2"
    assert (stream.stats.connects, stream.stats.resumes) == (3, 2)


async def test_http2_a_lost_connection_is_told_and_gone_on_from(
    concurrent: Face, caddy: Caddy, trusting: ssl.SSLContext, records: Path
) -> None:
    with CuttingProxy(caddy.port, *every(60_000, 50_000)) as proxy:
        url = f"https://localhost:{proxy.port}/files/{records.name}"
        async with http2(trusting) as client, client.stream("GET", url) as stream:
            assert whole(await stream.collect())
    assert stream.response.http_version == "HTTP/2"
    assert (proxy.made, len(proxy.requests)) == (2, 3)


async def test_http2_streams_share_a_connection(
    concurrent: Face, caddy: Caddy, trusting: ssl.SSLContext
) -> None:
    async with http2(trusting) as client:
        results: list[int] = []

        async def one() -> None:
            async with client.stream(
                "GET", f"{url}/bulk?n=100", decoder=SSEData(dict), terminal="[DONE]"
            ) as stream:
                items = await stream.collect()
            assert [item["n"] for item in items] == [*range(100)]
            results.append(len(items))

        with CuttingProxy(caddy.port) as proxy:
            url = f"https://localhost:{proxy.port}"
            async with client.stream("GET", f"{url}/events?n=1", decoder=SSEData(dict)) as first:
                await anext(first)
            async with anyio.create_task_group() as tasks:
                for _ in range(5):
                    tasks.start_soon(one)
            assert results == [100] * 5
            assert len(proxy.requests) == 1
