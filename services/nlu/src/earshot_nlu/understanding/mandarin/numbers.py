"""Mandarin number words as digits, through cn2an."""

from __future__ import annotations

import re

from earshot_nlu.understanding.tracked import Tracked

_NUMERAL = "零〇一二两三四五六七八九十百千万亿"
# "周五七点" is Friday and seven, not 57.
_NAMES_A_DAY = "(?<=[周期拜])[一二三四五六](?=[一二两三四五六七八九十]{1,3}点)"
_WHOLE = re.compile(rf"(?P<day>{_NAMES_A_DAY})|[{_NUMERAL}]+")
_DECIMAL = re.compile(rf"[{_NUMERAL}]+(?:点[零〇一二三四五六七八九]+)?(?![半点])|[{_NUMERAL}]+")
# Words in which a numeral does not count anything.
_NOT_COUNTING = re.compile(
    r"一下|一些|一般|一起|一样|一直|一定|一点儿|一会儿?|万一|统一|唯一|(?<![点零一二三四五六七八九])十分(?![钟后])|千万(?!别的)"
)
_NUMBER = re.compile(
    r"(?P<percent>百分之)?(?P<sign>负|零下|-)?第?(?P<value>\d+(?:\.\d+)?)(?P<half>个半)?(?:%|度|个|号|级)?"
)
_HALF = re.compile(r"一?半|1半")


def digits(text: str) -> Tracked:
    """Return a normalised text with whole numbers written in digits; "点" stays, it may be a time of day.

    So does the name of a weekday before a time: its digit would run into that of the hour.
    """
    return _converted(text, _WHOLE)


def decimals(text: str) -> Tracked:
    """Return a normalised text with numbers written in digits, "三点五" as 3.5."""
    return _converted(text, _DECIMAL)


def _value(numeral: str) -> str:
    import cn2an  # noqa: PLC0415 - 0.2 s, and who hears no numerals needs none

    try:
        return _written(cn2an.cn2an(numeral, "smart"))
    except (ValueError, KeyError):
        # No number, such as 百百; of 零十一 it says so with a KeyError.
        return numeral


def _converted(text: str, numeral: re.Pattern[str]) -> Tracked:
    if not _WHOLE.search(text):
        return Tracked.whole(text)
    fixed = [match.span() for match in _NOT_COUNTING.finditer(text)]

    def write(match: re.Match[str]) -> str:
        if any(start < match.end() and match.start() < end for start, end in fixed):
            return match[0]
        if match.groupdict().get("day"):
            return match[0]
        if match[0] == "百" and text[match.end() : match.end() + 2] == "分之":
            return match[0]
        if match[0] == "零" and text.startswith("下", match.end()):
            return match[0]
        return _value(match[0])

    return Tracked.whole(text).sub(numeral, write)


def _written(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def number(text: str) -> float | None:
    """Return the number that a text in digits is; None where it is none."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return 0.5 if _HALF.fullmatch(text) else None
    value = float(match["value"]) + (0.5 if match["half"] else 0.0)
    return -value if match["sign"] else value


def find(text: str) -> list[tuple[int, int]]:
    """Return the spans of numbers in a text in digits; each also without the unit behind it."""
    spans: list[tuple[int, int]] = []
    for match in _NUMBER.finditer(text):
        spans.append(match.span())
        spans.append((match.start(), match.end("half") if match["half"] else match.end("value")))
        spans.append((match.start("value"), match.end("value")))
    return list(dict.fromkeys(spans))
