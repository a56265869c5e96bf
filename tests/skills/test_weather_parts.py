"""Parts of the weather skill: cache, words, times."""

from __future__ import annotations

import asyncio
from datetime import date, datetime

import pytest

from earshot_skill_weather.cache import Cache
from earshot_skill_weather.when import Days, Hours, when
from earshot_skill_weather.wording import condition, day_name, degrees, weekdays
from earshot_skillkit import SourceUnavailableError, Span

# Every code that Open-Meteo documents.
CODES = (0, 1, 2, 3, 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67, 71, 73, 75, 77, 80, 81, 82, 85, 86, 95, 96, 99)


def hours(start: str, end: str) -> Hours:
    """Return part of a day."""
    return Hours(start=datetime.fromisoformat(start), end=datetime.fromisoformat(end))


class Counter:
    """Loads 1, 2, 3, … slowly, or fails."""

    def __init__(self) -> None:
        self.loads = 0
        self.failing = False

    async def load(self) -> int:
        """Take a second."""
        self.loads += 1
        loaded = self.loads
        await asyncio.sleep(1)
        if self.failing:
            raise SourceUnavailableError("away")
        return loaded


@pytest.mark.looptime
async def test_a_value_is_kept_for_its_time() -> None:
    """Fresh values are not loaded again, old ones are."""
    counter, cache = Counter(), Cache[str, int](ttl_s=10, size=10)
    assert await cache.get("a", counter.load) == 1
    await asyncio.sleep(9)
    assert await cache.get("a", counter.load) == 1
    await asyncio.sleep(1)
    assert await cache.get("a", counter.load) == 2


@pytest.mark.looptime
async def test_an_old_value_stands_in_for_a_while() -> None:
    """A failed load gives what is kept, until that is too old."""
    counter, cache = Counter(), Cache[str, int](ttl_s=10, stale_s=60, size=10)
    assert await cache.get("a", counter.load) == 1
    counter.failing = True
    await asyncio.sleep(30)
    assert await cache.get("a", counter.load) == 1
    await asyncio.sleep(31)
    with pytest.raises(SourceUnavailableError):
        await cache.get("a", counter.load)


@pytest.mark.looptime
async def test_one_load_serves_all_who_wait() -> None:
    """Callers share a load, and one that gives up does not take it from the others."""
    counter, cache = Counter(), Cache[str, int](ttl_s=10, size=10)
    impatient = asyncio.create_task(cache.get("a", counter.load))
    patient = asyncio.create_task(cache.get("a", counter.load))
    await asyncio.sleep(0.5)
    impatient.cancel()
    assert await patient == 1
    assert counter.loads == 1


@pytest.mark.looptime
async def test_the_least_used_entry_goes_first() -> None:
    """A full cache forgets what was used longest ago."""
    counter, cache = Counter(), Cache[str, int](ttl_s=100, size=2)
    await cache.get("a", counter.load)
    await cache.get("b", counter.load)
    await cache.get("a", counter.load)
    await cache.get("c", counter.load)
    assert await cache.get("a", counter.load) == 1
    assert await cache.get("b", counter.load) == 4


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_code_has_words(locale: str) -> None:
    """Each documented code has words of its own; an unknown one has those of the next lower."""
    assert len({condition(code, locale) for code in CODES}) == len(CODES)
    assert condition(62, locale) == condition(61, locale)
    assert condition(-1, locale) == condition(0, locale)


def test_degrees_are_the_locales() -> None:
    """Fahrenheit in the United States, Celsius elsewhere, and words for below zero."""
    assert [degrees(value, "en-US") for value in (20.0, -17.4, -20.0)] == ["68", "1", "minus 4"]
    assert [degrees(value, "zh-CN") for value in (20.4, -0.3, -20.0)] == ["20", "0", "零下20"]
    assert degrees(-20.0, "en-GB") == "minus 20"


def test_days_have_names() -> None:
    """Near days by their relation, days of the week by theirs, others by date."""
    today = date(2026, 11, 22)
    named = [
        (day_name(date(2026, 11, day), today, "en-US"), day_name(date(2026, 11, day), today, "zh-CN"))
        for day in (22, 23, 24, 28, 29)
    ]
    assert named == [
        ("today", "今天"),
        ("tomorrow", "明天"),
        ("on Tuesday", "后天"),
        ("on Saturday", "星期六"),
        ("on Sunday, November 29", "11月29日"),
    ]
    assert weekdays([], "en-US") == ""
    assert weekdays([today, date(2026, 11, 23)], "zh-CN") == "星期日和星期一"


@pytest.mark.parametrize(
    ("start", "end", "grain", "expected"),
    [
        ("2026-11-23T00:00", "2026-11-24T00:00", "day", Days(first=date(2026, 11, 23), end=date(2026, 11, 24))),
        ("2026-11-23T00:00", "2026-11-30T00:00", "week", Days(first=date(2026, 11, 23), end=date(2026, 11, 30))),
        ("2026-11-27T18:00", "2026-11-29T23:59", "day", Days(first=date(2026, 11, 27), end=date(2026, 11, 30))),
        (
            "2026-11-23T18:00",
            "2026-11-24T00:00",
            "day",
            hours("2026-11-23T18:00", "2026-11-24T00:00"),
        ),
        (
            "2026-11-23T17:30",
            "2026-11-23T17:31",
            "minute",
            hours("2026-11-23T17:30", "2026-11-23T17:31"),
        ),
    ],
)
def test_spans_are_days_or_hours(start: str, end: str, grain: str, expected: Days | Hours) -> None:
    """What is shorter than a day, or finer than one, is about hours."""
    span = Span(start=datetime.fromisoformat(f"{start}+01:00"), end=datetime.fromisoformat(f"{end}+01:00"), grain=grain)
    assert when(span) == expected
