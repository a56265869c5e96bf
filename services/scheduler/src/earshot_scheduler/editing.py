"""Changes to schedules: each once by its request, whoever dies in the middle of it.

    read ── the request is in the record ──► its answer, and what it stopped is stopped again
      │
    arm the new moment, on a subject of its own; and what stops its ringing, should this process die
      │            a crash here leaves the old schedule in force; what was armed is obsolete when it is due
    compare-and-set the record (schedule, request, answer)
      │            a crash from here on leaves the new one; a repetition completes the rest
    stop what rings ──► cancel what would have stopped it, and what was armed before

A record is never in force without its moment being armed. What becomes due before its record is written waits for it
(`due`): the moment may be nearer than the bus is fast.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from earshot.schedule.v1 import schedule_pb2
from earshot_chassis.bus import Bus
from earshot_chassis.errors import ConflictError
from earshot_scheduler import arming, metrics, wire
from earshot_scheduler.core import changes
from earshot_scheduler.core.changes import Changed, Limits, New
from earshot_scheduler.core.errors import InvalidScheduleError, UnfitError
from earshot_scheduler.core.values import Occurrence, Schedule, State
from earshot_scheduler.errors import (
    ContendedError,
    InvalidRequestError,
    StaleRevisionError,
    TooManySchedulesError,
    UnfitRequestError,
    UnknownScheduleError,
)
from earshot_scheduler.store import Kept, ScheduleStore
from earshot_scheduler.wire import Applied, Record
from earshot_topology.subjects import DeviceAddress

T = TypeVar("T")
Change = Callable[[Schedule, datetime], Changed]

_ATTEMPTS = 8
_PAUSE_S = 0.02
_STOP_FOR_S = 5.0


class ScheduleEditor:
    """Carries out changes.

    Args:
        bus: The bus.
        store: Where schedules are kept.
        limits: What may be set.
        maximum_age: What rings for longer counts as over.
        household_limit: Schedules that a household may have.
        household_records: The same with those that are over.
    """

    def __init__(
        self,
        bus: Bus,
        store: ScheduleStore,
        *,
        limits: Limits,
        maximum_age: timedelta,
        household_limit: int,
        household_records: int,
    ) -> None:
        self._bus = bus
        self._store = store
        self._limits = limits
        self._maximum_age = maximum_age
        self._household_limit = household_limit
        self._household_records = household_records

    async def create(self, new: New, key: str) -> schedule_pb2.Schedule:
        """Set a schedule; return it as it was when the request was carried out first.

        Raises:
            InvalidRequestError, UnfitRequestError: It can't be set.
            TooManySchedulesError: The household has as many as it may.
            RetryableError: The bus did not answer; a repetition completes it.
        """

        async def attempt(kept: Kept) -> tuple[Schedule | None, Changed]:
            if kept.schedule is not None:
                raise UnfitRequestError("another request made this schedule", code="schedule_exists")
            await self._check_room(new.household)
            schedule = _checked(lambda: changes.create(new, _now(), self._limits))
            return None, Changed(schedule=schedule)

        return await self._carry_out(new.household, new.schedule_id, key, attempt)

    async def change(
        self, household: str, schedule_id: str, key: str, change: Change, *, expected_revision: int = 0
    ) -> schedule_pb2.Schedule:
        """Change a schedule; return it as it was when the request was carried out first.

        Raises:
            InvalidRequestError, UnfitRequestError: It can't be changed so.
            UnknownScheduleError: There is none, or it is over.
            StaleRevisionError: It is not at the expected revision.
            RetryableError: The bus did not answer; a repetition completes it.
        """

        async def attempt(kept: Kept) -> tuple[Schedule | None, Changed]:
            schedule = self._in_force(kept)
            if expected_revision not in {0, schedule.revision}:
                raise StaleRevisionError(f"it is at revision {schedule.revision}")
            return schedule, _checked(lambda: change(schedule, _now()))

        return await self._carry_out(household, schedule_id, key, attempt)

    async def delete(self, household: str, schedule_id: str, key: str) -> schedule_pb2.Schedule:
        """Cancel a schedule; return it as it was before.

        Raises:
            UnknownScheduleError: There is none, or it is over.
            RetryableError: The bus did not answer; a repetition completes it.
        """

        async def attempt(kept: Kept) -> tuple[Schedule | None, Changed]:
            schedule = self._in_force(kept)
            return schedule, changes.end(schedule)

        return await self._carry_out(household, schedule_id, key, attempt, answer_before=True)

    async def _carry_out(
        self,
        household: str,
        schedule_id: str,
        key: str,
        attempt: Callable[[Kept], Awaitable[tuple[Schedule | None, Changed]]],
        *,
        answer_before: bool = False,
    ) -> schedule_pb2.Schedule:
        stray: Occurrence | None = None
        for number in range(_ATTEMPTS):
            kept = await self._store.read(household, schedule_id)
            if stray is not None and (kept.schedule is None or kept.schedule.armed != stray):
                await arming.disarm(self._bus, household, stray)
            applied = kept.record.applied(key) if kept.record is not None else None
            if applied is not None:
                await self._stop_ringing(household, applied.answer.device_id, applied.stopped)
                return applied.answer
            before, changed = await attempt(kept)
            after = changed.schedule
            await self._arm(before, after)
            answer = wire.from_schedule(before if answer_before and before is not None else after)
            done = Applied(key=key, answer=answer, stopped=changed.stopped)
            record = (kept.record or Record()).after(after, changed.stopped, done)
            reading = await arming.arm_stop(self._bus, after, _now()) if changed.stopped else None
            try:
                await self._store.write(household, schedule_id, record, over=kept.revision)
            except ConflictError:
                stray = after.armed
                await asyncio.sleep(_PAUSE_S * number * random.random())  # noqa: S311 - jitter
                continue
            metrics.CHANGES.add(1, {"change": key.partition(":")[0], "by": "skill"})
            await self._stop_ringing(household, after.device, changed.stopped)
            if reading != after.armed:
                await arming.disarm(self._bus, household, reading)
            if before is not None and before.armed != after.armed:
                await arming.disarm(self._bus, household, before.armed)
            return answer
        raise ContendedError(f"still contended after {_ATTEMPTS} attempts")

    def _in_force(self, kept: Kept) -> Schedule:
        schedule = kept.schedule
        if schedule is not None:
            schedule = changes.settled(schedule, _now(), self._maximum_age)
        if schedule is None or schedule.state is State.OVER:
            raise UnknownScheduleError("there is no such schedule")
        return schedule

    async def _arm(self, before: Schedule | None, after: Schedule) -> None:
        if before is None or before.armed != after.armed:
            await arming.arm(self._bus, after)

    async def _stop_ringing(self, household: str, device: str, occurrence_id: str) -> None:
        if occurrence_id:
            directive = wire.stop_ring(occurrence_id)
            await self._bus.publish(
                DeviceAddress(household, device).directive(),
                directive,
                msg_id=directive.directive_id,
                retry_for_s=_STOP_FOR_S,
            )

    async def _check_room(self, household: str) -> None:
        records = await self._store.count(household)
        if records < self._household_limit:
            return
        if records >= self._household_records:
            raise TooManySchedulesError(f"the household set {records} schedules lately, and may set no more for a day")
        if len(await self._store.list(household)) >= self._household_limit:
            raise TooManySchedulesError(f"the household has {self._household_limit} schedules, and may have no more")


def move(to: datetime, limits: Limits) -> Change:
    """Make it due at a moment."""
    return lambda schedule, now: changes.move(schedule, to, now, limits)


def extend(by: timedelta, limits: Limits) -> Change:
    """Add to what remains."""
    return lambda schedule, now: changes.extend(schedule, by, now, limits)


def _checked(change: Callable[[], T]) -> T:
    try:
        return change()
    except InvalidScheduleError as error:
        raise InvalidRequestError(str(error), code=error.code) from error
    except UnfitError as error:
        raise UnfitRequestError(str(error), code=error.code) from error


def _now() -> datetime:
    return datetime.now(UTC)
