"""The occurrences of a rule as moments: strictly one after another, whatever clocks do in its time zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from earshot_scheduler.core.rules import Frequency, Rule, parse
from earshot_scheduler.core.walltime import instant, wall

_LEAP = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regular:
    """Where a repeat stands: its next occurrence in wall-clock time, and how many are to come with that one."""

    next: datetime
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """What became of a repeat until some moment.

    Attributes:
        latest: The last occurrence until then; None when there was none.
        passed: How many there were, as far as they were counted.
        regular: Where it stands now; None: it is over.
    """

    latest: datetime | None
    passed: int
    regular: Regular | None


def begin(text: str, zone: ZoneInfo, anchor: datetime, *, not_before: datetime) -> Regular | None:
    """Return where a new repeat stands; None when it never comes.

    Args:
        text: The RRULE.
        zone: Its time zone.
        anchor: Wall-clock time in its first period.
        not_before: Moment before which nothing may ring.

    Raises:
        InvalidScheduleError: The rule can't be used.
    """
    rule = parse(text)
    for occurrence in rule.after(anchor, inclusive=True):
        moment = instant(occurrence, zone)
        if _is_past_end(rule, occurrence, moment):
            return None
        if moment >= not_before:
            return Regular(next=occurrence, count=rule.count)
    return None


def following(text: str, zone: ZoneInfo, regular: Regular) -> Regular | None:
    """Return where a repeat stands after its next occurrence; None: it is over."""
    return next(_from(parse(text), zone, regular), None)


def passed(text: str, zone: ZoneInfo, regular: Regular, *, until: datetime) -> Passed:
    """Go on with a repeat until a moment, that moment included."""
    rule = parse(text)
    if instant(regular.next, zone) > until:
        return Passed(latest=None, passed=0, regular=regular)
    regular = _leapt(rule, zone, regular, until)
    latest, count = instant(regular.next, zone), 1
    for each in _from(rule, zone, regular):
        moment = instant(each.next, zone)
        if moment > until:
            return Passed(latest=latest, passed=count, regular=each)
        latest, count = moment, count + 1
    return Passed(latest=latest, passed=count, regular=None)


def _from(rule: Rule, zone: ZoneInfo, regular: Regular) -> Iterator[Regular]:
    """Yield where the repeat stands after each further occurrence."""
    count, before = regular.count, instant(regular.next, zone)
    for occurrence in rule.after(regular.next):
        moment = instant(occurrence, zone)
        if moment <= before:
            # Clocks went forward, and a time that does not exist was read as this one.
            continue
        count = count - 1 if count is not None else None
        if count == 0 or _is_past_end(rule, occurrence, moment):
            return
        before = moment
        yield Regular(next=occurrence, count=count)


def _is_past_end(rule: Rule, occurrence: datetime, moment: datetime) -> bool:
    if rule.until is None:
        return False
    return moment > rule.until.moment.replace(tzinfo=UTC) if rule.until.utc else occurrence > rule.until.moment


def _leapt(rule: Rule, zone: ZoneInfo, regular: Regular, until: datetime) -> Regular:
    """Leave out most of what a frequent repeat missed in a long time: only the latest occurrence matters."""
    if rule.frequency > Frequency.HOURLY or regular.count is not None:
        return regular
    gap = wall(until, zone) - _LEAP - regular.next
    step = timedelta(minutes=rule.interval) if rule.frequency is Frequency.MINUTELY else timedelta(hours=rule.interval)
    if gap < step:
        return regular
    near = regular.next + gap // step * step
    for occurrence in rule.after(near, inclusive=True):
        moment = instant(occurrence, zone)
        if moment > until or _is_past_end(rule, occurrence, moment):
            break
        return Regular(next=occurrence)
    return regular
