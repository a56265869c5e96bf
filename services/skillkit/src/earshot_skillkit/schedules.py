"""Timers, alarms and reminders, as a skill sees them: values, and what it may do with them.

They are the scheduler's, which keeps them, makes them ring and stops them; a skill asks it through `host.schedules`. Every
change is sent under an id made of the call's idempotency key, and the scheduler carries out an id once: a call that comes
again sets no second timer, and is told what the first one was told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Protocol

from earshot_skillkit.request import Request

_LONGEST_ID = 200


class ScheduleKind(StrEnum):
    """What rings."""

    TIMER = "timer"
    ALARM = "alarm"
    REMINDER = "reminder"


class ScheduleState(StrEnum):
    """Where a schedule stands. OVER: it rings no more, and is not listed."""

    ARMED = "armed"
    PAUSED = "paused"
    RINGING = "ringing"
    OVER = "over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A timer, alarm or reminder.

    Attributes:
        schedule_id: A UUID of version 8, made of the household and the request.
        revision: Rises with each change.
        device_id: Where it rings.
        kind: What it is.
        state: Where it stands.
        label: What the user calls it; may be empty.
        due: When it rings next, aware; None while paused, and while it rings for the last time.
        remaining: What is left while paused; None otherwise.
        length: How long a timer was set for, extensions included; None for others.
        recurrence: RFC 5545 RRULE; empty: once.
        local_time: Time of day of an alarm that was set by it.
        time_zone: IANA name.
        occurrence_id: What rings, or rang last; empty before the first.
    """

    schedule_id: str
    revision: int
    device_id: str
    kind: ScheduleKind
    state: ScheduleState
    label: str = ""
    due: datetime | None = None
    remaining: timedelta | None = None
    length: timedelta | None = None
    recurrence: str = ""
    local_time: time | None = None
    time_zone: str = ""
    occurrence_id: str = ""

    def left(self, now: datetime) -> timedelta:
        """Return the time until it rings; none when it does or did, what it was stopped at while paused."""
        if self.remaining is not None and self.state is ScheduleState.PAUSED:
            return self.remaining
        if self.due is None or self.state is ScheduleState.RINGING:
            return timedelta(0)
        return max(timedelta(0), self.due - now)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """What to set.

    Attributes:
        household_id: The tenant.
        device_id: Where it rings.
        kind: What it is.
        label: What the user calls it.
        length: Of a timer.
        due: When it rings, aware; of an alarm or reminder without local_time.
        local_time: Time of day in time_zone: the next one, or the first one that `recurrence` allows.
        recurrence: RFC 5545 RRULE; empty: once.
        time_zone: IANA name.
        locale: BCP-47 of what is said when it rings.
    """

    household_id: str
    device_id: str
    kind: ScheduleKind
    label: str = ""
    length: timedelta | None = None
    due: datetime | None = None
    local_time: time | None = None
    recurrence: str = ""
    time_zone: str = ""
    locale: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Make it due at this moment; a repeat goes on as before after that."""

    to: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Add to what remains; less than nothing shortens. What rings is due that long from now: a snooze."""

    by: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPaused:
    """Stop a timer's clock, or let it go on."""

    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """Call it something else."""

    label: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Stop ringing: a repeat waits for its next time, everything else is over."""


Change = Move | Extend | SetPaused | Rename | Dismiss


class Scheduler(Protocol):
    """Who keeps schedules: the service of that name, or a memory (`MemoryScheduler`).

    All methods raise SchedulesUnavailableError: it does not answer; EffectUnknownError, where something is changed: it may
    have been done; InvalidScheduleError: a field can't be used.
    """

    async def create(self, new: NewSchedule, *, request_id: str, deadline: datetime) -> Schedule:
        """Set a schedule.

        Raises:
            ScheduleInPastError: It would have been due already.
            TooManySchedulesError: The household has as many as it may.
        """

    async def update(
        self, household_id: str, schedule_id: str, change: Change, *, request_id: str, deadline: datetime
    ) -> Schedule:
        """Change a schedule; return it as it is then.

        Raises:
            ScheduleNotFoundError: There is none of that id, or it is over.
            ScheduleInPastError: It would be due already.
        """

    async def delete(self, household_id: str, schedule_id: str, *, request_id: str, deadline: datetime) -> Schedule:
        """Cancel a schedule, and stop it if it rings; return it as it was.

        Raises:
            ScheduleNotFoundError: There is none of that id, or it is over.
        """

    async def listed(
        self, household_id: str, *, device_id: str, kinds: Sequence[ScheduleKind], deadline: datetime
    ) -> tuple[Schedule, ...]:
        """Return a household's schedules, or a device's: those due soonest first, paused ones last."""

    async def close(self) -> None:
        """Let go of connections."""


class Schedules:
    """`host.schedules`: the schedules of whoever makes a call. See Scheduler for what every method raises.

    A call that sets several gives each a name of its own.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    async def set_timer(self, request: Request, length: timedelta, *, label: str = "", name: str = "set") -> Schedule:
        """Have the asking device ring after a time.

        Raises:
            TooManySchedulesError: The household has as many as it may.
        """
        return await self._create(request, name, _new(request, ScheduleKind.TIMER, label, length=length))

    async def set_alarm(
        self, request: Request, at: datetime | time, *, repeat: str = "", label: str = "", name: str = "set"
    ) -> Schedule:
        """Have the asking device ring at a moment, or at the next time that clocks in the user's zone show a time of day.

        Args:
            request: The call.
            at: An aware moment, or a time of day.
            repeat: RFC 5545 RRULE, with a time of day only.
            label: What the user calls it.
            name: Which of the call's alarms.

        Raises:
            ScheduleInPastError: The moment is over.
            TooManySchedulesError: The household has as many as it may.
        """
        if isinstance(at, datetime):
            new = _new(request, ScheduleKind.ALARM, label, due=at)
        else:
            new = _new(request, ScheduleKind.ALARM, label, local_time=at, recurrence=repeat)
        return await self._create(request, name, new)

    async def update(self, request: Request, schedule_id: str, change: Change) -> Schedule:
        """Change a schedule; return it as it is then.

        Raises:
            ScheduleNotFoundError: There is none of that id, or it is over.
        """
        return await self._scheduler.update(
            request.household_id,
            schedule_id,
            change,
            request_id=_request_id(request, f"{type(change).__name__.lower()}.{schedule_id}"),
            deadline=request.guard.deadline,
        )

    async def cancel(self, request: Request, schedule_id: str) -> Schedule:
        """Cancel a schedule, and stop it if it rings; return it as it was.

        Raises:
            ScheduleNotFoundError: There is none of that id, or it is over.
        """
        return await self._scheduler.delete(
            request.household_id,
            schedule_id,
            request_id=_request_id(request, f"cancel.{schedule_id}"),
            deadline=request.guard.deadline,
        )

    async def list(self, request: Request, *kinds: ScheduleKind, everywhere: bool = False) -> tuple[Schedule, ...]:
        """Return what is set on the asking device, or everywhere in the household: due soonest first, paused last."""
        return await self._scheduler.listed(
            request.household_id,
            device_id="" if everywhere else request.device_id,
            kinds=kinds,
            deadline=request.guard.deadline,
        )

    async def _create(self, request: Request, name: str, new: NewSchedule) -> Schedule:
        return await self._scheduler.create(new, request_id=_request_id(request, name), deadline=request.guard.deadline)


def _new(
    request: Request,
    kind: ScheduleKind,
    label: str,
    *,
    length: timedelta | None = None,
    due: datetime | None = None,
    local_time: time | None = None,
    recurrence: str = "",
) -> NewSchedule:
    return NewSchedule(
        household_id=request.household_id,
        device_id=request.device_id,
        kind=kind,
        label=label,
        length=length,
        due=due,
        local_time=local_time,
        recurrence=recurrence,
        time_zone=request.zone.key,
        locale=request.locale,
    )


def _request_id(request: Request, what: str) -> str:
    """Return the same id for every attempt of a call, another for each of its changes."""
    plain = f"{request.idempotency_key}.{what}"
    return plain if len(plain) <= _LONGEST_ID else sha256(plain.encode()).hexdigest()
