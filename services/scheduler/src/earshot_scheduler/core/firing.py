"""What becomes of something that is due.

    the record is behind what is due      EARLY     its arming is not yet decided, or never was
    it is over, or due at another moment  OBSOLETE  nothing
    this very occurrence rings already    AGAIN     whoever handled it first may have died before it rang
    else                                  it fires: rings, or was missed because nobody was there for too long

When several occurrences of a schedule were missed, only the latest rings, if it is young enough.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from earshot_scheduler.core import repeats
from earshot_scheduler.core.repeats import Regular
from earshot_scheduler.core.values import Occurrence, Schedule, State


class Verdict(Enum):
    """What something that is due is."""

    EARLY = "early"
    OBSOLETE = "obsolete"
    AGAIN = "again"
    RINGS = "rings"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """What becomes of an occurrence.

    Attributes:
        verdict: What it is.
        schedule: The schedule after it, to be kept (RINGS, MISSED), or as it is.
        ringing: What rings; it differs from what was due when a later one was missed as well.
        stopped: The occurrence that rang until now and makes room; empty: none did.
        missed: Occurrences that do not ring any more.
    """

    verdict: Verdict
    schedule: Schedule | None = None
    ringing: Occurrence | None = None
    stopped: str = ""
    missed: int = 0


_OBSOLETE = Fired(verdict=Verdict.OBSOLETE)


def fire(schedule: Schedule | None, due: Occurrence, now: datetime, *, maximum_age: timedelta) -> Fired:
    """Decide what becomes of an occurrence that is due.

    Args:
        schedule: As it is kept; None when there is none.
        due: The occurrence.
        now: The present moment; may be a little before the occurrence's, by another clock.
        maximum_age: What is older does not ring.
    """
    if schedule is None or schedule.revision < due.revision:
        return Fired(verdict=Verdict.EARLY, schedule=schedule)
    if schedule.state is State.OVER:
        return _OBSOLETE
    if schedule.armed == due:
        return _fire(schedule, due, now, maximum_age)
    rings = Occurrence.read(schedule.occurrence_id) if schedule.state is State.RINGING else None
    if rings is not None and rings.revision == due.revision:
        return Fired(verdict=Verdict.AGAIN, schedule=schedule, ringing=rings)
    return _OBSOLETE


def _fire(schedule: Schedule, due: Occurrence, now: datetime, maximum_age: timedelta) -> Fired:
    until = max(now, due.due)
    moments = [single for single in schedule.singles if single <= until]
    regular = Regular(next=schedule.regular, count=schedule.regular_count) if schedule.regular is not None else None
    count = len(moments)
    if regular is not None:
        gone = repeats.passed(schedule.rule, schedule.zone, regular, until=until)
        regular, count = gone.regular, count + gone.passed
        moments += [gone.latest] if gone.latest is not None else []
    latest = max(moments)
    rings = until - latest <= maximum_age
    ringing = replace(due, due=latest) if latest != due.due else due
    singles = tuple(single for single in schedule.singles if single > until)
    goes_on = bool(singles) or regular is not None
    state, occurrence_id = schedule.state, schedule.occurrence_id
    if rings:
        state, occurrence_id = State.RINGING, ringing.occurrence_id
    elif not goes_on and state is not State.RINGING:
        state = State.OVER
    revision = schedule.revision + 1
    after = replace(
        schedule,
        state=state,
        revision=revision,
        armed_revision=revision if goes_on else 0,
        singles=singles,
        regular=regular.next if regular is not None else None,
        regular_count=regular.count if regular is not None else None,
        occurrence_id=occurrence_id,
    )
    return Fired(
        verdict=Verdict.RINGS if rings else Verdict.MISSED,
        schedule=after,
        ringing=ringing if rings else None,
        stopped=schedule.occurrence_id if rings and schedule.state is State.RINGING else "",
        missed=count - 1 if rings else count,
    )
