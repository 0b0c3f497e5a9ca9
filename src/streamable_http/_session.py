"""The life of one stream, written once: open, read, decode, deliver; on failure decide and wait.

`Session` is sans-IO. It holds the next `effect`; a face performs it and says `reply(value)` or
`fail(error)`, after it has set `now`. The session ends with `effect` None and, unless all is
well, an `error`. Nothing here knows threads, tasks, clocks or an HTTP client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from ._allowance import Allowance
from ._content import ContentDecoder, content_decoder
from ._decoders.choose import accept_header, build_engine
from ._decoders.engine import (
    Batch,
    Context,
    Engine,
    Position,
    Spec,
)
from ._decoders.watch import watch
from ._effects import Close, Effect, Emit, Open, Read, Sleep, Steps, Target
from ._errors import (
    ConfigurationError,
    ConnectError,
    ContentTypeError,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)
from ._order import Order
from ._redirects import MAX_REDIRECTS, PERMANENT, is_redirect, redirected
from ._replay import Replay
from ._reports import Connected, Connecting, Ended, Gap, Proof, Retrying, StreamEvent, StreamStats
from ._resume import NoResume, resume_headers
from ._retry import Backoff, parse_retry_after
from ._tally import Tally
from ._values import ResponseInfo

__all__ = ["Session"]

T = TypeVar("T")

_NOTHING_COMES = frozenset({204, 205})
_EXCERPT_SECONDS = 5.0


class Session(Generic[T]):
    """One stream. See the module's text for how to drive it.

    Attributes:
        effect: What is to be performed next; None once the stream is over.
        error: What ended it, if something did.
        now: The time in seconds, set by the face before each `reply` and `fail`.
        response: The head of the last response.
        position: The read position: behind the last item decoded.
        decoded: Items decoded so far, over all connections.
    """

    def __init__(
        self,
        order: Order[T],
        *,
        jitter: Callable[[], float],
        tell: Callable[[StreamEvent], None],
        now: float,
    ) -> None:
        self.order = order
        self.now = self._started = now
        self.response: ResponseInfo | None = None
        self._head: ResponseInfo | None = None
        self.position: Position = order.start
        self.decoded: int = 0
        self.error: BaseException | None = None
        self._tell = tell
        self._backoff = Backoff(order.retry, jitter)
        self._engine: Engine[T] | None = None
        self._target = Target(order.method)
        self._tally = Tally()
        self._allowance = Allowance(order.limits)
        self._ended: Proof | None = None
        self._retry_ms: int | None = None
        self._replay = Replay(order.start.behind)
        self._watched: Callable[[Batch[T]], Batch[T]] | None = None
        self._connection_bytes = 0
        self._connected_at: float | None = None
        self._attempts = 0
        self._steps = self._run()
        self.effect: Effect | None = next(self._steps)

    @property
    def is_open(self) -> bool:
        """Whether a response was accepted at least once."""
        return self._tally.connects > 0

    @property
    def stats(self) -> StreamStats:
        """What the stream did so far; `items` counts the decoded ones."""
        return self._tally.stats(
            items=self.decoded,
            skipped=0 if self._engine is None else self._engine.skipped,
            replayed=self._replay.dropped,
            elapsed=self.now - self._started,
            ended=self._ended,
        )

    def reply(self, value: object = None) -> None:
        """The effect was performed, with this result."""
        self._advance(self._steps.send, value)

    def fail(self, error: StreamError) -> None:
        """The effect could not be performed."""
        self._advance(self._steps.throw, error)

    def _advance(self, step: Callable[[Any], Effect], value: object) -> None:
        try:
            self.effect = step(value)
        except StopIteration:
            self.effect = None
        except BaseException as exc:
            self.effect, self.error = None, exc

    # The story ---------------------------------------------------------------------------------

    def _run(self) -> Steps[None]:
        while True:
            failure: StreamError | None = None
            try:
                proof = yield from self._attempt()
                if proof is not None:
                    self._end(proof)
                    return
            except StreamError as exc:
                failure = exc
                self._bear_witness(exc)
            yield from Close()
            delay = self._decide(failure)
            tries = self._backoff.tries
            self._tell(Retrying(request=self.order.label, error=failure, delay=delay, tries=tries))
            self._tally.retries += failure is not None
            yield from Sleep(delay)

    def _attempt(self) -> Steps[Proof | None]:
        """One connection. Returns what proved the end, or None where a followed stream paused."""
        self._connected_at, self._connection_bytes, self._head = None, 0, None
        head = yield from self._connect()
        terminal = self.order.terminal
        if head.status_code in _NOTHING_COMES:
            if terminal is not None:
                raise StreamTruncated(
                    f"the server answered {head.status_code} before the terminal {terminal!r}"
                )
            return "framing"
        engine, content = self._prepare(head)
        while data := (yield from Read()):
            self._tally.bytes += len(data)
            self._connection_bytes += len(data)
            for piece in content.feed(data):
                admitted, over = self._allowance.admit(piece)
                if (yield from self._deliver(engine.feed(admitted))):
                    yield from Close(drain=True)
                    return "terminal"
                if over is not None:
                    raise over
        content.finish()
        if (yield from self._deliver(engine.finish(framed=head.framed))):
            return "terminal"
        if terminal is not None:
            raise StreamTruncated(f"the body ended without the terminal {terminal!r}")
        if self.order.follow:
            return None
        return self._proof(head)

    def _connect(self) -> Steps[ResponseInfo]:
        """Sends the request, follows redirects, and accepts or refuses the response's head."""
        resuming = resume_headers(self.position)
        shown = self.position.event_id
        self._attempts += 1
        attempt = self._attempts
        self._tell(Connecting(request=self.order.label, attempt=attempt, resume=shown))
        target, permanent = self._target, True
        for _ in range(MAX_REDIRECTS + 1):
            head = yield from Open(target, (*self._asking(), *resuming))
            self.response = self._head = head
            if not is_redirect(head):
                yield from self._accept(head)
                self._connected_at = self.now
                self._tally.connects += 1
                self._tally.resumes += bool(resuming) and self.decoded > 0
                self._tell(Connected(request=self.order.label, response=head))
                return head
            yield from Close()
            target = redirected(target, head, replayable=self.order.replayable)
            permanent = permanent and head.status_code in PERMANENT
            if permanent:
                self._target = target
        raise RedirectError(f"more than {MAX_REDIRECTS} redirects, one after another")

    def _accept(self, head: ResponseInfo) -> Steps[None]:
        if head.status_code == 200 or head.status_code in _NOTHING_COMES:
            explicit = self.order.decoder is not None and not self.order.any_content_type
            if head.status_code == 200 and explicit and head.media_type == "text/html":
                body = yield from self._excerpt()
                raise ContentTypeError(
                    f"the server answered with an HTML page, not a stream: {_shown(body)!r} "
                    f"(any_content_type=True decodes it all the same)",
                    content_type=head.media_type,
                    body=body,
                )
            return
        body = yield from self._excerpt()
        raise StatusError(
            f"{self.order.label} answered {head.status_code}: {_shown(body)!r}",
            status_code=head.status_code,
            headers=head.headers,
            body=body,
            retry_after=parse_retry_after(head.headers),
        )

    def _excerpt(self) -> Steps[bytes]:
        """The start of a refused body: what comes in time, up to the limit; never an error."""
        limit, until = self.order.limits.error_excerpt, self.now + _EXCERPT_SECONDS
        body = bytearray()
        try:
            while len(body) < limit and (data := (yield from Read(within=until - self.now))):
                body += data
        except StreamError:
            pass
        return bytes(body[:limit])

    def _prepare(self, head: ResponseInfo) -> tuple[Engine[T], ContentDecoder]:
        order = self.order
        context = Context(
            headers=head.headers,
            limits=order.limits,
            terminal=order.terminal,
            failure=order.failure,
            event_id=self.position.event_id,
            behind=self.position.behind,
            on_bad_item=order.on_bad_item,
        )
        engine: Engine[T] = build_engine(order.decoder, order.registry, context)
        if order.follow and not engine.reconnects:
            raise ConfigurationError(
                f"follow=True needs a format with positions, and {self._format(head)} has none: "
                f"follow Server-Sent Events, or leave follow off"
            )
        self._retire_connection()
        self._engine = engine
        self._watched = watch(context)
        self._replay = Replay(self.position.behind)
        return engine, content_decoder(head.headers, order.limits)

    def _format(self, head: ResponseInfo) -> str:
        decoder: object = self.order.decoder
        if decoder is None:
            return repr(head.media_type)
        spec = f"{type(decoder).__name__}()"
        return spec if isinstance(decoder, Spec) else "your own decoder"

    def _deliver(self, batch: Batch[T]) -> Steps[bool]:
        """Hands the batch over; raises its error after its items. Returns whether all is said."""
        batch = self._replay.drop(batch)
        if self._watched is not None:
            batch = self._watched(batch)
        batch, over = self._allowance.cap(batch, self.decoded)
        if batch.end is not None:
            self.position = batch.end
        if batch.items:
            self.decoded += len(batch.items)
            self._backoff.progress()
            yield from Emit(batch)
        if over is not None:
            raise over
        if batch.error is not None:
            raise batch.error
        return batch.ended

    def _retire_connection(self) -> None:
        self._tally.replayed += self._replay.dropped
        if self._engine is not None:
            self._tally.skipped += self._engine.skipped

    # The decisions -----------------------------------------------------------------------------

    def _asking(self) -> tuple[tuple[str, bytes], ...]:
        """The headers that say what kind of stream is wanted."""
        decoder = self.order.decoder
        if decoder is None:
            accept = accept_header(self.order.registry)
        else:
            accept = decoder.accept if isinstance(decoder, Spec) else "*/*"
        coding = b"gzip, deflate" if self.order.compress else b"identity"
        headers = (("accept", accept.encode()), ("accept-encoding", coding))
        if "text/event-stream" in accept:
            return (*headers, ("cache-control", b"no-store"))
        return headers

    def _proof(self, head: ResponseInfo) -> Proof:
        if head.framed:
            return "framing"
        if self.order.require_proof:
            raise StreamTruncated(
                "the server closed a body of unknown length: nothing proves that it is complete "
                "(require_proof=True)"
            )
        return "closed"

    def _end(self, proof: Proof) -> None:
        self._ended = proof
        self._tell(Ended(request=self.order.label, proof=proof, stats=self.stats))

    def _decide(self, failure: StreamError | None) -> float:
        """Seconds until the next attempt; raises when there is none."""
        order, now = self.order, self.now
        self._backoff.failed(now, charge=not self._was_healthy(failure))
        if failure is None:
            reason: StreamError = StreamTruncated("the followed stream ended without a byte")
        else:
            reason = failure
        if not self._faithful():
            raise failure or ResumeError(
                "the followed stream paused where it cannot be gone on with: too many items came "
                "since the last event ID"
            )
        if failure is not None and not self._may_try_again(failure):
            raise failure
        if self._backoff.exhausted(now, reason):
            raise self._given_up(reason)
        delay = self._backoff.delay(now, reason, asked=self._asked(), floor=_floor(reason))
        if delay is None:
            raise reason
        total = order.timeouts.total
        if total is not None and now + delay > self._started + total:
            raise self._out_of_time(total) from reason
        if order.follow and self._tally.connects and not self.position.event_id:
            self._tally.gaps += 1
            self._tell(Gap(request=order.label, count=self._tally.gaps))
        return delay

    def _was_healthy(self, failure: StreamError | None) -> bool:
        """Whether a followed connection did its part, so that its end costs no try."""
        if not self.order.follow or self._connected_at is None:
            return False
        if failure is None and self._connection_bytes:
            return True
        return self.now - self._connected_at >= self.order.retry.healthy_after

    def _may_try_again(self, failure: StreamError) -> bool:
        never_sent = isinstance(failure, ConnectError) or (
            isinstance(failure, TimeoutExceeded) and failure.kind == "connect"
        )
        if not (self.order.replayable or never_sent):
            return False
        resend = self.order.resendable and self.order.replayable
        return self.order.retry.allows(failure, resend=resend)

    def _faithful(self) -> bool:
        """Whether another connection would go on exactly behind the last item."""
        if self.decoded == 0:
            return True
        if isinstance(self.order.resume, NoResume):
            return False
        if self.position.event_id:
            return self.position.exact
        # A followed stream without IDs is a live feed: it goes on with what comes, and the gap
        # is counted and told.
        return self.order.follow

    def _asked(self) -> float | None:
        if self._engine is not None and self._engine.retry_ms is not None:
            self._retry_ms = self._engine.retry_ms
        return None if self._retry_ms is None else self._retry_ms / 1000

    def _given_up(self, reason: StreamError) -> StreamError:
        tries = self._backoff.tries
        if tries < 2:
            return reason
        error = RetriesExhausted(
            f"gave up after {tries} tries without a new item; the last: {reason}",
            last_error=reason,
            tries=tries,
        )
        error.__cause__ = reason
        self._bear_witness(error)
        return error

    def _out_of_time(self, total: float) -> TimeoutExceeded:
        message = f"no time is left of Timeouts(total={total}) for another try"
        error = TimeoutExceeded(message, kind="total", seconds=total)
        self._bear_witness(error)
        return error

    def _bear_witness(self, error: StreamError) -> None:
        error.response = self._head  # of this attempt: an earlier one's would mislead
        error.request = self.order.label


def _floor(error: StreamError) -> float | None:
    return error.retry_after if isinstance(error, StatusError) else None


def _shown(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return text + "…" if len(body) > 200 else text
