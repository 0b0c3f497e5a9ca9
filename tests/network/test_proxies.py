"""Proxies: chosen from the environment as plain httpx does, and really gone through."""

from __future__ import annotations

import gc
import socket
import ssl
import threading
from typing import Any

import httpcore
import httpx
import pytest
import trustme
from driver import Face
from httpx._utils import get_environment_proxies
from proxies import Proxy
from server import Server, events, streamed

import streamable_http as shttp
from streamable_http.transports import AsyncHTTPTransport, HTTPTransport
from streamable_http.transports._httpx import environment_proxies

HTTP, HTTPS, ALL = "http://proxy:1", "https://secure:2", "socks5://all:3"
SOME = {"HTTP_PROXY": HTTP, "HTTPS_PROXY": HTTPS}
URLS = [
    "http://host/",
    "https://host/",
    "http://sub.host/",
    "http://host.org/",
    "http://sub.host.org/",
    "http://nothost.org/",
    "http://host:8080/",
    "https://host.org:8443/",
    "http://localhost/",
    "http://LOCALHOST:99/",
    "http://127.0.0.1/",
    "http://127.0.0.1:80/",
    "http://192.168.0.1/",
    "http://10.1.2.3/",
    "http://[::1]/",
    "http://[fe80::1]:8080/",
    "https://[::1]/",
]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"HTTP_PROXY": HTTP},
        {"http_proxy": HTTP},
        {"HTTPS_PROXY": HTTPS},
        {"ALL_PROXY": ALL},
        {"ALL_PROXY": HTTP, "HTTPS_PROXY": HTTPS},
        {"HTTP_PROXY": "proxy:1"},
        {"HTTP_PROXY": ""},
        {"HTTP_PROXY": "http://user:password@proxy:1"},
        {**SOME, "NO_PROXY": ""},
        {**SOME, "NO_PROXY": " , ,"},
        {**SOME, "NO_PROXY": "*"},
        {**SOME, "NO_PROXY": "host.org, *"},
        {**SOME, "NO_PROXY": "host"},
        {**SOME, "no_proxy": "host.org"},
        {**SOME, "NO_PROXY": ".host.org"},
        {**SOME, "NO_PROXY": "*.host.org"},
        {**SOME, "NO_PROXY": "host:8080"},
        {**SOME, "NO_PROXY": "host.org:8443 , localhost"},
        {**SOME, "NO_PROXY": "localhost"},
        {**SOME, "NO_PROXY": "LOCALHOST"},
        {**SOME, "NO_PROXY": "127.0.0.1"},
        {**SOME, "NO_PROXY": "127.0.0.1:80"},
        {**SOME, "NO_PROXY": "192.168.0.0/16"},
        {**SOME, "NO_PROXY": "10.0.0.0/8,127.0.0.1"},
        {**SOME, "NO_PROXY": "::1"},
        {**SOME, "NO_PROXY": "https://host.org"},
        {**SOME, "NO_PROXY": "http://host,all://127.0.0.1"},
        {"ALL_PROXY": HTTP, "NO_PROXY": "sub.host.org"},
    ],
    ids=lambda environment: "&".join(f"{k}={v}" for k, v in environment.items()) or "none",
)
def test_the_environment_is_read_as_httpx_reads_it(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert environment_proxies() == get_environment_proxies()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ours = [shttp.Client(verify=context)._http, shttp.AsyncClient(verify=context)._http]
    plain = httpx.Client(verify=context)
    for client in ours:
        assert [route(client, url) for url in URLS] == [route(plain, url) for url in URLS]


def test_a_network_of_ipv6_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain httpx cannot be built then; of an IPv4 network it takes the first address alone."""
    monkeypatch.setenv("ALL_PROXY", HTTP)
    monkeypatch.setenv("NO_PROXY", "fe80::/10,10.0.0.0/8")
    with pytest.raises(httpx.InvalidURL):
        httpx.Client()
    with shttp.Client() as client:
        assert route(client._http, "http://[fe80::1]/") == route(client._http, "http://10.1.2.3/")
        assert (
            route(client._http, "http://[fe80::]/") == route(client._http, "http://10.0.0.0/") == ""
        )


def route(client: Any, url: str) -> str:
    """The proxy that a client would reach `url` through."""
    pool = client._transport_for_url(httpx.URL(url))._pool
    proxy = getattr(pool, "_proxy_url", None)
    return "" if proxy is None else f"{proxy.scheme!r}{proxy.host!r}{proxy.port}"


def test_the_environment_can_be_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", HTTP)
    with shttp.Client() as client:
        assert route(client._http, "http://host/")
    with shttp.Client(trust_env=False) as client:
        assert not route(client._http, "http://host/")


def test_an_explicit_proxy_overrules_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", HTTP)
    monkeypatch.setenv("NO_PROXY", "host")
    with shttp.Client(proxy="http://other:9") as client:
        assert "other" in route(client._http, "http://host/")


def test_mounts_come_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", HTTP)
    mounts: dict[str, Any] = {"http://host": HTTPTransport(), "http://none": None}
    with shttp.Client(mounts=mounts) as client:
        assert not route(client._http, "http://host/")
        assert not route(client._http, "http://none/")
        assert route(client._http, "http://third/")


@pytest.mark.parametrize("kind", [HTTPTransport, AsyncHTTPTransport])
@pytest.mark.parametrize("proxy", [None, HTTP, HTTPS, ALL])
def test_every_pool_is_on_our_network(kind: Any, proxy: str | None) -> None:
    """Fails if httpx calls the attribute that our transports set something else."""
    plain = (httpx.HTTPTransport if kind is HTTPTransport else httpx.AsyncHTTPTransport)(
        proxy=proxy
    )
    backends = (httpcore.NetworkBackend, httpcore.AsyncNetworkBackend)
    assert isinstance(plain._pool._network_backend, backends)
    assert vars(plain._pool).keys() == vars(kind(proxy=proxy)._pool).keys()
    assert type(kind(proxy=proxy)._pool._network_backend).__module__.startswith("streamable_http.")


# Really gone through -------------------------------------------------------------------------


async def three(face: Face, url: str, **settings: Any) -> list[Any]:
    async with face.client(**settings) as client, client.stream("GET", url) as stream:
        return [int(event.data) async for event in stream]


async def test_a_forward_proxy(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", streamed(events(1, 2, 3)))
    with Proxy() as proxy:
        assert await three(pulled, url + "?q=1", proxy=proxy.url) == [1, 2, 3]
        assert proxy.seen == [f"GET {url}?q=1 HTTP/1.1"]
    assert server.requests[0].target == "/feed?q=1"


async def test_a_proxy_from_the_environment(
    pulled: Face, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.serve("/feed", streamed(events(1, 2, 3)))
    with Proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert await three(pulled, url, trust_env=True) == [1, 2, 3]
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert await three(pulled, url, trust_env=True) == [1, 2, 3]
        assert len(proxy.seen) == 1


@pytest.mark.parametrize("login", ["", "user:password"])
async def test_a_tunnel(
    pulled: Face, tls_server: Server, trusting: ssl.SSLContext, login: str
) -> None:
    url = tls_server.serve("/feed", streamed(events(1, 2, 3)))
    with Proxy(login=login) as proxy:
        assert await three(pulled, url, proxy=proxy.url, verify=trusting) == [1, 2, 3]
        assert proxy.seen == [f"CONNECT localhost:{tls_server.port} HTTP/1.1"]


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_a_proxy_reached_by_tls(
    pulled: Face,
    server: Server,
    tls_server: Server,
    authority: trustme.CA,
    trusting: ssl.SSLContext,
    secure: bool,
) -> None:
    """With an https target: TLS in TLS."""
    url = (tls_server if secure else server).serve("/feed", streamed(events(1, 2, 3)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Proxy(tls=context) as proxy:
        through = httpx.Proxy(proxy.url, ssl_context=trusting)
        assert await three(pulled, url, proxy=through, verify=trusting) == [1, 2, 3]
        assert proxy.seen[0].startswith("CONNECT localhost" if secure else f"GET {url}")


@pytest.mark.parametrize("login", ["", "user:password"])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
async def test_socks(
    pulled: Face,
    server: Server,
    tls_server: Server,
    trusting: ssl.SSLContext,
    secure: bool,
    login: str,
) -> None:
    url = (tls_server if secure else server).serve("/feed", streamed(events(1, 2, 3)))
    with Proxy(socks=True, login=login) as proxy:
        assert await three(pulled, url, proxy=proxy.url, verify=trusting) == [1, 2, 3]
        assert proxy.seen == [httpx.URL(url).netloc.decode()]


# httpcore does not close the connection to a SOCKS proxy that refuses it: the collector does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("socks", [False, True], ids=["connect", "socks"])
async def test_a_proxy_that_knows_us_not(
    pulled: Face, tls_server: Server, trusting: ssl.SSLContext, socks: bool
) -> None:
    url = tls_server.serve("/feed", streamed(events(1)))
    with Proxy(socks=socks, login="user:password") as proxy:
        wrong = proxy.url.replace("password", "guess")
        once = shttp.RetryPolicy(stop=1)
        with pytest.raises(shttp.ConnectError) as caught:
            await three(pulled, url, proxy=wrong, verify=trusting, retry=once)
    assert "guess" not in str(caught.value)
    where = f"localhost:{tls_server.port} through the proxy {httpx.URL(proxy.url).netloc.decode()}"
    assert str(caught.value).startswith(f"no connection to {where}: ")
    assert tls_server.requests == []
    del caught
    gc.collect()


async def test_a_tunnel_that_breaks_is_no_connection(
    pulled: Face, trusting: ssl.SSLContext
) -> None:
    """Of the request itself nothing was sent, so even a POST is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        asked: list[bytes] = []

        def break_off() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                asked.append(connection.recv(7))
                connection.close()

        thread = threading.Thread(target=break_off)
        thread.start()
        settings: dict[str, Any] = {
            "proxy": f"http://127.0.0.1:{listener.getsockname()[1]}",
            "retry": shttp.RetryPolicy(stop=2, wait=lambda _: 0, min_delay=0),
            "verify": trusting,
        }
        async with pulled.client(**settings) as client:
            with pytest.raises(shttp.RetriesExhausted) as caught:
                await client.stream("POST", "https://localhost:1/", json={}).open()
        thread.join(5)
    assert isinstance(caught.value.last_error, shttp.ConnectError)
    assert asked == [b"CONNECT"] * 2


async def test_a_post_is_sent_again_when_the_proxy_is_not_there(
    pulled: Face, server: Server
) -> None:
    """What a proxy was told is not the request: nothing of that was sent."""
    with Proxy() as gone:
        pass
    url = server.serve("/feed", streamed(events(1)))
    seen: list[Any] = []
    async with pulled.client(proxy=gone.url, on_event=seen.append) as client:
        with pytest.raises(shttp.RetriesExhausted) as caught:
            await client.stream("POST", url, json={}).open()
    proxy_host, target = (httpx.URL(each).netloc.decode() for each in (gone.url, url))
    assert f"no connection to {target} through the proxy {proxy_host}: " in str(caught.value)
    assert len([event for event in seen if isinstance(event, shttp.Retrying)]) == 4
