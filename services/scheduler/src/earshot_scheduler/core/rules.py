"""Recurrence rules: the part of RFC 5545 that people speak of.

FREQ (MINUTELY to YEARLY), INTERVAL, COUNT, UNTIL, BYMONTH, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSETPOS and WKST.

Every search is bounded: a rule that does not come within nine years, or a few thousand periods, never comes. Libraries
search to the year 9999, which takes seconds for a rule such as "30 February", in an event loop that others wait for.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from itertools import product

from earshot_scheduler.core.errors import InvalidScheduleError

MAXIMUM_COUNT = 1_000
_LONGEST_TEXT = 200
_MOST_TIMES_A_DAY = 96
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_BYDAY = re.compile(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)")
_UNTIL = re.compile(r"(\d{8})(?:T(\d{6})(Z)?)?")


class Frequency(IntEnum):
    """FREQ, by length of its period."""

    MINUTELY = 1
    HOURLY = 2
    DAILY = 3
    WEEKLY = 4
    MONTHLY = 5
    YEARLY = 6


# Periods without an occurrence after which a rule is taken never to come: nine years (a leap day may be eight away), a
# year, eight days.
_PERIODS = {
    Frequency.MINUTELY: 11_600,
    Frequency.HOURLY: 8_800,
    Frequency.DAILY: 3_300,
    Frequency.WEEKLY: 480,
    Frequency.MONTHLY: 110,
    Frequency.YEARLY: 10,
}
_LONGEST_INTERVAL = {
    Frequency.MINUTELY: 1_440,
    Frequency.HOURLY: 720,
    Frequency.DAILY: 1_000,
    Frequency.WEEKLY: 104,
    Frequency.MONTHLY: 24,
    Frequency.YEARLY: 5,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """When a rule ends, itself included: wall-clock time, or UTC."""

    moment: datetime
    utc: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that was read. Its occurrences are counted from an anchor, which is a moment in the first period."""

    frequency: Frequency
    interval: int = 1
    count: int | None = None
    until: Until | None = None
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    weekdays: frozenset[tuple[int, int]] = frozenset()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    positions: tuple[int, ...] = ()
    week_start: int = 0

    def after(self, anchor: datetime, *, inclusive: bool = False) -> Iterator[datetime]:
        """Yield occurrences from an anchor on, in wall-clock time, without regard to COUNT and UNTIL.

        Any occurrence is as good an anchor as the first. Ends when a rule does not come any more.
        """
        dry = 0
        for period in self._periods(anchor):
            found = False
            for occurrence in self._within(period, anchor):
                if occurrence > anchor or (inclusive and occurrence == anchor):
                    found = True
                    yield occurrence
            dry = 0 if found else dry + 1
            if dry > _PERIODS[self.frequency]:
                return

    def _periods(self, anchor: datetime) -> Iterator[datetime]:
        """Yield a moment in each period, the anchor's first."""
        step = self.interval
        try:
            match self.frequency:
                case Frequency.MINUTELY | Frequency.HOURLY:
                    length = timedelta(minutes=step) if self.frequency is Frequency.MINUTELY else timedelta(hours=step)
                    while True:
                        yield anchor
                        anchor += length
                case Frequency.DAILY | Frequency.WEEKLY:
                    if self.frequency is Frequency.WEEKLY:
                        anchor -= timedelta(days=(anchor.weekday() - self.week_start) % 7)
                        step *= 7
                    while True:
                        yield anchor
                        anchor += timedelta(days=step)
                case _:
                    months = step * (12 if self.frequency is Frequency.YEARLY else 1)
                    month = anchor.replace(day=1)
                    while True:
                        yield month
                        years, index = divmod(month.month - 1 + months, 12)
                        month = month.replace(year=month.year + years, month=index + 1)
        except (OverflowError, ValueError):
            # The calendar ends before the rule does.
            return

    def _within(self, period: datetime, anchor: datetime) -> list[datetime]:
        """Return a period's occurrences in order."""
        if self.frequency <= Frequency.HOURLY:
            return self._within_hour(period)
        days = [day for day in self._days(period.date(), anchor.date()) if not self.months or day.month in self.months]
        times = [
            time(hour, minute, anchor.second)
            for hour, minute in product(self.hours or (anchor.hour,), self.minutes or (anchor.minute,))
        ]
        return self._chosen([datetime.combine(day, each) for day in days for each in times])

    def _within_hour(self, period: datetime) -> list[datetime]:
        fits = (
            (not self.months or period.month in self.months)
            and (not self.hours or period.hour in self.hours)
            and self._fits(period.date())
        )
        if not fits:
            return []
        if self.frequency is Frequency.MINUTELY:
            return [period] if not self.minutes or period.minute in self.minutes else []
        return self._chosen([period.replace(minute=minute) for minute in self.minutes or (period.minute,)])

    def _days(self, period: date, anchor: date) -> Iterator[date]:
        match self.frequency:
            case Frequency.DAILY:
                if self._fits(period):
                    yield period
            case Frequency.WEEKLY:
                wanted = {weekday for _, weekday in self.weekdays} or {anchor.weekday()}
                for day in (period + timedelta(days=index) for index in range(7)):
                    if day.weekday() in wanted:
                        yield day
            case Frequency.MONTHLY:
                yield from self._days_of_month(period.year, period.month, anchor)
            case _:
                yield from self._days_of_year(period.year, anchor)

    def _days_of_year(self, year: int, anchor: date) -> Iterator[date]:
        if not self.months and any(ordinal for ordinal, _ in self.weekdays):
            # "The 20th Monday" is counted in the year.
            first, last = date(year, 1, 1), date(year, 12, 31)
            for day in (first + timedelta(days=index) for index in range((last - first).days + 1)):
                if self._is_month_day(day) and self._is_weekday(day, first, last):
                    yield day
            return
        every_month = bool(self.month_days or self.weekdays)
        for month in sorted(self.months) or (range(1, 13) if every_month else (anchor.month,)):
            yield from self._days_of_month(year, month, anchor)

    def _days_of_month(self, year: int, month: int, anchor: date) -> Iterator[date]:
        first, last = date(year, month, 1), date(year, month, monthrange(year, month)[1])
        if not self.month_days and not self.weekdays:
            if anchor.day <= last.day:
                yield first.replace(day=anchor.day)
            return
        for number in range(1, last.day + 1):
            day = first.replace(day=number)
            if self._is_month_day(day) and self._is_weekday(day, first, last):
                yield day

    def _fits(self, day: date) -> bool:
        return self._is_month_day(day) and (not self.weekdays or (0, day.weekday()) in self.weekdays)

    def _is_month_day(self, day: date) -> bool:
        if not self.month_days:
            return True
        length = monthrange(day.year, day.month)[1]
        return day.day in self.month_days or day.day - length - 1 in self.month_days

    def _is_weekday(self, day: date, first: date, last: date) -> bool:
        """Tell whether BYDAY names a day, counted from the ends of its month or year."""
        if not self.weekdays:
            return True
        weekday = day.weekday()
        from_start, from_end = (day - first).days // 7 + 1, -((last - day).days // 7 + 1)
        return not self.weekdays.isdisjoint({(0, weekday), (from_start, weekday), (from_end, weekday)})

    def _chosen(self, occurrences: list[datetime]) -> list[datetime]:
        if not self.positions:
            return occurrences
        count = len(occurrences)
        wanted = {position - 1 if position > 0 else count + position for position in self.positions}
        return [occurrence for index, occurrence in enumerate(occurrences) if index in wanted]


@lru_cache(maxsize=4096)
def parse(text: str) -> Rule:
    """Read an RRULE.

    Raises:
        InvalidScheduleError: It can't be read (invalid_rule), comes more often than every minute (rule_too_frequent), or
            says what is not supported (unsupported_rule).
    """
    if len(text) > _LONGEST_TEXT:
        raise _invalid(f"longer than {_LONGEST_TEXT} characters")
    parts: dict[str, str] = {}
    for part in text.removeprefix("RRULE:").upper().strip(";").split(";"):
        name, equals, value = part.partition("=")
        if not equals or not value or name in parts:
            raise _invalid(f"can't read {part[:40]!r}")
        parts[name] = value
    frequency = _frequency(parts.pop("FREQ", ""))
    if "BYSECOND" in parts:
        raise _too_frequent()
    if unknown := parts.keys() - _READERS.keys():
        raise InvalidScheduleError(f"not supported: {', '.join(sorted(unknown))}"[:200], code="unsupported_rule")
    values = dict(_READERS[name](value) for name, value in parts.items())
    rule = Rule(frequency=frequency, **values)  # type: ignore[arg-type]
    _check(rule)
    return rule


def _frequency(text: str) -> Frequency:
    if text == "SECONDLY":
        raise _too_frequent()
    if text not in Frequency.__members__:
        raise _invalid("FREQ is missing or unknown")
    return Frequency[text]


def _check(rule: Rule) -> None:
    if rule.interval > _LONGEST_INTERVAL[rule.frequency]:
        raise _invalid(f"INTERVAL is more than {_LONGEST_INTERVAL[rule.frequency]}")
    if rule.count is not None and rule.until is not None:
        raise _invalid("COUNT and UNTIL exclude each other")
    if rule.frequency not in {Frequency.MONTHLY, Frequency.YEARLY} and any(ordinal for ordinal, _ in rule.weekdays):
        raise _invalid("a weekday with a number needs FREQ=MONTHLY or YEARLY")
    if rule.frequency is Frequency.WEEKLY and rule.month_days:
        raise _invalid("BYMONTHDAY does not go with FREQ=WEEKLY")
    if rule.positions and not (rule.weekdays or rule.month_days or rule.months or rule.hours or rule.minutes):
        raise _invalid("BYSETPOS needs another BY…")
    if max(1, len(rule.hours)) * max(1, len(rule.minutes)) > _MOST_TIMES_A_DAY:
        raise _invalid(f"more than {_MOST_TIMES_A_DAY} times a day: use FREQ=MINUTELY or HOURLY")


def _numbers(name: str, low: int, high: int, *, negative: bool = False) -> Callable[[str], tuple[int, ...]]:
    def read(text: str) -> tuple[int, ...]:
        found: set[int] = set()
        for part in text.split(","):
            if re.fullmatch(r"[+-]?\d{1,4}", part, re.ASCII) is None:
                raise _invalid(f"can't read {name}")
            number = int(part)
            if not (low <= number <= high or (negative and low <= -number <= high)):
                raise _invalid(f"{name} is out of range")
            found.add(number)
        return tuple(sorted(found))

    return read


def _one(name: str, high: int) -> Callable[[str], int]:
    read = _numbers(name, 1, high)

    def one(text: str) -> int:
        numbers = read(text)
        if len(numbers) != 1:
            raise _invalid(f"{name} is one number")
        return numbers[0]

    return one


def _weekdays(text: str) -> frozenset[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for part in text.split(","):
        match = _BYDAY.fullmatch(part)
        ordinal = int(match[1] or 0) if match else 0
        if match is None or (match[1] and not 1 <= abs(ordinal) <= 53):
            raise _invalid("can't read BYDAY")
        found.add((ordinal, _DAYS.index(match[2])))
    return frozenset(found)


def _week_start(text: str) -> int:
    if text not in _DAYS:
        raise _invalid("can't read WKST")
    return _DAYS.index(text)


def _until(text: str) -> Until:
    match = _UNTIL.fullmatch(text)
    if match is None:
        raise _invalid("can't read UNTIL")
    try:
        # A date means its whole day.
        moment = datetime.strptime(match[1] + (match[2] or "235959"), "%Y%m%d%H%M%S")  # noqa: DTZ007 - wall-clock time
    except ValueError as error:
        raise _invalid("can't read UNTIL") from error
    return Until(moment=moment, utc=match[3] is not None)


_READERS: dict[str, Callable[[str], tuple[str, object]]] = {
    "INTERVAL": lambda text: ("interval", _one("INTERVAL", 9_999)(text)),
    "COUNT": lambda text: ("count", _one("COUNT", MAXIMUM_COUNT)(text)),
    "UNTIL": lambda text: ("until", _until(text)),
    "BYMONTH": lambda text: ("months", frozenset(_numbers("BYMONTH", 1, 12)(text))),
    "BYMONTHDAY": lambda text: ("month_days", frozenset(_numbers("BYMONTHDAY", 1, 31, negative=True)(text))),
    "BYDAY": lambda text: ("weekdays", _weekdays(text)),
    "BYHOUR": lambda text: ("hours", _numbers("BYHOUR", 0, 23)(text)),
    "BYMINUTE": lambda text: ("minutes", _numbers("BYMINUTE", 0, 59)(text)),
    "BYSETPOS": lambda text: ("positions", _numbers("BYSETPOS", 1, 366, negative=True)(text)),
    "WKST": lambda text: ("week_start", _week_start(text)),
}


def _invalid(message: str) -> InvalidScheduleError:
    return InvalidScheduleError(f"the repeat can't be read: {message}", code="invalid_rule")


def _too_frequent() -> InvalidScheduleError:
    return InvalidScheduleError("a repeat comes once a minute at most", code="rule_too_frequent")
