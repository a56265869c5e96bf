"""Reads values out of normalised text: digits first, then the language's numbers, durations and times.

What no pattern covers, a whole slot asked to be a date is handed to dateparser as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from earshot_nlu.understanding.language import ValueSpan
from earshot_nlu.understanding.model import DateTimeSpan, Grain, SlotKind, SlotValue
from earshot_nlu.understanding.tracked import Tracked
from earshot_nlu.understanding.values.calendar import Clock, Moment, When, one_day, resolve
from earshot_nlu.understanding.values.library import instant_in_words
from earshot_nlu.understanding.values.scanner import Scanner

Finder = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A language's values.

    Attributes:
        language: As dateparser names it.
        digits: Writes number words in digits.
        decimals: The same where a number alone is wanted; a language may write decimals like times of day.
        scanner: Times, over text in digits.
        leading: What may stand before a time as part of the sentence instead of the time ("on", "at").
        find_numbers, number, find_durations, duration: Over text in digits.
    """

    language: str
    digits: Callable[[str], Tracked]
    decimals: Callable[[str], Tracked]
    scanner: Scanner
    leading: tuple[str, ...]
    find_numbers: Finder
    number: Callable[[str], float | None]
    find_durations: Finder
    duration: Callable[[str], timedelta | None]

    def find(self, text: str, kind: SlotKind) -> Sequence[ValueSpan]:
        """Return every stretch of normalised text that reads as the kind; none for text."""
        if kind is SlotKind.NUMBER:
            tracked = self.decimals(text)
            spans = self.find_numbers(tracked.text)
        elif kind is SlotKind.DURATION:
            tracked = self.digits(text)
            spans = self.find_durations(tracked.text)
        elif kind is SlotKind.DATE_TIME:
            tracked = self.digits(text)
            spans = self._with_and_without_lead(tracked.text, self.scanner.expressions(tracked.text))
        else:
            return ()
        return [ValueSpan(*tracked.span(start, end)) for start, end in spans]

    def read(self, text: str, kind: SlotKind, moment: Moment) -> SlotValue | None:
        """Return what a whole stretch of normalised text means; None where it is not of the kind."""
        if kind is SlotKind.NUMBER:
            return self.number(self.decimals(text).text.strip())
        if kind is SlotKind.DURATION:
            return self.duration(self.digits(text).text.strip())
        if kind is SlotKind.DATE_TIME:
            return self._date_time(self.digits(text).text.strip(), moment)
        return text

    def _with_and_without_lead(self, text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
        all_spans = dict.fromkeys(spans)
        for start, end in spans:
            for lead in self.leading:
                if text.startswith(lead, start) and start + len(lead) < end:
                    all_spans[start + len(lead), end] = None
        return list(all_spans)

    def _date_time(self, text: str, moment: Moment) -> DateTimeSpan | None:
        try:
            when = self._when(text, moment)
            if when is not None:
                return resolve(when, moment)
            found = instant_in_words(text, self.language, moment.wall.replace(tzinfo=None))
            return None if found is None else _from_library(found, moment)
        except (OverflowError, ValueError):
            return None

    def _when(self, text: str, moment: Moment) -> When | None:
        today = moment.day
        when = self.scanner.read(text, today)
        if when is not None:
            return when
        # The sentence may hold the word that the pattern wants: "at {time}".
        for lead in self.leading:
            when = self.scanner.read(lead + text, today)
            if when is not None:
                return when
        return None


def _from_library(found: tuple[datetime, Grain], moment: Moment) -> DateTimeSpan:
    wall, grain = found
    day = one_day(wall.date())
    if grain in {Grain.HOUR, Grain.MINUTE}:
        clock = Clock(hour=wall.hour, minute=wall.minute, half=int(wall.hour >= 12), grain=grain)
        return resolve(When(days=day, clock=clock), moment)
    return resolve(When(days=day), moment)
