"""What both locales say of schedules; each locale's own words are in `english` and `mandarin`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from earshot_skill_timers.english import English
from earshot_skill_timers.mandarin import Mandarin
from earshot_skillkit import Schedule, ScheduleState


class Words(Protocol):
    """One locale."""

    def duration(self, length: timedelta) -> str:
        """Return a length of time in words, to the second."""

    def clock(self, at: time) -> str:
        """Return a time of day."""

    def moment(self, at: datetime, now: datetime) -> str:
        """Return a time of day with its day; both moments in the user's zone."""

    def repeat(self, rule: str) -> str:
        """Return when something repeats; empty for a rule that nobody can have said."""

    def repeating(self, at: time, rule: str) -> str:
        """Return a time of day with its repeat."""

    def timer(self, label: str, length: timedelta) -> str:
        """Return what a timer is called: by its name, else by its length."""

    def with_left(self, timer: str, left: timedelta) -> str:
        """Return a timer with the time that is left."""

    def paused_with(self, timer: str, left: timedelta) -> str:
        """Return a timer that is paused, with the time that is left."""

    def the(self, timer: str) -> str:
        """Return a timer as one of those that there are."""

    def up(self, timer: str) -> str:
        """Return a timer that rings."""

    def all_of(self, items: Sequence[str]) -> str:
        """Return a list: "a, b and c"."""

    def one_of(self, items: Sequence[str]) -> str:
        """Return a choice: "a, b or c"."""

    def plain(self, name: str) -> str:
        """Return a name as it is compared with others."""

    def says_half(self, words: str) -> bool:
        """Tell whether words say which half of the day a time is in."""

    def says_day(self, words: str) -> bool:
        """Tell whether words name a day."""


_WORDS: Mapping[str, Words] = {"en-US": English(), "zh-CN": Mandarin()}


def words_of(locale: str) -> Words:
    """Return a locale's words."""
    return _WORDS[locale]


def timer_name(schedule: Schedule, words: Words) -> str:
    """Return what a timer is called."""
    return words.timer(schedule.label, schedule.length or timedelta(0))


def timer_standing(schedule: Schedule, words: Words, now: datetime) -> str:
    """Return a timer with how it stands."""
    name, left = timer_name(schedule, words), rounded(schedule.left(now))
    if schedule.state is ScheduleState.RINGING:
        return words.up(name)
    if schedule.state is ScheduleState.PAUSED:
        return words.paused_with(name, left)
    return words.with_left(name, left)


def timer_choices(timers: Iterable[Schedule], words: Words, now: datetime) -> list[str]:
    """Return names by which timers can be told apart: with the time that is left, where two are called the same."""
    listed = list(timers)
    names = [timer_name(timer, words) for timer in listed]
    return [
        words.the(name) if names.count(name) == 1 else timer_standing(timer, words, now)
        for timer, name in zip(listed, names, strict=True)
    ]


def alarm_name(schedule: Schedule, words: Words, now: datetime, zone: ZoneInfo) -> str:
    """Return when an alarm rings."""
    if schedule.recurrence and schedule.local_time is not None:
        return words.repeating(schedule.local_time, schedule.recurrence)
    if schedule.due is not None:
        return words.moment(schedule.due.astimezone(zone), now)
    return words.clock(schedule.local_time or time())


def rounded(left: timedelta) -> timedelta:
    """Return what is left as it is said: whole seconds, rounded up; without seconds from an hour on."""
    seconds = -(-left // timedelta(seconds=1))
    if seconds >= 3600:
        seconds = -(-seconds // 60) * 60
    return timedelta(seconds=seconds)
