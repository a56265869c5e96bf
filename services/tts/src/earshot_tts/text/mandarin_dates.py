"""zh-CN: dates, years and times of day in characters."""

from __future__ import annotations

import re

from earshot_tts.text.mandarin_numbers import DIGITS, cardinal, counted, spelled
from earshot_tts.text.rules import rule

_HALF_OF_DAY = r"(?:\s?(?P<half>[AaPp])\.?[Mm]\.?(?![A-Za-z]))"


def _is_date(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _numeric_date(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    if not _is_date(month, day):
        return match[0]
    return f"{spelled(match['year'])}年{cardinal(month)}月{cardinal(day)}日"


def _day_first(match: re.Match[str]) -> str:
    month, day = int(match["first"]), int(match["second"])
    if (match["mark"] == "." or month > 12) and _is_date(day, month):
        month, day = day, month
    return f"{spelled(match['year'])}年{cardinal(month)}月{cardinal(day)}日" if _is_date(month, day) else match[0]


def _month_and_day(match: re.Match[str]) -> str:
    month, day = int(match["month"]), int(match["day"])
    return f"{cardinal(month)}月{cardinal(day)}日" if _is_date(month, day) else match[0]


def _zone(match: re.Match[str]) -> str:
    return "协调世界时" if match["zone"] == "Z" else f"东{cardinal(int(match['east']))}区"


def _year(match: re.Match[str]) -> str:
    return spelled(match["year"]) + match["name"]


def _half(match: re.Match[str]) -> str:
    written = match["half"]
    if not written:
        return ""
    return "上午" if written in "Aa" else "下午"


def _hour(hour: int) -> str:
    return "两" if hour == 2 else cardinal(hour)


def _clock(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"])
    if hour > 24 or minute > 59:
        return match[0]
    words = f"{_half(match)}{_hour(hour)}点"
    if second := int(match["second"] or 0):
        return words + f"{_two_digits(minute)}分{_two_digits(second)}秒"
    if minute == 0:
        return words if _half(match) else words + "整"
    return words + f"{_two_digits(minute)}分"


def _two_digits(number: int) -> str:
    return f"零{DIGITS[number]}" if number < 10 else cardinal(number)


def _plain_hour(match: re.Match[str]) -> str:
    return f"{_half(match)}{_hour(int(match['hour']))}点"


def _minutes(match: re.Match[str]) -> str:
    return f"{_hour(int(match['hour']))}点{_two_digits(int(match['minute']))}分"


RULES = (
    rule(r"(?<=[\d日号])(?:\s?[-~～]\s?(?=\d{4}[/年.]\d)|\s-\s(?=\d{4}-\d\d?-))", "到"),
    rule(r"(?<=\d)h(?=\d)", "小时"),
    rule(r"(?<=\d)min(?=\d)", "分钟"),
    rule(r"(?<![\d.])(?P<year>\d[05])(?P<name>后(?![天来面]))", _year),
    rule(
        r"(?<!\d)(?P<date>\d{4}-\d\d-\d\d)T(?P<time>\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?P<zone>Z|\+(?P<east>\d\d)(?::?00)?)?(?!\d)",
        lambda m: (_zone(m) if m["zone"] else "") + f"{m['date']} {m['time']}",
    ),
    rule(r"(?<!\d)(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)", _numeric_date),
    rule(
        r"(?<![\d./-])(?P<first>\d{1,2})(?P<mark>[-/.])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})(?![\d/-]|\.\d)",
        _day_first,
    ),
    # Behind these a hyphen is no minus: 11月26日-28日, 周二8点-10点, 9:00-10:00.
    rule(r"(?<=[\d日号月年点分时])\s?[-~～]\s?(?=\d{1,4}(?:[:：]\d\d(?!\d)|[日号月年点时]))", "到"),
    rule(r"(?<=[周期][一二三四五六日天])\s?[-~～—]\s?(?=周|星期|礼拜)", "到"),
    rule(
        r"(?<![\d/.])(?P<month>\d{1,2})/(?P<day>\d{1,2})(?=\s?(?:\d{1,2}[:：]\d\d|[上下中]午|早上|晚上|周[一二三四五六日]|星期))",
        _month_and_day,
    ),
    rule(r"(?<![\d/])(?P<month>\d{1,2})/(?P<day>\d{1,2})\s?(?=[-~～到至]\s?\d{1,2}/\d{1,2}(?![\d/]))", _month_and_day),
    rule(
        r"(?<=日)(?P<dash>\s?[-~～到至]\s?)(?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])",
        lambda m: f"到{_month_and_day(m)}",
    ),
    rule(r"(?<!\d)(?P<year>[12]\d\d0)'?s(?![A-Za-z])", lambda m: f"{spelled(m['year'])}年代"),
    rule(
        r"(?:'(?P<year>[2-9]0)|(?<!\d)(?P<bare>[2-9]0))s(?=(?(bare)(?:老?歌|音乐|金曲|摇滚|流行|风格|复古|电影)))",
        lambda m: f"{cardinal(int(m['year'] or m['bare']))}年代",
    ),
    rule(
        r"(?<!\d)(?P<year>\d{4})\s?[-~～至到]\s?(?P<last>\d{4})(?=年|赛季|财年|学年)",
        lambda m: f"{spelled(m['year'])}到{spelled(m['last'])}",
    ),
    rule(r"(?<!\d)(?P<year>\d{4})(?P<name>年(?!前|后|来|间|多|以))", _year),
    rule(
        r"(?<!\d)(?P<year>\d{2})(?P<name>年(?:代|级))",
        lambda m: cardinal(int(m["year"])) + m["name"] if m["year"][1] == "0" else _year(m),
    ),
    rule(
        rf"(?<![\d:：])(?P<hour>\d{{1,2}})[:：](?P<minute>\d\d)(?:[:：](?P<second>\d\d))?(?![\d:：]){_HALF_OF_DAY}?",
        _clock,
    ),
    rule(rf"(?<![\d:：])(?P<hour>\d{{1,2}}){_HALF_OF_DAY}", _plain_hour),
    rule(r"(?<![\d.])(?P<hour>\d{1,2})[点时](?P<minute>\d{1,2})分(?!钟)", _minutes),
    rule(
        r"(?<![\d.])(?P<month>1[0-2]|0?[1-9])月(?P<day>3[01]|[12]\d|0?[1-9])(?P<name>[日号])",
        lambda m: f"{cardinal(int(m['month']))}月{cardinal(int(m['day']))}{m['name']}",
    ),
    rule(r"(?<![\d.])0?2点(?!\d)", "两点"),
    rule(r"(?<![\d.第])(?P<count>\d{1,3})(?P<name>个月|个小时|个半小时)", lambda m: counted(m["count"]) + m["name"]),
)
"""In order; what they leave alone is for the rules of quantities."""
