"""What calendar words mean at a moment, independent of the language they are said in.

A locale's scanner turns words into `When`: a day, a time of day, a part of the day or a distance, as far as each was
said. `resolve` turns that into a span. Choices where speech is ambiguous:

- a time without a day is the next one to come; without "am" or "pm" it is the nearer of the two;
- "this week" runs from Monday to Monday; "next Friday" is the Friday of the week after this one;
- "this weekend" said at a weekend is that one;
- a distance ("in two hours") counts from the moment in real time, days and longer on the wall clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from earshot_nlu.understanding.model import DateTimeSpan, Grain

_DAY = timedelta(days=1)
_GRAIN_LENGTH = {
    Grain.DAY: _DAY,
    Grain.HOUR: timedelta(hours=1),
    Grain.MINUTE: timedelta(minutes=1),
    Grain.SECOND: timedelta(seconds=1),
}


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was said: an instant and the zone it was said in."""

    instant: datetime
    zone: ZoneInfo

    @property
    def wall(self) -> datetime:
        """The instant on the user's wall clock."""
        return self.instant.astimezone(self.zone)

    @property
    def day(self) -> date:
        """The user's day."""
        return self.wall.date()


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """A run of whole days: first, one past the last, and how finely that was said."""

    start: date
    end: date
    grain: Grain


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """A time of day. `half` is 0 for the morning half, 1 for the afternoon half, None where it was not said."""

    hour: int
    minute: int = 0
    second: int = 0
    half: int | None = None
    grain: Grain = Grain.MINUTE

    def __post_init__(self) -> None:
        if not (0 <= self.hour <= 24 and 0 <= self.minute < 60 and 0 <= self.second < 60):
            raise ValueError("not a time of day")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of the day, in hours: morning 6 to 12. `half` decides what a time said with it means.

    `fixed` belongs to this very day even when it is over: "this morning", "tonight".
    """

    start: int
    end: int
    half: int
    fixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """Some time from now; negative: ago."""

    length: timedelta
    grain: Grain


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What was said about a time."""

    days: Days | None = None
    clock: Clock | None = None
    part: Part | None = None
    distance: Distance | None = None


def resolve(when: When, moment: Moment) -> DateTimeSpan:
    """Return the span that was meant.

    Raises:
        ValueError: Nothing was said.
        OverflowError: It is outside the calendar.
    """
    if when.distance is not None:
        start = (moment.instant.astimezone(UTC) + when.distance.length).astimezone(moment.zone).replace(microsecond=0)
        return _span(start, _later(start, _GRAIN_LENGTH[when.distance.grain]), when.distance.grain)
    if when.clock is not None:
        return _at(when.clock, when.part, when.days, moment)
    if when.part is not None:
        return _during(when.part, when.days, moment)
    if when.days is not None:
        return _span(_midnight(when.days.start, moment), _midnight(when.days.end, moment), when.days.grain)
    raise ValueError("nothing was said about a time")


def _at(clock: Clock, part: Part | None, days: Days | None, moment: Moment) -> DateTimeSpan:
    half = clock.half if clock.half is not None else part.half if part else None
    hour = clock.hour
    if half == 1 and hour < 12:
        # "11 at night" is before midnight, "2 at night" after it.
        hour = hour if part is not None and part.start >= 18 and hour < 5 else hour + 12
    elif half == 0 and hour == 12:
        hour = 0
    extra = _DAY if hour == 24 or (part is not None and part.start >= 18 and hour < 5) else timedelta()
    day = days.start if days else moment.day
    start = _wall(day + extra, time(hour % 24, clock.minute, clock.second), moment)
    if half is None and 0 < hour < 12 and day == moment.day and start <= moment.instant:
        # "today at 5" said at noon.
        start = _wall(day, time(hour + 12, clock.minute, clock.second), moment)
    if days is None and start <= moment.instant and not (part is not None and part.fixed):
        start = _next(clock, hour, half, day + extra, moment)
    return _span(start, _later(start, _GRAIN_LENGTH[clock.grain]), clock.grain)


def _next(clock: Clock, hour: int, half: int | None, day: date, moment: Moment) -> datetime:
    """Return the next time after a moment that a clock shows the time: on either half where none was said."""
    hours = {hour % 24} if half is not None or not 0 < hour < 13 else {hour % 24, (hour + 12) % 24}
    times = [
        _wall(candidate, time(number, clock.minute, clock.second), moment)
        for candidate in (day, day + _DAY)
        for number in hours
    ]
    return min(candidate for candidate in times if candidate > moment.instant)


def _during(part: Part, days: Days | None, moment: Moment) -> DateTimeSpan:
    day = days.start if days else moment.day
    if days is None and not part.fixed and moment.wall.hour >= part.end:
        day += _DAY
    start = _wall(day, time(part.start), moment)
    end = _midnight(day + _DAY, moment) if part.end == 24 else _wall(day, time(part.end), moment)
    return _span(start, end, Grain.HOUR)


def _midnight(day: date, moment: Moment) -> datetime:
    return datetime.combine(day, time(), moment.zone)


def _wall(day: date, clock: time, moment: Moment) -> datetime:
    """Return a wall-clock time; one that a change of the clocks skips is moved to the first that exists."""
    there = datetime.combine(day, clock, moment.zone)
    return there.astimezone(UTC).astimezone(moment.zone)


def _later(start: datetime, length: timedelta) -> datetime:
    return (start.astimezone(UTC) + length).astimezone(start.tzinfo)


def _span(start: datetime, end: datetime, grain: Grain) -> DateTimeSpan:
    return DateTimeSpan(start=start, end=end, grain=grain)


def one_day(day: date) -> Days:
    """Return one day."""
    return Days(start=day, end=day + _DAY, grain=Grain.DAY)


def weekday_of_week(today: date, weekday: int, weeks: int) -> Days:
    """Return a weekday (0 Monday) of the week that is `weeks` after this one."""
    return one_day(_monday(today) + timedelta(weeks=weeks, days=weekday))


def coming_weekday(today: date, weekday: int) -> Days:
    """Return the next day of that name; today's own name means a week from now."""
    ahead = (weekday - today.weekday()) % 7 or 7
    return one_day(today + timedelta(days=ahead))


def week(today: date, weeks: int) -> Days:
    """Return the week, Monday to Monday, that is `weeks` after this one."""
    start = _monday(today) + timedelta(weeks=weeks)
    return Days(start=start, end=start + timedelta(weeks=1), grain=Grain.WEEK)


def weekend(today: date, weeks: int) -> Days:
    """Return Saturday and Sunday of the week that is `weeks` after this one."""
    start = _monday(today) + timedelta(weeks=weeks, days=5)
    return Days(start=start, end=start + timedelta(days=2), grain=Grain.DAY)


def month(today: date, months: int) -> Days:
    """Return the month that is `months` after this one."""
    count = today.year * 12 + today.month - 1 + months
    return _month(count)


def month_named(today: date, number: int, year: int | None) -> Days:
    """Return a month by its number: of a year, or else the next one to come, this one included."""
    if year is None:
        year = today.year if number >= today.month else today.year + 1
    return _month(year * 12 + number - 1)


def year_of(number: int) -> Days:
    """Return a year."""
    return Days(start=date(number, 1, 1), end=date(number + 1, 1, 1), grain=Grain.YEAR)


def day_of_month(today: date, number: int) -> Days:
    """Return the next day with that number, today included.

    Raises:
        ValueError: No month has it.
    """
    if not 1 <= number <= 31:
        raise ValueError("no such day")
    count = today.year * 12 + today.month - 1
    if number < today.day:
        count += 1
    while True:
        try:
            return one_day(date(count // 12, count % 12 + 1, number))
        except ValueError:
            count += 1


def date_of(today: date, month_number: int, number: int, year: int | None) -> Days:
    """Return a date; without a year the next one to come, today included.

    Raises:
        ValueError: There is no such day.
    """
    if year is not None:
        return one_day(date(year, month_number, number))
    for ahead in range(9):
        try:
            day = date(today.year + ahead, month_number, number)
        except ValueError:
            continue
        if day >= today:
            return one_day(day)
    raise ValueError("no such day")


def _month(count: int) -> Days:
    following = count + 1
    return Days(
        start=date(count // 12, count % 12 + 1, 1),
        end=date(following // 12, following % 12 + 1, 1),
        grain=Grain.MONTH,
    )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())
