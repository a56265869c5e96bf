"""Mandarin: "9分30秒", "明天早上七点半", "每个工作日"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

_UNITS = (("天", 86_400), ("小时", 3_600), ("分", 60), ("秒", 1))
_DIGITS = "零一二三四五六七八九"
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
# As the clock says them: by the hour at which each begins.
_PERIODS = ((19, "晚上"), (13, "下午"), (12, "中午"), (8, "上午"), (5, "早上"), (0, "凌晨"))
_REPEATS = {
    "FREQ=DAILY": "每天",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "每个工作日",
    "FREQ=WEEKLY;BYDAY=SA,SU": "每个周末",
    **{f"FREQ=WEEKLY;BYDAY={day}": f"每{name}" for day, name in zip(_DAYS, _WEEKDAYS, strict=True)},
}
_THING = re.compile(r"^那个|的$|的?(?:计时器|倒计时|定时器)$")
_HALF = re.compile(
    r"早|晨|上午|中午|下午|傍晚|晚|夜|零点|后|(?:十[三四五六七八九]|二十[一二三]?)点|(?:1[3-9]|2[0-3])[:：点]"
)
_DAY = re.compile(r"[今明昨]|后天|周|星期|礼拜|[号日月]|后$")


class Mandarin:
    """See Words."""

    def duration(self, length: timedelta) -> str:
        """See Words."""
        left, parts = round(length.total_seconds()), ""
        for unit, seconds in _UNITS:
            count, left = divmod(left, seconds)
            if count:
                parts += f"{count}{unit}"
        # Minutes alone are counted in 分钟.
        return f"{parts}钟" if parts.endswith("分") else parts or "0秒"

    def clock(self, at: time) -> str:
        """See Words."""
        period = next(name for begins, name in _PERIODS if at.hour >= begins)
        hour = at.hour if at.hour <= 12 else at.hour - 12
        # 两 counts, 二 names: two o'clock is counted.
        return f"{period}{'两' if hour == 2 else _number(hour)}点{_minutes(at.minute)}"

    def moment(self, at: datetime, now: datetime) -> str:
        """See Words."""
        days = (at.date() - now.date()).days
        if days in {0, 1, 2}:
            day = ("今天", "明天", "后天")[days]
        elif 2 < days < 7:
            day = _WEEKDAYS[at.weekday()]
        else:
            day = f"{at.month}月{at.day}日"
        return f"{day}{self.clock(at.time())}"

    def repeat(self, rule: str) -> str:
        """See Words."""
        return _REPEATS.get(rule, "")

    def repeating(self, at: time, rule: str) -> str:
        """See Words."""
        return f"{self.repeat(rule)}{self.clock(at)}"

    def timer(self, label: str, length: timedelta) -> str:
        """See Words."""
        return f"{label}计时器" if label else f"{self.duration(length)}的计时器"

    def with_left(self, timer: str, left: timedelta) -> str:
        """See Words."""
        return f"{timer}还剩{self.duration(left)}"

    def paused_with(self, timer: str, left: timedelta) -> str:
        """See Words."""
        return f"{timer}暂停了，还剩{self.duration(left)}"

    def the(self, timer: str) -> str:
        """See Words."""
        return timer

    def up(self, timer: str) -> str:
        """See Words."""
        return f"{timer}已经到时间了"

    def all_of(self, items: Sequence[str]) -> str:
        """See Words."""
        return "；".join(items) if any("，" in item or "还剩" in item for item in items) else "、".join(items)

    def one_of(self, items: Sequence[str]) -> str:
        """See Words."""
        return "，".join([*items[:-1], f"还是{items[-1]}"]) if len(items) > 1 else "".join(items)

    def plain(self, name: str) -> str:
        """See Words."""
        return _THING.sub("", "".join(name.casefold().split()))

    def says_half(self, words: str) -> bool:
        """See Words."""
        return _HALF.search(words) is not None

    def says_day(self, words: str) -> bool:
        """See Words."""
        return _DAY.search(words) is not None


def _minutes(minute: int) -> str:
    if minute in {0, 30}:
        return "半" if minute else ""
    return f"{'零' if minute < 10 else ''}{_number(minute)}分"


def _number(number: int) -> str:
    """Return 0 to 59 in Chinese characters."""
    tens, ones = divmod(number, 10)
    if tens == 0:
        return _DIGITS[ones]
    return (_DIGITS[tens] if tens > 1 else "") + "十" + (_DIGITS[ones] if ones else "")
