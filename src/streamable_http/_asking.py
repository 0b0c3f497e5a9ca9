"""Sends a stream's request, follows redirects, and accepts or refuses the head that answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._decoders.choose import accept_header
from ._decoders.engine import Spec
from ._effects import Close, Open, Patch, Read, Steps, Target
from ._errors import ContentTypeError, RedirectError, ResumeError, StatusError, StreamError
from ._order import Order
from ._redirects import MAX_REDIRECTS, PERMANENT, is_redirect, redirected
from ._reports import Connecting, StreamEvent
from ._resume import ByteRange
from ._retry import parse_retry_after
from ._values import ResponseInfo
from ._ways.way import Plan, Way

__all__ = ["Asking"]

_NOTHING_COMES = frozenset({204, 205})
_POSITION_GONE = frozenset({410, 412, 416})
_EXCERPT_SECONDS = 5.0


class Asking:
    """The requests of one stream.

    Attributes:
        target: Where its request goes, after redirects that hold for good.
        response: The head of the last response.
        head: The same, if it came in this attempt.
        answered: Whether a redirect of this attempt says that the caller's request was acted on,
            so that what is asked after that is another one.
    """

    def __init__(
        self,
        order: Order[Any],
        tell: Callable[[StreamEvent], None],
        now: Callable[[], float],
    ) -> None:
        self.order = order
        self.target = Target(order.method, body=order.has_body)
        self.response: ResponseInfo | None = None
        self.head: ResponseInfo | None = None
        self.answered: bool = False
        self._tell, self._now = tell, now
        self._attempts = 0

    def connect(self, plan: Plan | None, way: Way) -> Steps[ResponseInfo]:
        """One attempt: the head of a response that is worth reading.

        Args:
            plan: How the stream goes on; None where it begins.
            way: What the plan is of.

        Raises:
            StatusError: The server refuses.
            ResumeError: It refuses because it no longer has the position.
            ContentTypeError: It sends a page.
            RedirectError: A redirect leads nowhere, or somewhere that must not be asked.
        """
        self.head, self.answered = None, False
        self._attempts += 1
        shown = "" if plan is None else plan.shown
        self._tell(Connecting(request=self.order.label, attempt=self._attempts, resume=shown))
        target = self.target if plan is None else plan.target
        permanent = target == self.target  # a place of its own is not where the request belongs
        patch = Patch() if plan is None else plan.patch
        for _ in range(MAX_REDIRECTS + 1):
            if patch.json is not None and self.order.has_body and not target.body:
                raise ResumeError("a redirect dropped the body that says where to go on")
            head = yield from Open(target, self._wanted(), patch)
            self.response = self.head = head
            if not (self.order.follow_redirects and is_redirect(head)):
                yield from self._accept(head, plan, way)
                return head
            yield from Close()
            before = target
            target = redirected(target, head, replayable=self.order.replayable)
            self.answered |= target.method != before.method
            permanent = permanent and head.status_code in PERMANENT
            if permanent:
                self.target = target
        raise RedirectError(f"more than {MAX_REDIRECTS} redirects, one after another")

    def _wanted(self) -> tuple[tuple[str, bytes], ...]:
        """The headers that say what kind of stream is wanted."""
        decoder = self.order.decoder
        if decoder is None:
            accept = accept_header(self.order.registry)
        else:
            accept = decoder.accept if isinstance(decoder, Spec) else "*/*"
        compress = self.order.compress and not isinstance(self.order.resume, ByteRange)
        coding = b"gzip, deflate" if compress else b"identity"
        headers = (("accept", accept.encode()), ("accept-encoding", coding))
        if "text/event-stream" in accept:
            return (*headers, ("cache-control", b"no-store"))
        return headers

    def _accept(self, head: ResponseInfo, plan: Plan | None, way: Way) -> Steps[None]:
        status = head.status_code
        asked_for = plan is not None and (
            (status == 206 and plan.partial) or way.nothing_left(head)
        )
        no_part = plan is not None and plan.partial and status in _NOTHING_COMES
        if asked_for or status == 200 or (status in _NOTHING_COMES and not no_part):
            explicit = self.order.decoder is not None and not self.order.any_content_type
            if status == 200 and explicit and head.media_type == "text/html":
                body = yield from self._excerpt()
                raise ContentTypeError(
                    f"the server answered with an HTML page, not a stream: {_shown(body)!r} "
                    f"(any_content_type=True decodes it all the same)",
                    content_type=head.media_type,
                    body=body,
                )
            return
        body = yield from self._excerpt()
        refused = ", and follow_redirects=False" if is_redirect(head) else ""
        error = StatusError(
            f"{self.order.label} answered {status}{refused}: {_shown(body)!r}",
            status_code=status,
            headers=head.headers,
            body=body,
            retry_after=parse_retry_after(head.headers),
        )
        if plan is not None and (no_part or status in _POSITION_GONE):
            what = f"the server answered {status} to a request to go on at {plan.shown[:80]!r}"
            raise ResumeError(f"{what}: the position is gone") from error
        raise error

    def _excerpt(self) -> Steps[bytes]:
        """The start of a refused body: what comes in time, up to the limit; never an error."""
        limit, until = self.order.limits.error_excerpt, self._now() + _EXCERPT_SECONDS
        body = bytearray()
        try:
            while len(body) < limit and (data := (yield from Read(within=until - self._now()))):
                body += data
        except StreamError:
            pass
        return bytes(body[:limit])


def _shown(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return text + "…" if len(body) > 200 else text
