"""A scheduler in memory with the behaviour of the service, for tests and for trying a skill without a bus.

Time is what `now` says: a schedule that has become due rings from the next call on. Repeats are those that people say:
FREQ=DAILY or WEEKLY, INTERVAL=1, BYDAY.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from earshot_skillkit.errors import (
    InvalidScheduleError,
    ScheduleInPastError,
    ScheduleNotFoundError,
    TooManySchedulesError,
)
from earshot_skillkit.schedules import (
    Change,
    Dismiss,
    Extend,
    Move,
    NewSchedule,
    Rename,
    Schedule,
    ScheduleKind,
    ScheduleState,
    SetPaused,
)

_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_NOTHING = timedelta(0)


class MemoryScheduler:
    """Keeps schedules in memory.

    Args:
        now: The present moment, aware.
        most: How many a household may have.
    """

    def __init__(self, now: Callable[[], datetime], *, most: int = 100) -> None:
        self._now = now
        self._most = most
        self._kept: dict[tuple[str, str], Schedule] = {}
        self._done: dict[tuple[str, str], Schedule] = {}

    async def create(self, new: NewSchedule, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((new.household_id, request_id))
        if done is not None:
            return done
        if len(self._of(new.household_id)) >= self._most:
            raise TooManySchedulesError("the household has as many as it may")
        schedule = Schedule(
            schedule_id=str(uuid.uuid4()),
            revision=1,
            device_id=new.device_id,
            kind=new.kind,
            state=ScheduleState.ARMED,
            label=new.label,
            due=self._first(new),
            length=_length(new, self._now()),
            recurrence=new.recurrence,
            local_time=new.local_time,
            time_zone=new.time_zone,
        )
        return self._keep(new.household_id, schedule, request_id)

    async def update(
        self, household_id: str, schedule_id: str, change: Change, *, request_id: str, deadline: datetime
    ) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((household_id, request_id))
        if done is not None:
            return done
        present = self._find(household_id, schedule_id)
        changed = self._changed(present, change)
        if changed is None:
            del self._kept[household_id, schedule_id]
            self._done[household_id, request_id] = present
            return present
        return self._keep(household_id, replace(changed, revision=present.revision + 1), request_id)

    async def delete(self, household_id: str, schedule_id: str, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((household_id, request_id))
        if done is not None:
            return done
        schedule = self._find(household_id, schedule_id)
        del self._kept[household_id, schedule_id]
        self._done[household_id, request_id] = schedule
        return schedule

    async def listed(
        self, household_id: str, *, device_id: str, kinds: Sequence[ScheduleKind], deadline: datetime
    ) -> tuple[Schedule, ...]:
        """See Scheduler."""
        del deadline
        wanted = [
            schedule
            for schedule in self._of(household_id)
            if schedule.device_id == (device_id or schedule.device_id) and (not kinds or schedule.kind in kinds)
        ]
        last = datetime.max.replace(tzinfo=UTC)
        return tuple(sorted(wanted, key=lambda schedule: schedule.due or last))

    async def close(self) -> None:
        """See Scheduler."""

    def ringing(self, household_id: str) -> tuple[str, ...]:
        """Return the occurrences that ring in a household."""
        return tuple(
            schedule.occurrence_id for schedule in self._of(household_id) if schedule.state is ScheduleState.RINGING
        )

    def _keep(self, household_id: str, schedule: Schedule, request_id: str) -> Schedule:
        self._kept[household_id, schedule.schedule_id] = schedule
        self._done[household_id, request_id] = schedule
        return schedule

    def _of(self, household_id: str) -> list[Schedule]:
        """Return a household's schedules, those that have become due ringing."""
        for key, schedule in self._kept.items():
            if schedule.state is ScheduleState.ARMED and schedule.due is not None and schedule.due <= self._now():
                occurrence = f"{schedule.schedule_id}.{schedule.revision}.{int(schedule.due.timestamp())}"
                self._kept[key] = replace(schedule, state=ScheduleState.RINGING, occurrence_id=occurrence)
        return [schedule for (household, _), schedule in self._kept.items() if household == household_id]

    def _find(self, household_id: str, schedule_id: str) -> Schedule:
        for schedule in self._of(household_id):
            if schedule.schedule_id == schedule_id:
                return schedule
        raise ScheduleNotFoundError("there is no such schedule")

    def _first(self, new: NewSchedule) -> datetime:
        now = self._now()
        if new.length is not None:
            if new.length <= _NOTHING:
                raise InvalidScheduleError("a timer needs a length")
            return now + new.length
        if new.local_time is not None:
            return _next(new.local_time, new.recurrence, ZoneInfo(new.time_zone or "UTC"), now)
        if new.due is None:
            raise InvalidScheduleError("nothing says when it is due")
        if new.due <= now:
            raise ScheduleInPastError("it would have been due already")
        return new.due.astimezone(UTC)

    def _changed(self, present: Schedule, change: Change) -> Schedule | None:
        """Return a schedule after a change; None: it is over."""
        now = self._now()
        match change:
            case Move():
                if change.to <= now:
                    raise ScheduleInPastError("it would have been due already")
                due = change.to.astimezone(UTC)
                return replace(present, state=ScheduleState.ARMED, due=due, remaining=None)
            case Extend():
                return _extended(present, change.by, now)
            case SetPaused():
                return _paused(present, now, paused=change.paused)
            case Rename():
                return replace(present, label=change.label)
            case Dismiss():
                return _dismissed(present, now)


def _length(new: NewSchedule, now: datetime) -> timedelta | None:
    if new.kind is not ScheduleKind.TIMER:
        return None
    return new.length if new.length is not None or new.due is None else new.due - now


def _extended(present: Schedule, by: timedelta, now: datetime) -> Schedule:
    length = present.length + by if present.length is not None else None
    if present.state is ScheduleState.PAUSED:
        left = present.left(now) + by
        changed = replace(present, remaining=left, length=length)
    else:
        left = by if present.state is ScheduleState.RINGING else present.left(now) + by
        changed = replace(present, state=ScheduleState.ARMED, due=now + left, length=length)
    if left <= _NOTHING:
        raise InvalidScheduleError("nothing would be left of it")
    return changed


def _paused(present: Schedule, now: datetime, *, paused: bool) -> Schedule:
    if present.kind is not ScheduleKind.TIMER or present.state is ScheduleState.RINGING:
        raise InvalidScheduleError("only a timer that runs can be paused")
    if paused is (present.state is ScheduleState.PAUSED):
        return present
    if paused:
        return replace(present, state=ScheduleState.PAUSED, due=None, remaining=present.left(now))
    return replace(present, state=ScheduleState.ARMED, due=now + present.left(now), remaining=None)


def _dismissed(present: Schedule, now: datetime) -> Schedule | None:
    if present.state is not ScheduleState.RINGING:
        return present
    if not present.recurrence or present.local_time is None:
        return None
    due = _next(present.local_time, present.recurrence, ZoneInfo(present.time_zone or "UTC"), now)
    return replace(present, state=ScheduleState.ARMED, due=due)


def _next(at: time, recurrence: str, zone: ZoneInfo, now: datetime) -> datetime:
    """Return the first moment after now at which clocks in the zone show the time, on a day that the rule allows."""
    allowed = _allowed(recurrence)
    today = now.astimezone(zone).date()
    for ahead in range(9):
        day = today + timedelta(days=ahead)
        moment = datetime.combine(day, at, zone).astimezone(UTC)
        if moment > now and day.weekday() in allowed:
            return moment
    raise InvalidScheduleError("the repeat never comes")


def _allowed(recurrence: str) -> frozenset[int]:
    """Return the days of the week on which a rule repeats."""
    parts = dict(part.partition("=")[::2] for part in recurrence.split(";") if part)
    days = _numbers(parts.pop("BYDAY", ""))
    if parts.pop("FREQ", "DAILY") not in {"DAILY", "WEEKLY"} or parts.pop("INTERVAL", "1") != "1" or parts:
        raise InvalidScheduleError("a repeat that the scheduler in memory does not know")
    return frozenset(days) or frozenset(range(7))


def _numbers(days: str) -> Iterable[int]:
    try:
        return [_DAYS.index(day) for day in days.split(",") if day]
    except ValueError:
        raise InvalidScheduleError("a repeat on a day that is none") from None
