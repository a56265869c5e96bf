"""What English dates, durations and numbers mean on a Wednesday, 18 November 2026, 10:30 in Shanghai."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.model import DateTimeSpan, SlotKind
from support.understanding import ENGLISH, NOW, brief

DATES = [
    ("today", "2026-11-18T00:00/day"),
    ("tomorrow", "2026-11-19T00:00/day"),
    ("yesterday", "2026-11-17T00:00/day"),
    ("the day after tomorrow", "2026-11-20T00:00/day"),
    ("day after tomorrow", "2026-11-20T00:00/day"),
    ("the day before yesterday", "2026-11-16T00:00/day"),
    ("on friday", "2026-11-20T00:00/day"),
    ("Friday", "2026-11-20T00:00/day"),
    ("wednesday", "2026-11-25T00:00/day"),
    ("this friday", "2026-11-20T00:00/day"),
    ("next friday", "2026-11-27T00:00/day"),
    ("last friday", "2026-11-13T00:00/day"),
    ("friday next week", "2026-11-27T00:00/day"),
    ("this weekend", "2026-11-21T00:00/day"),
    ("the weekend", "2026-11-21T00:00/day"),
    ("next weekend", "2026-11-28T00:00/day"),
    ("this week", "2026-11-16T00:00/week"),
    ("next week", "2026-11-23T00:00/week"),
    ("the next three days", "2026-11-19T00:00/day"),
    ("over the next few days", "2026-11-19T00:00/day"),
    ("the coming 2 weeks", "2026-11-19T00:00/day"),
    ("tonight at 8", "2026-11-18T20:00/hour"),
    ("next month", "2026-12-01T00:00/month"),
    ("next year", "2027-01-01T00:00/year"),
    ("in three days", "2026-11-21T00:00/day"),
    ("in a week", "2026-11-25T00:00/day"),
    ("in two weeks", "2026-12-02T00:00/day"),
    ("two days ago", "2026-11-16T00:00/day"),
    ("a week from tomorrow", "2026-11-26T00:00/day"),
    ("november 25th", "2026-11-25T00:00/day"),
    ("november twenty fifth", "2026-11-25T00:00/day"),
    ("the twenty fifth of november", "2026-11-25T00:00/day"),
    ("march 3rd", "2027-03-03T00:00/day"),
    ("march 3 2028", "2028-03-03T00:00/day"),
    ("the 25th", "2026-11-25T00:00/day"),
    ("on the first", "2026-12-01T00:00/day"),
    ("the thirty first", "2026-12-31T00:00/day"),
    ("in may", "2027-05-01T00:00/month"),
    ("may 2027", "2027-05-01T00:00/month"),
    ("now", "2026-11-18T10:30/second"),
    ("in 2 hours", "2026-11-18T12:30/minute"),
    ("in two hours", "2026-11-18T12:30/minute"),
    ("in half an hour", "2026-11-18T11:00/minute"),
    ("in an hour and a half", "2026-11-18T12:00/minute"),
    ("ten minutes from now", "2026-11-18T10:40/minute"),
    ("in 30 seconds", "2026-11-18T10:30/second"),
    ("at 5 pm", "2026-11-18T17:00/hour"),
    ("5 pm", "2026-11-18T17:00/hour"),
    ("at five thirty", "2026-11-18T17:30/minute"),
    ("five thirty", "2026-11-18T17:30/minute"),
    ("seven am", "2026-11-19T07:00/hour"),
    ("7:45 a.m.", "2026-11-19T07:45/minute"),
    ("seven o'clock", "2026-11-18T19:00/hour"),
    ("half past five", "2026-11-18T17:30/minute"),
    ("quarter to six", "2026-11-18T17:45/minute"),
    ("a quarter past 11", "2026-11-18T11:15/minute"),
    ("ten to nine pm", "2026-11-18T20:50/minute"),
    ("noon", "2026-11-18T12:00/hour"),
    ("midnight", "2026-11-19T00:00/hour"),
    ("12 am", "2026-11-19T00:00/hour"),
    ("12 pm", "2026-11-18T12:00/hour"),
    ("15:30", "2026-11-18T15:30/minute"),
    ("tonight", "2026-11-18T18:00/hour"),
    ("this afternoon", "2026-11-18T12:00/hour"),
    ("this morning", "2026-11-18T06:00/hour"),
    ("tomorrow morning", "2026-11-19T06:00/hour"),
    ("tomorrow at 5 pm", "2026-11-19T17:00/hour"),
    ("tomorrow evening at 8", "2026-11-19T20:00/hour"),
    ("at 8 in the evening", "2026-11-18T20:00/hour"),
    ("six in the morning", "2026-11-19T06:00/hour"),
    ("on saturday at noon", "2026-11-21T12:00/hour"),
    ("monday morning", "2026-11-23T06:00/hour"),
    ("today at 5", "2026-11-18T17:00/hour"),
    ("february 30th", None),
    ("paris", None),
    ("the banana", None),
    ("25 o'clock", None),
]

DURATIONS = [
    ("ten minutes", 600),
    ("10 minutes", 600),
    ("a minute", 60),
    ("an hour", 3600),
    ("half an hour", 1800),
    ("half a minute", 30),
    ("a quarter of an hour", 900),
    ("three quarters of an hour", 2700),
    ("an hour and a half", 5400),
    ("one and a half hours", 5400),
    ("two and a half minutes", 150),
    ("1.5 hours", 5400),
    ("one hour and twenty minutes", 4800),
    ("1 hour 20 minutes 5 seconds", 4805),
    ("ninety seconds", 90),
    ("a couple of hours", 7200),
    ("two days", 172800),
    ("a week", 604800),
    ("a second", 1),
    ("ten", None),
    ("a while", None),
]

NUMBERS = [
    ("five", 5),
    ("5", 5),
    ("zero", 0),
    ("twenty one", 21),
    ("seventy-five", 75),
    ("one hundred and five", 105),
    ("a hundred", 100),
    ("two thousand twenty seven", 2027),
    ("1,000", 1000),
    ("three point five", 3.5),
    ("two and a half", 2.5),
    ("minus five", -5),
    ("-5", -5),
    ("fifty percent", 50),
    ("50%", 50),
    ("twenty six degrees", 26),
    ("the end", None),
    ("jazz", None),
]


@pytest.mark.parametrize(("said", "meant"), DATES)
def test_dates(said: str, meant: str | None) -> None:
    """A date or time means the span that an English speaker would mark in a calendar."""
    assert brief(ENGLISH.values.read(ENGLISH.normalise(said).text, SlotKind.DATE_TIME, NOW)) == meant


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("tomorrow", "2026-11-20T00:00"),
        ("this weekend", "2026-11-23T00:00"),
        ("next week", "2026-11-30T00:00"),
        ("next month", "2027-01-01T00:00"),
        ("the next three days", "2026-11-22T00:00"),
        ("this afternoon", "2026-11-18T18:00"),
        ("tonight", "2026-11-19T00:00"),
        ("at 5 pm", "2026-11-18T18:00"),
        ("at 5:30 pm", "2026-11-18T17:31"),
    ],
)
def test_ends(said: str, end: str) -> None:
    """A span ends where the next one of its grain would begin, ranges of days where they end."""
    span = ENGLISH.values.read(said, SlotKind.DATE_TIME, NOW)
    assert isinstance(span, DateTimeSpan)
    assert span.end.strftime("%Y-%m-%dT%H:%M") == end


@pytest.mark.parametrize(("said", "seconds"), DURATIONS)
def test_durations(said: str, seconds: float | None) -> None:
    """A duration means its length in seconds."""
    assert brief(ENGLISH.values.read(ENGLISH.normalise(said).text, SlotKind.DURATION, NOW)) == seconds


@pytest.mark.parametrize(("said", "number"), NUMBERS)
def test_numbers(said: str, number: float | None) -> None:
    """A number in words or digits is the same number."""
    assert ENGLISH.values.read(ENGLISH.normalise(said).text, SlotKind.NUMBER, NOW) == number


@pytest.mark.parametrize(
    ("sentence", "kind", "found"),
    [
        ("remind me tomorrow at five pm to call", SlotKind.DATE_TIME, {"tomorrow at five pm", "tomorrow", "five pm"}),
        ("the weather on friday in paris", SlotKind.DATE_TIME, {"on friday", "friday"}),
        ("a timer for ten minutes please", SlotKind.DURATION, {"ten minutes"}),
        ("turn it up to twenty five percent", SlotKind.NUMBER, {"twenty five percent", "twenty five"}),
        ("i may march on", SlotKind.DATE_TIME, set()),
        ("play some jazz", SlotKind.NUMBER, set()),
    ],
)
def test_values_are_found_in_sentences(sentence: str, kind: SlotKind, found: set[str]) -> None:
    """Every stretch that reads as a value is found, and nothing where there is none."""
    spans = ENGLISH.values.find(sentence, kind)
    assert {sentence[span.start : span.end] for span in spans} >= found
    assert bool(spans) == bool(found)
