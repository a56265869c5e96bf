"""Recurrence rules: what is read, when they come, against another implementation, and through clock changes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from earshot_scheduler.core import repeats
from earshot_scheduler.core.errors import InvalidScheduleError
from earshot_scheduler.core.repeats import Regular
from earshot_scheduler.core.rules import parse
from earshot_scheduler.core.walltime import instant

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai")


def local(text: str) -> datetime:
    """Return a naive time."""
    return datetime.fromisoformat(text)


def moments(rule: str, zone: str, start: str, count: int) -> list[str]:
    """Return the first moments of a repeat as clocks in its zone show them, with their offsets."""
    place = ZoneInfo(zone)
    regular = repeats.begin(rule, place, local(start), not_before=instant(local(start), place))
    found: list[str] = []
    while regular is not None and len(found) < count:
        found.append(instant(regular.next, place).astimezone(place).isoformat(timespec="minutes"))
        regular = repeats.following(rule, place, regular)
    return found


@pytest.mark.parametrize(
    ("rule", "zone", "start", "expected"),
    [
        # The wall-clock time stays through both changes, also where the change is half an hour.
        ("FREQ=DAILY", "Europe/Berlin", "2027-03-27T07:30", ["2027-03-27T07:30+01:00", "2027-03-28T07:30+02:00"]),
        ("FREQ=DAILY", "Europe/Berlin", "2027-10-30T07:30", ["2027-10-30T07:30+02:00", "2027-10-31T07:30+01:00"]),
        ("FREQ=DAILY", "America/New_York", "2027-11-06T07:30", ["2027-11-06T07:30-04:00", "2027-11-07T07:30-05:00"]),
        ("FREQ=DAILY", "Australia/Lord_Howe", "2027-04-03T07:30", ["2027-04-03T07:30+11:00", "2027-04-04T07:30+10:30"]),
        ("FREQ=DAILY", "Asia/Shanghai", "2027-03-28T02:30", ["2027-03-28T02:30+08:00", "2027-03-29T02:30+08:00"]),
        # What does not exist is read with the offset before the gap, and the next day is half past two again.
        (
            "FREQ=DAILY",
            "America/New_York",
            "2027-03-13T02:30",
            ["2027-03-13T02:30-05:00", "2027-03-14T03:30-04:00", "2027-03-15T02:30-04:00"],
        ),
        ("FREQ=DAILY", "Australia/Lord_Howe", "2027-10-03T02:15", ["2027-10-03T02:45+11:00", "2027-10-04T02:15+11:00"]),
        # What exists twice is its first, once.
        (
            "FREQ=DAILY",
            "Europe/Berlin",
            "2027-10-30T02:30",
            ["2027-10-30T02:30+02:00", "2027-10-31T02:30+02:00", "2027-11-01T02:30+01:00"],
        ),
        # Clocks that jump over half an hour leave no occurrence behind another.
        (
            "FREQ=MINUTELY;INTERVAL=30",
            "Europe/Berlin",
            "2027-03-28T01:30",
            ["2027-03-28T01:30+01:00", "2027-03-28T03:00+02:00", "2027-03-28T03:30+02:00", "2027-03-28T04:00+02:00"],
        ),
        ("FREQ=MONTHLY", "Europe/Berlin", "2027-01-31T09:00", ["2027-01-31T09:00+01:00", "2027-03-31T09:00+02:00"]),
        (
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            "Asia/Shanghai",
            "2028-01-31T09:00",
            ["2028-01-31T09:00+08:00", "2028-02-29T09:00+08:00", "2028-03-31T09:00+08:00"],
        ),
        (
            "FREQ=YEARLY",
            "Asia/Shanghai",
            "2096-02-29T09:00",
            ["2096-02-29T09:00+08:00", "2104-02-29T09:00+08:00"],
        ),
        (
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
            "Asia/Shanghai",
            "2027-01-06T06:00",
            ["2027-01-08T06:00+08:00", "2027-01-18T06:00+08:00", "2027-01-22T06:00+08:00"],
        ),
        (
            "RRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "Asia/Shanghai",
            "2027-01-01T17:00",
            ["2027-01-29T17:00+08:00", "2027-02-26T17:00+08:00", "2027-03-31T17:00+08:00"],
        ),
        (
            "FREQ=DAILY;COUNT=2",
            "Asia/Shanghai",
            "2027-01-01T09:00",
            ["2027-01-01T09:00+08:00", "2027-01-02T09:00+08:00"],
        ),
        (
            "FREQ=DAILY;UNTIL=20270102",
            "Asia/Shanghai",
            "2027-01-01T09:00",
            ["2027-01-01T09:00+08:00", "2027-01-02T09:00+08:00"],
        ),
        ("FREQ=DAILY;UNTIL=20270102T005959Z", "Asia/Shanghai", "2027-01-01T09:00", ["2027-01-01T09:00+08:00"]),
        (
            "FREQ=DAILY;UNTIL=20270102T010000Z",
            "Asia/Shanghai",
            "2027-01-01T09:00",
            ["2027-01-01T09:00+08:00", "2027-01-02T09:00+08:00"],
        ),
    ],
)
def test_a_repeat_keeps_its_wall_clock_time(rule: str, zone: str, start: str, expected: list[str]) -> None:
    """Through clock changes, month ends and leap days, in every zone."""
    found = moments(rule, zone, start, len(expected))
    assert found == expected
    if "COUNT" in rule or "UNTIL" in rule:
        assert moments(rule, zone, start, 10) == expected


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=9",
        "FREQ=MONTHLY;INTERVAL=12;BYMONTHDAY=30",
        "FREQ=MINUTELY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3",
        "FREQ=DAILY;UNTIL=20200101",
    ],
)
def test_a_repeat_that_never_comes_is_found_out_quickly(rule: str) -> None:
    """Others wait for the same event loop: no search goes on to the end of the calendar."""
    began = time.process_time()
    assert moments(rule, "Asia/Shanghai", "2027-02-01T09:00", 1) == []
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("", "invalid_rule"),
        ("DAILY", "invalid_rule"),
        ("FREQ=DAILY;FREQ=DAILY", "invalid_rule"),
        ("FREQ=FORTNIGHTLY", "invalid_rule"),
        ("FREQ=SECONDLY", "rule_too_frequent"),
        ("FREQ=MINUTELY;BYSECOND=0,30", "rule_too_frequent"),
        ("FREQ=DAILY;BYEASTER=0", "unsupported_rule"),
        ("FREQ=DAILY;INTERVAL=0", "invalid_rule"),
        ("FREQ=DAILY;INTERVAL=1001", "invalid_rule"),
        ("FREQ=DAILY;COUNT=1001", "invalid_rule"),
        ("FREQ=DAILY;COUNT=1;UNTIL=20280101", "invalid_rule"),
        ("FREQ=DAILY;UNTIL=20281301", "invalid_rule"),
        ("FREQ=DAILY;UNTIL=tomorrow", "invalid_rule"),
        ("FREQ=DAILY;BYDAY=2MO", "invalid_rule"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "invalid_rule"),
        ("FREQ=MONTHLY;BYDAY=0MO", "invalid_rule"),
        ("FREQ=MONTHLY;BYDAY=XX", "invalid_rule"),
        ("FREQ=DAILY;BYHOUR=24", "invalid_rule"),
        ("FREQ=DAILY;BYHOUR=٣", "invalid_rule"),
        ("FREQ=DAILY;BYSETPOS=1", "invalid_rule"),
        ("FREQ=WEEKLY;WKST=XX", "invalid_rule"),
        (f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};BYMINUTE=0,10,20,30,40", "invalid_rule"),
        ("FREQ=DAILY;BYDAY=" + "MO," * 100, "invalid_rule"),
    ],
)
def test_a_rule_that_can_not_be_used_is_refused_with_a_code(rule: str, code: str) -> None:
    """Unreadable, unsupported, or more often than every minute."""
    with pytest.raises(InvalidScheduleError) as refused:
        parse(rule)
    assert refused.value.code == code


@st.composite
def rules(draw: st.DrawFn) -> str:
    """Return a rule of any frequency, with a part or two."""
    frequency = draw(st.sampled_from(["MINUTELY", "HOURLY", "DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 5))}")
    if draw(st.booleans()):
        days = draw(st.sets(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=3))
        numbered = frequency == "MONTHLY" and draw(st.booleans())
        parts.append(
            "BYDAY="
            + ",".join(f"{draw(st.sampled_from([1, 2, 4, -1]))}{day}" if numbered else day for day in sorted(days))
        )
    if frequency != "WEEKLY" and draw(st.booleans()):
        numbers = draw(st.sets(st.sampled_from([1, 13, 28, 31, -1, -5]), min_size=1, max_size=3))
        parts.append("BYMONTHDAY=" + ",".join(map(str, sorted(numbers))))
    if draw(st.booleans()):
        parts.append("BYMONTH=" + ",".join(map(str, sorted(draw(st.sets(st.integers(1, 12), min_size=1, max_size=4))))))
    if draw(st.booleans()):
        parts.append("BYHOUR=" + ",".join(map(str, sorted(draw(st.sets(st.integers(0, 23), min_size=1, max_size=3))))))
    if frequency != "MINUTELY" and draw(st.booleans()):
        parts.append(
            "BYMINUTE=" + ",".join(map(str, sorted(draw(st.sets(st.integers(0, 59), min_size=1, max_size=2)))))
        )
    if frequency in {"MONTHLY", "YEARLY"} and any(part.startswith("BY") for part in parts) and draw(st.booleans()):
        parts.append(f"BYSETPOS={draw(st.sampled_from([1, 2, -1]))}")
    if frequency == "WEEKLY" and draw(st.booleans()):
        parts.append(f"WKST={draw(st.sampled_from(['MO', 'SU']))}")
    return ";".join(parts)


walls = st.datetimes(datetime(2026, 1, 1), datetime(2032, 12, 31)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001


@given(rule=rules(), anchor=walls)
@settings(max_examples=80)
def test_rules_come_when_another_implementation_says(rule: str, anchor: datetime) -> None:
    """The same occurrences as python-dateutil's, of every rule that comes within its search."""
    ours = list(islice(parse(rule).after(anchor, inclusive=True), 6))
    # The other one searches for rules that never come to the end of the calendar.
    assume(ours)
    theirs = list(islice(rrulestr(rule, dtstart=anchor), len(ours)))
    assert ours == theirs


@given(rule=rules(), anchor=walls)
@settings(max_examples=40)
def test_any_occurrence_is_as_good_an_anchor_as_the_first(rule: str, anchor: datetime) -> None:
    """What is kept of a repeat is its next occurrence: going on from there gives the same ones."""
    occurrences = list(islice(parse(rule).after(anchor, inclusive=True), 5))
    for index, occurrence in enumerate(occurrences[:-1]):
        assert next(parse(rule).after(occurrence)) == occurrences[index + 1]


@given(
    zone=st.sampled_from(ZONES),
    start=walls,
    frequency=st.sampled_from(["DAILY", "WEEKLY", "HOURLY", "MINUTELY;INTERVAL=20"]),
)
@settings(max_examples=40)
def test_moments_come_one_after_another_one_a_period(zone: str, start: datetime, frequency: str) -> None:
    """Strictly increasing; the wall-clock time is kept unless it does not exist; each day or week has one."""
    place, rule = ZoneInfo(zone), f"FREQ={frequency}"
    regular = repeats.begin(rule, place, start, not_before=instant(start, place))
    before = None
    for _ in range(120):
        assert regular is not None
        moment = instant(regular.next, place)
        shown = moment.astimezone(place).replace(tzinfo=None)
        exists = instant(shown, place) == moment
        assert shown == regular.next or shown - regular.next in {timedelta(hours=1), timedelta(minutes=30)}
        assert exists
        if before is not None:
            assert moment > before[1]
            if frequency in {"DAILY", "WEEKLY"}:
                assert regular.next - before[0] == timedelta(days=1 if frequency == "DAILY" else 7)
        before = regular.next, moment
        regular = repeats.following(rule, place, regular)


@given(
    zone=st.sampled_from(ZONES),
    start=walls,
    rule=st.sampled_from(
        ["FREQ=DAILY", "FREQ=HOURLY;INTERVAL=5", "FREQ=MINUTELY;INTERVAL=7", "FREQ=MINUTELY;BYHOUR=8"]
    ),
    away=st.timedeltas(timedelta(0), timedelta(days=40)),
)
@settings(max_examples=20)
def test_what_was_missed_in_a_long_time_leaves_a_repeat_where_it_would_be(
    zone: str, start: datetime, rule: str, away: timedelta
) -> None:
    """Leaping over a month of a frequent repeat ends where going step by step does."""
    place = ZoneInfo(zone)
    regular = repeats.begin(rule, place, start, not_before=datetime(2000, 1, 1, tzinfo=UTC))
    assert regular is not None
    until = instant(regular.next, place) + away
    gone = repeats.passed(rule, place, regular, until=until)
    latest, each = None, regular
    while each is not None and instant(each.next, place) <= until:
        latest, each = instant(each.next, place), repeats.following(rule, place, each)
    assert (gone.latest, gone.regular) == (latest, each)


def test_a_counted_repeat_ends_after_its_count_however_much_was_missed() -> None:
    """Missed occurrences count."""
    place = ZoneInfo("Europe/Berlin")
    regular = Regular(next=local("2027-01-01T09:00"), count=5)
    gone = repeats.passed("FREQ=DAILY;COUNT=5", place, regular, until=datetime(2027, 1, 3, 12, tzinfo=UTC))
    assert (gone.passed, gone.regular) == (3, Regular(next=local("2027-01-04T09:00"), count=2))
    gone = repeats.passed("FREQ=DAILY;COUNT=5", place, regular, until=datetime(2028, 1, 1, tzinfo=UTC))
    assert (gone.passed, gone.regular) == (5, None)
