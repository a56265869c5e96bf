"""The raw consumer path for what comes in crowds: whatever has arrived is handled together.

One message alone is handled at once; while a batch is being handled the next one gathers, so that batches grow as the
crowd does and their round trips are shared. A few batches are in progress at a time: one computes while others wait for
the bus. What fails for a reason of its own is settled on its own; a batch that crashes its handler is handled message by
message, so that one that can't be handled harms no other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Generic, TypeVar

from google.protobuf.message import Message
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN

from earshot_chassis import telemetry
from earshot_chassis.attempts import HandedBack
from earshot_chassis.codec import decode
from earshot_chassis.consuming import (
    LEASE,
    LEASES_LOST,
    Consuming,
    Delivery,
    DurableConsumer,
    Lease,
    ParkFunction,
    delivery_of,
)
from earshot_chassis.errors import EarshotError, MalformedPayloadError, PermanentError
from earshot_chassis.pulling import PullWorker
from earshot_chassis.sink import Sink

M = TypeVar("M", bound=Message)

_LANES = 2
# A message whose handling fails in a way that nobody foresaw is given up after so many times, whatever its consumer
# allows for what can't be reached.
_MOST_CRASHES = 8
_BATCHES = telemetry.histogram(
    "earshot.message.batch.size", "Messages that were handled together.", "1", (1, 2, 5, 10, 25, 50, 100, 250, 500)
)
_log = telemetry.logger("bus")


@dataclass
class Received(Generic[M]):
    """A message of a batch.

    Attributes:
        message: What it says.
        headers: As received.
        lease: Whether it is still this process's.
        delivery: Where it came from and how often it was tried; reading it costs something.
        error: Set by the handler when this one can't be handled.
    """

    message: M
    headers: Mapping[str, str]
    lease: Lease
    _delivery: Callable[[], Delivery]
    error: EarshotError | None = None
    _lost_before: Callable[[Delivery], bool] = lambda _delivery: False

    @property
    def takes_over(self) -> bool:
        """Whether the delivery before this one was lost: its process died, hung or was cut off."""
        return self.delivery.num_delivered > 1 and self._lost_before(self.delivery)

    @cached_property
    def delivery(self) -> Delivery:  # noqa: D102 - see above
        return self._delivery()


BatchHandler = Callable[[Sequence[Received[M]]], Awaitable[None]]


class BatchWorker(PullWorker, Generic[M]):
    """Consumes one durable in batches.

    Args:
        client: The connection.
        consumer: Declared durable.
        message_type: What it consumes.
        function: Handles a batch.
        park: Stores what is given up.
        size: Messages in a batch at most; a few batches are in progress at once.
        handed_back: Knows which deliveries were handed back.
    """

    def __init__(
        self,
        client: Client,
        consumer: DurableConsumer,
        message_type: type[M],
        function: BatchHandler[M],
        park: ParkFunction,
        size: int,
        handed_back: HandedBack,
    ) -> None:
        consuming = Consuming(consumer, message_type, self._alone, park, handed_back=handed_back)
        super().__init__(client, consumer, consuming, size * _LANES)
        self._handed_back = handed_back
        self._type = message_type
        self._function = function
        self._size = size
        self._lease_s = consumer.ack_wait_s * LEASE
        self._gathering: deque[tuple[Msg, Lease]] = deque()
        self._labels = {"event": consumer.event, "consumer": consumer.durable}

    async def _subscribe(self, subject: str) -> Subscription:
        return await self._client.subscribe(subject, future=Sink(self._received))

    def _take(self, raw: Msg) -> None:
        lease = Lease(self._lease_s)
        self._consuming.heartbeats.add(raw, lease)
        self._gathering.append((raw, lease))
        if len(self._tasks) < _LANES:
            task = asyncio.get_running_loop().create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._ended_lane)

    async def _work(self) -> None:
        """Handle batches until there is nothing left."""
        while self._gathering:
            batch = [self._gathering.popleft() for _ in range(min(self._size, len(self._gathering)))]
            try:
                await self._handle(batch)
            finally:
                self._free += len(batch)
                self._freed.set()

    async def _handle(self, batch: list[tuple[Msg, Lease]]) -> None:
        _BATCHES.record(len(batch), self._labels)
        items, alone = self._read(batch)
        try:
            alone += await self._together(items)
        finally:
            for raw, _ in batch:
                self._consuming.heartbeats.discard(raw)
        for raw in alone:
            await self._consuming.consume(raw)

    def _read(self, batch: list[tuple[Msg, Lease]]) -> tuple[list[tuple[Msg, Received[M]]], list[Msg]]:
        """Return what can be read, and what can't."""
        items: list[tuple[Msg, Received[M]]] = []
        malformed: list[Msg] = []
        for raw, lease in batch:
            try:
                message = decode(raw.data, raw.headers, self._type)
            except MalformedPayloadError:
                malformed.append(raw)
            else:
                items.append((raw, self._received_of(message, raw.headers or {}, lease, partial(delivery_of, raw))))
        return items, malformed

    def _received_of(
        self, message: M, headers: Mapping[str, str], lease: Lease, delivery: Callable[[], Delivery]
    ) -> Received[M]:
        return Received(message, headers, lease, delivery, _lost_before=self._lost_before)

    def _lost_before(self, delivery: Delivery) -> bool:
        return self._handed_back.lost(
            self.consumer, delivery.stream_sequence, delivery.num_delivered - 1, delivery.timestamp
        )

    async def _together(self, items: list[tuple[Msg, Received[M]]]) -> list[Msg]:
        """Handle messages; return them when the handler crashed."""
        try:
            await self._function([item for _, item in items])
        except EarshotError as error:
            for _, item in items:
                item.error = error
        except Exception as error:  # noqa: BLE001 - handled one by one, each is settled on its own
            _log.error("batch_crashed", consumer=self.consumer.durable, size=len(items), exc_info=error)
            return [raw for raw, _ in items]
        lost = sum(item.lease.lost for _, item in items)
        if lost:
            # Whatever a zombie says of a message, the server takes for its new owner's word.
            LEASES_LOST.add(lost, self._labels)
            _log.warning("leases_lost", consumer=self.consumer.durable, size=lost)
        for raw, item in items:
            if not item.lease.lost:
                await self._settle(raw, item)
        return []

    async def _settle(self, raw: Msg, item: Received[M]) -> None:
        try:
            if item.error is not None:
                delivery = replace(item.delivery, lease=item.lease)
                # Without a span of its own; so that the log tells the trace all the same.
                with telemetry.use(trace.get_current_span(telemetry.extract(item.headers))):
                    await self._consuming.settle_failure(raw, delivery, item.error, item.message, INVALID_SPAN)
            else:
                await raw.ack()
        except (NatsError, OSError, EarshotError) as error:
            _log.warning("settling_failed", consumer=self.consumer.durable, error=type(error).__name__)

    async def _alone(self, message: M, delivery: Delivery) -> None:
        item = self._received_of(message, delivery.headers, delivery.lease, lambda: delivery)
        try:
            await self._function([item])
        except EarshotError:
            raise
        except Exception as error:
            if delivery.num_delivered >= _MOST_CRASHES:
                raise PermanentError(type(error).__name__, code="internal") from error
            raise
        if item.error is not None:
            raise item.error

    def _ended_lane(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("worker_task_failed", consumer=self.consumer.durable, exc_info=error)
