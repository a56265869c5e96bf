"""One message, from delivery to acknowledgement. Both consumer paths, FastStream's and the raw one, end here.

    decode ── malformed ──► parked, terminated; in a flood of them: terminated and counted
      │
    handler, while "in progress" is said every third of the ack wait
      │
      ├── returns                                  ► acked
      ├── RetryableError, or an unexpected one     ► nak with growing, jittered delay
      │     └── on the last delivery               ► parked, terminated
      ├── PermanentError                           ► parked, terminated
      └── frozen for longer than the ack wait      ► nothing: the message is another process's; marked in the trace

A handler publishes what follows and waits for the stream's acknowledgement before it returns: at least once, so every
handler is idempotent. Parking is a publish like any other; a message is terminated only when it is parked.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from google.protobuf.message import Message
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from opentelemetry.trace import Span

from earshot_chassis import tasks, telemetry
from earshot_chassis.attempts import FENCED, Attempt, HandedBack
from earshot_chassis.codec import decode
from earshot_chassis.errors import EarshotError, LeaseLostError, MalformedPayloadError, PermanentError, code_of
from earshot_chassis.sampling import Seldom, TokenBucket

M = TypeVar("M", bound=Message)

_DURATION = telemetry.histogram("earshot.message.duration", "Time from delivery to acknowledgement.")
_REDELIVERIES = telemetry.counter("earshot.message.redeliveries", "Messages delivered again.")
LEASES_LOST = telemetry.counter("earshot.message.leases_lost", "Messages left to others after this process was frozen.")
_PARKED = telemetry.counter("earshot.message.parked", "Messages that were given up.")
_DISCARDED = telemetry.counter(
    "earshot.message.discarded", "Messages that can't be read and were not parked, because there were too many."
)
_log = telemetry.logger("bus")

# Of messages that can't be read, what people may want to look at: each consumer parks so many at once, and a second.
_UNREADABLE_BURST = 50
_UNREADABLE_RATE = 1.0
_BACKOFF_BASE_S = 0.1
_BACKOFF_CAP_S = 5.0
# How long a handler that is cancelled may take to let go.
HAND_OVER_S = 0.5
# Shorter than the ack wait, which the server counts from when it sends: there must be no moment with two owners.
LEASE = 0.8
# How long a request for messages stands, of the ack wait. An owner that freezes has said "in progress" at most a third of it
# ago; its other requests have ended before what it has is delivered again, so that the server never hands that to the very
# process that is frozen (measured: one freeze in ten did, and stood still for two ack waits).
REQUEST = 0.6


class DurableConsumer(Protocol):
    """A declared durable pull consumer."""

    @property
    def stream(self) -> str:
        """Name of the stream."""

    @property
    def durable(self) -> str:
        """Name of the consumer."""

    @property
    def event(self) -> str:
        """What it consumes, without ids: names spans and metrics."""

    @property
    def filter_subject(self) -> str:
        """Subjects it consumes."""

    @property
    def ack_wait_s(self) -> float:
        """Silence after which a message is delivered again."""

    @property
    def max_deliver(self) -> int:
        """Deliveries before a message is parked."""


class Lease:
    """How long this process may take itself for the owner of a message.

    A process that was frozen for longer than the ack wait wakes up as a zombie: its message is somebody else's. The
    monotonic clock runs on meanwhile, which is how it finds out.

    Args:
        wait_s: Silence after which it is not; less than what the server waits before it delivers the message again.
    """

    def __init__(self, wait_s: float = float("inf")) -> None:
        self._wait_s = wait_s
        self._renewed_at = time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether the message is somebody else's by now; once lost, it stays lost."""
        return time.monotonic() - self._renewed_at > self._wait_s

    def renewed(self) -> None:
        """Note that the server is being told "in progress"."""
        if not self.lost:
            self._renewed_at = time.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Where a message came from and how often it was tried.

    Attributes:
        subject: Concrete subject.
        headers: Headers as received.
        num_delivered: 1 for the first delivery; the owner epoch of what is emitted while handling it.
        stream_sequence: Sequence on the stream.
        timestamp: When the stream stored it.
        received_ns: Monotonic clock at delivery.
        lease: Whether the message is still this process's.
    """

    subject: str
    headers: Mapping[str, str]
    num_delivered: int
    stream_sequence: int
    timestamp: datetime
    received_ns: int = field(default_factory=time.monotonic_ns)
    lease: Lease = field(default_factory=Lease)

    def check_owned(self) -> None:
        """Look before what can't be taken back, for instance a publish that no compare-and-set guards.

        Raises:
            LeaseLostError: This process was frozen, and the message is another one's.
        """
        if self.lease.lost:
            raise LeaseLostError("this process was away for longer than its lease")


Handler = Callable[[M, Delivery], Awaitable[None]]
Obsolete = Callable[[M], Awaitable[bool]]


class ParkFunction(Protocol):
    """Stores a message that was given up; returns when it is stored."""

    async def __call__(
        self, raw: Msg, consumer: DurableConsumer, error: EarshotError, delivery: Delivery, message: Message | None
    ) -> None:
        """Park one message; None stands for one that can't be read."""


class ParkedHook(Protocol):
    """Told of a message that is given up, so that its sender can be."""

    async def __call__(self, error: EarshotError, delivery: Delivery) -> None:
        """Tell the sender, losably; what it raises is logged."""


def delivery_of(raw: Msg, lease_s: float = float("inf")) -> Delivery:
    """Read a message's metadata; its lease begins."""
    metadata = raw.metadata
    timestamp = metadata.timestamp
    return Delivery(
        subject=raw.subject,
        headers=raw.headers or {},
        num_delivered=metadata.num_delivered or 1,
        stream_sequence=metadata.sequence.stream,
        timestamp=timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC),
        lease=Lease(lease_s),
    )


def backoff_s(attempt: int) -> float:
    """Return how long to wait before delivery attempt + 1: doubles from 0.1 s to 5 s, with half of it random."""
    ceiling: float = min(_BACKOFF_CAP_S, _BACKOFF_BASE_S * 2 ** min(attempt - 1, 16))
    return ceiling / 2 + random.random() * ceiling / 2  # noqa: S311 - jitter, not a secret


class Consuming:
    """Runs one consumer's handler over its messages."""

    def __init__(
        self,
        consumer: DurableConsumer,
        message_type: type[M],
        handler: Handler[M],
        park: ParkFunction,
        on_parked: ParkedHook | None = None,
        obsolete: Obsolete[M] | None = None,
        handed_back: HandedBack | None = None,
    ) -> None:
        self._handed_back = handed_back or HandedBack()
        self._on_parked = on_parked
        self._obsolete: Obsolete[Any] | None = obsolete
        self._consumer = consumer
        self._type = message_type
        self._handler = handler
        self._park = park
        self._name = f"{consumer.event} process"
        self._labels = {"event": consumer.event, "consumer": consumer.durable}
        self._attributes = {
            "messaging.system": "nats",
            "messaging.operation.type": "process",
            "messaging.destination.name": consumer.event,
            "messaging.consumer.group.name": consumer.durable,
        }
        self._parkable = TokenBucket(_UNREADABLE_RATE, _UNREADABLE_BURST)
        self._unreadable = Seldom()
        self.heartbeats = Heartbeats(consumer.ack_wait_s / 3)
        self._in_progress: set[asyncio.Task[Any]] = set()
        self._handing_over = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def consume(self, raw: Msg) -> None:
        """Handle one message and settle it. Never raises; what can't be settled is delivered again."""
        if self._obsolete is not None and await self._settled_unseen(raw):
            return
        delivery = delivery_of(raw, self._consumer.ack_wait_s * LEASE)
        if delivery.num_delivered > 1:
            _REDELIVERIES.add(1, self._labels)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine that runs has one
        self._in_progress.add(task)
        self._idle.clear()
        self.heartbeats.add(raw, delivery.lease)
        try:
            await self._handle(raw, delivery)
        except asyncio.CancelledError:
            # Handed over on purpose; whoever called would tell it as an error.
            if not self._handing_over:
                raise
        except (NatsError, OSError) as error:
            _log.warning("settling_failed", consumer=self._consumer.durable, error=type(error).__name__)
        finally:
            self.heartbeats.discard(raw)
            self._in_progress.discard(task)
            if not self._in_progress:
                self._idle.set()
            _DURATION.record((time.monotonic_ns() - delivery.received_ns) / 1e9, self._labels)

    async def _settled_unseen(self, raw: Msg) -> bool:
        """Acknowledge a message that has nothing to say any more, without a span; tell whether it was one."""
        try:
            if self._obsolete is None or not await self._obsolete(decode(raw.data, raw.headers, self._type)):
                return False
            await raw.ack()
        except (EarshotError, NatsError, OSError):
            # Handled as any other: what is wrong with it shows there.
            return False
        return True

    async def idle(self, timeout_s: float) -> None:
        """Wait until nothing is in progress, at most timeout_s; what still is then is handed over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, timeout_s)):
                await self._idle.wait()
        self._handing_over = True
        await tasks.end(self._in_progress, HAND_OVER_S)

    async def _handle(self, raw: Msg, delivery: Delivery) -> None:
        attempt = Attempt(
            parent=telemetry.extract(delivery.headers),
            stream=self._consumer.stream,
            durable=self._consumer.durable,
            sequence=delivery.stream_sequence,
            number=delivery.num_delivered,
            stored_at=delivery.timestamp,
            ack_wait_s=self._consumer.ack_wait_s,
        )
        known = self._attributes | {"messaging.message.id": str(delivery.stream_sequence)}
        began_ns = time.time_ns()
        with attempt.span(self._name, {**known}) as current:
            await self._attempt(raw, delivery, current)
            if delivery.lease.lost:
                telemetry.fail(current, FENCED)
            elif attempt.number > 1:
                attempt.draw_lost(current, began_ns, self._name, self._handed_back, **known)

    async def _attempt(self, raw: Msg, delivery: Delivery, current: Span) -> None:
        message: Message | None = None
        try:
            message = decode(raw.data, delivery.headers, self._type)
            await self._handler(message, delivery)
            delivery.check_owned()
        except asyncio.CancelledError:
            # The process is leaving: let somebody else have it at once.
            current.add_event("message.handed_over")
            if not delivery.lease.lost:
                with suppress(NatsError):
                    await raw.nak()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the message is settled
            telemetry.fail(current, code_of(error))
            # Inside the span, so that the log line and the parked message carry the trace id.
            await self.settle_failure(raw, delivery, error, message, current)
        else:
            await raw.ack()

    async def settle_failure(
        self, raw: Msg, delivery: Delivery, error: Exception, message: Message | None, current: Span
    ) -> None:
        """Settle a message whose handling failed: delivered again later, parked, or left to its new owner."""
        permanent = isinstance(error, PermanentError)
        exhausted = delivery.num_delivered >= self._consumer.max_deliver
        fields = {
            "consumer": self._consumer.durable,
            "event_name": self._consumer.event,
            "code": code_of(error),
            "delivery": delivery.num_delivered,
        }
        if isinstance(error, MalformedPayloadError):
            if times := self._unreadable.happened():
                _log.warning("malformed_message", **fields, reason=str(error), times=times)
        elif isinstance(error, EarshotError):
            _log.warning("handler_failed", **fields, reason=str(error))
        else:
            _log.error("handler_crashed", **fields, exc_info=error)
        if delivery.lease.lost or isinstance(error, LeaseLostError):
            # Whatever a zombie says of a message, the server takes for its new owner's word.
            LEASES_LOST.add(1, self._labels)
            return
        if not (permanent or exhausted):
            await raw.nak(delay=backoff_s(delivery.num_delivered))
            return
        reason = error if isinstance(error, EarshotError) else PermanentError(type(error).__name__, code="internal")
        if isinstance(error, MalformedPayloadError) and not self._parkable.take():
            _DISCARDED.add(1, self._labels | {"code": reason.code})
        else:
            await self._park(raw, self._consumer, reason, delivery, message)
            current.add_event("message.parked", {"error.type": reason.code})
            _log.warning("message_parked", **fields)
            _PARKED.add(1, self._labels | {"code": reason.code})
        await raw.term()
        if self._on_parked is not None:
            try:
                await self._on_parked(reason, delivery)
            except Exception as failure:  # noqa: BLE001 - the message is settled, whatever the hook does
                _log.warning("parked_hook_failed", **fields, error=type(failure).__name__)


class Heartbeats:
    """Says "in progress" for every message of a consumer from one timer.

    A message that is handled within the interval costs no more than a place in a dictionary; a thousand that take
    seconds cost one task now and then.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._messages: dict[int, tuple[Msg, Lease]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def add(self, raw: Msg, lease: Lease) -> None:
        """Begin to speak for a message."""
        self._messages[id(raw)] = raw, lease
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._beat)

    def discard(self, raw: Msg) -> None:
        """Speak for it no more."""
        self._messages.pop(id(raw), None)

    def _beat(self) -> None:
        if not self._messages:
            self._timer = None
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._interval_s, self._beat)
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._say(list(self._messages.values())))

    async def _say(self, messages: list[tuple[Msg, Lease]]) -> None:
        for number, (raw, lease) in enumerate(messages):
            # It may have been settled since the beat.
            if id(raw) in self._messages and not lease.lost:
                lease.renewed()
                with suppress(NatsError, OSError):
                    await raw.in_progress()
            if number % 20 == 19:
                await asyncio.sleep(0)
