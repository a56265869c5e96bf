"""Being the scheduler of one device, and hearing what it plays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import nats
import numpy as np
from nats.aio.client import Client
from nats.js.client import JetStreamContext

from earshot.device.v1 import directive_pb2, upstream_pb2
from earshot_device import NullSink
from earshot_device.sound import tones
from earshot_local.stack import Stack
from earshot_topology.streams import SCHEDULER_RINGS
from earshot_topology.subjects import DeviceAddress

_RATE = 24_000


def _ring_blocks() -> set[bytes]:
    period, size = tones.ring(_RATE), _RATE // 10
    return {period[begin : begin + size].tobytes() for begin in range(0, len(period), size)}


class Ear(NullSink):
    """Tells ringing from everything else that is heard; silence is nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self._ring = _ring_blocks()

    async def write(self, samples: np.ndarray) -> None:
        """Keep what is heard, without repeats."""
        self.sample_count += len(samples)
        if samples.any():
            kind = "ring" if samples.tobytes() in self._ring else "speech"
            if self.heard[-1:] != [kind]:
                self.heard.append(kind)


def ring(name: str, *, words: str = "", expires_in_s: float | None = 600.0) -> directive_pb2.Directive:
    """Return a Ring as the scheduler sends it."""
    directive = directive_pb2.Directive(
        directive_id=f"ring.{name}",
        ring=directive_pb2.Ring(occurrence_id=name, label="eggs", kind=directive_pb2.RING_KIND_TIMER),
    )
    directive.ring.length.seconds = 90
    directive.ring.due_time.FromNanoseconds(time.time_ns())
    if words:
        directive.ring.announcement.text, directive.ring.announcement.locale = words, "en-US"
    if expires_in_s is not None:
        directive.expire_time.FromNanoseconds(time.time_ns() + int(expires_in_s * 1e9))
    return directive


def stop_ring(name: str) -> directive_pb2.Directive:
    """Return a StopRing as the scheduler sends it."""
    return directive_pb2.Directive(
        directive_id=f"stop_ring.{name}", stop_ring=directive_pb2.StopRing(occurrence_id=name)
    )


async def until(ready: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(timeout_s):
        while not ready():
            await asyncio.sleep(0.01)


@dataclass(slots=True)
class Scheduler:
    """Says Ring and StopRing to one device as the scheduler does, with its permissions, and reads what was dismissed."""

    client: Client
    address: DeviceAddress
    subscription: JetStreamContext.PullSubscription
    dismissed: list[str] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def of(cls, stack: Stack, address: DeviceAddress) -> AsyncIterator[Scheduler]:
        """Connect."""
        client = await nats.connect(
            stack.nats_url, user_credentials=str(stack.creds("scheduler")), inbox_prefix="_INBOX_scheduler"
        )
        subscription = await client.jetstream().pull_subscribe_bind(SCHEDULER_RINGS.durable, SCHEDULER_RINGS.stream)
        try:
            yield cls(client, address, subscription)
        finally:
            await client.close()

    async def direct(self, *directives: directive_pb2.Directive) -> None:
        """Store directives for the device."""
        for directive in directives:
            await self.client.jetstream().publish(self.address.directive(), directive.SerializeToString())

    async def told(self, *names: str, timeout_s: float = 20.0) -> None:
        """Wait until the device has told these dismissals, in this order; none may be told twice or be another's."""
        give_up = time.monotonic() + timeout_s
        while len(self.dismissed) < len(names) and time.monotonic() < give_up:
            await self._fetch(0.5)
        await self._fetch(0.05)
        assert self.dismissed == list(names)

    async def _fetch(self, timeout_s: float) -> None:
        try:
            messages = await self.subscription.fetch(10, timeout=timeout_s)
        except TimeoutError:
            return
        for message in messages:
            await message.ack()
            if message.subject == self.address.ring():
                event = upstream_pb2.DeviceEvent.FromString(message.data)
                self.dismissed.append(event.ring_dismissed.occurrence_id)
