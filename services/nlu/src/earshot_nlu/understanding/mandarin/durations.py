"""Mandarin durations: "一个半小时", "半小时", "十分钟", "1小时20分钟"; over text in digits."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {
    "秒钟": 1,
    "秒": 1,
    "分钟": 60,
    "分": 60,
    "刻钟": 900,
    "小时": 3600,
    "钟头": 3600,
    "天": 86400,
    "星期": 604800,
    "礼拜": 604800,
    "周": 604800,
}
_UNIT = rf"(?:{'|'.join(_SECONDS)})"
_STEP = rf"(?:\d+(?:\.\d+)?个?半?{_UNIT}(?:半钟?)?|半个?{_UNIT})"
DURATION = rf"{_STEP}(?:[零又]?{_STEP}){{0,3}}"

_WHOLE = re.compile(DURATION)
_ONE = re.compile(rf"(?P<amount>\d+(?:\.\d+)?|半)个?(?P<half>半)?(?P<unit>{_UNIT})(?P<rest>半钟?)?")


def find(text: str) -> list[tuple[int, int]]:
    """Return the spans of durations."""
    return [match.span() for match in _WHOLE.finditer(text)]


def duration(text: str) -> timedelta | None:
    """Return the duration that a text is; None where it is none."""
    if _WHOLE.fullmatch(text) is None:
        return None
    seconds = 0.0
    for step in _ONE.finditer(text):
        amount = 0.5 if step["amount"] == "半" else float(step["amount"])
        amount += 0.5 * bool(step["half"]) + 0.5 * bool(step["rest"])
        seconds += amount * _SECONDS[step["unit"]]
    return timedelta(seconds=seconds)
