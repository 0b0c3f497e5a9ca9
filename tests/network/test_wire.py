"""Sockets and TLS of the sync client, name resolution on both; what only our network does."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest
import trustme
from driver import Face
from server import Server, chunk, events, head, hold, reset, send, streamed

import streamable_http as shttp
from streamable_http._clock import SYSTEM
from streamable_http._lease import Lease, LeaseTimeout
from streamable_http.transports._blocking import BlockingBackend, BlockingStream
from streamable_http.transports._merging import MergingStream
from streamable_http.transports._tls import TLSStream

ONCE = shttp.RetryPolicy(stop=1)


async def numbers(face: Face, url: str, **settings: Any) -> list[int]:
    async with face.client(**settings) as client, client.stream("GET", url) as stream:
        return [int(event.data) async for event in stream]


# Names ---------------------------------------------------------------------------------------


def test_a_name_that_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def unknown(host: Any, *args: Any, **options: Any) -> Any:
        if options.get("flags"):
            return resolve(host, *args, **options)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with (
        shttp.Client(trust_env=False, retry=ONCE) as client,
        pytest.raises(shttp.ConnectError) as caught,
    ):
        client.stream("GET", "http://nowhere.invalid:81/feed").open()
    assert str(caught.value) == (
        "no connection to nowhere.invalid:81: nowhere.invalid: [Errno -2] Name or service not known"
    )


async def test_a_name_that_cannot_be_one(pulled: Face) -> None:
    with pytest.raises((shttp.ConnectError, shttp.ConfigurationError)):
        await numbers(pulled, f"http://{'x' * 70}.invalid/feed", retry=ONCE)


def test_resolution_that_hangs_is_left_at_the_connect_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolve, released, left = socket.getaddrinfo, threading.Event(), threading.Event()

    def hanging(host: Any, *args: Any, **options: Any) -> Any:
        if options.get("flags"):
            return resolve(host, *args, **options)
        released.wait(10)
        left.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    timeouts = shttp.Timeouts(connect=0.2)
    started = time.monotonic()
    with (
        shttp.Client(trust_env=False, timeout=timeouts, retry=ONCE) as client,
        pytest.raises(shttp.TimeoutExceeded) as caught,
    ):
        client.stream("GET", "http://slow.invalid/feed").open()
    took = time.monotonic() - started
    released.set()
    assert left.wait(5)
    assert caught.value.kind == "connect"
    assert 0.2 <= took < 2


def test_resolution_that_hangs_is_left_at_close(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    released, asked = threading.Event(), threading.Event()

    def hanging(host: Any, *args: Any, **options: Any) -> Any:
        if options.get("flags"):
            return resolve(host, *args, **options)
        asked.set()
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hanging)
    with shttp.Client(trust_env=False) as client:
        stream = client.stream("GET", "http://slow.invalid/feed")

        def close() -> None:
            asked.wait(5)
            stream.close()

        closer = threading.Thread(target=close)
        closer.start()
        with pytest.raises(shttp.StreamClosed):
            stream.open()
        closer.join(5)
    released.set()


async def test_the_second_address_of_a_host_is_tried(
    pulled: Face, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.serve("/feed", streamed(events(1, 2)))
    resolve = socket.getaddrinfo

    def two(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        if host not in {"twofold.invalid", b"twofold.invalid"} or options.get("flags"):
            return resolve(host, port, *args, **options)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, ("127.0.0.9", port)), (*kind, ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert await numbers(pulled, f"http://twofold.invalid:{server.port}/feed") == [1, 2]


async def test_localhost_by_name(pulled: Face, server: Server) -> None:
    server.serve("/feed", streamed(events(1, 2)))
    assert await numbers(pulled, f"http://localhost:{server.port}/feed") == [1, 2]


# TLS of the sync client ----------------------------------------------------------------------


@pytest.fixture
def spoken(authority: trustme.CA) -> Iterator[tuple[TLSStream, ssl.SSLSocket]]:
    """A TLS stream of ours, and the server's end of it."""
    ours, raw = socket.socketpair()
    raw.settimeout(5)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    wrapped: list[ssl.SSLSocket] = []
    thread = threading.Thread(
        target=lambda: wrapped.append(server.wrap_socket(raw, server_side=True))
    )
    thread.start()
    stream = TLSStream.wrap(BlockingStream(ours), client, "localhost", 5.0)
    thread.join(5)
    yield stream, wrapped[0]
    stream.close()
    wrapped[0].close()


Pair = tuple[TLSStream, ssl.SSLSocket]


def test_many_records_come_with_one_read(spoken: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    stream, theirs = spoken
    for number in range(50):
        theirs.sendall(b"%03d." % number)
    reads: list[int] = []
    read = BlockingStream.read

    def counted(self: BlockingStream, *args: Any) -> bytes:
        data = read(self, *args)
        reads.append(len(data))
        return data

    monkeypatch.setattr(BlockingStream, "read", counted)
    assert stream.read(65536, 5.0) == b"".join(b"%03d." % number for number in range(50))
    assert len(reads) == 1


def test_a_read_takes_no_more_than_asked_for(spoken: Pair) -> None:
    stream, theirs = spoken
    theirs.sendall(b"x" * 30_000)
    theirs.sendall(b"y" * 30_000)
    got = b""
    while len(got) < 60_000:
        data = stream.read(7000, 5.0)
        assert 0 < len(data) <= 7000
        got += data
    assert got == b"x" * 30_000 + b"y" * 30_000


def test_a_record_in_pieces_is_waited_for(spoken: Pair) -> None:
    stream, theirs = spoken
    theirs.sendall(b"whole")
    assert stream.read(100, 5.0) == b"whole"
    with pytest.raises(httpcore.ReadTimeout):
        stream.read(100, 0.05)
    theirs.sendall(b"later")
    assert stream.read(100, 5.0) == b"later"


def test_what_came_before_the_end_is_read_before_it(spoken: Pair) -> None:
    stream, theirs = spoken
    theirs.sendall(b"last words")
    theirs.shutdown(socket.SHUT_WR)
    assert stream.read(100, 5.0) == b"last words"
    assert stream.read(100, 5.0) == b""
    assert stream.read(100, 5.0) == b""


def test_a_proper_goodbye_is_an_end(spoken: Pair) -> None:
    stream, theirs = spoken
    theirs.sendall(b"last words")
    goodbye = threading.Thread(target=_say_goodbye, args=(theirs,))
    goodbye.start()
    assert stream.read(100, 5.0) == b"last words"
    assert stream.read(100, 5.0) == b""
    stream.close()
    goodbye.join(5)


def _say_goodbye(theirs: ssl.SSLSocket) -> None:
    with contextlib.suppress(OSError):
        theirs.unwrap()


def test_a_large_write_goes_through(spoken: Pair) -> None:
    stream, theirs = spoken
    got = bytearray()

    def receive() -> None:
        while len(got) < 3_000_000:
            got.extend(theirs.recv(65536))

    thread = threading.Thread(target=receive)
    thread.start()
    stream.write(bytes(range(250)) * 12_000, 5.0)
    thread.join(5)
    assert bytes(got) == bytes(range(250)) * 12_000


def test_a_write_to_one_who_is_gone(spoken: Pair) -> None:
    stream, theirs = spoken
    theirs.close()
    with pytest.raises(httpcore.WriteError):
        for _ in range(100):
            stream.write(b"x" * 100_000, 5.0)


def test_garbage_instead_of_records(spoken: Pair) -> None:
    stream, theirs = spoken
    raw = socket.socket(fileno=theirs.detach())
    raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(httpcore.ReadError):
        stream.read(100, 5.0)
    raw.close()


def test_what_a_stream_tells_about_itself(spoken: Pair) -> None:
    stream, theirs = spoken
    assert isinstance(stream.get_extra_info("ssl_object"), ssl.SSLObject)
    assert isinstance(stream.get_extra_info("socket"), socket.socket)
    assert stream.get_extra_info("nothing") is None
    theirs.sendall(b"x")
    assert stream.read(1, 5.0) == b"x"  # the session tickets, which came first, are read, too
    assert stream.get_extra_info("is_readable") is False
    theirs.sendall(b"x")
    assert _soon(lambda: stream.get_extra_info("is_readable") is True)
    stream.close()
    assert stream.get_extra_info("is_readable") is True


def _soon(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + 5
    while not condition() and time.monotonic() < limit:
        time.sleep(0.001)
    return condition()


@pytest.mark.parametrize("has_poll", [True, False])
def test_readability_with_and_without_poll(has_poll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_poll:
        monkeypatch.delattr(select, "poll")
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = BlockingStream(ours)
        assert stream.get_extra_info("is_readable") is False
        theirs.close()
        assert stream.get_extra_info("is_readable") is True


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("direct", [False, True])
def test_who_closes_a_stream_breaks_no_connection_whose_answer_is_whole(
    body: bytes, pieces: int, direct: bool
) -> None:
    """It may be somebody else's by then."""
    ours, theirs = socket.socketpair()
    lease = Lease(shttp.Timeouts(), SYSTEM)
    timeout = LeaseTimeout(5.0, lease)
    answer = b"HTTP/1.1 200 OK\r\n" + body
    with ours, theirs:
        stream = MergingStream.around(BlockingStream(ours))
        assert isinstance(stream, MergingStream)
        stream.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", timeout)
        theirs.recv(4096)
        cut = answer.index(b"hello") if pieces == 2 else len(answer)
        theirs.sendall(answer[:cut])
        stream.read(65536, timeout)
        theirs.sendall(answer[cut:])
        while not stream._merger.idle:
            if direct and stream.merges:
                stream.read_body(timeout)
            else:
                stream.read(65536, timeout)
        lease.interrupt()
        stream.write(b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n", 5.0)
        assert theirs.recv(4096).startswith(b"GET /next")


def test_addresses_of_a_stream(server: Server) -> None:
    stream = BlockingBackend().connect_tcp("127.0.0.1", server.port, 5.0)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", server.port)
    assert stream.get_extra_info("client_addr")[0] == "127.0.0.1"
    stream.close()


# TLS that fails, on every face ---------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
async def test_a_server_that_does_not_speak_tls(
    pulled: Face, trusting: ssl.SSLContext, answer: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        url = f"https://localhost:{listener.getsockname()[1]}/"
        with pytest.raises(shttp.ConnectError):
            await numbers(pulled, url, verify=trusting, retry=ONCE)
        thread.join(5)


async def test_silence_in_the_handshake_is_the_connect_clocks(
    pulled: Face, trusting: ssl.SSLContext
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}/"
        timeouts = shttp.Timeouts(connect=0.2)
        started = time.monotonic()
        with pytest.raises(shttp.TimeoutExceeded) as caught:
            await numbers(pulled, url, verify=trusting, retry=ONCE, timeout=timeouts)
        assert 0.2 <= time.monotonic() - started < 2
        assert caught.value.kind == "connect"


async def test_close_during_the_handshake(pulled: Face, trusting: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"https://localhost:{listener.getsockname()[1]}/"
        async with pulled.client(verify=trusting) as client:
            stream = client.stream("GET", url)

            async def close() -> None:
                connection, _ = listener.accept()
                connection.recv(10)
                await stream.aclose()
                connection.close()

            listener.settimeout(5)
            if pulled.sync:
                closer = pulled.spawn(close)
                with pytest.raises(shttp.StreamClosed):
                    await stream.open()
                await closer
                return
            opening = pulled.spawn(_open, stream)
            await pulled.until(lambda: _accepts(listener))
            connection, _ = listener.accept()
            await pulled.until(lambda: _accepts(connection))  # the client's hello is there
            await stream.aclose()
            with pytest.raises(shttp.StreamClosed):
                await opening
            connection.close()


async def _open(stream: Any) -> None:
    await stream.open()


def _accepts(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


async def test_tls_that_is_cut_off_in_a_chunked_body(
    pulled: Face, tls_server: Server, trusting: ssl.SSLContext
) -> None:
    """No close_notify: HTTP's framing tells that something is missing."""
    url = tls_server.serve("/feed", streamed(events(1, 2), reset()), streamed(events(3)))
    assert await numbers(pulled, url, verify=trusting) == [1, 2, 3]
    (_, second) = tls_server.requests
    assert second.headers["last-event-id"] == "2"


async def test_a_long_tls_stream(
    pulled: Face, tls_server: Server, trusting: ssl.SSLContext
) -> None:
    text = b"".join(b"data: %d\n\n" % number for number in range(5000))
    pieces = [chunk(text[start : start + 997]) for start in range(0, len(text), 997)]
    url = tls_server.serve("/feed", streamed(*pieces))
    assert await numbers(pulled, url, verify=trusting) == list(range(5000))


async def test_a_reply_before_the_request_ends(pulled: Face, server: Server) -> None:
    url = server.serve("/feed", [head(200, content_length="9"), send(b"data: 1\n\n"), hold()])
    assert await numbers(pulled, url) == [1]


# The lease at the socket ---------------------------------------------------------------------


def test_a_pooled_connection_is_not_closed_by_the_stream_before() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = BlockingStream(ours)
        first, second = (Lease(shttp.Timeouts(), SYSTEM) for _ in range(2))
        stream.hold(first)
        stream.hold(second)
        first.interrupt()
        theirs.sendall(b"x")
        assert stream.read(1, LeaseTimeout(5, second)) == b"x"
        second.interrupt()
        with pytest.raises(httpcore.ReadError):
            stream.read(1, LeaseTimeout(5, second))


def test_a_timeout_of_years_is_no_error(server: Server) -> None:
    url = server.serve("/feed", streamed(events(1)))
    years = shttp.Timeouts(connect=1e12, first_byte=1e12, idle=1e12, between_items=1e12, total=1e12)
    with (
        shttp.Client(trust_env=False, timeout=years) as client,
        client.stream("GET", url) as stream,
    ):
        assert len(list(stream)) == 1
