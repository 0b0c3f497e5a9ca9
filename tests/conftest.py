"""Fixtures for tests over real sockets, on every face."""

from __future__ import annotations

import functools
import inspect
import ssl
import threading
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import trustme
from driver import Face
from server import Server

_RUNTIMES = ("threads", "asyncio", "trio")
# Prefetch knows nothing of the HTTP client: each client has it or has it not, ours both.
_WAYS = ((0, "ours"), (8, "ours"), (0, "ours on httpx2"), (0, "httpx"), (8, "httpx2"))
_ALL = [Face(runtime, *way) for runtime, way in product(_RUNTIMES, _WAYS)]  # type: ignore[arg-type]  # the tuples widen the literals
_OURS = [face for face in _ALL if face.http.startswith("ours")]
_PULLED = [face for face in _OURS if face.prefetch == 0 and face.http == "ours"]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """An async test runs on the face that it asked for."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments: dict[str, Any] = {name: pyfuncitem.funcargs[name] for name in names}
    face = next(value for value in arguments.values() if isinstance(value, Face))
    before = {*threading.enumerate()}
    face.run(functools.partial(pyfuncitem.obj, **arguments))
    ours = ("streamable", "test-spawned")
    left = [one for one in {*threading.enumerate()} - before if one.name.startswith(ours)]
    assert not left, f"threads are left: {left}"
    return True


@pytest.fixture(params=_ALL, ids=str)
def face(request: pytest.FixtureRequest) -> Face:
    """Every face, with and without prefetch, on every HTTP client."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=_OURS, ids=str)
def own(request: pytest.FixtureRequest) -> Face:
    """Every face on our own transport, for what the other HTTP clients do not promise."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=_PULLED, ids=str)
def pulled(request: pytest.FixtureRequest) -> Face:
    """Every face on our own transport without prefetch."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that plays scripts; it is stopped, and all its threads with it."""
    with Server() as running:
        yield running


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of our own."""
    return trustme.CA()


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """What a client passes as `verify=` to trust `tls_server`."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[Server]:
    """The same over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with Server(tls=context) as running:
        yield running
