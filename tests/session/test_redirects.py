from __future__ import annotations

import pytest
from playbook import BODILESS, head

from streamable_http._effects import Target
from streamable_http._errors import RedirectError
from streamable_http._redirects import is_redirect, redirected


def follow(
    location: str,
    *,
    status: int = 302,
    url: str = "http://host/a/b?q=1",
    replayable: bool = True,
    method: str = "GET",
    bare: bool = False,
    body: bool | None = None,
) -> Target:
    target = Target(method, bare=bare, body=method not in BODILESS if body is None else body)
    return redirected(target, head(status, url=url, location=location), replayable=replayable)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_these_are_redirects(status: int) -> None:
    assert is_redirect(head(status))


@pytest.mark.parametrize("status", [200, 206, 300, 304, 305, 400])
def test_these_are_not(status: int) -> None:
    assert not is_redirect(head(status))


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/c", "http://host/c"),
        ("c", "http://host/a/c"),
        ("?x=2", "http://host/a/b?x=2"),
        ("//host/c", "http://host/c"),
        ("http://host:80/c", "http://host:80/c"),
        ("HTTP://HOST/c", "http://HOST/c"),
        ("https://host/c", "https://host/c"),
        ("https://host:443/c", "https://host:443/c"),
    ],
)
def test_the_same_origin_keeps_everything(location: str, url: str) -> None:
    target = follow(location, status=307, method="POST")
    assert (target.method, target.body, target.bare) == ("POST", True, False)
    assert target.url is not None
    assert target.url.lower() == url.lower()


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/café".encode().decode("latin-1"), "http://host/café"),  # as HTTP clients hand it on
        (b"/caf\xe9".decode("latin-1"), "http://host/café"),
        ("/caf%C3%A9", "http://host/caf%C3%A9"),
        ("/caf€", "http://host/caf€"),
    ],
)
def test_a_location_in_utf8_is_read_as_such(location: str, url: str) -> None:
    assert follow(location).url == url


@pytest.mark.parametrize(
    "location",
    [
        "http://other/c",
        "http://host:81/c",
        "https://host:444/c",
        "http://sub.host/c",
        "http://host.evil/c",
        "http://host@evil/c",
    ],
)
def test_another_origin_is_told_nothing(location: str) -> None:
    assert follow(location) == Target("GET", location, body=False, bare=True)


def test_back_from_https_to_http_is_another_origin() -> None:
    assert follow("http://host/c", url="https://host/a").bare


def test_upgrading_from_another_port_is_another_origin() -> None:
    assert follow("https://host/c", url="http://host:8080/a").bare


def test_what_went_bare_once_stays_bare() -> None:
    assert follow("/c", bare=True).bare


@pytest.mark.parametrize(
    ("method", "status", "becomes"),
    [
        ("POST", 301, "GET"),
        ("POST", 302, "GET"),
        ("POST", 303, "GET"),
        ("PUT", 301, "PUT"),
        ("PUT", 302, "PUT"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("GET", 303, "GET"),
        ("POST", 307, "POST"),
        ("POST", 308, "POST"),
    ],
)
def test_the_method_changes_as_the_standard_says(method: str, status: int, becomes: str) -> None:
    target = follow("/c", status=status, method=method)
    assert (target.method, target.body) == (becomes, becomes == method and method not in BODILESS)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_body_of_a_get_is_a_body(status: int) -> None:
    assert follow("/c", status=status, body=True).body
    with pytest.raises(RedirectError, match="the body of this GET to another origin"):
        follow("http://other/c", status=status, body=True)
    with pytest.raises(RedirectError, match="it can be read only once"):
        follow("/c", status=status, body=True, replayable=False)


def test_a_body_that_was_dropped_stays_dropped() -> None:
    first = follow("/c", status=303, method="POST")
    second = redirected(first, head(307, url="http://host/c", location="/d"), replayable=True)
    assert (second.method, second.body) == ("GET", False)


@pytest.mark.parametrize("method", ["POST", "PUT", "QUERY"])
@pytest.mark.parametrize("status", [307, 308])
def test_a_body_never_goes_to_another_origin(method: str, status: int) -> None:
    with pytest.raises(RedirectError) as caught:
        follow("https://user:secret@other:8443/c?key=secret", status=status, method=method)
    assert str(caught.value) == (
        f"a {status} asks to send the body of this {method} to another origin, "
        f"https://other:8443: request that URL yourself if it is to be trusted"
    )
    assert caught.value.location == "https://user:secret@other:8443/c?key=secret"


def test_a_body_that_can_be_read_once_is_not_asked_for_again() -> None:
    with pytest.raises(RedirectError, match="it can be read only once: pass bytes instead of an"):
        follow("/c", status=307, method="POST", replayable=False)
    assert follow("/c", status=303, method="POST", replayable=False).method == "GET"


def _no_url(scheme: str) -> str:
    return f"the Location of the redirect (scheme {scheme!r}) is no http or https URL with a host"


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("", "the server answered 302 without a Location"),
        ("http://[bad/c", "the Location of the redirect is not a URL"),
        ("http://other:99999/c", "the Location of the redirect is not a URL"),
        ("http://other:x/c", "the Location of the redirect is not a URL"),
        ("ftp://host/c", _no_url("ftp")),
        ("javascript:alert(1)", _no_url("javascript")),
        ("https:///c", _no_url("https")),
    ],
)
@pytest.mark.parametrize("bare", [False, True])
def test_a_location_that_leads_nowhere_is_an_error(location: str, message: str, bare: bool) -> None:
    with pytest.raises(RedirectError) as caught:
        follow(location, bare=bare)
    assert str(caught.value) == message
    assert caught.value.location == location
