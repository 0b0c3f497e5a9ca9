"""Corners of the network: whose connection it is, where it leads, and what counts as sent."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpcore
import httpx
import pytest
from driver import FAST, Face
from server import Server, cut, events, reply, streamed, unreachable

import streamable_http as shttp
from streamable_http._clock import SYSTEM
from streamable_http._lease import Lease, LeaseTimeout
from streamable_http.transports import AsyncHTTPTransport, HTTPTransport
from streamable_http.transports._async import LeasedStream
from streamable_http.transports._blocking import BlockingStream

ONCE = shttp.RetryPolicy(stop=1)
HEADERS_FRAME = b"\x00\x00\x26\x01\x04\x00\x00\x00\x03" + b"x" * 38


# Connections that are not ours -----------------------------------------------------------------


async def pay(face: Face, url: str, **settings: Any) -> shttp.StreamError:
    """Why a request that must not be sent twice failed."""
    with pytest.raises(shttp.StreamError) as caught:
        async with face.client(retry=FAST, **settings) as client:
            await client.stream("POST", url, json={"pay": 1}).open()
    return caught.value


@pytest.mark.parametrize("option", ["mounts", "transport"])
async def test_a_post_over_a_foreign_transport_is_sent_once(
    pulled: Face, server: Server, option: str
) -> None:
    url = server.serve("/pay", [cut()])
    foreign: Any = httpx.HTTPTransport() if pulled.sync else httpx.AsyncHTTPTransport()
    error = await pay(
        pulled, url, **{option: {"http://": foreign} if option == "mounts" else foreign}
    )
    assert isinstance(error, shttp.ConnectionLost)
    assert len(server.requests) == 1


async def test_a_post_over_a_patched_transport_is_sent_once(
    pulled: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    def handle(_: Any, request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadError("gone", request=request)

    async def handle_async(_: Any, request: httpx.Request) -> httpx.Response:
        return handle(_, request)

    monkeypatch.setattr(HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(AsyncHTTPTransport, "handle_async_request", handle_async)
    error = await pay(pulled, "http://patched.test/pay")
    assert isinstance(error, shttp.ConnectionLost)
    assert len(sent) == 1


async def test_a_post_over_our_own_transport_is_sent_once(pulled: Face, server: Server) -> None:
    url = server.serve("/pay", [cut()])
    assert isinstance(await pay(pulled, url), shttp.ConnectionLost)
    assert len(server.requests) == 1


# Redirects -------------------------------------------------------------------------------------


@pytest.mark.parametrize("location", ["/b?sig=abc%2F", "/b"])
async def test_the_clients_parameters_stay_out_of_a_redirects_url(
    pulled: Face, server: Server, location: str
) -> None:
    url = server.serve("/a", reply(status=302, location=location))
    server.serve("/b", streamed(events(1)))
    async with (
        pulled.client(params={"v": "1"}) as client,
        client.stream("GET", url, params={"w": "2"}) as stream,
    ):
        assert len(await stream.collect()) == 1
    assert [request.target for request in server.requests] == ["/a?v=1&w=2", location]


# Addresses -------------------------------------------------------------------------------------


def resolve_to(monkeypatch: pytest.MonkeyPatch, *ports: int) -> str:
    """A URL whose host has several addresses, so to say."""
    resolve = socket.getaddrinfo

    def several(host: Any, *args: Any, **options: Any) -> Any:
        if host != "several.test":
            return resolve(host, *args, **options)
        if options.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "not numeric")
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, ("127.0.0.1", port)) for port in ports]

    monkeypatch.setattr(socket, "getaddrinfo", several)
    return "http://several.test/"


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve("/", streamed(events(1)))
    timeouts = shttp.Timeouts(connect=2.0)
    with unreachable() as dead:
        url = resolve_to(monkeypatch, httpx.URL(dead).port or 0, server.port)
        started = time.monotonic()
        with (
            shttp.Client(trust_env=False, timeout=timeouts, retry=ONCE) as client,
            client.stream("GET", url) as stream,
        ):
            took = time.monotonic() - started
            assert len(list(stream)) == 1
    assert 0.9 < took < 2.0


def test_addresses_that_all_swallow_packets_share_the_connect_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timeouts = shttp.Timeouts(connect=0.3)
    with unreachable() as dead:
        url = resolve_to(monkeypatch, *[httpx.URL(dead).port or 0] * 3)
        started = time.monotonic()
        with (
            shttp.Client(trust_env=False, timeout=timeouts, retry=ONCE) as client,
            pytest.raises(shttp.TimeoutExceeded) as caught,
        ):
            client.stream("GET", url).open()
        took = time.monotonic() - started
    assert caught.value.kind == "connect"
    assert 0.29 < took < 0.3 * 3


# What counts as sent ---------------------------------------------------------------------------


def lease() -> Lease:
    made = Lease(shttp.Timeouts(), SYSTEM)
    made.begin()
    return made


@pytest.mark.parametrize("ready", [False, True])
def test_frames_are_a_request_only_on_a_connection_that_is_ready(ready: bool) -> None:
    one = lease()
    one.sending(HEADERS_FRAME, ready=ready)
    assert one.sent is ready


@pytest.mark.parametrize(
    ("data", "sent"),
    [(b"PRI * HTTP/2.0\r\n", True), (b"CONNECT a:1 HTTP/1.1\r\n", False), (b"\x05\x01\x00", False)],
)
def test_what_opens_a_connection_counts_if_it_is_a_request(data: bytes, sent: bool) -> None:
    one = lease()
    one.sending(data, ready=False)
    assert one.sent is sent


def test_the_second_request_on_a_socket_counts_as_sent_whatever_it_looks_like() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = BlockingStream(ours)
        first, second = lease(), lease()
        stream.write(b"\x05\x01\x00", LeaseTimeout(5, first))
        assert not first.sent
        stream.write(b"PRI * HTTP/2.0\r\n", LeaseTimeout(5, first))
        assert first.sent
        stream.write(HEADERS_FRAME, LeaseTimeout(5, second))
        assert second.sent


class _Sink(httpcore.AsyncNetworkStream):
    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        pass


@pytest.mark.parametrize("face", [Face("asyncio"), Face("trio")], ids=str)
async def test_the_second_request_on_a_connection_counts_as_sent_in_tasks_too(face: Face) -> None:
    stream = LeasedStream(_Sink())
    first, second = lease(), lease()
    await stream.write(b"\x05\x01\x00", LeaseTimeout(5, first))
    assert not first.sent
    await stream.write(b"PRI * HTTP/2.0\r\n", LeaseTimeout(5, first))
    await stream.write(HEADERS_FRAME, LeaseTimeout(5, second))
    assert first.sent
    assert second.sent
