"""en-US: dates, years and times of day in words."""

from __future__ import annotations

import re

from earshot_tts.text.english_numbers import DIGITS, cardinal, decade, ordinal, year
from earshot_tts.text.english_units import MONTH_ABBREVIATIONS, MONTHS, WEEKDAYS
from earshot_tts.text.rules import rule

_MONTH = "|".join((*MONTHS, *sorted(MONTH_ABBREVIATIONS, key=len, reverse=True)))
_WEEKDAY = "|".join(sorted(WEEKDAYS, key=len, reverse=True))
_HALF = r"[AaPp]\.?\s?[Mm]\b\.?"
_HALF_OF_DAY = rf"(?P<half>{_HALF})"
_TH = r"(?:st|nd|rd|th)?"
_ISO_DATE = r"\b(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
# As POSIX reads them: 68 is 2068, 69 is 1969.
_FIRST_YEAR_OF_LAST_CENTURY = 69


def is_date(month: int, day: int) -> bool:
    """Return whether the two can be a month and a day of it."""
    return 1 <= month <= 12 and 1 <= day <= 31


def month_and_day(month: int, day: int) -> str:
    """Return 11, 22 as "November twenty-second"."""
    return f"{MONTHS[month - 1]} {ordinal(day)}"


def _iso_date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    return f"{month_and_day(month, day)}, {year(int(match['year']))}" if is_date(month, day) else match[0]


def _iso_moment(match: re.Match[str]) -> str:
    month, day, hour, minute = (int(match[part]) for part in ("month", "day", "hour", "minute"))
    if not is_date(month, day) or hour > 24 or minute > 59:
        return match[0]
    zone = match["zone"] or ""
    utc = f" UTC{'' if zone == 'Z' else zone}" if zone else ""
    return f"{_iso_date(match)}, {_time(hour, minute, int(match['second'] or 0))}{utc}"


def _numeric_date(match: re.Match[str]) -> str:
    # The American order; the other one where only that is a date, or where full stops part it.
    month, day = int(match["first"]), int(match["second"])
    if (match["mark"] == "." or month > 12) and is_date(day, month):
        month, day = day, month
    written = int(match["year"])
    if not is_date(month, day) or (match["mark"] != "/" and written < 100):
        return match[0]
    if written < 100:
        written += 1900 if written >= _FIRST_YEAR_OF_LAST_CENTURY else 2000
    return f"{month_and_day(month, day)}, {year(written)}"


def _month_name(written: str) -> str:
    return MONTH_ABBREVIATIONS.get(written, written)


def _month_day(match: re.Match[str]) -> str:
    day = int(match["day"])
    if not 1 <= day <= 31:
        return match[0]
    words = f"{_month_name(match['month'])} {ordinal(day)}"
    if match["last"]:
        words += f" to {ordinal(int(match['last']))}"
    return f"{words}, {year(int(match['year']))}" if match["year"] else words


def _day_month(match: re.Match[str]) -> str:
    day = int(match["day"])
    if not 1 <= day <= 31:
        return match[0]
    first = f"{ordinal(int(match['first']))} to the " if match["first"] else ""
    words = f"{match['the'] or 'the'} {first}{ordinal(day)} of {_month_name(match['month'])}"
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
    return _time(hour, minute, int(match["second"] or 0), _half_of_day(match))


def _time(hour: int, minute: int, second: int, half: str = "") -> str:
    seconds = f" and {cardinal(second)} {'second' if second == 1 else 'seconds'}" if second else ""
    if minute:
        words = f"{cardinal(hour)} {_minutes(minute)}"
    elif half:
        words = cardinal(hour)
    elif hour in (0, 24):
        words = "midnight"
    else:
        words = f"{cardinal(hour)} o'clock" if hour <= 12 else f"{cardinal(hour)} hundred hours"
    return words + seconds + half


def _zone(match: re.Match[str]) -> str:
    return f"{match['zone']} {'minus' if match['sign'] == '-' else 'plus'} {cardinal(int(match['hours']))}"


def _hour(match: re.Match[str]) -> str:
    hour = int(match["hour"])
    return f"{cardinal(hour)}{_half_of_day(match)}" if hour <= 24 else match[0]


RULES = (
    # From one day to another: the rules below take a day and leave nothing in front of the hyphen that shows it.
    rule(r"(?<=\d)(?:\s?-\s?(?=\d{1,2}/\d{1,2}(?![\d-])|\d{4}/\d)|\s-\s(?=\d{4}-\d\d-))", " to "),
    rule(
        rf"{_ISO_DATE}[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?(?P<zone>Z|[-+]\d\d(?::?00)?)?\b",
        _iso_moment,
    ),
    rule(rf"{_ISO_DATE}\b", _iso_date),
    rule(
        r"(?<![\w./])(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})(?![\w/]|\.\d)",
        _numeric_date,
    ),
    # From one time or day to another: 10am-2pm, Dec 30 - Jan 2.
    rule(rf"(?P<from>\d|{_HALF})\s?-\s?(?=\d{{1,2}}(?::\d\d(?!\d)|\s?{_HALF_OF_DAY}))", r"\g<from> to "),
    rule(rf"(?<=\d)(?P<th>{_TH})\s?-\s?(?=(?:{_MONTH})\b)", r"\g<th> to "),
    rule(r"\b(?P<zone>GMT|UTC)\s?(?P<sign>[-+])(?P<hours>\d\d?)(?::?00)?\b", _zone),
    rule(
        rf"\b(?P<from>{_WEEKDAY})\.?\s?[-–]\s?(?P<to>{_WEEKDAY})\b",
        lambda m: f"{WEEKDAYS[m['from']]} to {WEEKDAYS[m['to']]}",
    ),
    rule(rf"\b(?P<day>{_WEEKDAY})(?:\.?(?P<comma>,)|\.)(?=\s)", _weekday),
    rule(
        rf"\b(?P<month>{_MONTH})\b\.?\s+(?P<day>\d{{1,2}}){_TH}(?:\s?(?:-|to)\s?(?P<last>3[01]|[12]?\d){_TH})?\b(?![:/]|\.\d)(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _month_day,
    ),
    rule(
        rf"\b(?:(?P<the>[Tt]he)\s+)?(?:(?P<first>3[01]|[12]?\d){_TH}\s?-\s?)?(?P<day>\d{{1,2}}){_TH}\s+(?:of\s+)?(?P<month>{_MONTH})\b\.?(?:,?\s+(?P<year>[12]\d{{3}})\b)?",
        _day_month,
    ),
    rule(rf"\b(?P<month>{_MONTH})\b\.?,?\s+(?P<year>[12]\d{{3}})\b", _month_year),
    rule(
        r"(?:\b(?=[12]\d\d0|[2-9]0'?s (?:music|rock|pop|hits|songs|movies|films|fashion|disco|style|party|night|classics)\b)"
        r"|'|(?<=[Tt]he )|(?<=[Mm]id-)|(?<=[Mm]y )|(?<=[Hh]is )|(?<=[Hh]er )|(?<=early )|(?<=late ))(?P<decade>(?:[12]\d)?\d0)'?s\b",
        lambda m: decade(int(m["decade"])),
    ),
    rule(r"(?<![\w-])(?P<first>1[1-9]\d\d|20\d\d)\s?-\s?(?P<last>1[1-9]\d\d|20\d\d|\d\d)\b(?![-/])", _years),
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
