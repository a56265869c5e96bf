"""English: "9 minutes 30 seconds", "7:30 a.m. tomorrow", "every weekday"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time, timedelta

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]  # fmt: skip
_REPEATS = {
    "FREQ=DAILY": "every day",
    "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR": "every weekday",
    "FREQ=WEEKLY;BYDAY=SA,SU": "every Saturday and Sunday",
    **{f"FREQ=WEEKLY;BYDAY={name[:2].upper()}": f"every {name}" for name in _WEEKDAYS},
}
_ARTICLE = re.compile(r"^(?:the|my|a|an)\s+|\s+timers?$")
_HALF = re.compile(
    r"\b[ap]\.? ?m\b|morning|afternoon|evening|night|noon|midnight|\b(?:1[3-9]|2[0-3])[:.]\d\d|\bin\b", re.IGNORECASE
)
_DAY = re.compile(
    r"to(?:day|morrow|night)|day\b|week|\bin\b|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)|\d(?:st|nd|rd|th)\b",
    re.IGNORECASE,
)


class English:
    """See Words."""

    def duration(self, length: timedelta) -> str:
        """See Words."""
        return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in _parts(length))

    def clock(self, at: time) -> str:
        """See Words."""
        if at.minute == 0 and at.hour in {0, 12}:
            return "noon" if at.hour else "midnight"
        half = "p.m." if at.hour >= 12 else "a.m."
        hour = at.hour % 12 or 12
        return f"{hour}:{at.minute:02d} {half}" if at.minute else f"{hour} {half}"

    def moment(self, at: datetime, now: datetime) -> str:
        """See Words."""
        days = (at.date() - now.date()).days
        if days in {0, 1}:
            day = "tomorrow" if days else "today"
        elif 1 < days < 7:
            day = f"on {_WEEKDAYS[at.weekday()]}"
        else:
            day = f"on {_MONTHS[at.month - 1]} {at.day}"
        return f"{self.clock(at.time())} {day}"

    def repeat(self, rule: str) -> str:
        """See Words."""
        return _REPEATS.get(rule, "")

    def repeating(self, at: time, rule: str) -> str:
        """See Words."""
        return f"{self.clock(at)} {self.repeat(rule)}".strip()

    def timer(self, label: str, length: timedelta) -> str:
        """See Words."""
        return f"{label or ' '.join(f'{count} {unit}' for count, unit in _parts(length))} timer"

    def with_left(self, timer: str, left: timedelta) -> str:
        """See Words."""
        return f"the {timer} with {self.duration(left)} left"

    def paused_with(self, timer: str, left: timedelta) -> str:
        """See Words."""
        return f"the {timer}, paused with {self.duration(left)} left"

    def the(self, timer: str) -> str:
        """See Words."""
        return f"the {timer}"

    def up(self, timer: str) -> str:
        """See Words."""
        return f"the {timer}, which is up"

    def all_of(self, items: Sequence[str]) -> str:
        """See Words."""
        return _joined(items, "and")

    def one_of(self, items: Sequence[str]) -> str:
        """See Words."""
        return _joined(items, "or")

    def plain(self, name: str) -> str:
        """See Words."""
        plain = _ARTICLE.sub("", " ".join(name.casefold().split()))
        return plain.removesuffix("s")

    def says_half(self, words: str) -> bool:
        """See Words."""
        return _HALF.search(words) is not None

    def says_day(self, words: str) -> bool:
        """See Words."""
        return _DAY.search(words) is not None


def _parts(length: timedelta) -> list[tuple[int, str]]:
    left, parts = round(length.total_seconds()), []
    for unit, seconds in _UNITS:
        count, left = divmod(left, seconds)
        if count:
            parts.append((count, unit))
    return parts or [(0, "second")]


def _joined(items: Sequence[str], word: str) -> str:
    if len(items) < 2:
        return "".join(items)
    # A comma before the last as well: items hold commas of their own.
    return f"{', '.join(items[:-1])}{',' if len(items) > 2 else ''} {word} {items[-1]}"
