"""Events on their way up: kept in order until a stream has acknowledged each."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass, field

from earshot_chassis import telemetry
from earshot_chassis.errors import PermanentError, RetryableError
from earshot_chassis.ids import uuid7
from earshot_device.bus import wire
from earshot_device.bus.link import Link
from earshot_device.core.events import Event, Happening, RingDismissed
from earshot_device.core.ids import BootId, EventId, TurnId
from earshot_device.tasks import end
from earshot_topology.subjects import DeviceAddress

CAPACITY = 1000
_PATIENCE_S = 5.0

_log = telemetry.logger("device.outbox")


@dataclass(slots=True)
class _Entry:
    event: Event
    headers: dict[str, str] = field(default_factory=dict)


class Outbox:
    """Publishes events in the background; while the bus is away they wait, the oldest give way beyond CAPACITY.

    Args:
        link: The connection.
        address: The device, whose event and ring subjects are used.
        boot_id: This boot.
        delivered: Called with each event that a stream has acknowledged, or has refused for good.
        observe: Called with every event as it happens, before it is sent.
    """

    def __init__(
        self,
        link: Link,
        *,
        address: DeviceAddress,
        boot_id: BootId,
        delivered: Callable[[Event], None],
        observe: Callable[[Event], None] | None = None,
    ) -> None:
        self._link = link
        self._subject = address.event()
        self._ring_subject = address.ring()
        self._boot_id = boot_id
        self._delivered = delivered
        self._observe = observe
        self._entries: deque[_Entry] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        # An empty context: an event's trace is the one it was put in, never the one that opened the device.
        self._task = asyncio.create_task(self._run(), name="device-outbox", context=Context())

    async def stop(self, *, patience_s: float) -> None:
        """Give what is waiting a last chance, then stop."""
        with suppress(TimeoutError):
            await self.drained(patience_s)
        await end(self._task)
        self._task = None

    async def drained(self, timeout_s: float) -> None:
        """Wait until every event is acknowledged.

        Raises:
            TimeoutError: They are not, within `timeout_s`.
        """
        async with asyncio.timeout(timeout_s):
            await self._empty.wait()

    def put(self, happening: Happening, *, turn_id: TurnId | None = None) -> None:
        """Take an event; it carries the trace that is current where this is called."""
        event = Event(
            event_id=EventId(uuid7()), boot_id=self._boot_id, at=time.time(), happening=happening, turn_id=turn_id
        )
        entry = _Entry(event)
        telemetry.inject(entry.headers)
        self._entries.append(entry)
        if len(self._entries) > CAPACITY:
            self._give_way()
        self._empty.clear()
        self._filled.set()
        if self._observe is not None:
            self._observe(event)

    async def _run(self) -> None:
        while True:
            await self._filled.wait()
            while self._entries:
                entry = self._entries[0]
                try:
                    if not await self._deliver(entry):
                        continue
                    self._delivered(entry.event)
                except Exception as error:  # noqa: BLE001 - one event must not end the ones behind it
                    _log.error("event_failed", code="internal", exc_info=error)
                if self._entries and self._entries[0] is entry:
                    self._entries.popleft()
            self._filled.clear()
            self._empty.set()

    def _give_way(self) -> None:
        # What nobody has heard of a ring must be told in the end; everything else is news that gets old.
        for index, entry in enumerate(self._entries):
            if not isinstance(entry.event.happening, RingDismissed):
                del self._entries[index]
                return
        self._entries.popleft()

    async def _deliver(self, entry: _Entry) -> bool:
        subject = self._ring_subject if isinstance(entry.event.happening, RingDismissed) else self._subject
        try:
            await self._link.store(
                subject,
                wire.event(entry.event),
                msg_id=f"{subject}.{entry.event.event_id}",
                headers=entry.headers,
                patience_s=_PATIENCE_S,
            )
        except RetryableError:
            return False
        except PermanentError as error:
            _log.error("event_refused", code=error.code)
        return True
