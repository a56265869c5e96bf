"""A scheduler in memory with the behaviour of the service, for tests and for trying a skill without a bus.

Time is what `now` says: a schedule that has become due rings from the next call on. Repeats are those that people say:
FREQ=DAILY or WEEKLY with BYDAY.

A schedule is due at single moments (what it was set, moved or put off to) and at the times of its repeat, whichever is
next: putting off what repeats leaves its other times as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
_LAST = datetime.max.replace(tzinfo=UTC)
_LONGEST_LABEL = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A schedule without `due`, and the moments of which that is the next."""

    schedule: Schedule
    singles: tuple[datetime, ...] = ()
    regular: datetime | None = None

    @property
    def due(self) -> datetime | None:
        regular = () if self.regular is None else (self.regular,)
        return min((*self.singles, *regular), default=None)

    def seen(self) -> Schedule:
        return replace(self.schedule, due=self.due)


class MemoryScheduler:
    """Keeps schedules in memory.

    Args:
        now: The present moment, aware.
        most: How many a household may have.
    """

    def __init__(self, now: Callable[[], datetime], *, most: int = 200) -> None:
        self._now = now
        self._most = most
        self._kept: dict[tuple[str, str], _Kept] = {}
        self._done: dict[tuple[str, str], Schedule] = {}

    async def create(self, new: NewSchedule, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((new.household_id, request_id))
        if done is not None:
            return done
        if len(self._of(new.household_id)) >= self._most:
            raise TooManySchedulesError("the household has as many as it may")
        return self._keep(new.household_id, _created(new, self._now()), request_id)

    async def update(
        self, household_id: str, schedule_id: str, change: Change, *, request_id: str, deadline: datetime
    ) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((household_id, request_id))
        if done is not None:
            return done
        changed = _changed(self._find(household_id, schedule_id), change, self._now())
        schedule = replace(changed.schedule, revision=changed.schedule.revision + 1)
        return self._keep(household_id, replace(changed, schedule=schedule), request_id)

    async def delete(self, household_id: str, schedule_id: str, *, request_id: str, deadline: datetime) -> Schedule:
        """See Scheduler."""
        del deadline
        done = self._done.get((household_id, request_id))
        if done is not None:
            return done
        before = self._find(household_id, schedule_id).seen()
        del self._kept[household_id, schedule_id]
        self._done[household_id, request_id] = before
        return before

    async def listed(
        self, household_id: str, *, device_id: str, kinds: Sequence[ScheduleKind], deadline: datetime
    ) -> tuple[Schedule, ...]:
        """See Scheduler."""
        del deadline
        wanted = [
            kept.seen()
            for kept in self._of(household_id)
            if kept.schedule.device_id == (device_id or kept.schedule.device_id)
            and (not kinds or kept.schedule.kind in kinds)
        ]
        return tuple(sorted(wanted, key=_order))

    async def close(self) -> None:
        """See Scheduler."""

    def ringing(self, household_id: str) -> tuple[str, ...]:
        """Return the occurrences that ring in a household."""
        return tuple(
            kept.schedule.occurrence_id
            for kept in self._of(household_id)
            if kept.schedule.state is ScheduleState.RINGING
        )

    def _keep(self, household_id: str, kept: _Kept, request_id: str) -> Schedule:
        key = household_id, kept.schedule.schedule_id
        if kept.schedule.state is ScheduleState.OVER:
            del self._kept[key]
        else:
            self._kept[key] = kept
        self._done[household_id, request_id] = kept.seen()
        return kept.seen()

    def _of(self, household_id: str) -> list[_Kept]:
        """Return a household's schedules, those that have become due ringing."""
        for key, kept in self._kept.items():
            self._kept[key] = _rung(kept, self._now())
        return [kept for (household, _), kept in self._kept.items() if household == household_id]

    def _find(self, household_id: str, schedule_id: str) -> _Kept:
        for kept in self._of(household_id):
            if kept.schedule.schedule_id == schedule_id:
                return kept
        raise ScheduleNotFoundError("there is no such schedule")


def _order(schedule: Schedule) -> tuple[bool, datetime]:
    """What rings first, then what is due soonest, paused ones last."""
    return schedule.state is not ScheduleState.RINGING, schedule.due or _LAST


def _created(new: NewSchedule, now: datetime) -> _Kept:
    if len(new.label) > _LONGEST_LABEL:
        raise InvalidScheduleError("the label is too long")
    schedule = Schedule(
        schedule_id=str(uuid.uuid4()),
        revision=1,
        device_id=new.device_id,
        kind=new.kind,
        state=ScheduleState.ARMED,
        label=new.label.strip(),
        recurrence=new.recurrence,
        time_zone=new.time_zone,
    )
    if new.kind is ScheduleKind.TIMER:
        if new.length is None:
            raise InvalidScheduleError("a timer needs a length")
        return _Kept(schedule=replace(schedule, length=new.length), singles=(_coming(now + new.length, now),))
    zone = ZoneInfo(new.time_zone or "UTC")
    if new.due is not None:
        local_time = new.due.astimezone(zone).time()
        return _Kept(schedule=replace(schedule, local_time=local_time), singles=(_coming(new.due, now),))
    if new.local_time is None:
        raise InvalidScheduleError("it needs a time of day or a moment")
    schedule = replace(schedule, local_time=new.local_time)
    moment = _next(schedule, now)
    return _Kept(schedule=schedule, regular=moment) if new.recurrence else _Kept(schedule=schedule, singles=(moment,))


def _rung(kept: _Kept, now: datetime) -> _Kept:
    """Return a schedule as it is at a moment; of several times that have come, the last one rings."""
    due = kept.due
    if due is None or due > now:
        return kept
    regular = kept.regular
    while regular is not None and regular <= now:
        due = max(due, regular)
        regular = _next(kept.schedule, regular)
    due = max([due, *(single for single in kept.singles if single <= now)])
    occurrence = f"{kept.schedule.schedule_id}.{kept.schedule.revision}.{int(due.timestamp())}"
    schedule = replace(
        kept.schedule,
        state=ScheduleState.RINGING,
        occurrence_id=occurrence,
        revision=kept.schedule.revision + 1,
    )
    return _Kept(schedule=schedule, singles=tuple(each for each in kept.singles if each > now), regular=regular)


def _changed(kept: _Kept, change: Change, now: datetime) -> _Kept:
    match change:
        case Move():
            return _moved(kept, change.to, now)
        case Extend():
            return _extended(kept, change.by, now)
        case SetPaused():
            return _paused(kept, now, paused=change.paused)
        case Rename():
            return replace(kept, schedule=replace(kept.schedule, label=change.label.strip()))
        case Dismiss():
            if kept.schedule.state is not ScheduleState.RINGING:
                return kept
            state = ScheduleState.ARMED if kept.due is not None else ScheduleState.OVER
            return replace(kept, schedule=replace(kept.schedule, state=state))


def _moved(kept: _Kept, to: datetime, now: datetime) -> _Kept:
    """Make it due at a moment: instead of when it is due next, or once more if it rings."""
    to, due, schedule = _coming(to, now), kept.due, kept.schedule
    singles, regular = kept.singles, kept.regular
    if schedule.state is ScheduleState.ARMED and due is not None:
        singles = tuple(single for single in singles if single != due)
        if regular == due:
            regular = _next(schedule, due)
        if schedule.length is not None:
            schedule = replace(schedule, length=schedule.length + (to - due))
    schedule = replace(schedule, state=ScheduleState.ARMED, remaining=None)
    return _Kept(schedule=schedule, singles=(*singles, to), regular=regular)


def _extended(kept: _Kept, by: timedelta, now: datetime) -> _Kept:
    length = kept.schedule.length + by if kept.schedule.length is not None else None
    if kept.schedule.state is ScheduleState.PAUSED:
        remaining = (kept.schedule.remaining or timedelta(0)) + by
        _coming(now + remaining, now)
        return replace(kept, schedule=replace(kept.schedule, remaining=remaining, length=length))
    start = kept.due if kept.schedule.state is ScheduleState.ARMED else None
    moved = _moved(kept, (start or now) + by, now)
    return replace(moved, schedule=replace(moved.schedule, length=length))


def _paused(kept: _Kept, now: datetime, *, paused: bool) -> _Kept:
    schedule, due = kept.schedule, kept.due
    if schedule.kind is not ScheduleKind.TIMER or schedule.state is ScheduleState.RINGING:
        raise InvalidScheduleError("only a timer that does not ring can be paused")
    if paused and due is not None:
        return _Kept(schedule=replace(schedule, state=ScheduleState.PAUSED, remaining=due - now))
    if not paused and schedule.remaining is not None:
        armed = replace(schedule, state=ScheduleState.ARMED, remaining=None)
        return _Kept(schedule=armed, singles=(now + schedule.remaining,))
    return kept


def _coming(moment: datetime, now: datetime) -> datetime:
    if moment <= now:
        raise ScheduleInPastError("it would have been due already")
    return moment.astimezone(UTC)


def _next(schedule: Schedule, after: datetime) -> datetime:
    """Return the first moment after one at which clocks show the schedule's time, on a day that its rule allows."""
    zone, allowed = ZoneInfo(schedule.time_zone or "UTC"), _allowed(schedule.recurrence)
    first = after.astimezone(zone).date()
    for ahead in range(9):
        day = first + timedelta(days=ahead)
        moment = datetime.combine(day, schedule.local_time or time(), zone).astimezone(UTC)
        if moment > after and day.weekday() in allowed:
            return moment
    raise InvalidScheduleError("the repeat never comes")


def _allowed(recurrence: str) -> frozenset[int]:
    """Return the days of the week on which a rule repeats."""
    parts = dict(part.partition("=")[::2] for part in recurrence.split(";") if part)
    days = [day for day in parts.pop("BYDAY", "").split(",") if day]
    if parts.pop("FREQ", "DAILY") not in {"DAILY", "WEEKLY"} or parts or not set(days) <= set(_DAYS):
        raise InvalidScheduleError("a repeat that the scheduler in memory does not know")
    return frozenset(map(_DAYS.index, days)) or frozenset(range(7))
