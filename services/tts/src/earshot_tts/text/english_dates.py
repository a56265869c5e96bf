"""en-US: dates, years and times of day in words."""

from __future__ import annotations

import re

from earshot_tts.text.english_numbers import DIGITS, cardinal, decade, ordinal, year
from earshot_tts.text.english_units import MONTH_ABBREVIATIONS, MONTHS, WEEKDAYS
from earshot_tts.text.rules import rule

_MONTH = "|".join((*MONTHS, *sorted(MONTH_ABBREVIATIONS, key=len, reverse=True)))
_HALF_OF_DAY = r"(?P<half>[AaPp]\.?\s?[Mm]\b\.?)"


def is_date(month: int, day: int) -> bool:
    """Return whether the two can be a month and a day of it."""
    return 1 <= month <= 12 and 1 <= day <= 31


def month_and_day(month: int, day: int) -> str:
    """Return 11, 22 as "November twenty-second"."""
    return f"{MONTHS[month - 1]} {ordinal(day)}"


def _numeric_date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not is_date(month, day):
        return match[0]
    words = month_and_day(month, day)
    written_year = match["year"]
    if len(written_year) == 2:
        written_year = f"20{written_year}"
    return f"{words}, {year(int(written_year))}"


def _month_name(written: str) -> str:
    return MONTH_ABBREVIATIONS.get(written, written)


def _month_day(match: re.Match[str]) -> str:
    day = int(match["day"])
    if not 1 <= day <= 31:
        return match[0]
    words = f"{_month_name(match['month'])} {ordinal(day)}"
    return f"{words}, {year(int(match['year']))}" if match["year"] else words


def _day_month(match: re.Match[str]) -> str:
    day = int(match["day"])
    if not 1 <= day <= 31:
        return match[0]
    words = f"{match['the'] or 'the'} {ordinal(day)} of {_month_name(match['month'])}"
    return f"{words}, {year(int(match['year']))}" if match["year"] else words


def _month_year(match: re.Match[str]) -> str:
    return f"{_month_name(match['month'])} {year(int(match['year']))}"


def _weekday(match: re.Match[str]) -> str:
    return WEEKDAYS[match["day"]] + (match["comma"] or "")


def _years(match: re.Match[str]) -> str:
    first, last = int(match["first"]), match["last"]
    if len(last) == 2:
        return f"{year(first)} to {cardinal(int(last)) if int(last) > 9 else 'oh ' + DIGITS[int(last)]}"
    return f"{year(first)} to {year(int(last))}"


def _minutes(minute: int) -> str:
    return f"oh {DIGITS[minute]}" if minute < 10 else cardinal(minute)


def _half_of_day(match: re.Match[str]) -> str:
    written = match["half"]
    if not written:
        return ""
    # "at 9 a.m." at the end of a sentence: its full stop is the sentence's too.
    stop = "." if written.endswith(".") and match.end() == len(match.string) else ""
    return f" {written[0].upper()} M{stop}"


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    if hour > 24 or minute > 59:
        return match[0]
    half = _half_of_day(match)
    seconds = f" and {cardinal(int(match['second']))} seconds" if match["second"] else ""
    if minute == 0 and not seconds:
        if half:
            return f"{cardinal(hour)}{half}"
        if hour in (0, 24):
            return "midnight"
        return f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred hours"
    return f"{cardinal(hour)} {'hundred' if minute == 0 else _minutes(minute)}{seconds}{half}"


def _hour(match: re.Match[str]) -> str:
    hour = int(match["hour"])
    return f"{cardinal(hour)}{_half_of_day(match)}" if hour <= 24 else match[0]


RULES = (
    rule(rf"(?<=\d)\s?[-–]\s?(?=\d{{1,2}}(?::\d\d(?!\d)|\s?{_HALF_OF_DAY}))", " to "),
    rule(r"\b(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?:T(?=\d))?\b", _numeric_date),
    rule(r"\b(?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d{2})\b", _numeric_date),
    rule(rf"\b(?P<day>{'|'.join(sorted(WEEKDAYS, key=len, reverse=True))})(?:\.?(?P<comma>,)|\.)(?=\s)", _weekday),
    rule(
        rf"\b(?P<month>{_MONTH})\b\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?!:|\.\d)(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _month_day,
    ),
    rule(
        rf"\b(?:(?P<the>[Tt]he)\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _day_month,
    ),
    rule(rf"\b(?P<month>{_MONTH})\b\.?,?\s+(?P<year>[12]\d{{3}})\b", _month_year),
    rule(
        r"(?:\b(?=[12]\d\d0)|'|(?<=[Tt]he )|(?<=[Mm]id-))(?P<decade>(?:[12]\d)?\d0)'?s\b",
        lambda m: decade(int(m["decade"])),
    ),
    rule(r"\b(?P<first>1[1-9]\d\d|20\d\d)\s?[-–]\s?(?P<last>1[1-9]\d\d|20\d\d|\d\d)\b(?![-/])", _years),
    rule(
        r"\b(?P<lead>[Ii]n|[Ss]ince|[Uu]ntil|[Bb]y|[Ff]rom|[Bb]efore|[Aa]fter|[Yy]ear|[Oo]f|and|to|©)\s"
        r"(?P<year>1[1-9]\d\d|20\d\d)\b(?!\s?[-%°:,.]\d|\s?(?:people|times|percent|dollars|meters|miles|steps|calories)|[%°])",
        lambda m: f"{m['lead']} {year(int(m['year']))}",
    ),
    rule(r"\b(?P<year>\d{1,4})\s?(?P<era>BC|AD|BCE|CE)\b", lambda m: f"{year(int(m['year']))} {' '.join(m['era'])}"),
    rule(
        rf"(?<![\d:])(?P<hour>\d{{1,2}}):(?P<minute>\d\d)(?::(?P<second>\d\d))?(?![\d:])(?:\s?{_HALF_OF_DAY})?",
        _clock,
    ),
    rule(rf"\b(?P<hour>\d{{1,2}})\s?{_HALF_OF_DAY}", _hour),
    rule(r"\b(?P<hour>\d{1,2}) o'clock\b", lambda m: f"{cardinal(int(m['hour']))} o'clock"),
)
"""In order; what they leave alone is for the rules of quantities."""
