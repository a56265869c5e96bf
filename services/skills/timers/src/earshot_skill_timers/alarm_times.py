"""When an alarm is to ring, from what was said of it: pure.

NLU makes the next moment of a time of day. That is right for one that rings once. Where a day was said before and the time
comes in a second turn, and for what repeats, the hour is the one that people get up, work or eat at: 5 in the morning until
before 5 in the afternoon, unless the half of the day was said.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from earshot_skill_timers.wording import Words
from earshot_skillkit import FilledSlot, Span

_EARLIEST = 5
_NOON = 12
_PRECISE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmTime:
    """When: a moment, or a time of day for what repeats.

    Attributes:
        at: An aware moment, or a time of day.
        rule: RRULE; empty: once.
    """

    at: datetime | time
    rule: str = ""


def alarm_time(said: FilledSlot | None, clock: FilledSlot | None, repeat: str, words: Words) -> AlarmTime | None:
    """Return when an alarm is to ring; None where no time of day was said.

    Args:
        said: The time as it was said first; it may be a day alone.
        clock: The time of day that was asked for.
        repeat: RRULE, with "am" or "pm" behind it where that was said.
        words: Of the locale.
    """
    rule, _, half = repeat.partition(" ")
    precise = clock or said
    if precise is None or not isinstance(precise.value, Span) or not is_time_of_day(precise.value):
        return None
    start, told = precise.value.start, words.says_half(precise.text)
    day = said.value if clock is not None and said is not None and isinstance(said.value, Span) else None
    if day is not None and said is not None and words.says_half(said.text):
        # "Tomorrow morning", and then "seven".
        half = half or ("pm" if day.start.hour >= _NOON else "am")
    if not rule and day is None:
        return AlarmTime(at=start)
    at = start.time().replace(microsecond=0)
    if not told:
        at = _in_half(at, half) if half else usual_half(at)
    if rule:
        return AlarmTime(at=at, rule=rule)
    date = start.date() if day is None or words.says_day(precise.text) else day.start.date()
    return AlarmTime(at=datetime.combine(date, at, start.tzinfo))


def is_time_of_day(span: Span) -> bool:
    """Tell whether a stretch of time is a moment, and not a day or a part of one."""
    return span.grain in {"hour", "minute", "second"} and span.end - span.start <= _PRECISE


def usual_half(at: time) -> time:
    """Return a time in the half of the day in which people usually mean it."""
    hour = at.hour % _NOON
    return at.replace(hour=hour if hour >= _EARLIEST else hour + _NOON)


def _in_half(at: time, half: str) -> time:
    return at.replace(hour=at.hour % _NOON + (_NOON if half == "pm" else 0))
