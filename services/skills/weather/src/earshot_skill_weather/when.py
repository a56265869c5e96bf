"""The time that a question is about, in whole days or in hours. Pure.

A user's calendar is taken at its word everywhere: "tomorrow" asked in New York about Tokyo is tomorrow's date, and
"tonight" is the evening there, whatever the hour in New York.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from earshot_skillkit import Span

_FINE = frozenset({"hour", "minute", "second"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Whole days from `first` to the one before `end`."""

    first: date
    end: date

    @property
    def single(self) -> bool:
        """Whether it is one day."""
        return self.end - self.first == timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Part of a day, on the wall clock."""

    start: datetime
    end: datetime


def when(span: Span) -> Days | Hours:
    """Return what a slot's stretch of time means for the weather."""
    start, end = span.start.replace(tzinfo=None), span.end.replace(tzinfo=None)
    if span.grain in _FINE or end - start < timedelta(days=1):
        return Hours(start=start, end=end)
    last = end.date() if end.time() == datetime.min.time() else end.date() + timedelta(days=1)
    return Days(first=start.date(), end=last)


def whole_day(day: date) -> Days:
    """Return one day."""
    return Days(first=day, end=day + timedelta(days=1))
