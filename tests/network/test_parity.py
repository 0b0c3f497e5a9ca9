"""Our transport does what plain httpx does: TLS settings, addresses, sockets, auth, cookies."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from driver import Face
from server import Received, Script, Server, events, reply, streamed

import streamable_http as shttp
from streamable_http.transports import AsyncHTTPTransport, HTTPTransport

ONCE = shttp.RetryPolicy(stop=1)


def transport_of(face: Face, **settings: Any) -> Any:
    kind: Any = HTTPTransport if face.sync else AsyncHTTPTransport
    return kind(**settings)


async def numbers(face: Face, url: str, **settings: Any) -> list[int]:
    options = {name: settings.pop(name) for name in ("params", "auth") if name in settings}
    async with face.client(**settings) as client, client.stream("GET", url, **options) as stream:
        return [int(event.data) async for event in stream]


# TLS -----------------------------------------------------------------------------------------


async def test_a_private_authority(
    pulled: Face, tls_server: Server, trusting: ssl.SSLContext
) -> None:
    url = tls_server.serve("/feed", streamed(events(1, 2)))
    assert await numbers(pulled, url, verify=trusting) == [1, 2]


async def test_an_unknown_authority(pulled: Face, tls_server: Server) -> None:
    url = tls_server.serve("/feed", streamed(events(1)))
    with pytest.raises(shttp.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await numbers(pulled, url, retry=ONCE)
    assert tls_server.requests == []


async def test_the_wrong_name(
    pulled: Face, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    with Server(tls=context) as server:
        url = server.serve("/feed", streamed(events(1)))
        with pytest.raises(shttp.ConnectError, match=r"Hostname mismatch|not valid for"):
            await numbers(pulled, url, verify=trusting, retry=ONCE)


async def test_verification_off(pulled: Face, tls_server: Server) -> None:
    url = tls_server.serve("/feed", streamed(events(1, 2)))
    assert await numbers(pulled, url, verify=False) == [1, 2]


async def test_the_authority_from_the_environment(
    pulled: Face, tls_server: Server, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = tls_server.serve("/feed", streamed(events(1, 2)))
    with authority.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        assert await numbers(pulled, url, verify=True, trust_env=True) == [1, 2]
        with pytest.raises(shttp.ConnectError):
            await numbers(pulled, url, verify=True, trust_env=False, retry=ONCE)


@pytest.fixture
def demanding(authority: trustme.CA) -> Iterator[Server]:
    """A server that wants to see a client certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    with Server(tls=context) as server:
        yield server


async def test_a_client_certificate(pulled: Face, demanding: Server, authority: trustme.CA) -> None:
    url = demanding.serve("/feed", streamed(events(1, 2)))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    authority.issue_cert("client@example.org").configure_cert(context)
    assert await numbers(pulled, url, verify=context) == [1, 2]


async def test_no_client_certificate(
    pulled: Face, demanding: Server, trusting: ssl.SSLContext
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, so the request may have been sent."""
    url = demanding.serve("/feed", streamed(events(1)))
    with pytest.raises((shttp.ConnectError, shttp.ConnectionLost)):
        await numbers(pulled, url, verify=trusting, retry=ONCE)
    assert demanding.requests == []


# Sockets -------------------------------------------------------------------------------------


@contextlib.contextmanager
def unix_socket_to(server: Server) -> Iterator[str]:
    """A Unix domain socket that leads to a server."""
    from proxies import relay

    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "s")
        listener.bind(path)
        listener.listen()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client:
                        relay(client, socket.create_connection(("127.0.0.1", server.port)))

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield path
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(5)


async def test_a_unix_domain_socket(pulled: Face, server: Server) -> None:
    server.serve("/feed", streamed(events(1, 2)))
    with unix_socket_to(server) as path:
        transport = transport_of(pulled, uds=path)
        assert await numbers(pulled, "http://anything/feed", transport=transport) == [1, 2]
    assert server.requests[0].headers["host"] == "anything"


async def test_no_unix_domain_socket(pulled: Face, tmp_path: Path) -> None:
    transport = transport_of(pulled, uds=str(tmp_path / "nothing"))
    with pytest.raises(shttp.ConnectError):
        await numbers(pulled, "http://anything/feed", transport=transport, retry=ONCE)


async def test_the_local_address(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1, 2)))
    transport = transport_of(pulled, local_address="127.0.0.5")
    assert await numbers(pulled, url, transport=transport) == [1, 2]
    if pulled.runtime == "trio":
        return  # anyio forgets to close the socket there when it cannot be bound
    transport = transport_of(pulled, local_address="192.0.2.1")
    with pytest.raises(shttp.ConnectError):
        await numbers(pulled, url, transport=transport, retry=ONCE)


async def test_socket_options(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1, 2)))
    option = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transport = transport_of(pulled, socket_options=[option])
    async with pulled.client(transport=transport) as client, client.stream("GET", url):
        (connection,) = transport._pool.connections
        sock = connection._connection._network_stream.get_extra_info("socket")
        assert sock.getsockopt(*option[:2]) == 1
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


# What a request carries ----------------------------------------------------------------------


async def test_settings_of_the_client_go_along(pulled: Face, server: Server) -> None:
    server.serve("/v1/feed", streamed(events(1)))
    settings: dict[str, Any] = {
        "base_url": f"{server.url}/v1",
        "params": {"a": "1"},
        "cookies": {"c": "2"},
        "headers": {"X-One": "one", "X-Two": "two"},
        "auth": ("user", "pässword"),
    }
    async with (
        pulled.client(**settings) as client,
        client.stream("GET", "feed", params={"b": "3"}, headers={"x-two": "zwei"}) as stream,
    ):
        assert len(await stream.collect()) == 1
    (request,) = server.requests
    assert request.target == "/v1/feed?a=1&b=3"
    plain = httpx.Client(auth=("user", "pässword"), cookies={"c": "2"}).build_request(
        "GET", "http://h"
    )
    assert request.headers["cookie"] == plain.headers["cookie"]
    assert request.headers["x-one"] == "one"
    assert request.headers["x-two"] == "zwei"
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["user-agent"] == f"streamable-http/{shttp.__version__}"


async def test_cookies_of_an_answer_come_back(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1), set_cookie="session=7; Path=/"))
    async with pulled.client() as client:
        for _ in range(2):
            async with client.stream("GET", url) as stream:
                await stream.collect()
    assert [request.headers.get("cookie") for request in server.requests] == [None, "session=7"]


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"json": {"a": [1]}}, "application/json", b'{"a":[1]}'),
        ({"data": {"a": "1 2"}}, "application/x-www-form-urlencoded", b"a=1+2"),
        ({"content": "text"}, None, b"text"),
        ({"content": b"\x00\x01"}, None, b"\x00\x01"),
    ],
)
async def test_bodies(
    pulled: Face, server: Server, body: dict[str, Any], content_type: str | None, sent: bytes
) -> None:
    url = server.serve("/feed", streamed(events(1)))
    async with pulled.client() as client, client.stream("POST", url, **body) as stream:
        await stream.collect()
    (request,) = server.requests
    assert (request.body, request.headers.get("content-type")) == (sent, content_type)


def challenged(script: Callable[[], Script]) -> Callable[[Received], Script]:
    """Wants digest authentication first."""

    def answer(request: Received) -> Script:
        if request.headers.get("authorization", "").startswith("Digest "):
            return script()
        challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
        return reply(b"who?", status=401, www_authenticate=challenge)

    return answer


async def test_digest_over_a_401(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", challenged(lambda: streamed(events(1, 2))))
    assert await numbers(pulled, url, auth=httpx.DigestAuth("user", "password")) == [1, 2]
    assert 'username="user"' in server.requests[1].headers["authorization"]
    assert len(server.requests) == 2


async def test_auth_can_be_left_out(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1)))
    assert await numbers(pulled, url, auth=None) == [1]
    async with pulled.client(auth=("a", "b")) as client:
        options: list[dict[str, Any]] = [{}, {"auth": None}, {"auth": ("c", "d")}]
        for auth in options:
            async with client.stream("GET", url, **auth) as stream:
                await stream.collect()
    sent = [request.headers.get("authorization") for request in server.requests]
    assert sent == [None, "Basic YTpi", None, "Basic Yzpk"]


async def test_credentials_in_the_url(pulled: Face, server: Server) -> None:
    server.serve("/feed", streamed(events(1)))
    url = f"http://user:password@127.0.0.1:{server.port}/feed"
    assert await numbers(pulled, url) == [1]
    assert server.requests[0].headers["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


async def test_a_header_that_cannot_be_sent_is_not_shown(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1)))
    async with pulled.client() as client:
        with pytest.raises(shttp.ConfigurationError) as caught:
            await client.stream("GET", url, cookies={"a": "canary\n"}).open()
    assert str(caught.value) == "the request cannot be sent: Illegal header value"
    assert server.requests == []


async def test_mounts(pulled: Face, server: Server) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        headers = {"Content-Type": "text/event-stream"}
        return httpx.Response(200, headers=headers, content=b"data: 7\n\n")

    url = server.serve("/feed", streamed(events(1)))
    mounts = {"http://mounted": httpx.MockTransport(handler)}
    assert await numbers(pulled, "http://mounted/feed", mounts=mounts) == [7]
    assert await numbers(pulled, url, mounts=mounts) == [1]
