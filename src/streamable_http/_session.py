"""The life of one stream, written once: open, read, decode, deliver; on failure decide and wait.

`Session` is sans-IO. It holds the next `effect`; a face performs it and says `reply(value)` or
`fail(error)`, after it has set `now`. The session ends with `effect` None and, unless all is
well, an `error`. Nothing here knows threads, tasks, clocks or an HTTP client.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Generic, TypeVar

from ._allowance import Allowance
from ._asking import Asking
from ._checks import CallersError, no_end
from ._content import content_decoder, portions
from ._decoders.adapted import Adapted
from ._decoders.choose import build_engine
from ._decoders.engine import Batch, Context, Engine, Position, Spec
from ._decoders.watch import watch
from ._effects import Close, Effect, Emit, Read, Sleep, Steps
from ._errors import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    RedirectError,
    ResumeError,
    RetriesExhausted,
    StatusError,
    StreamClosed,
    StreamError,
    StreamTruncated,
    TimeoutExceeded,
)
from ._order import Order
from ._reports import Connected, Ended, Gap, Proof, Retrying, StreamEvent, StreamStats
from ._resume import ByteRange, ItemCursor, NoResume, cursor_of
from ._retry import Backoff
from ._tally import Tally
from ._values import Cursor, ResponseInfo
from ._ways.choose import first_way, way_by_response
from ._ways.way import Plan, Way

__all__ = ["Session"]

T = TypeVar("T")

_SOMETHING_COMES = frozenset({200, 206})
_NOTHING_LEFT = 416
_READ = Read()
_OF_A_NETWORK = (
    ConnectError,
    ConnectionLost,
    RedirectError,
    RetriesExhausted,
    StatusError,
    StreamClosed,
    TimeoutExceeded,
)


class Session(Generic[T]):
    """One stream. See the module's text for how to drive it.

    Attributes:
        effect: What is to be performed next; None once the stream is over.
        error: What ended it, if something did.
        now: The time in seconds, set by the face before each `reply` and `fail`.
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
        self.position: Position = order.start
        self.decoded: int = 0
        self.error: BaseException | None = None
        self._tell = tell
        self._asking = Asking(order, tell, lambda: self.now)
        self._backoff = Backoff(order.retry, jitter)
        self._engine: Engine[T] | None = None
        self._tally = Tally()
        self._allowance = Allowance(order.limits)
        self._ended: Proof | None = None
        self._retry_ms: int | None = None
        self._way: Way = first_way(order)
        self._watched: Callable[[Batch[T]], Batch[T]] | None = None
        self._connection_bytes = 0
        self._connected_at: float | None = None
        self._refreshed = False
        self._halted = False  # the engine stopped at an error, in the midst of what came
        self._steps = self._run()
        self.effect: Effect | None = next(self._steps)

    @property
    def response(self) -> ResponseInfo | None:
        """The head of the last response."""
        return self._asking.response

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
            replayed=self._way.dropped,
            elapsed=self.now - self._started,
            ended=self._ended,
        )

    def cursor(self, position: Position, count: int) -> Cursor | None:
        """The public form of a position of this stream; None where it cannot be gone on from."""
        if self._way.same_engine:
            engine = self._engine
            known = engine is None or engine.starts_at_records
            etag = self._way.etag if known else ""
            head = self.order.start.head if engine is None else engine.head
            position = Position(offset=position.offset, etag=etag, head=head)
        return cursor_of(position, count, self.order.label)

    def reply(self, value: object = None) -> None:
        """The effect was performed, with this result."""
        # Lets go of a batch that was consumed before the next is decoded: with two of them alive
        # the garbage collector comes around for each.
        self.effect = _READ
        try:
            self.effect = self._steps.send(value)
        except BaseException as exc:
            self._over(exc)

    def fail(self, error: StreamError) -> None:
        """The effect could not be performed."""
        try:
            self.effect = self._steps.throw(error)
        except BaseException as exc:
            self._over(exc)

    def _over(self, exc: BaseException) -> None:
        self.effect = None
        if isinstance(exc, CallersError):
            exc = exc.error
        if not isinstance(exc, StopIteration):
            self.error = no_end(exc) if isinstance(exc, Exception) else exc

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
        self._connected_at, self._connection_bytes = None, 0
        head, plan = yield from self._connect()
        terminal = self.order.terminal
        if head.status_code not in _SOMETHING_COMES:
            rest = self._engine if head.status_code == _NOTHING_LEFT else None
            self._halted |= rest is not None
            ended = rest is not None and (yield from self._deliver(rest.finish(), last=True))
            if terminal is not None and not ended:
                raise StreamTruncated(
                    f"the server answered {head.status_code} before the terminal {terminal!r}"
                )
            return "terminal" if ended else "framing"
        engine = self._prepare(head, plan)
        self._tally.resumes += plan is not None and self.decoded > 0
        content = content_decoder(head.headers, self.order.limits)
        while data := (yield _READ):
            size = len(data)
            self._tally.bytes += size
            self._connection_bytes += size
            self._way.received(size)
            for piece in portions(content.feed(data), engine.portion):
                admitted, over = self._allowance.admit(piece)
                if (yield from self._deliver(engine.feed(admitted))):
                    yield from Close(drain=True)
                    return "terminal"
                if over is not None:
                    raise over
        content.finish()
        framed = self._way.finish() or head.framed
        if (yield from self._deliver(self._finished(engine, framed=framed), last=True)):
            return "terminal"
        if terminal is not None:
            raise StreamTruncated(f"the body ended without the terminal {terminal!r}")
        if self.order.follow:
            return None
        return self._proof(framed=framed)

    def _finished(self, engine: Engine[T], *, framed: bool) -> Batch[T]:
        """What the end of the body completes.

        It may turn out to be no end, and the engine may have to go on: so a copy is told of it. A
        decoder of the user's own cannot be copied.
        """
        if isinstance(engine, Adapted):
            self._way.concluded()
            return engine.finish(framed=framed)
        last = copy.copy(engine)
        batch = last.finish(framed=framed)
        self._tally.skipped += last.skipped - engine.skipped
        return batch

    def _connect(self) -> Steps[tuple[ResponseInfo, Plan | None]]:
        plan = self._way.plan(self._asking.target, self.position, begun=self.decoded > 0)
        head = yield from self._asking.connect(plan, self._way)
        self._connected_at, self._refreshed = self.now, False
        self._tally.connects += 1
        self._tell(Connected(request=self.order.label, response=head))
        return head, plan

    def _prepare(self, head: ResponseInfo, plan: Plan | None) -> Engine[T]:
        """The engine for the body: a new one, or the one that was cut off in the midst of it."""
        going_on = plan is not None and self.decoded > 0 and self._way.same_engine
        engine = self._engine if going_on else None
        if engine is not None:
            self._way.connected(head, self.position, plan)
            return engine
        engine = self._build_engine(head)
        if self.decoded and self._engine is not None and type(engine) is not type(self._engine):
            raise ResumeError(
                f"the stream cannot go on where it was: the server answered with "
                f"{self._format(head)}, which is another format"
            )
        if plan is None and not self.decoded:
            self._way = way_by_response(self.order, head, engine, self._way)
        self._way.connected(head, self.position, plan)
        if self._engine is not None:
            self._tally.skipped += self._engine.skipped
        self._engine = engine
        return engine

    def _build_engine(self, head: ResponseInfo) -> Engine[T]:
        order = self.order
        context = Context(
            headers=head.headers,
            limits=order.limits,
            terminal=order.terminal,
            failure=order.failure,
            event_id=self.position.event_id,
            behind=self.position.behind if self.position.event_id else (),
            offset=order.start.offset,
            head=order.start.head,
            on_bad_item=order.on_bad_item,
        )
        engine: Engine[T] = build_engine(order.decoder, order.registry, context)
        if order.follow and not (engine.reconnects or isinstance(order.resume, ItemCursor)):
            raise ConfigurationError(
                f"follow=True needs a format with positions, and {self._format(head)} has none: "
                f"follow Server-Sent Events, pass resume=ItemCursor(…), or leave follow off"
            )
        if order.start.offset and not engine.starts_at_records:
            raise ConfigurationError(
                f"start= is in the midst of a body, and {self._format(head)} has to be read from "
                f"its start: start without it"
            )
        self._watched, self._halted = watch(context), False
        return engine

    def _format(self, head: ResponseInfo) -> str:
        decoder: object = self.order.decoder
        if decoder is None:
            return repr(head.media_type)
        spec = f"{type(decoder).__name__}()"
        return spec if isinstance(decoder, Spec) else "your own decoder"

    def _deliver(self, batch: Batch[T], *, last: bool = False) -> Steps[bool]:
        """Hands the batch over; raises its error after its items. Returns whether all is said."""
        batch = self._way.keep(batch, self.position)
        if self._watched is not None:
            batch = self._watched(batch)
        if last and self.order.terminal is not None and not batch.ended:
            # Where a terminal is to come, what has no end of its own is a record that was cut.
            batch = Batch([], error=batch.error)
        batch, over = self._allowance.cap(batch, self.decoded)
        if batch.end is not None:
            self.position = batch.end
        if batch.items:
            self.decoded += len(batch.items)
            self._backoff.progress()
            yield Emit(batch)
        error = over or batch.error
        if error is not None:
            self._halted |= not last  # what is told of an end is a copy of the engine
            # What only the network brings about is the caller's own where items are looked at.
            raise CallersError(error) if isinstance(error, _OF_A_NETWORK) else error
        return batch.ended

    # The decisions -----------------------------------------------------------------------------

    def _proof(self, *, framed: bool) -> Proof:
        if framed:
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
        refusal = self._refusal()
        if refusal and (failure is None or isinstance(order.resume, (ByteRange, ItemCursor))):
            raise ResumeError(f"the stream cannot go on where it was: {refusal}") from failure
        if refusal and failure is not None:
            raise failure
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
        if order.follow and self._tally.connects and self._way.refusal(self.position, live=False):
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
        answered = self._asking.answered
        never_sent = not answered and (
            isinstance(failure, ConnectError)
            or (isinstance(failure, TimeoutExceeded) and failure.kind == "connect")
        )
        bodiless = self._way.bodiless(self.position)
        if not (self.order.replayable or never_sent or bodiless):
            return False
        resend = bodiless or (self.order.resendable and self.order.replayable)
        refresh = self.order.refreshes and not self._refreshed
        self._refreshed |= isinstance(failure, StatusError) and failure.status_code == 401
        stuck = self._halted and self._way.same_engine and self.decoded > 0
        if stuck or isinstance(failure, ResumeError):
            return False  # whatever the policy's `on` says: there is no way to go on
        return self.order.retry.allows(failure, resend=resend, refresh=refresh, answered=answered)

    def _refusal(self) -> str:
        """Why another connection would not go on exactly behind the last item; "" if it would."""
        if self.decoded == 0:
            return ""
        if isinstance(self.order.resume, NoResume):
            return "resume=NoResume()"
        # A followed stream without IDs is a live feed: it goes on with what comes, and the gap
        # is counted and told.
        return self._way.refusal(self.position, live=self.order.follow)

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
        error.response = self._asking.head  # of this attempt: an earlier one's would mislead
        error.request = self.order.label


def _floor(error: StreamError) -> float | None:
    return error.retry_after if isinstance(error, StatusError) else None
