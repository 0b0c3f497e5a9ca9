"""What a redirect makes of a request (RFC 9110, section 15.4), without leaking its secrets."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from ._effects import Target
from ._errors import RedirectError
from ._values import ResponseInfo

__all__ = [
    "DEFAULT_PORTS",
    "MAX_REDIRECTS",
    "PERMANENT",
    "is_redirect",
    "redirected",
    "same_origin",
]

MAX_REDIRECTS = 20
PERMANENT = frozenset({301, 308})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
DEFAULT_PORTS = {"http": 80, "https": 443}


def is_redirect(head: ResponseInfo) -> bool:
    """Whether the response sends the client elsewhere."""
    return head.status_code in _REDIRECTS


def redirected(target: Target, head: ResponseInfo, *, replayable: bool) -> Target:
    """The request that `head` asks for in place of `target`.

    Args:
        target: What was sent.
        head: The redirect that answered it.
        replayable: Whether the caller's body can be sent a second time.

    Raises:
        RedirectError: There is nowhere to go, or going there would take the caller's body to
            another origin, or the body is gone.
    """
    location = _as_text(head.headers.get("location", ""))
    if not location:
        raise RedirectError(f"the server answered {head.status_code} without a Location")
    try:
        url = urljoin(head.url, location)
        old, new = urlsplit(head.url), urlsplit(url)
        bare = not same_origin(old, new) or target.bare
    except ValueError as exc:
        raise RedirectError("the Location of the redirect is not a URL", location=location) from exc
    if new.scheme not in DEFAULT_PORTS or not new.hostname:
        raise RedirectError(
            f"the Location of the redirect (scheme {new.scheme!r}) is no http or https URL with a "
            f"host",
            location=location,
        )
    method = _method(target.method, head.status_code)
    body = target.body and method == target.method
    if body:
        if bare:
            origin = f"{new.scheme}://{new.netloc.rpartition('@')[2]}"
            raise RedirectError(
                f"a {head.status_code} asks to send the body of this {method} to another origin, "
                f"{origin}: request that URL yourself if it is to be trusted",
                location=location,
            )
        if not replayable:
            raise RedirectError(
                f"a {head.status_code} asks for the body again, and it can be read only once: "
                f"pass bytes instead of an iterator",
                location=location,
            )
    return Target(method=method, url=url, body=body, bare=bare)


def _as_text(location: str) -> str:
    """A URL that is not written in ASCII, as it should be, is written in UTF-8 (RFC 3987)."""
    try:
        return location.encode("latin-1").decode()
    except ValueError:
        return location


def _method(method: str, status: int) -> str:
    if status == 303 and method != "HEAD":
        return "GET"
    if status in {301, 302} and method == "POST":
        return "GET"
    return method


def same_origin(old: SplitResult, new: SplitResult) -> bool:
    """Whether what is meant for one URL may be sent to the other."""
    if _origin(old) == _origin(new):
        return True
    # From http to https on one host and the default ports the same server is asked over a
    # safer channel: what it was told in clear it may be told again.
    return (_origin(old), _origin(new)) == (
        ("http", old.hostname, 80),
        ("https", old.hostname, 443),
    )


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or DEFAULT_PORTS.get(url.scheme)
