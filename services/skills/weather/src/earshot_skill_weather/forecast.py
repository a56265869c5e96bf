"""A forecast as the skill knows it, and what of it answers a question. Pure: times are the place's wall clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

# WMO codes. From light drizzle on, everything falls from the sky; these fall as snow.
_WET = 50
_SNOW = frozenset({71, 73, 75, 77, 85, 86})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place on the map.

    Attributes:
        name: In the language in which it was looked up.
        latitude: Degrees north.
        longitude: Degrees east.
    """

    name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day: WMO code of its worst weather, temperatures in °C, chance of precipitation in per cent."""

    date: date
    code: int
    high: float
    low: float
    rain_chance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour from `time` on, naive wall clock of the place."""

    time: datetime
    code: int
    temperature: float
    rain_chance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The weather of one place.

    Attributes:
        code: WMO code of the present weather.
        temperature: Present temperature in °C.
        days: From today on, in order.
        hours: Of these days, in order.
        sample: Whether the source says that it is made up.
    """

    code: int
    temperature: float
    days: tuple[Day, ...]
    hours: tuple[Hour, ...]
    sample: bool = False

    @property
    def today(self) -> Day:
        """The first day."""
        return self.days[0]

    def days_between(self, first: date, end: date, *, today: date) -> tuple[Day, ...]:
        """Return the days from `first` to the one before `end`; fewer where the forecast does not reach.

        Args:
            first: First day, by the user's calendar.
            end: One past the last.
            today: The user's. Where the place's calendar is ahead, what remains of it there is the place's first day.
        """
        days = tuple(day for day in self.days if first <= day.date < end)
        return days or (self.days[:1] if first <= today < end else ())

    def hours_between(self, start: datetime, end: datetime) -> tuple[Hour, ...]:
        """Return the hours that overlap a stretch of time, naive wall clock of the place."""
        first = start.replace(minute=0, second=0, microsecond=0)
        return tuple(hour for hour in self.hours if first <= hour.time < end)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartOfDay:
    """Some hours as one: the worst code, the mean temperature in °C, the highest chance of rain in per cent."""

    code: int
    temperature: float
    rain_chance: int


def part_of_day(hours: Sequence[Hour]) -> PartOfDay:
    """Sum up one or more hours."""
    return PartOfDay(
        code=max(hour.code for hour in hours),
        temperature=sum(hour.temperature for hour in hours) / len(hours),
        rain_chance=max(hour.rain_chance for hour in hours),
    )


def wet_days(days: Sequence[Day], chance: int) -> tuple[Day, ...]:
    """Return the days on which something falls from the sky with at least this chance, in per cent."""
    return tuple(day for day in days if day.code > _WET and day.rain_chance >= chance)


def is_snow(code: int) -> bool:
    """Whether a WMO code means snow."""
    return code in _SNOW
