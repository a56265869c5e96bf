"""Days in words through dateparser, which knows hundreds of ways to say them in each language.

Asked only for days (times of day, weeks and weekends are `calendar`'s), so an answer holds for a whole day and is kept.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from earshot_nlu.understanding.model import Grain
from earshot_nlu.understanding.values.calendar import Days, month, one_day, week, year_of

if TYPE_CHECKING:
    from dateparser.date import DateDataParser


_GRAINS = {
    "time": Grain.MINUTE,
    "part_of_day": Grain.HOUR,
    "week": Grain.WEEK,
    "month": Grain.MONTH,
    "year": Grain.YEAR,
}


@lru_cache(maxsize=2048)
def days_in_words(text: str, language: str, today: date) -> Days | None:
    """Return the days that a phrase means; None where it means none.

    Args:
        text: "the day after tomorrow", "3 weeks ago", "25 november 2026", "3天后".
        language: "en", "zh".
        today: The day on which it is said.
    """
    found = _parser(language, today).get_date_data(text)
    if found.date_obj is None:
        return None
    day = found.date_obj.date()
    if found.period == "day":
        return one_day(day)
    if found.period == "week":
        return week(day, 0)
    if found.period == "month":
        return month(day, 0)
    if found.period == "year":
        return year_of(day.year)
    return None


def instant_in_words(text: str, language: str, wall: datetime) -> tuple[datetime, Grain] | None:
    """Return the wall-clock time that a phrase means, for what no pattern of the language covers.

    Args:
        text: The phrase, normalised.
        language: "en", "zh".
        wall: The user's wall clock when it is said, without a zone.
    """
    found = _new_parser(language, wall).get_date_data(text)
    if found.date_obj is None:
        return None
    grain = _GRAINS.get(str(found.period), Grain.DAY)
    return found.date_obj.replace(tzinfo=None), grain


@lru_cache(maxsize=16)
def _parser(language: str, today: date) -> DateDataParser:
    # Noon, so that no rounding of its own crosses midnight.
    return _new_parser(language, datetime.combine(today, time()) + timedelta(hours=12))


def _new_parser(language: str, wall: datetime) -> DateDataParser:
    from dateparser.date import DateDataParser  # noqa: PLC0415 - 0.2 s to import

    return DateDataParser(
        languages=[language],
        settings={"PREFER_DATES_FROM": "future", "RELATIVE_BASE": wall, "RETURN_TIME_AS_PERIOD": True},
    )
