"""Attempts at a piece of work, as spans that can be drawn for a process that died before it could send its own.

The id of an attempt's span follows from what is known to whoever takes over: the trace, the message and the number of
its delivery, or the client's span of a call. So the successor draws the span of an attempt that was lost under the very id
that the dead process used, and what hung on it, in whatever process and whatever backend, hangs on it again:

    delivery 1   ── span 7f…, its message goes on ──► span of the next stage, parent 7f…     SIGKILL: 7f… is never sent
    delivery 2   ── draws 7f… when it has ended, and links to it

A delivery that was handed back ("nak") told its story itself. The server says of each that it was, by an advisory that
costs nothing while all goes well; only the others are drawn. Who began to listen after the message was stored may have
missed the advisory: a replica that drains hands its work back before its successor is there. What such a process draws
says that nobody knows how the attempt ended, not that it was lost. Trace state carries the id of the attempt along, for spans
that lie deeper: their own parents can't be known from outside.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from nats.aio.client import Client
from nats.aio.msg import Msg
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanContext, SpanKind

from earshot_chassis import telemetry

TRACE_STATE: Final = "earshot"
LOST: Final = "attempt_lost"
UNKNOWN: Final = "attempt_unknown"
FENCED: Final = "lease_lost"
RECONSTRUCTED: Final = "earshot.reconstructed"
TAKEOVER: Final = "earshot.attempt.takeover"
SILENT: Final = "earshot.attempt.silent_s"
END: Final = "earshot.attempt.end"
DELIVERY_COUNT: Final = "messaging.nats.delivery_count"
_MESSAGE_AGE: Final = "messaging.nats.message_age_s"
_ADVISORY: Final = "$JS.EVENT.ADVISORY.CONSUMER.MSG_NAKED"
_REMEMBERED: Final = 4096

_LOST_ATTEMPTS = telemetry.counter("earshot.attempts.lost", "Attempts whose process died, hung or was cut off.")
_UNKNOWN_ATTEMPTS = telemetry.counter(
    "earshot.attempts.unknown", "Attempts that ended, were handed over or were lost before this process listened."
)


class Place(Protocol):
    """Where deliveries come from."""

    @property
    def stream(self) -> str:
        """Name of the stream."""

    @property
    def durable(self) -> str:
        """Name of the consumer."""


def derived(trace_id: int, *parts: object) -> int:
    """Return the span id that everybody derives from the same facts; never zero."""
    text = "/".join([f"{trace_id:032x}", *map(str, parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) or 1


def carrying(parent: otel_context.Context, span_id: int) -> otel_context.Context:
    """Return a parent context whose descendants tell in their trace state which attempt they belong to.

    "<attempt>-<the attempt that caused it>", so that the attempt's own span tells where it belongs, too.
    """
    before = trace.get_current_span(parent).get_span_context()
    caused_by = before.trace_state.get(TRACE_STATE, "").partition("-")[0]
    entry = f"{span_id:016x}-{caused_by}" if caused_by else f"{span_id:016x}"
    # Whether it has the key or not: `delete` and `add` would each log a line of their own where that is not as they like.
    state = before.trace_state.update(TRACE_STATE, entry)
    after = SpanContext(before.trace_id, before.span_id, before.is_remote, before.trace_flags, state)
    return trace.set_span_in_context(trace.NonRecordingSpan(after), parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One delivery of one message to one consumer.

    Attributes:
        parent: What the message's sender was doing; without a trace every attempt is a trace of its own.
        stream: Where the message is kept.
        durable: Whose delivery it is.
        sequence: The message.
        number: Which delivery, from 1.
        stored_at: When the stream took the message.
        ack_wait_s: Silence after which the server delivers again.
    """

    parent: otel_context.Context
    stream: str
    durable: str
    sequence: int
    number: int
    stored_at: datetime
    ack_wait_s: float

    @property
    def traced(self) -> bool:
        """Whether all attempts at the message are one trace."""
        return trace.get_current_span(self.parent).get_span_context().is_valid

    def span_id(self, number: int) -> int:
        """Return the id of the span of a delivery."""
        trace_id = trace.get_current_span(self.parent).get_span_context().trace_id
        return derived(trace_id, self.stream, self.durable, self.sequence, number)

    @contextmanager
    def span(self, name: str, attributes: dict[str, str | float]) -> Iterator[Span]:
        """Open the attempt's span; messages that are published below it hang on it, not on a span within it."""
        parent, links, mine = self.parent, telemetry.link_of(self.parent), None
        if self.number > 1:
            attributes |= {
                DELIVERY_COUNT: str(self.number),
                _MESSAGE_AGE: max(0.0, time.time() - self.stored_at.timestamp()),
            }
        if self.traced:
            mine = self.span_id(self.number)
            parent = carrying(self.parent, mine)
            if self.number > 1:
                before = trace.get_current_span(self.parent).get_span_context()
                earlier = SpanContext(before.trace_id, self.span_id(self.number - 1), True, before.trace_flags)
                links = [*links, trace.Link(earlier)]
        with (
            telemetry.span(
                name, kind=SpanKind.CONSUMER, attributes=attributes, parent=parent, links=links, span_id=mine
            ) as current,
            telemetry.carried(current),
        ):
            yield current

    def draw_lost(self, current: Span, began_ns: int, name: str, handed_back: HandedBack, **known: str) -> None:
        """Draw the attempts right before this one that ended without a word; mark this one as their takeover.

        Where this process might have missed the word, they are drawn as of unknown end, and this one took nothing over.
        Called when this one has ended: who died before it had drawn is drawn with the others. An attempt's beginning is
        when its message was stored; of several in a row only the first one's is known, and the others are drawn as long.
        """
        lost: list[int] = []
        while (number := self.number - 1 - len(lost)) and handed_back.time_ns(self, self.sequence, number) is None:
            lost.append(number)
        if not lost or not self.traced:
            return
        silent_s = min(self.ack_wait_s, (began_ns / 1e9) - self.stored_at.timestamp())
        earlier = handed_back.time_ns(self, self.sequence, lost[-1] - 1)
        start_ns = min(earlier or int(self.stored_at.timestamp() * 1e9), began_ns)
        told: dict[str, str | float | bool] = {RECONSTRUCTED: True}
        if handed_back.listens_since(start_ns):
            current.set_attribute(TAKEOVER, value=True)
            code, count = LOST, _LOST_ATTEMPTS
            told[SILENT] = max(0.0, silent_s)
        else:
            code, count = "", _UNKNOWN_ATTEMPTS
            told[END] = UNKNOWN
        for number in reversed(lost):
            count.add(1, {"consumer": self.durable})
            telemetry.draw(
                name,
                kind=SpanKind.CONSUMER,
                parent=carrying(self.parent, self.span_id(number)),
                span_id=self.span_id(number),
                start_ns=start_ns,
                end_ns=began_ns,
                code=code,
                attributes={**known, DELIVERY_COUNT: str(number), **told},
            )


class HandedBack:
    """Remembers which deliveries were handed back, by this process or another: the server tells all who listen.

    Args:
        listening_since_ns: Since when all of it was heard, as Unix time; None: nothing is, so far.
    """

    def __init__(self, listening_since_ns: int | None = None) -> None:
        self._times: OrderedDict[tuple[str, str, int, int], int] = OrderedDict()
        self._since_ns = listening_since_ns

    def listening(self) -> None:
        """Note that from now on all of it is heard: at the start, and after a connection was lost."""
        self._since_ns = time.time_ns()

    def listens_since(self, moment_ns: int) -> bool:
        """Tell whether a delivery that was handed back after a moment has been heard of."""
        return self._since_ns is not None and self._since_ns <= moment_ns

    async def follow(self, client: Client, place: Place) -> None:
        """Listen to the server's advisories about one consumer."""
        await client.subscribe(f"{_ADVISORY}.{place.stream}.{place.durable}", cb=self._heard)

    def note(self, place: Place, sequence: int, number: int) -> None:
        """Remember a delivery."""
        self._times[place.stream, place.durable, sequence, number] = time.time_ns()
        if len(self._times) > _REMEMBERED:
            self._times.popitem(last=False)

    def time_ns(self, place: Place, sequence: int, number: int) -> int | None:
        """Return when a delivery was handed back; None: not that anybody heard."""
        return self._times.get((place.stream, place.durable, sequence, number))

    def lost(self, place: Place, sequence: int, number: int, stored_at: datetime) -> bool:
        """Tell whether a delivery ended without a word, for all that anybody who listened all the time can say."""
        before = self.time_ns(place, sequence, number - 1) or int(stored_at.timestamp() * 1e9)
        return self.time_ns(place, sequence, number) is None and self.listens_since(before)

    async def _heard(self, message: Msg) -> None:
        try:
            told = json.loads(message.data)
            place = _Told(told["stream"], told["consumer"])
            self.note(place, int(told["stream_seq"]), int(told["deliveries"]))
        except (ValueError, KeyError, TypeError):
            return


@dataclass(frozen=True, slots=True)
class _Told:
    stream: str
    durable: str
