"""Mandarin dates and times of day; over normalised text in digits ("11月25号", "下午3点半")."""

from __future__ import annotations

import re
from datetime import date, timedelta

from earshot_nlu.understanding.mandarin import durations
from earshot_nlu.understanding.model import Grain
from earshot_nlu.understanding.values import calendar
from earshot_nlu.understanding.values.calendar import Clock, Days, Distance, Part
from earshot_nlu.understanding.values.library import days_in_words
from earshot_nlu.understanding.values.scanner import Scanner, pattern

_WEEK = r"(?:周|星期|礼拜)"
_SHIFT = r"(?P<shift>这|本|上上|下下|上|下)?个?"
_AFTER = r"(?:以后|之后|过后|后)"
_BEFORE = r"(?:以前|之前|前)"
_PARTS = {
    "凌晨": Part(start=0, end=6, half=0),
    "清晨": Part(start=5, end=8, half=0),
    "早上": Part(start=6, end=12, half=0),
    "早晨": Part(start=6, end=12, half=0),
    "上午": Part(start=6, end=12, half=0),
    "中午": Part(start=12, end=13, half=1),
    "下午": Part(start=12, end=18, half=1),
    "傍晚": Part(start=17, end=19, half=1),
    "晚上": Part(start=18, end=24, half=1),
    "夜里": Part(start=18, end=24, half=1),
    "半夜": Part(start=0, end=6, half=0),
}
_SHORT_PARTS = {"早": "早上", "晚": "晚上", "午": "中午"}
_NEAR = {"今": 0, "明": 1, "后": 2, "昨": -1}
_PLAIN_DAY = {
    "今日": "今天",
    "今儿": "今天",
    "明日": "明天",
    "明儿": "明天",
    "昨日": "昨天",
    "昨儿": "昨天",
    "后日": "后天",
    "后儿": "后天",
}


def _weeks(match: re.Match[str]) -> int:
    return {"上上": -2, "上": -1, "下": 1, "下下": 2}.get(match["shift"] or "", 0)


def _library(match: re.Match[str], today: date) -> Days | None:
    return days_in_words(_PLAIN_DAY.get(match[0], match[0]), "zh", today)


def _counted(match: re.Match[str], today: date) -> Days | None:
    unit = {"天": "天", "日": "天", "月": "个月", "年": "年"}.get(match["unit"])
    count = int(match["count"])
    if unit is None:
        return calendar.one_day(today + timedelta(weeks=count if match["after"] else -count))
    return days_in_words(f"{count}{unit}{'后' if match['after'] else '前'}", "zh", today)


def _weekday(match: re.Match[str], today: date) -> Days | None:
    number = 6 if match["day"] in "日天7" else "123456一二三四五六".index(match["day"]) % 6
    if match["shift"] is None:
        return calendar.coming_weekday(today, number)
    return calendar.weekday_of_week(today, number, _weeks(match))


def _weekend(match: re.Match[str], today: date) -> Days | None:
    return calendar.weekend(today, _weeks(match))


def _week(match: re.Match[str], today: date) -> Days | None:
    return calendar.week(today, _weeks(match))


def _next_days(match: re.Match[str], today: date) -> Days:
    count = 3 if match["count"] == "几" else int(match["count"])
    length = timedelta(days=count) if match["unit"] == "天" else timedelta(weeks=count)
    tomorrow = today + timedelta(days=1)
    return Days(start=tomorrow, end=tomorrow + length, grain=Grain.DAY)


def _month(match: re.Match[str], today: date) -> Days | None:
    return calendar.month(today, _weeks(match))


def _year(match: re.Match[str], today: date) -> Days | None:
    return calendar.year_of(today.year + {"去": -1, "今": 0, "明": 1, "后": 2}[match["near"]])


def _date(match: re.Match[str], today: date) -> Days | None:
    year = int(match["year"]) if match["year"] else None
    if match["near"]:
        year = today.year + {"今": 0, "明": 1}[match["near"]]
    try:
        return calendar.date_of(today, int(match["month"]), int(match["day"]), year)
    except ValueError:
        return None


def _named_month(match: re.Match[str], today: date) -> Days | None:
    number = int(match["month"])
    if not 1 <= number <= 12:
        return None
    return calendar.month_named(today, number, int(match["year"]) if match["year"] else None)


def _day_number(match: re.Match[str], today: date) -> Days | None:
    try:
        return calendar.day_of_month(today, int(match["day"]))
    except ValueError:
        return None


def _part(match: re.Match[str], today: date) -> Part:
    del today
    return _PARTS[match[0]]


def _near_part(match: re.Match[str], today: date) -> tuple[Days, Part]:
    part = _PARTS[_SHORT_PARTS[match["part"]]]
    day = today + timedelta(days=_NEAR[match["near"]])
    return calendar.one_day(day), Part(start=part.start, end=part.end, half=part.half, fixed=True)


def _clock(match: re.Match[str], today: date) -> Clock | None:
    del today
    hour = int(match["hour"])
    words = match["rest"] or ""
    figures = re.search(r"\d+", words)
    if "半" in words:
        minute = 30
    elif "刻" in words:
        minute = 15 * int(figures[0]) if figures else 15
    else:
        minute = int(figures[0]) if figures else 0
    if hour > 24 or minute > 59:
        return None
    grain = Grain.MINUTE if words.strip("整钟") else Grain.HOUR
    return Clock(hour=hour, minute=minute, half=1 if hour > 12 else None, grain=grain)


def _before_the_hour(match: re.Match[str], today: date) -> Clock | None:
    del today
    minutes = 15 if "刻" in match["rest"] else int(re.sub(r"\D", "", match["rest"]))
    total = (int(match["hour"]) * 60 - minutes) % 1440
    return Clock(hour=total // 60, minute=total % 60)


def _midnight(match: re.Match[str], today: date) -> Clock:
    del match, today
    return Clock(hour=24, half=1, grain=Grain.HOUR)


def _now(match: re.Match[str], today: date) -> Distance:
    del match, today
    return Distance(length=timedelta(), grain=Grain.SECOND)


def _distance(match: re.Match[str], today: date) -> Distance | None:
    del today
    length = durations.duration(match["length"])
    if length is None:
        return None
    grain = Grain.SECOND if "秒" in match["length"] else Grain.MINUTE
    return Distance(length=length if match["after"] else -length, grain=grain)


_COUNTED = r"(?P<count>\d+)个?(?P<unit>天|日|周|星期|礼拜|月|年)"
_SHORT_TIME = r"(?=[^天周星礼]*(?:秒|分|刻|时|钟头))"

SCANNER = Scanner(
    [
        pattern("distance", "现在|此刻|眼下|马上", _now),
        pattern("day", rf"(?<!\d){_COUNTED}(?:(?P<after>{_AFTER})|{_BEFORE})", _counted),
        pattern(
            "distance", rf"(?:过|再过)?(?P<length>{durations.DURATION})(?:(?P<after>{_AFTER})|{_BEFORE})", _distance
        ),
        pattern("distance", rf"(?P<after>再过|过){_SHORT_TIME}(?P<length>{durations.DURATION})", _distance),
        pattern("day", "大后天|大前天|[今明后昨前]天|[今明昨后][日儿]", _library),
        pattern("day part", "(?P<near>[今明后昨])(?P<part>[早晚午])", _near_part),
        pattern("day", rf"{_SHIFT}{_WEEK}(?P<day>[1-7日天一二三四五六])", _weekday),
        pattern("day", rf"{_SHIFT}(?:周末|礼拜末)", _weekend),
        pattern("day", rf"(?:接下来|未来|今后|往后)的?(?P<count>\d+|几)个?(?P<unit>天|{_WEEK})", _next_days),
        pattern("day", r"(?P<shift>这|本|上上|下下|上|下)个?(?:周|星期|礼拜)(?![1-7日天末一二三四五六])", _week),
        pattern("day", r"(?P<shift>这|本|上上|下下|上|下)个?月", _month),
        pattern("day", "(?P<near>[去今明后])年(?!\\d)", _year),
        pattern(
            "day",
            r"(?<!\d)(?:(?P<year>\d{4})年|(?P<near>[今明])年)?(?P<month>\d{1,2})月(?P<day>\d{1,2})[日号]?(?!\d)",
            _date,
        ),
        pattern("day", r"(?<!\d)(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月份?(?!\d)", _named_month),
        pattern("day", r"(?<!\d)(?P<day>\d{1,2})[号日](?!线|楼|门)", _day_number),
        pattern("part", "|".join(_PARTS), _part),
        pattern("clock", "午夜|零点|0点", _midnight),
        pattern("clock", r"差(?P<rest>\d{1,2}分钟?|1?刻钟?)(?:到)?(?P<hour>\d{1,2})点", _before_the_hour),
        pattern("clock", r"(?<![\d.])(?P<hour>\d{1,2})点(?P<rest>半|整|钟|[123]刻|零?\d{1,2}分?)?", _clock),
        pattern("clock", r"(?<![\d.])(?P<hour>\d{1,2}):(?P<rest>\d\d)", _clock),
    ],
    joint=r"的?",
)
