"""Arming: an occurrence as a scheduled message, on a subject of its own for each revision and moment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from earshot.schedule.v1 import schedule_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.codec import CONTENT_TYPE, content_type, encode
from earshot_chassis.pipeline import Write
from earshot_chassis.scheduling import publish_at, schedule_headers, withdraw
from earshot_scheduler import metrics, wire
from earshot_scheduler.core.values import Occurrence, Schedule
from earshot_topology.streams import SCHEDULER_DUE
from earshot_topology.subjects import SCHEDULE_DUE, schedule_arm

_ARM_FOR_S = 5.0
# How long after it something is stopped by others, if whoever said so died.
_STOPPED_WITHIN = timedelta(seconds=2)
_CONTENT_TYPE = content_type(schedule_pb2.OccurrenceDue)


async def arm(bus: Bus, schedule: Schedule) -> None:
    """Arm what a schedule is due at next; nothing for one that is not due.

    Raises:
        RetryableError: The stream did not acknowledge.
    """
    occurrence = schedule.armed
    if occurrence is None:
        return
    await _arm(bus, schedule.household, occurrence)
    metrics.ARMED.add(1, {"kind": schedule.kind.value})


async def arm_stop(bus: Bus, schedule: Schedule, now: datetime) -> Occurrence:
    """Arm a reading of a schedule's record, by which what it says was stopped is; return it, to be cancelled.

    It is obsolete as soon as the record is written, which is what makes its reader look.

    Raises:
        RetryableError: The stream did not acknowledge.
    """
    reading = Occurrence(schedule_id=schedule.schedule_id, revision=schedule.revision, due=now + _STOPPED_WITHIN)
    if reading != schedule.armed:
        await _arm(bus, schedule.household, reading)
    return reading


def armed(schedule: Schedule, occurrence: Occurrence, context: Mapping[str, str]) -> Write:
    """Return an arming for the pipeline; context: the trace of whoever set the schedule."""
    headers = {**context, CONTENT_TYPE: _CONTENT_TYPE, **schedule_headers(occurrence.due, SCHEDULE_DUE)}
    payload = encode(wire.from_occurrence(occurrence, schedule.household))
    return Write(_subject(schedule.household, occurrence), payload, headers)


async def disarm(bus: Bus, household: str, occurrence: Occurrence | None) -> None:
    """Cancel what was armed, as best effort: what becomes due all the same is obsolete."""
    if occurrence is not None:
        await withdraw(bus, SCHEDULER_DUE.stream, _subject(household, occurrence))


async def _arm(bus: Bus, household: str, occurrence: Occurrence) -> None:
    await publish_at(
        bus,
        _subject(household, occurrence),
        wire.from_occurrence(occurrence, household),
        occurrence.due,
        target=SCHEDULE_DUE,
        retry_for_s=_ARM_FOR_S,
    )


def _subject(household: str, occurrence: Occurrence) -> str:
    milliseconds = int(occurrence.due.timestamp() * 1000)
    return schedule_arm(household, occurrence.schedule_id, occurrence.revision, milliseconds)
