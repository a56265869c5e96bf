"""Which of the household's schedules are meant: pure.

Those of the asking device come first; the others of the household are looked at when none of its own fits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from earshot_skill_timers.wording import Words
from earshot_skillkit import Schedule, ScheduleState

_POSITIONS = {"first": 0, "second": 1, "third": 2, "last": -1}


class Verdict(StrEnum):
    """What came of a search."""

    CHOSEN = "chosen"
    NONE = "none"
    UNKNOWN = "unknown"
    SEVERAL = "several"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was said about which is meant.

    Attributes:
        name: What the user calls it.
        length: How long it was set for.
        at: Time of day at which it rings.
        either_half: Whether the other half of the day is as good.
        repeat: RRULE.
        position: "first", "second", "third" or "last", by when they are due.
        every: All of them.
    """

    name: str = ""
    length: timedelta | None = None
    at: time | None = None
    either_half: bool = False
    repeat: str = ""
    position: str = ""
    every: bool = False

    @property
    def nothing(self) -> bool:
        """Whether nothing was said."""
        return self == Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is meant: one or more (CHOSEN), several that fit (SEVERAL), none of those there are (UNKNOWN), none (NONE)."""

    verdict: Verdict
    schedules: tuple[Schedule, ...] = ()


def choose(there: Sequence[Schedule], wanted: Wanted, words: Words, *, device_id: str, zone: ZoneInfo) -> Choice:
    """Return which of the schedules, in the order in which they are due, are meant."""
    if not there:
        return Choice(verdict=Verdict.NONE)
    here = [schedule for schedule in there if schedule.device_id == device_id]
    for candidates in (here, there):
        fitting = [schedule for schedule in candidates if _fits(schedule, wanted, words, zone)]
        if fitting:
            return _picked(fitting, wanted)
    return Choice(verdict=Verdict.UNKNOWN, schedules=tuple(here or there))


def ringing(there: Sequence[Schedule], *, device_id: str) -> tuple[Schedule, ...]:
    """Return what rings on the device, or else anywhere."""
    every = tuple(schedule for schedule in there if schedule.state is ScheduleState.RINGING)
    return tuple(schedule for schedule in every if schedule.device_id == device_id) or every


def _picked(fitting: Sequence[Schedule], wanted: Wanted) -> Choice:
    if wanted.every or len(fitting) == 1:
        return Choice(verdict=Verdict.CHOSEN, schedules=tuple(fitting))
    index = _POSITIONS.get(wanted.position)
    if index is not None and index < len(fitting):
        return Choice(verdict=Verdict.CHOSEN, schedules=(fitting[index],))
    return Choice(verdict=Verdict.SEVERAL, schedules=tuple(fitting))


def _fits(schedule: Schedule, wanted: Wanted, words: Words, zone: ZoneInfo) -> bool:
    tests: list[Callable[[], bool]] = []
    if wanted.name:
        tests.append(lambda: words.plain(schedule.label) == words.plain(wanted.name))
    if wanted.length is not None:
        tests.append(lambda: schedule.length == wanted.length)
    if wanted.at is not None:
        tests.append(lambda: _rings_at(schedule, wanted, zone))
    if wanted.repeat:
        tests.append(lambda: schedule.recurrence == wanted.repeat)
    return all(test() for test in tests)


def _rings_at(schedule: Schedule, wanted: Wanted, zone: ZoneInfo) -> bool:
    at = time_of_day(schedule, zone)
    if at is None or wanted.at is None:
        return False
    hours = {wanted.at.hour, (wanted.at.hour + 12) % 24} if wanted.either_half else {wanted.at.hour}
    return at.hour in hours and at.minute == wanted.at.minute


def time_of_day(schedule: Schedule, zone: ZoneInfo) -> time | None:
    """Return when an alarm rings by the user's clock."""
    return schedule.due.astimezone(zone).time() if schedule.due is not None else schedule.local_time


def moved_to(schedule: Schedule, to: datetime, *, day_said: bool, half_said: bool, now: datetime) -> datetime:
    """Return the moment that an alarm is to be moved to: on its own day, in its own half, as far as nothing else was said.

    Args:
        schedule: The alarm.
        to: The new time, by itself the next one to come.
        day_said: Whether its day was said.
        half_said: Whether its half of the day was said.
        now: In the user's zone.
    """
    if day_said or schedule.due is None:
        return to
    due = schedule.due.astimezone(to.tzinfo)
    hours = {to.hour} if half_said else {to.hour % 12, to.hour % 12 + 12}
    same_day = [due.replace(hour=hour, minute=to.minute, second=0, microsecond=0) for hour in hours]
    coming = [moment for moment in same_day if moment > now]
    return min(coming, key=lambda moment: abs(moment - due), default=to)
