"""Schedules as values: what changes them, and what becomes of what is due. Plain functions, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earshot_scheduler.core import changes
from earshot_scheduler.core.changes import Limits, New
from earshot_scheduler.core.errors import InvalidScheduleError, RefusedError, UnfitError
from earshot_scheduler.core.firing import Verdict, fire
from earshot_scheduler.core.values import Kind, Occurrence, Schedule, State, schedule_id_of

NOW = datetime(2027, 3, 1, 6, 0, tzinfo=UTC)
LIMITS = Limits()
HOUR, MINUTE, DAY = timedelta(hours=1), timedelta(minutes=1), timedelta(days=1)


def new(kind: Kind = Kind.TIMER, **fields: object) -> New:
    """Return what is to be set."""
    given = {"schedule_id": "s1", "household": "h1", "device": "d1", "locale": "en-US", "kind": kind}
    return New(**(given | fields))  # type: ignore[arg-type]


def timer(length: timedelta = 10 * MINUTE) -> Schedule:
    """Return a timer that was set just now."""
    return changes.create(new(remaining=length), NOW, LIMITS)


def alarm(rule: str = "", **fields: object) -> Schedule:
    """Return an alarm at half past seven in Berlin: half an hour from now."""
    return changes.create(
        new(Kind.ALARM, local_time="07:30", time_zone="Europe/Berlin", rule=rule, **fields), NOW, LIMITS
    )


def due(schedule: Schedule) -> Occurrence:
    """Return what is armed."""
    assert schedule.armed is not None
    return schedule.armed


def rung(schedule: Schedule, *, late: timedelta = timedelta(0)) -> Schedule:
    """Return a schedule after it rang."""
    fired = fire(schedule, due(schedule), due(schedule).due + late, maximum_age=HOUR)
    assert fired.verdict is Verdict.RINGS
    assert fired.schedule is not None
    return fired.schedule


def test_an_alarm_is_due_when_clocks_there_show_its_time_next() -> None:
    """Today if that is to come, else tomorrow; a repeat at its first occurrence."""
    assert alarm().due == NOW + 30 * MINUTE
    past = new(Kind.ALARM, local_time="06:59", time_zone="Europe/Berlin")
    assert changes.create(past, NOW, LIMITS).due == NOW + DAY - MINUTE
    # The first of March 2027 is a Monday.
    assert alarm("FREQ=WEEKLY;BYDAY=WE").due == NOW + 2 * DAY + 30 * MINUTE
    assert alarm().local_time == "07:30:00"


def test_a_schedule_has_one_id_for_all_repetitions_of_its_request() -> None:
    """A UUID, of household and request."""
    assert schedule_id_of("h1", "r1") == schedule_id_of("h1", "r1")
    assert len({schedule_id_of("h1", "r1"), schedule_id_of("h1", "r2"), schedule_id_of("h2", "r1")}) == 3
    assert schedule_id_of("h1", "r1")[14] == "8"


@pytest.mark.parametrize(
    ("fields", "kind", "code"),
    [
        ({}, Kind.TIMER, "length_missing"),
        ({"remaining": MINUTE, "due": NOW + HOUR}, Kind.TIMER, "length_missing"),
        ({"remaining": MINUTE, "rule": "FREQ=DAILY"}, Kind.TIMER, "not_for_a_timer"),
        ({"remaining": timedelta(0)}, Kind.TIMER, "due_in_past"),
        ({"remaining": 800 * DAY}, Kind.TIMER, "due_too_far"),
        ({"remaining": MINUTE, "label": "x" * 101}, Kind.TIMER, "invalid_label"),
        ({"remaining": MINUTE, "label": "a\nb"}, Kind.TIMER, "invalid_label"),
        ({"remaining": MINUTE, "locale": "x" * 36}, Kind.TIMER, "invalid_locale"),
        ({"remaining": MINUTE, "time_zone": "Mars/Base"}, Kind.TIMER, "unknown_time_zone"),
        ({"remaining": MINUTE, "time_zone": "../etc/passwd"}, Kind.TIMER, "unknown_time_zone"),
        ({}, Kind.ALARM, "time_missing"),
        ({"local_time": "07:30"}, Kind.ALARM, "time_zone_missing"),
        ({"due": NOW + HOUR, "rule": "FREQ=DAILY"}, Kind.ALARM, "time_zone_missing"),
        ({"due": NOW - HOUR}, Kind.ALARM, "due_in_past"),
        ({"remaining": MINUTE}, Kind.ALARM, "remaining_not_allowed"),
        ({"local_time": "7:30", "time_zone": "UTC"}, Kind.ALARM, "invalid_local_time"),
        ({"local_time": "24:00", "time_zone": "UTC"}, Kind.ALARM, "invalid_local_time"),
        ({"local_time": "07:30", "time_zone": "UTC", "rule": "FREQ=SECONDLY"}, Kind.ALARM, "rule_too_frequent"),
        (
            {"local_time": "07:30", "time_zone": "UTC", "rule": "FREQ=DAILY;UNTIL=20200101"},
            Kind.ALARM,
            "repeat_never_comes",
        ),
        ({"due": NOW + HOUR}, Kind.REMINDER, "label_missing"),
    ],
)
def test_what_can_not_be_set_is_refused_with_a_code(fields: dict[str, object], kind: Kind, code: str) -> None:
    """Missing, contradictory, too far, past, unreadable."""
    with pytest.raises(RefusedError) as refused:
        changes.create(new(kind, **fields), NOW, LIMITS)
    assert refused.value.code == code


def test_a_timer_is_extended_paused_and_resumed() -> None:
    """What remains is kept while paused; its length counts extensions."""
    later = NOW + 4 * MINUTE
    extended = changes.extend(timer(), 5 * MINUTE, later, LIMITS).schedule
    assert (extended.due, extended.length, extended.revision) == (NOW + 15 * MINUTE, 15 * MINUTE, 2)
    paused = changes.pause(extended, later).schedule
    assert (paused.state, paused.due, paused.remaining, paused.armed) == (State.PAUSED, None, 11 * MINUTE, None)
    shortened = changes.extend(paused, -MINUTE, later + DAY, LIMITS).schedule
    resumed = changes.resume(shortened, later + DAY).schedule
    assert (resumed.due, resumed.remaining, resumed.state) == (later + DAY + 10 * MINUTE, None, State.ARMED)
    assert due(resumed).revision == resumed.revision


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda: changes.extend(timer(), -11 * MINUTE, NOW, LIMITS), "due_in_past"),
        (lambda: changes.extend(changes.pause(timer(), NOW).schedule, -10 * MINUTE, NOW, LIMITS), "due_in_past"),
        (lambda: changes.extend(rung(timer()), -MINUTE, NOW, LIMITS), "due_in_past"),
        (lambda: changes.move(timer(), NOW, NOW, LIMITS), "due_in_past"),
        (lambda: changes.move(timer(), NOW + 1000 * DAY, NOW, LIMITS), "due_too_far"),
        (lambda: changes.pause(alarm(), NOW), "not_a_timer"),
        (lambda: changes.resume(alarm(), NOW), "not_a_timer"),
        (lambda: changes.pause(rung(timer()), NOW), "already_due"),
        (lambda: changes.resume(rung(timer()), NOW), "already_due"),
        (lambda: changes.pause(timer(), NOW + HOUR), "already_due"),
        (lambda: changes.rename(timer(), "x" * 200), "invalid_label"),
    ],
)
def test_a_change_that_can_not_be_made_is_refused_with_a_code(change: object, code: str) -> None:
    """The schedule stays as it is."""
    with pytest.raises((InvalidScheduleError, UnfitError)) as refused:
        change()  # type: ignore[operator]
    assert refused.value.code == code


def test_what_rings_can_be_put_off_and_rings_again() -> None:
    """A snooze: the occurrence stops, and another one is armed."""
    rings = rung(timer())
    assert (rings.state, rings.due, rings.armed) == (State.RINGING, None, None)
    changed = changes.extend(rings, 5 * MINUTE, NOW + 11 * MINUTE, LIMITS)
    assert changed.stopped == rings.occurrence_id
    assert (changed.schedule.state, changed.schedule.due) == (State.ARMED, NOW + 16 * MINUTE)
    again = rung(changed.schedule)
    assert again.occurrence_id != rings.occurrence_id


def test_a_repeat_that_was_put_off_rings_then_and_goes_on_as_before() -> None:
    """The snoozed occurrence and the next regular one both come, in the order of their moments."""
    rings = rung(alarm("FREQ=DAILY"))
    assert rings.due == NOW + DAY + 30 * MINUTE
    snoozed = changes.move(rings, NOW + 40 * MINUTE, NOW + 31 * MINUTE, LIMITS).schedule
    assert snoozed.due == NOW + 40 * MINUTE
    again = rung(snoozed)
    assert again.due == NOW + DAY + 30 * MINUTE
    beyond = changes.move(rings, NOW + DAY + HOUR, NOW + 31 * MINUTE, LIMITS).schedule
    assert beyond.due == NOW + DAY + 30 * MINUTE
    assert rung(beyond).due == NOW + DAY + HOUR


def test_moving_an_armed_repeat_moves_its_next_occurrence_alone() -> None:
    """It does not ring at the old moment, and the one after that is where it was."""
    moved = changes.move(alarm("FREQ=DAILY"), NOW + 10 * MINUTE, NOW, LIMITS).schedule
    assert moved.due == NOW + 10 * MINUTE
    assert rung(moved).due == NOW + DAY + 30 * MINUTE


def test_ringing_can_not_be_put_off_without_end_by_one_schedule() -> None:
    """A frequent repeat whose occurrences are all put off is bounded."""
    schedule = alarm("FREQ=MINUTELY")
    with pytest.raises(UnfitError, match="put off"):
        for index in range(20):
            schedule = changes.move(rung(schedule), NOW + DAY + index * MINUTE, NOW + HOUR, LIMITS).schedule


def test_a_dismissed_repeat_waits_and_everything_else_is_over() -> None:
    """Dismissing what does not ring changes nothing but the revision."""
    waits = changes.dismiss(rung(alarm("FREQ=DAILY"))).schedule
    assert (waits.state, waits.due) == (State.ARMED, NOW + DAY + 30 * MINUTE)
    assert fire(waits, due(waits), due(waits).due, maximum_age=HOUR).verdict is Verdict.RINGS
    over = changes.dismiss(rung(timer()))
    assert over.schedule.state is State.OVER
    assert over.stopped
    calm = changes.dismiss(timer())
    assert (calm.schedule.due, calm.stopped) == (timer().due, "")


def test_what_is_due_fires_once() -> None:
    """A second delivery rings again under the same id, other occurrences and what is over do not."""
    schedule = alarm("FREQ=DAILY")
    first = fire(schedule, due(schedule), NOW + HOUR, maximum_age=HOUR)
    assert first.ringing == due(schedule)
    again = fire(first.schedule, due(schedule), NOW + HOUR, maximum_age=HOUR)
    assert again.verdict is Verdict.AGAIN
    assert again.ringing is not None
    assert again.ringing.occurrence_id == due(schedule).occurrence_id
    assert first.schedule is not None
    for after in (changes.dismiss(first.schedule).schedule, changes.end(first.schedule).schedule):
        assert fire(after, due(schedule), NOW + HOUR, maximum_age=HOUR).verdict is Verdict.OBSOLETE


def test_what_a_later_change_left_behind_is_obsolete_and_what_is_not_yet_written_is_early() -> None:
    """By revision and moment; two that armed at one revision are told apart by the moment."""
    schedule = timer()
    moved = changes.move(schedule, NOW + HOUR, NOW, LIMITS).schedule
    assert fire(moved, due(schedule), NOW + HOUR, maximum_age=HOUR).verdict is Verdict.OBSOLETE
    rival = replace(due(moved), due=NOW + 2 * HOUR)
    assert fire(moved, rival, NOW + HOUR, maximum_age=HOUR).verdict is Verdict.OBSOLETE
    assert fire(schedule, due(moved), NOW + HOUR, maximum_age=HOUR).verdict is Verdict.EARLY
    assert fire(None, due(schedule), NOW + HOUR, maximum_age=HOUR).verdict is Verdict.EARLY


def test_a_rename_and_a_dismissal_leave_what_is_armed_in_force() -> None:
    """They change the revision, but not the moment."""
    renamed = changes.rename(timer(), "eggs").schedule
    assert renamed.revision == 2
    fired = fire(renamed, due(timer()), NOW + HOUR, maximum_age=HOUR)
    assert fired.verdict is Verdict.RINGS
    assert fired.schedule is not None
    assert fired.schedule.label == "eggs"


def test_what_is_too_old_does_not_ring() -> None:
    """A one-shot is over and counts as missed."""
    fired = fire(timer(), due(timer()), NOW + 10 * MINUTE + HOUR + MINUTE, maximum_age=HOUR)
    assert (fired.verdict, fired.missed) == (Verdict.MISSED, 1)
    assert fired.schedule is not None
    assert fired.schedule.state is State.OVER
    young = fire(timer(), due(timer()), NOW + 10 * MINUTE + HOUR, maximum_age=HOUR)
    assert young.verdict is Verdict.RINGS


def test_of_several_missed_occurrences_the_latest_rings_if_it_is_young_enough() -> None:
    """Then the next one that is to come is armed."""
    schedule = alarm("FREQ=HOURLY;INTERVAL=2")
    moment = NOW + 30 * MINUTE + 7 * HOUR - MINUTE
    fired = fire(schedule, due(schedule), moment, maximum_age=HOUR)
    assert fired.verdict is Verdict.RINGS
    assert fired.ringing is not None
    assert (fired.ringing.due, fired.missed) == (NOW + 30 * MINUTE + 6 * HOUR, 3)
    assert fired.schedule is not None
    assert fired.schedule.due == NOW + 30 * MINUTE + 8 * HOUR
    # A second delivery knows it by the revision that armed it.
    again = fire(fired.schedule, due(schedule), moment, maximum_age=HOUR)
    assert again.ringing is not None
    assert again.ringing.occurrence_id == fired.ringing.occurrence_id
    old = fire(schedule, due(schedule), moment, maximum_age=10 * MINUTE)
    assert (old.verdict, old.missed) == (Verdict.MISSED, 4)
    assert old.schedule is not None
    assert (old.schedule.state, old.schedule.due) == (State.ARMED, NOW + 30 * MINUTE + 8 * HOUR)


def test_a_repeat_that_still_rings_makes_room_for_its_next_occurrence() -> None:
    """One rings at a time: the device is told to stop the one before."""
    rings = rung(alarm("FREQ=DAILY"))
    next_day = fire(rings, due(rings), due(rings).due, maximum_age=HOUR)
    assert next_day.stopped == rings.occurrence_id
    assert next_day.ringing is not None
    assert next_day.ringing.occurrence_id != rings.occurrence_id


@pytest.mark.parametrize("text", ["", "s1", "s1.1", "s1.x.1", "s1.1.1.1", "s1.-1.1", "s1.1.99999999999999", "s.٣.1"])
def test_what_is_no_occurrence_id_is_recognised(text: str) -> None:
    """Devices send them back."""
    assert Occurrence.read(text) is None


def change(name: str, schedule: Schedule, amount: timedelta, now: datetime) -> Schedule:
    """Change a schedule in one of the ways that there are."""
    match name:
        case "move":
            return changes.move(schedule, now + amount, now, LIMITS).schedule
        case "extend":
            return changes.extend(schedule, amount, now, LIMITS).schedule
        case "pause":
            return changes.pause(schedule, now).schedule
        case "resume":
            return changes.resume(schedule, now).schedule
        case "rename":
            return changes.rename(schedule, "x").schedule
        case _:
            return changes.dismiss(schedule).schedule


steps = st.lists(
    st.tuples(
        st.sampled_from(["move", "extend", "pause", "resume", "rename", "dismiss", "due", "stale", "again"]),
        st.integers(-20, 90),
    ),
    max_size=25,
)


@given(steps=steps, kind=st.sampled_from(["timer", "alarm", "repeat"]))
@settings(max_examples=100)
def test_whatever_happens_each_armed_occurrence_rings_once(steps: list[tuple[str, int]], kind: str) -> None:
    """Revisions rise, what rings has an id of its own, what was armed before never rings again, and what is armed is due."""
    now = NOW
    schedule = {"timer": timer, "alarm": alarm, "repeat": lambda: alarm("FREQ=HOURLY")}[kind]()
    heard: list[str] = []
    stale: list[Occurrence] = []
    for name, minutes in steps:
        before = schedule
        now += timedelta(seconds=1)
        amount = minutes * MINUTE
        try:
            if name == "due" and schedule.armed is not None:
                now = max(now, due(schedule).due + max(amount, timedelta(0)))
                fired = fire(schedule, due(schedule), now, maximum_age=HOUR)
                assert fired.verdict in {Verdict.RINGS, Verdict.MISSED}
                assert fired.schedule is not None
                schedule = fired.schedule
                heard += [fired.ringing.occurrence_id] if fired.ringing is not None else []
            elif name in {"stale", "again"}:
                for occurrence in stale:
                    verdict = fire(schedule, occurrence, now, maximum_age=HOUR)
                    assert verdict.verdict in {Verdict.OBSOLETE, Verdict.AGAIN}
                    assert verdict.ringing is None or verdict.ringing.occurrence_id == schedule.occurrence_id
                continue
            elif schedule.state is not State.OVER:
                schedule = change(name, schedule, amount, now)
        except RefusedError:
            assert schedule == before
            continue
        if before.armed is not None and schedule.armed != before.armed:
            stale.append(before.armed)
        assert schedule == before or schedule.revision == before.revision + 1
        assert (schedule.due is None) == (schedule.state in {State.PAUSED, State.OVER} or schedule.armed is None)
        assert schedule.due is None or schedule.due > now - HOUR or schedule.state is State.ARMED
        assert (schedule.state is State.PAUSED) == (schedule.remaining is not None)
    assert len(heard) == len(set(heard))


def test_what_rang_for_longer_than_anything_rings_counts_as_dismissed() -> None:
    """A one-shot is over, a repeat waits for its next occurrence; until then they ring."""
    once, repeat = rung(alarm()), rung(alarm("FREQ=DAILY"))
    rang = NOW + 30 * MINUTE
    for schedule, after in ((once, State.OVER), (repeat, State.ARMED)):
        assert changes.settled(schedule, rang + HOUR, HOUR) is schedule
        settled = changes.settled(schedule, rang + HOUR + MINUTE, HOUR)
        assert settled == replace(schedule, state=after)
    assert changes.settled(timer(), NOW + DAY, HOUR) == timer()
