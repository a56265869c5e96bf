"""Weather in words, as each locale says it: pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from importlib.resources import files

import yaml
from babel.dates import format_date
from babel.lists import format_list

# Beyond these many days a weekday alone would be ambiguous.
_WEEK = 7


@cache
def _conditions(locale: str) -> Mapping[int, str]:
    text = files(__package__).joinpath("conditions", f"{locale}.yaml").read_text("utf-8")
    return {int(code): str(words) for code, words in yaml.safe_load(text).items()}


def condition(code: int, locale: str) -> str:
    """Return the words of a WMO weather code; those of the next lower one for a code that is not in the table."""
    table = _conditions(locale)
    return table[max((known for known in table if known <= code), default=min(table))]


def degrees(celsius: float, locale: str) -> str:
    """Return a temperature in the locale's unit (°F in the United States), without the word for degrees."""
    fahrenheit = locale.endswith("-US")
    value = round(celsius * 9 / 5 + 32 if fahrenheit else celsius)
    if value >= 0:
        return str(value)
    return f"零下{-value}" if locale.startswith("zh") else f"minus {-value}"


def day_name(day: date, today: date, locale: str) -> str:
    """Return a day as people say it: "tomorrow", "on Friday", "on Friday, December 4", "后天", "12月4日"."""
    ahead = (day - today).days
    if locale.startswith("zh"):
        near = {0: "今天", 1: "明天", 2: "后天"}.get(ahead)
        return near or format_date(day, "EEEE" if 0 < ahead < _WEEK else "M月d日", locale="zh_CN")
    near = {0: "today", 1: "tomorrow"}.get(ahead)
    return near or "on " + format_date(day, "EEEE" if 0 < ahead < _WEEK else "EEEE, MMMM d", locale="en_US")


def weekdays(days: Sequence[date], locale: str) -> str:
    """Return some days as a list of weekdays: "Monday, Tuesday, and Friday", "星期一、星期二和星期五"."""
    babel_locale = locale.replace("-", "_")
    return format_list([format_date(day, "EEEE", locale=babel_locale) for day in days], locale=babel_locale)
