"""English dates and times of day; over normalised text in digits ("november 25th", "5 30 pm", "half past 5")."""

from __future__ import annotations

import re
from datetime import date, timedelta

from earshot_nlu.understanding.english import durations
from earshot_nlu.understanding.model import Grain
from earshot_nlu.understanding.values import calendar
from earshot_nlu.understanding.values.calendar import Clock, Days, Distance, Part
from earshot_nlu.understanding.values.library import days_in_words
from earshot_nlu.understanding.values.scanner import Scanner, pattern

_WEEKDAYS = {"mon": 0, "tue": 1, "wed": 2, "thu": 3, "fri": 4, "sat": 5, "sun": 6}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_WEEKDAY = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
_MONTH = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december"
    r"|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)"
)
_SHIFT = {"this": 0, "the": 0, "next": 1, "the next": 1, "last": -1, "coming": 0, "the coming": 0, "this coming": 0}
_MODIFIER = r"(?P<modifier>the\ next|the\ coming|this\ coming|this|next|last|coming|the)"
_PARTS = {
    "morning": Part(start=6, end=12, half=0),
    "afternoon": Part(start=12, end=18, half=1),
    "evening": Part(start=18, end=24, half=1),
    "night": Part(start=18, end=24, half=1),
}
_COUNTED = r"(?:\d+|an?|a\ couple\ of)\ (?:day|week|month|year)s?"
_LIBRARY_COUNT = re.compile(r"\b(?:an?|a couple of)(?= (?:day|week|month|year))")


def _library(match: re.Match[str], today: date) -> Days | None:
    words = _LIBRARY_COUNT.sub(lambda count: "2" if "couple" in count[0] else "1", match[0])
    return days_in_words(words, "en", today)


def _counted(match: re.Match[str], today: date) -> Days | None:
    days = _library(match, today)
    # "in 2 weeks" is a day, not a week: the distance was counted.
    return days if days is None or days.grain is not Grain.WEEK else _week_later(match, today)


def _week_later(match: re.Match[str], today: date) -> Days:
    count = re.search(r"\d+", match[0])
    weeks = int(count[0]) if count else 2 if "couple" in match[0] else 1
    return calendar.one_day(today + timedelta(weeks=-weeks if match[0].endswith("ago") else weeks))


def _weekday(match: re.Match[str], today: date) -> Days | None:
    number = _WEEKDAYS[match["weekday"][:3]]
    modifier = match["modifier"]
    if match["week"] or modifier in {"next", "the next", "last"}:
        return calendar.weekday_of_week(today, number, -1 if modifier == "last" else 1)
    if modifier == "this" and number == today.weekday():
        return calendar.one_day(today)
    return calendar.coming_weekday(today, number)


def _week(match: re.Match[str], today: date) -> Days | None:
    return calendar.week(today, _SHIFT[match["modifier"]])


def _weekend(match: re.Match[str], today: date) -> Days | None:
    return calendar.weekend(today, _SHIFT[match["modifier"] or "the"])


def _month(match: re.Match[str], today: date) -> Days | None:
    return calendar.month(today, _SHIFT[match["modifier"]])


def _year(match: re.Match[str], today: date) -> Days | None:
    return calendar.year_of(today.year + _SHIFT[match["modifier"]])


def _next_days(match: re.Match[str], today: date) -> Days:
    count = {"few": 3, "couple": 2}.get(match["count"].split()[-1]) or int(match["count"])
    length = timedelta(weeks=count) if match["unit"] == "week" else timedelta(days=count)
    tomorrow = today + timedelta(days=1)
    return Days(start=tomorrow, end=tomorrow + length, grain=Grain.DAY)


def _named_month(match: re.Match[str], today: date) -> Days | None:
    return calendar.month_named(today, _MONTHS[match["month"][:3]], int(match["year"]) if match["year"] else None)


def _ordinal(match: re.Match[str], today: date) -> Days | None:
    try:
        return calendar.day_of_month(today, int(match["day"]))
    except ValueError:
        return None


def _part(match: re.Match[str], today: date) -> Part:
    del today
    part = _PARTS[match["part"]]
    return Part(start=part.start, end=part.end, half=part.half, fixed="this" in match[0])


def _tonight(match: re.Match[str], today: date) -> tuple[Days, Part]:
    del match
    return calendar.one_day(today), Part(start=18, end=24, half=1, fixed=True)


def _last_night(match: re.Match[str], today: date) -> tuple[Days, Part]:
    del match
    return calendar.one_day(today - timedelta(days=1)), Part(start=18, end=24, half=1, fixed=True)


def _clock(match: re.Match[str], today: date) -> Clock | None:
    del today
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = {"a": 0, "p": 1}.get((match["half"] or " ")[0])
    if hour > 23 or minute > 59 or (half is not None and not 1 <= hour <= 12):
        return None
    if half is None and match["minute"] and hour == 0:
        half = 0
    return Clock(hour=hour, minute=minute, half=half, grain=Grain.MINUTE if match["minute"] else Grain.HOUR)


def _past(match: re.Match[str], today: date) -> Clock | None:
    del today
    words = match["amount"]
    minutes = 30 if "half" in words else 15 if "quarter" in words else int(re.sub(r"\D", "", words))
    hour = int(match["hour"])
    if not (1 <= hour <= 12 and minutes < 60):
        return None
    half = {"a": 0, "p": 1}.get((match["half"] or " ")[0])
    total = (hour * 60 + (minutes if match["side"] in {"past", "after"} else -minutes)) % 720
    return Clock(hour=total // 60 or 12, minute=total % 60, half=half)


def _noon(match: re.Match[str], today: date) -> Clock:
    del today
    return Clock(hour=24 if match[0].endswith("midnight") else 12, half=1, grain=Grain.HOUR)


def _now(match: re.Match[str], today: date) -> Distance:
    del match, today
    return Distance(length=timedelta(), grain=Grain.SECOND)


def _distance(match: re.Match[str], today: date) -> Distance | None:
    del today
    length = durations.duration(match["length"])
    if length is None:
        return None
    grain = Grain.SECOND if "sec" in match["length"] else Grain.MINUTE
    return Distance(length=-length if match[0].endswith("ago") else length, grain=grain)


_HALF = r"(?:\ ?(?P<half>[ap])m\b)"
_LEAD = r"(?:(?:at|by|until|for|to)\ )"
_SHORT = r"(?:[^\W\d]*?(?:seconds?|secs?|minutes?|mins?|hours?|hrs?))"

SCANNER = Scanner(
    [
        pattern("distance", r"\b(?:right\ )?now\b", _now),
        pattern("day", rf"\bin\ {_COUNTED}\b|\b{_COUNTED}\ (?:from\ now|later|ago)\b", _counted),
        pattern("day", rf"\b(?:{_COUNTED})\ from\ (?:today|tomorrow)\b", _library),
        pattern("distance", rf"\bin\ (?P<length>{durations.DURATION})(?:(?:'s)?\ time)?\b", _distance),
        pattern("distance", rf"\b(?P<length>{durations.DURATION})\ (?:from\ now|later|ago)\b", _distance),
        pattern(
            "day",
            r"\b(?:the\ )?day\ (?:after\ tomorrow|before\ yesterday)\b|\b(?:today|tomorrow|yesterday)\b",
            _library,
        ),
        pattern("day part", r"\btonight\b", _tonight),
        pattern("day part", r"\blast\ night\b", _last_night),
        pattern(
            "day",
            rf"\b(?:(?:on|for)\ )?(?:{_MODIFIER}\ )?(?P<weekday>{_WEEKDAY})(?P<week>\ next\ week|\ of\ next\ week)?\b",
            _weekday,
        ),
        pattern("day", rf"\b(?:(?:over|on|at|for)\ )?(?:{_MODIFIER}\ )?weekend\b", _weekend),
        pattern(
            "day",
            r"\b(?:(?:for|over|in|during)\ )?the\ (?:next|coming)\ (?P<count>\d+|few|couple)\ (?:of\ )?(?P<unit>day|week)s\b",
            _next_days,
        ),
        pattern("day", r"\b(?:for\ )?(?P<modifier>this|next|last)\ week\b", _week),
        pattern("day", r"\b(?P<modifier>this|next|last)\ month\b", _month),
        pattern("day", r"\b(?P<modifier>this|next|last)\ year\b", _year),
        pattern(
            "day",
            rf"\b(?:on\ )?(?:{_WEEKDAY}\ )?(?:the\ )?(?:\d{{1,2}}(?:st|nd|rd|th)?\ (?:of\ )?{_MONTH}"
            rf"|{_MONTH}\ (?:the\ )?\d{{1,2}}(?:st|nd|rd|th)?)(?:\ (?:20)\d\d)?(?![\d:])\b",
            _library,
        ),
        pattern("day", rf"\bin\ (?P<month>{_MONTH})(?:\ (?P<year>20\d\d))?\b", _named_month),
        pattern("day", rf"\b(?P<month>{_MONTH})\ (?P<year>20\d\d)\b", _named_month),
        pattern("day", r"\b(?:on\ )?the\ (?P<day>\d{1,2})(?:st|nd|rd|th)\b(?!\ \w+day)", _ordinal),
        pattern("day", r"\b20\d\d\ ?-\d\d?\ ?-\d\d?\b", _library),
        pattern(
            "part", r"\b(?:in\ the\ |this\ |at\ |during\ the\ )?(?P<part>morning|afternoon|evening|night)\b", _part
        ),
        pattern("clock", rf"\b{_LEAD}?(?:12\ )?(?:noon|midday|midnight)\b", _noon),
        pattern(
            "clock",
            rf"\b{_LEAD}?(?P<amount>(?:a\ )?quarter|half|\d{{1,2}}(?:\ minutes)?)\ (?P<side>past|after|to|before|till?)"
            rf"\ (?P<hour>\d{{1,2}}){_HALF}?\b(?![:%])",
            _past,
        ),
        pattern(
            "clock",
            rf"\b{_LEAD}?(?P<hour>\d{{1,2}})(?:(?::|\ (?:oh?\ )?)(?P<minute>\d{{1,2}}))?(?:{_HALF}|\ o'clock\b)",
            _clock,
        ),
        pattern("clock", rf"\b{_LEAD}?(?P<hour>\d{{1,2}}):(?P<minute>\d\d){_HALF}?\b", _clock),
        pattern(
            "clock",
            rf"\b{_LEAD}(?P<hour>\d{{1,2}})(?:\ (?:oh?\ )?(?P<minute>\d{{1,2}}))?(?P<half>)\b"
            rf"(?!\ (?:percent|degrees|{_SHORT}))",
            _clock,
        ),
        # "From 7 to 8" are two times, and not 7 minutes before one.
        pattern(
            "clock", r"\bfrom\ (?P<hour>\d{1,2})(?:[ :](?:oh?\ )?(?P<minute>\d{1,2}))?(?P<half>)(?=\ to\ \d)", _clock
        ),
        # Nothing but figures, "7 30": what else could they be, where a time is wanted.
        pattern("clock", r"\A(?P<hour>\d{1,2})(?:\ (?:oh?\ )?(?P<minute>\d{1,2}))?(?P<half>)\Z", _clock),
        pattern("clock", r"\b(?P<hour>\d{1,2})(?:\ (?P<minute>\d{2}))?(?P<half>)(?=\ alarm\b)", _clock),
        pattern(
            "clock",
            r"\b(?P<hour>\d{1,2})(?:\ (?P<minute>\d{2}))?(?P<half>)(?=\ (?:in\ the\ (?:morning|afternoon|evening)|at\ night))",
            _clock,
        ),
    ],
    joint=r"\s+(?:at\s+|on\s+|in\s+the\s+|of\s+)?",
)
