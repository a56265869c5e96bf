"""Moments in words, as each locale says them: pure functions of an aware datetime."""

from __future__ import annotations

from datetime import datetime

from babel.dates import format_date, format_time

_MANDARIN_DIGITS = "零一二三四五六七八九"


def spoken_time(moment: datetime, locale: str) -> str:
    """Return a time of day: "9:30 p.m.", "noon", "晚上九点半"."""
    return _mandarin_time(moment) if locale.startswith("zh") else _english_time(moment)


def spoken_date(moment: datetime, locale: str) -> str:
    """Return a date with its weekday: "Sunday, November 22, 2026", "2026年11月22日星期日"."""
    if locale.startswith("zh"):
        return format_date(moment, "y年M月d日EEEE", locale="zh_CN")
    return format_date(moment, "EEEE, MMMM d, y", locale="en_US")


def spoken_weekday(moment: datetime, locale: str) -> str:
    """Return a day of the week: "Sunday", "星期日"."""
    return format_date(moment, "EEEE", locale=locale.replace("-", "_"))


def _english_time(moment: datetime) -> str:
    if moment.minute == 0 and moment.hour in {0, 12}:
        return "noon" if moment.hour else "midnight"
    half = "p.m." if moment.hour >= 12 else "a.m."
    hour = moment.hour % 12 or 12
    return f"{hour}:{moment.minute:02d} {half}" if moment.minute else f"{hour} {half}"


def _mandarin_time(moment: datetime) -> str:
    period = format_time(moment, "B", locale="zh_CN")
    hour = moment.hour if moment.hour <= 12 else moment.hour - 12
    # 两 counts, 二 names: two o'clock is counted.
    spoken_hour = "两" if hour == 2 else _mandarin_number(hour)
    return f"{period}{spoken_hour}点{_mandarin_minutes(moment.minute)}"


def _mandarin_minutes(minute: int) -> str:
    if minute == 0:
        return ""
    if minute == 30:
        return "半"
    lead = "零" if minute < 10 else ""
    return f"{lead}{_mandarin_number(minute)}分"


def _mandarin_number(number: int) -> str:
    """Return 0 to 59 in Chinese characters."""
    tens, ones = divmod(number, 10)
    if tens == 0:
        return _MANDARIN_DIGITS[ones]
    return (_MANDARIN_DIGITS[tens] if tens > 1 else "") + "十" + (_MANDARIN_DIGITS[ones] if ones else "")
