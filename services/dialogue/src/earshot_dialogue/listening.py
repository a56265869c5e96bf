"""Hears the outcomes of turns that somebody waits for.

What is listened to is the device's copy of the outcome, which the server makes of what it stored: a claim that is
refused passes by on the subject where it was tried. There is one subscription a device, kept for a while after its last
turn: a typed dialogue subscribes once, and nobody hears of other devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from earshot.dialogue.v1 import outcome_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.codec import decode
from earshot_chassis.errors import MalformedPayloadError
from earshot_topology.subjects import DeviceAddress

_KEEP_S = 20.0


class AwaitedOutcome:
    """Collects the segments of one turn's outcome."""

    def __init__(self) -> None:
        self._segments: dict[int, outcome_pb2.Outcome] = {}
        self._last: int | None = None
        self._complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(self, segment: outcome_pb2.Outcome) -> None:
        """Take one segment; the same one again changes nothing."""
        self._segments.setdefault(segment.segment_index, segment)
        if segment.final:
            self._last = segment.segment_index
        if self._last is not None and len(self._segments) > self._last and not self._complete.done():
            self._complete.set_result(None)

    async def complete(self) -> Sequence[outcome_pb2.Outcome]:
        """Wait for every segment; return them in order."""
        await self._complete
        return [self._segments[index] for index in sorted(self._segments)]


class OutcomeListener:
    """Keeps subscriptions and hands outcomes to those who wait for them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._devices: dict[DeviceAddress, _Device] = {}

    @asynccontextmanager
    async def listening(self, address: DeviceAddress, turn_id: str) -> AsyncIterator[AwaitedOutcome]:
        """Collect the segments of a turn's outcome while the block runs.

        Raises:
            NatsError: The connection is closed.
        """
        device = self._devices.get(address)
        if device is None:
            device = self._devices[address] = _Device()
            subject = f"device.{address.household}.{address.device}.down.outcome.*"
            device.subscribing = asyncio.ensure_future(self._bus.client.subscribe(subject, cb=device.receive))
        awaited = AwaitedOutcome()
        device.waiting.setdefault(turn_id, []).append(awaited)
        device.stay()
        try:
            await asyncio.shield(device.subscribing)
            yield awaited
        finally:
            device.waiting[turn_id].remove(awaited)
            if not device.waiting[turn_id]:
                del device.waiting[turn_id]
            if not device.waiting:
                device.leave_after(_KEEP_S, lambda: self._end(address, device))

    async def _end(self, address: DeviceAddress, device: _Device) -> None:
        if device.waiting or self._devices.get(address) is not device:
            return
        del self._devices[address]
        with suppress(NatsError):
            await (await device.subscribing).unsubscribe()

    def close(self) -> None:
        """Forget every subscription; the bus ends them when it closes."""
        for device in self._devices.values():
            device.stay()
        self._devices.clear()


class _Device:
    """One device's subscription and who waits for its turns."""

    def __init__(self) -> None:
        self.waiting: dict[str, list[AwaitedOutcome]] = {}
        self.subscribing: asyncio.Future[Subscription]
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    async def receive(self, message: Msg) -> None:
        waiting = self.waiting.get(message.subject.rpartition(".")[2])
        if not waiting:
            return
        try:
            segment = decode(message.data, message.headers, outcome_pb2.Outcome)
        except MalformedPayloadError:
            return
        for awaited in waiting:
            awaited.hear(segment)

    def stay(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def leave_after(self, seconds: float, leave: Callable[[], Coroutine[None, None, None]]) -> None:
        loop = asyncio.get_running_loop()

        def due() -> None:
            self._ending = loop.create_task(leave())

        self.stay()
        self._timer = loop.call_later(seconds, due)
