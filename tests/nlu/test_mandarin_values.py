"""What Mandarin dates, durations and numbers mean on a Wednesday, 18 November 2026, 10:30 in Shanghai."""

from __future__ import annotations

import pytest

from earshot_nlu.understanding.model import SlotKind
from support.understanding import MANDARIN, NOW, brief

DATES = [
    ("今天", "2026-11-18T00:00/day"),
    ("明天", "2026-11-19T00:00/day"),
    ("明日", "2026-11-19T00:00/day"),
    ("后天", "2026-11-20T00:00/day"),
    ("大后天", "2026-11-21T00:00/day"),
    ("昨天", "2026-11-17T00:00/day"),
    ("前天", "2026-11-16T00:00/day"),
    ("周五", "2026-11-20T00:00/day"),
    ("星期五", "2026-11-20T00:00/day"),
    ("礼拜天", "2026-11-22T00:00/day"),
    ("这周五", "2026-11-20T00:00/day"),
    ("下周五", "2026-11-27T00:00/day"),
    ("下个星期五", "2026-11-27T00:00/day"),
    ("下下周一", "2026-11-30T00:00/day"),
    ("上周三", "2026-11-11T00:00/day"),
    ("周末", "2026-11-21T00:00/day"),
    ("这周末", "2026-11-21T00:00/day"),
    ("下周末", "2026-11-28T00:00/day"),
    ("这周", "2026-11-16T00:00/week"),
    ("下周", "2026-11-23T00:00/week"),
    ("未来三天", "2026-11-19T00:00/day"),
    ("接下来几天", "2026-11-19T00:00/day"),
    ("未来两周", "2026-11-19T00:00/day"),
    ("下个月", "2026-12-01T00:00/month"),
    ("明年", "2027-01-01T00:00/year"),
    ("三天后", "2026-11-21T00:00/day"),
    ("三天以后", "2026-11-21T00:00/day"),
    ("两周后", "2026-12-02T00:00/day"),
    ("两天前", "2026-11-16T00:00/day"),
    ("十一月二十五号", "2026-11-25T00:00/day"),
    ("11月25日", "2026-11-25T00:00/day"),
    ("三月三号", "2027-03-03T00:00/day"),
    ("明年三月三号", "2027-03-03T00:00/day"),
    ("二〇二八年三月三日", "2028-03-03T00:00/day"),
    ("二十五号", "2026-11-25T00:00/day"),
    ("五号", "2026-12-05T00:00/day"),
    ("五月", "2027-05-01T00:00/month"),
    ("现在", "2026-11-18T10:30/second"),
    ("两小时后", "2026-11-18T12:30/minute"),
    ("半小时后", "2026-11-18T11:00/minute"),
    ("一个半小时后", "2026-11-18T12:00/minute"),
    ("十分钟后", "2026-11-18T10:40/minute"),
    ("过十分钟", "2026-11-18T10:40/minute"),
    ("三十秒后", "2026-11-18T10:30/second"),
    ("下午三点半", "2026-11-18T15:30/minute"),
    ("下午3点半", "2026-11-18T15:30/minute"),
    ("三点一刻", "2026-11-18T15:15/minute"),
    ("七点四十五", "2026-11-18T19:45/minute"),
    ("七点零五分", "2026-11-18T19:05/minute"),
    ("差五分八点", "2026-11-18T19:55/minute"),
    ("早上七点", "2026-11-19T07:00/hour"),
    ("晚上八点", "2026-11-18T20:00/hour"),
    ("晚上十一点半", "2026-11-18T23:30/minute"),
    ("凌晨两点", "2026-11-19T02:00/hour"),
    ("中午十二点", "2026-11-18T12:00/hour"),
    ("十五点三十分", "2026-11-18T15:30/minute"),
    ("15:30", "2026-11-18T15:30/minute"),
    ("今晚", "2026-11-18T18:00/hour"),
    ("明早", "2026-11-19T06:00/hour"),
    ("明晚八点", "2026-11-19T20:00/hour"),
    ("明天早上七点", "2026-11-19T07:00/hour"),
    ("明天下午三点", "2026-11-19T15:00/hour"),
    ("下周一上午九点", "2026-11-23T09:00/hour"),
    ("后天中午", "2026-11-20T12:00/hour"),
    ("二月三十号", None),
    ("北京", None),
    ("一下", None),
]

DURATIONS = [
    ("十分钟", 600),
    ("10分钟", 600),
    ("一分钟", 60),
    ("一分半钟", 90),
    ("三分钟半", 210),
    ("半小时", 1800),
    ("半个小时", 1800),
    ("一个半小时", 5400),
    ("一小时二十分钟", 4800),
    ("一个小时零五分", 3900),
    ("一个钟头", 3600),
    ("两个小时", 7200),
    ("1.5小时", 5400),
    ("一刻钟", 900),
    ("三十秒", 30),
    ("九十秒钟", 90),
    ("两天", 172800),
    ("一周", 604800),
    ("十", None),
    ("一会儿", None),
]

NUMBERS = [
    ("五", 5),
    ("两", 2),
    ("十", 10),
    ("二十六", 26),
    ("二十六度", 26),
    ("26°C", 26),
    ("一百零五", 105),
    ("一万两千", 12000),
    ("三点五", 3.5),
    ("三点五度", 3.5),
    ("百分之三十", 30),
    ("30%", 30),
    ("零下五度", -5),
    ("负五", -5),
    ("-5", -5),
    ("第三", 3),
    ("二〇二六", 2026),
    ("十二个半", 12.5),
    ("音乐", None),
    ("一下", None),
]


@pytest.mark.parametrize(("said", "meant"), DATES)
def test_dates(said: str, meant: str | None) -> None:
    """A date or time means the span that a Mandarin speaker would mark in a calendar."""
    assert brief(MANDARIN.values.read(MANDARIN.normalise(said).text, SlotKind.DATE_TIME, NOW)) == meant


@pytest.mark.parametrize(("said", "seconds"), DURATIONS)
def test_durations(said: str, seconds: float | None) -> None:
    """A duration means its length in seconds."""
    assert brief(MANDARIN.values.read(MANDARIN.normalise(said).text, SlotKind.DURATION, NOW)) == seconds


@pytest.mark.parametrize(("said", "number"), NUMBERS)
def test_numbers(said: str, number: float | None) -> None:
    """A number in characters or digits is the same number."""
    assert MANDARIN.values.read(MANDARIN.normalise(said).text, SlotKind.NUMBER, NOW) == number


@pytest.mark.parametrize(
    ("sentence", "kind", "found"),
    [
        ("明天下午三点半提醒我开会", SlotKind.DATE_TIME, {"明天下午三点半", "明天", "下午三点半"}),
        ("北京下周五的天气", SlotKind.DATE_TIME, {"下周五"}),
        ("定一个十分钟的闹钟", SlotKind.DURATION, {"十分钟"}),
        ("空调调到二十六度", SlotKind.NUMBER, {"二十六度", "二十六"}),
        ("帮我看一下", SlotKind.NUMBER, set()),
        ("播放音乐", SlotKind.DATE_TIME, set()),
    ],
)
def test_values_are_found_in_sentences(sentence: str, kind: SlotKind, found: set[str]) -> None:
    """Every stretch that reads as a value is found, and nothing where there is none."""
    spans = MANDARIN.values.find(sentence, kind)
    assert {sentence[span.start : span.end] for span in spans} >= found
    assert bool(spans) == bool(found)
