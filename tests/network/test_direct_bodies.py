"""Bodies that come straight from the connection, as the HTTP clients above them see them."""

from __future__ import annotations

from typing import Any

import httpx
import httpx2
import pytest
from driver import Face
from server import Script, Server, chunk, cut, head, hold, send

from streamable_http.transports import AsyncHTTPTransport, HTTPTransport
from streamable_http.transports import httpx2 as on_httpx2

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


def client(face: Face, library: Any, **settings: Any) -> Any:
    """A plain client of the library, on our transport."""
    if library is httpx:
        kind: Any = HTTPTransport if face.sync else AsyncHTTPTransport
    else:
        kind = on_httpx2.HTTPTransport if face.sync else on_httpx2.AsyncHTTPTransport
    settings = {"transport": kind(), "timeout": 5, **settings}
    return library.Client(**settings) if face.sync else library.AsyncClient(**settings)


async def read(face: Face, http: Any, url: str, **options: Any) -> list[bytes]:
    if face.sync:
        with http.stream("GET", url, **options) as response:
            return list(response.iter_raw())
    async with http.stream("GET", url, **options) as response:
        return [data async for data in response.aiter_raw()]


async def closed(face: Face, http: Any) -> None:
    if face.sync:
        http.close()
    else:
        await http.aclose()


def chunked(*pieces: bytes, last: bytes = b"0\r\n\r\n") -> Script:
    return [head(200, "text/plain", transfer_encoding="chunked"), *map(send, pieces), send(last)]


@LIBRARIES
async def test_a_body_comes_whole_and_its_connection_serves_again(
    pulled: Face, server: Server, library: Any
) -> None:
    body = chunked(b"1\r\na\r\n2\r\nbc\r\n", b"1\r\nd\r\n")
    url = server.serve("/", body, body, body)
    http = client(pulled, library)
    for _ in range(3):
        assert b"".join(await read(pulled, http, url)) == b"abcd"
    assert len({request.connection for request in server.requests}) == 1
    await closed(pulled, http)


@LIBRARIES
async def test_what_goes_wrong_is_told_in_the_terms_of_the_client(
    pulled: Face, server: Server, library: Any
) -> None:
    begun = [head(200, "text/plain", transfer_encoding="chunked"), chunk(b"abc")]
    cases: list[tuple[Script, Any, str]] = [
        ([*begun, cut()], library.RemoteProtocolError, "without sending complete message"),
        ([*begun, send(b"xyz\r\n")], library.RemoteProtocolError, "malformed|illegal chunk"),
        ([*begun, hold()], library.ReadTimeout, "timed out"),
    ]
    http = client(pulled, library, timeout=0.2)
    for script, error, words in cases:
        url = server.serve("/", script)
        with pytest.raises(error, match=words):
            await read(pulled, http, url)
    await closed(pulled, http)
    server.wait_for(lambda: server.open == 0)


@LIBRARIES
async def test_who_looks_on_sees_the_parser_at_work(
    pulled: Face, server: Server, library: Any
) -> None:
    seen: list[str] = []

    async def look_on(name: str, info: Any) -> None:
        seen.append(name)

    def look(name: str, info: Any) -> None:
        seen.append(name)

    url = server.serve("/", chunked(b"1\r\na\r\n1\r\nb\r\n"))
    http = client(pulled, library)
    extensions = {"trace": look if pulled.sync else look_on}
    assert b"".join(await read(pulled, http, url, extensions=extensions)) == b"ab"
    assert "http11.receive_response_body.started" in seen
    await closed(pulled, http)


@LIBRARIES
async def test_a_body_that_is_left_half_read_closes_its_connection(
    pulled: Face, server: Server, library: Any
) -> None:
    if pulled.runtime == "trio":
        pytest.skip("httpx leaves a generator of its own to the collector, and trio says so")
    begun: Script = [head(200, "text/plain", transfer_encoding="chunked"), chunk(b"abc"), hold()]
    url = server.serve("/", begun)
    http = client(pulled, library)
    if pulled.sync:
        with http.stream("GET", url) as response:
            assert next(response.iter_raw()) == b"abc"
    else:
        async with http.stream("GET", url) as response:
            body = response.aiter_raw()
            assert await anext(body) == b"abc"
            await body.aclose()
    server.wait_for(lambda: server.open == 0)
    await closed(pulled, http)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
STRANGER = HEAD + b"Content-Length: 4\r\n\r\nEVIL"
GOOD = HEAD + b"Content-Length: 4\r\n\r\ngood"


@LIBRARIES
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (HEAD + b"Content-Length: 5, 5\r\n\r\nhello", b"hello"),
        (HEAD + b"Content-Length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 None\r\n\r\n", b""),
    ],
)
async def test_an_answer_to_nobody_reaches_nobody(
    pulled: Face, server: Server, library: Any, answer: bytes, body: bytes
) -> None:
    url = server.serve("/", [answer + STRANGER], [GOOD])
    http = client(pulled, library)
    assert b"".join(await read(pulled, http, url)) == body
    assert b"".join(await read(pulled, http, url)) == b"good"
    await closed(pulled, http)
