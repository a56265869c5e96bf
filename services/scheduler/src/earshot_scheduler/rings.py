"""Ringing that was stopped on a device: device.<household>.<device>.up.ring."""

from __future__ import annotations

import asyncio
import random

from earshot.device.v1 import upstream_pb2
from earshot_chassis import telemetry
from earshot_chassis.bus import Delivery
from earshot_chassis.errors import ConflictError
from earshot_scheduler import metrics
from earshot_scheduler.core import changes
from earshot_scheduler.core.values import Occurrence, State
from earshot_scheduler.errors import ContendedError, InvalidRequestError
from earshot_scheduler.store import ScheduleStore
from earshot_scheduler.wire import identifier
from earshot_topology.subjects import DeviceAddress

_ATTEMPTS = 8
_PAUSE_S = 0.02
_log = telemetry.logger("rings")


class DismissedRings:
    """Notes what was dismissed on devices."""

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    async def happened(self, event: upstream_pb2.DeviceEvent, delivery: Delivery) -> None:
        """Let what rings on a device be dismissed. What is not that device's, or does not ring, stays as it is.

        Raises:
            InvalidRequestError: It is not a dismissal, or of nothing that could be an occurrence.
            RetryableError: The bus did not answer.
        """
        address = DeviceAddress.of(delivery.subject)
        if event.WhichOneof("event") != "ring_dismissed":
            raise InvalidRequestError("not a dismissal", code="unexpected_event")
        occurrence_id = event.ring_dismissed.occurrence_id
        occurrence = Occurrence.read(occurrence_id)
        if occurrence is None:
            raise InvalidRequestError("not an occurrence", code="invalid_occurrence")
        schedule_id = identifier(occurrence.schedule_id, "schedule_id")
        for number in range(_ATTEMPTS):
            kept = await self._store.read(address.household, schedule_id)
            schedule = kept.schedule
            rings = (
                schedule is not None
                and schedule.state is State.RINGING
                and schedule.device == address.device
                and schedule.occurrence_id == occurrence_id
            )
            if schedule is None or kept.record is None or not rings:
                metrics.CHANGES.add(1, {"change": "dismiss_refused", "by": "device"})
                _log.info("nothing_to_dismiss")
                return
            record = kept.record.after(changes.dismiss(schedule).schedule)
            try:
                await self._store.write(address.household, schedule_id, record, over=kept.revision)
            except ConflictError:
                await asyncio.sleep(_PAUSE_S * number * random.random())  # noqa: S311 - jitter
                continue
            metrics.CHANGES.add(1, {"change": "dismiss", "by": "device"})
            return
        raise ContendedError(f"still contended after {_ATTEMPTS} attempts")
