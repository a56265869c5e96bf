"""Calendar arithmetic at its edges: changes of the clocks, ends of months and years, weeks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earshot_nlu.understanding.model import DateTimeSpan, Grain, SlotKind
from earshot_nlu.understanding.values.calendar import Clock, Moment
from support.understanding import ENGLISH, MANDARIN

NEW_YORK = ZoneInfo("America/New_York")
SAYINGS = [
    "today", "tomorrow", "the day after tomorrow", "on friday", "next friday", "this weekend", "next week", "next month",
    "next year", "in two hours", "in three days", "at 2:30", "at half past two", "midnight", "noon", "tonight",
    "tomorrow at 2:30 am", "in the morning", "the 31st", "february 29th", "in february", "last night", "at 12", "12 am",
]  # fmt: skip
CHINESE_SAYINGS = [
    "今天",
    "大后天",
    "下周五",
    "周末",
    "下个月",
    "明年",
    "半小时后",
    "凌晨两点半",
    "三十一号",
    "二月二十九号",
    "今晚",
    "零点",
]


def said(text: str, instant: datetime, zone: ZoneInfo = NEW_YORK) -> DateTimeSpan:
    """Return what an English time means at an instant."""
    value = ENGLISH.values.read(ENGLISH.normalise(text).text, SlotKind.DATE_TIME, Moment(instant, zone))
    assert isinstance(value, DateTimeSpan)
    return value


def test_day_of_the_spring_change_has_23_hours() -> None:
    """A day is the user's day, however long its clocks make it."""
    span = said("tomorrow", datetime(2026, 3, 7, 12, tzinfo=NEW_YORK))
    assert span.end.astimezone(UTC) - span.start.astimezone(UTC) == timedelta(hours=23)
    assert (span.start.utcoffset(), span.end.utcoffset()) == (timedelta(hours=-5), timedelta(hours=-4))


def test_time_that_the_clocks_skip_is_moved_on() -> None:
    """Half past two on the night of the spring change does not exist; half past three does."""
    span = said("tomorrow at 2:30 am", datetime(2026, 3, 7, 12, tzinfo=NEW_YORK))
    assert span.start.isoformat() == "2026-03-08T03:30:00-04:00"


def test_distance_is_real_time() -> None:
    """Two hours from now are two hours, across a change of the clocks as well."""
    before = datetime(2026, 3, 8, 1, 30, tzinfo=NEW_YORK)
    assert said("in 2 hours", before).start.isoformat() == "2026-03-08T04:30:00-04:00"


def test_today_is_the_users_day() -> None:
    """What day it is depends on the user's zone, not on the server's."""
    instant = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    assert said("today", instant, ZoneInfo("Asia/Shanghai")).start.isoformat() == "2026-11-19T00:00:00+08:00"
    assert said("today", instant, ZoneInfo("America/New_York")).start.isoformat() == "2026-11-18T00:00:00-05:00"


@pytest.mark.parametrize(
    ("text", "instant", "start"),
    [
        ("the 31st", datetime(2026, 11, 18, tzinfo=NEW_YORK), "2026-12-31"),
        ("the 31st", datetime(2027, 2, 1, tzinfo=NEW_YORK), "2027-03-31"),
        ("february 29th", datetime(2026, 3, 1, tzinfo=NEW_YORK), None),
        ("next month", datetime(2026, 12, 31, tzinfo=NEW_YORK), "2027-01-01"),
        ("next friday", datetime(2026, 12, 31, tzinfo=NEW_YORK), "2027-01-08"),
        ("this weekend", datetime(2026, 11, 22, 9, tzinfo=NEW_YORK), "2026-11-21"),
        ("this week", datetime(2027, 1, 2, tzinfo=NEW_YORK), "2026-12-28"),
        ("tomorrow", datetime(2028, 2, 28, tzinfo=NEW_YORK), "2028-02-29"),
    ],
)
def test_ends_of_months_and_years(text: str, instant: datetime, start: str | None) -> None:
    """Dates roll over months, years and leap days."""
    if start is None:
        span = ENGLISH.values.read(text, SlotKind.DATE_TIME, Moment(instant, NEW_YORK))
        assert span is None or (isinstance(span, DateTimeSpan) and span.start.year == 2028)
    else:
        assert said(text, instant).start.date().isoformat() == start


@given(
    st.datetimes(datetime(1971, 1, 2), datetime(2400, 12, 31)),  # noqa: DTZ001 - the zone is drawn beside it
    st.sampled_from(
        ["UTC", "Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kathmandu"]
    ),
    st.sampled_from(SAYINGS + CHINESE_SAYINGS),
)
def test_every_moment_gives_an_ordered_span(naive: datetime, zone: str, text: str) -> None:
    """At any moment in any zone a time begins before it ends, and a future one ends in the future."""
    moment = Moment(naive.replace(tzinfo=UTC), ZoneInfo(zone))
    language = ENGLISH if text.isascii() else MANDARIN
    span = language.values.read(language.normalise(text).text, SlotKind.DATE_TIME, moment)
    assert isinstance(span, DateTimeSpan)
    assert span.start.astimezone(UTC) < span.end.astimezone(UTC)
    assert span.start.utcoffset() is not None
    if text not in {"last night", "this week"}:
        assert span.end.astimezone(UTC) > moment.instant
    if span.grain is Grain.DAY and text != "this weekend":
        assert (span.start.hour, span.start.minute) in {(0, 0), (1, 0)}


@pytest.mark.parametrize("bad", [{"hour": 25}, {"hour": 1, "minute": 60}, {"hour": -1}, {"hour": 1, "second": 60}])
def test_clock_refuses_what_no_clock_shows(bad: dict[str, int]) -> None:
    """A time of day that does not exist can't be made."""
    with pytest.raises(ValueError, match="not a time of day"):
        Clock(**bad)
