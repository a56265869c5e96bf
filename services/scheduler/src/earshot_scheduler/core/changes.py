"""What a user can do to a schedule. Each change raises the revision; what was armed for another moment rings no more.

             ┌─────────┐  due                          ┌─────────┐  dismiss (not a repeat), delete
    create ──► ARMED   ├───────────────────────────────► RINGING ├─────────────────────────────────► OVER
             │         ◄───────────────────────────────┤         │
             └─┬─────▲─┘  move, extend (a snooze);     └─────────┘
         pause │     │    dismiss, of a repeat
               │     │ resume, move
             ┌─▼─────┴─┐
             │ PAUSED  │
             └─────────┘

What has rung for longer than anything rings counts as dismissed (`settled`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from earshot_scheduler.core import repeats
from earshot_scheduler.core.errors import InvalidScheduleError, UnfitError
from earshot_scheduler.core.repeats import Regular
from earshot_scheduler.core.values import Kind, Occurrence, Schedule, State, to_milliseconds
from earshot_scheduler.core.walltime import time_of, wall, zone_of

_MOST_PUT_OFF = 5
_LONGEST_LABEL = 100
_LONGEST_LOCALE = 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How far ahead something may be set."""

    horizon: timedelta = timedelta(days=730)


@dataclass(frozen=True, slots=True, kw_only=True)
class New:
    """What is to be set; checked by `create`."""

    schedule_id: str
    household: str
    device: str
    kind: Kind
    label: str = ""
    locale: str = ""
    time_zone: str = ""
    local_time: str = ""
    rule: str = ""
    due: datetime | None = None
    remaining: timedelta | None = None
    added: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A schedule after a change, and the occurrence that has to stop ringing."""

    schedule: Schedule
    stopped: str = ""


def create(new: New, now: datetime, limits: Limits) -> Schedule:
    """Return what is set, to be armed.

    Raises:
        InvalidScheduleError: A field can't be used, or a repeat never comes.
        UnfitError: It is due in the past.
    """
    if new.time_zone:
        zone_of(new.time_zone)
    if len(new.locale) > _LONGEST_LOCALE:
        raise InvalidScheduleError("the locale is too long", code="invalid_locale")
    schedule = Schedule(
        schedule_id=new.schedule_id,
        household=new.household,
        device=new.device,
        kind=new.kind,
        state=State.ARMED,
        revision=1,
        armed_revision=1,
        label=_label(new.label),
        locale=new.locale,
        time_zone=new.time_zone,
        rule=new.rule,
        added=new.added,
    )
    if new.kind is Kind.TIMER:
        return _timer(schedule, new, now, limits)
    if new.kind is Kind.REMINDER and not new.label.strip():
        raise InvalidScheduleError("a reminder needs words: its label", code="label_missing")
    if new.remaining is not None:
        raise InvalidScheduleError("only a timer has a length", code="remaining_not_allowed")
    return _by_the_clock(schedule, new, now, limits)


def move(schedule: Schedule, to: datetime, now: datetime, limits: Limits) -> Changed:
    """Make it due at a moment: instead of when it is due next, or once more if it rings.

    Raises:
        InvalidScheduleError: That is too far ahead.
        UnfitError: It is past, or too much was put off already.
    """
    to = _coming(to, now, limits)
    due = schedule.due
    length = schedule.length
    if length is not None and schedule.state is State.ARMED and due is not None:
        length += to - due
    singles, regular = schedule.singles, _regular(schedule)
    if schedule.state is State.ARMED and due is not None:
        singles = tuple(single for single in singles if single != due)
        if regular is not None and schedule.regular_due == due:
            regular = repeats.following(schedule.rule, schedule.zone, regular)
    singles = tuple(sorted({*singles, to}))
    if len(singles) > _MOST_PUT_OFF:
        raise UnfitError("too much of it was put off already", code="put_off_too_often")
    moved = replace(schedule, singles=singles, remaining=None, length=length)
    return Changed(schedule=_armed(moved, regular), stopped=_ringing(schedule))


def extend(schedule: Schedule, by: timedelta, now: datetime, limits: Limits) -> Changed:
    """Add to what remains; what rings is due so long from now.

    Raises:
        InvalidScheduleError: That is too far ahead.
        UnfitError: Nothing would remain.
    """
    length = schedule.length + by if schedule.length is not None else None
    if schedule.state is State.PAUSED:
        remaining = (schedule.remaining or timedelta()) + by
        _coming(now + remaining, now, limits)
        paused = replace(schedule, remaining=remaining, length=length, revision=schedule.revision + 1)
        return Changed(schedule=paused)
    start = schedule.due if schedule.state is State.ARMED else None
    changed = move(schedule, (start or now) + by, now, limits)
    return replace(changed, schedule=replace(changed.schedule, length=length))


def pause(schedule: Schedule, now: datetime) -> Changed:
    """Stop a timer's clock.

    Raises:
        InvalidScheduleError: It is not a timer.
        UnfitError: It is due already.
    """
    _check_timer(schedule)
    if schedule.state is State.PAUSED:
        return Changed(schedule=_next(schedule))
    due = schedule.due
    if schedule.state is not State.ARMED or due is None or due <= now:
        raise UnfitError("it is due already", code="already_due")
    paused = _next(schedule, state=State.PAUSED, singles=(), armed_revision=0, remaining=due - now)
    return Changed(schedule=paused)


def resume(schedule: Schedule, now: datetime) -> Changed:
    """Let a timer's clock go on.

    Raises:
        InvalidScheduleError: It is not a timer.
        UnfitError: It rings.
    """
    _check_timer(schedule)
    if schedule.state is State.RINGING:
        raise UnfitError("it is due already", code="already_due")
    if schedule.state is State.ARMED:
        return Changed(schedule=_next(schedule))
    due = to_milliseconds(now + (schedule.remaining or timedelta()))
    return Changed(schedule=_armed(replace(schedule, singles=(due,), remaining=None), None))


def rename(schedule: Schedule, label: str) -> Changed:
    """Call it something else.

    Raises:
        InvalidScheduleError: It can't be called that.
    """
    if schedule.kind is Kind.REMINDER and not label.strip():
        raise InvalidScheduleError("a reminder needs words: its label", code="label_missing")
    return Changed(schedule=_next(schedule, label=_label(label)))


def dismiss(schedule: Schedule) -> Changed:
    """Stop its ringing: a repeat waits for its next occurrence, everything else is over. Else it stays as it is."""
    if schedule.state is not State.RINGING:
        return Changed(schedule=_next(schedule))
    state = State.OVER if schedule.due is None else State.ARMED
    return Changed(schedule=_next(schedule, state=state), stopped=schedule.occurrence_id)


def settled(schedule: Schedule, now: datetime, maximum_age: timedelta) -> Schedule:
    """Return what a schedule counts as: what has rung for longer than anything rings was not heard, and is dismissed.

    A device that is away may have nobody who dismisses it, and its directive has expired by then.

    Args:
        schedule: As it is kept.
        now: The present moment.
        maximum_age: What is older does not ring.
    """
    rings = Occurrence.read(schedule.occurrence_id) if schedule.state is State.RINGING else None
    if rings is None or now - rings.due <= maximum_age:
        return schedule
    return replace(schedule, state=State.OVER if schedule.due is None else State.ARMED)


def end(schedule: Schedule) -> Changed:
    """Cancel it."""
    over = _next(schedule, state=State.OVER, armed_revision=0, singles=(), regular=None, remaining=None)
    return Changed(schedule=over, stopped=_ringing(schedule))


def _timer(schedule: Schedule, new: New, now: datetime, limits: Limits) -> Schedule:
    if new.rule or new.local_time:
        raise InvalidScheduleError("a timer has a length, no time of day and no repeat", code="not_for_a_timer")
    if (new.remaining is None) == (new.due is None):
        raise InvalidScheduleError("a timer needs a length or an end, not both", code="length_missing")
    due = new.due if new.due is not None else now + (new.remaining or timedelta())
    due = _coming(due, now, limits)
    return replace(schedule, singles=(due,), length=new.remaining if new.remaining is not None else due - now)


def _by_the_clock(schedule: Schedule, new: New, now: datetime, limits: Limits) -> Schedule:
    if new.due is None and not new.local_time:
        raise InvalidScheduleError("it needs a time of day or a moment", code="time_missing")
    if not new.time_zone:
        if new.due is None or new.rule:
            raise InvalidScheduleError("a time of day and a repeat need a time zone", code="time_zone_missing")
        return replace(schedule, singles=(_coming(new.due, now, limits),))
    zone = zone_of(new.time_zone)
    if new.due is not None:
        # A rule comes at whole seconds.
        not_before = _coming(new.due, now, limits).replace(microsecond=0)
        anchor = wall(not_before, zone)
    else:
        # Today's, or tomorrow's when it is past. A repeat's periods are counted from there.
        time_of_day = time_of(new.local_time)
        anchor, not_before = wall(now, zone).replace(microsecond=0), now + timedelta(milliseconds=1)
        anchor = anchor.replace(hour=time_of_day.hour, minute=time_of_day.minute, second=time_of_day.second)
        daily = repeats.begin("FREQ=DAILY", zone, anchor, not_before=not_before)
        anchor = daily.next if daily is not None else anchor
    schedule = replace(schedule, local_time=anchor.time().isoformat(timespec="seconds"))
    if not new.rule:
        due = new.due if new.due is not None else anchor.replace(tzinfo=zone, fold=0)
        return replace(schedule, singles=(_coming(due, now, limits),))
    regular = repeats.begin(new.rule, zone, anchor, not_before=not_before)
    if regular is None:
        raise InvalidScheduleError("this repeat never comes", code="repeat_never_comes")
    return replace(schedule, regular=regular.next, regular_count=regular.count)


def _coming(moment: datetime, now: datetime, limits: Limits) -> datetime:
    if moment <= now:
        raise UnfitError("that is in the past", code="due_in_past")
    if moment > now + limits.horizon:
        raise InvalidScheduleError(f"that is more than {limits.horizon.days} days ahead", code="due_too_far")
    return to_milliseconds(moment.astimezone(now.tzinfo))


def _label(label: str) -> str:
    if len(label) > _LONGEST_LABEL or not all(character.isprintable() for character in label):
        raise InvalidScheduleError(f"a label is at most {_LONGEST_LABEL} printable characters", code="invalid_label")
    return label.strip()


def _check_timer(schedule: Schedule) -> None:
    if schedule.kind is not Kind.TIMER:
        raise InvalidScheduleError("only a timer can be paused", code="not_a_timer")


def _regular(schedule: Schedule) -> Regular | None:
    if schedule.regular is None:
        return None
    return Regular(next=schedule.regular, count=schedule.regular_count)


def _ringing(schedule: Schedule) -> str:
    return schedule.occurrence_id if schedule.state is State.RINGING else ""


def _next(schedule: Schedule, **changes: object) -> Schedule:
    return replace(schedule, revision=schedule.revision + 1, **changes)  # type: ignore[arg-type]


def _armed(schedule: Schedule, regular: Regular | None) -> Schedule:
    revision = schedule.revision + 1
    return replace(
        schedule,
        state=State.ARMED,
        revision=revision,
        armed_revision=revision,
        regular=regular.next if regular is not None else None,
        regular_count=regular.count if regular is not None else None,
    )
