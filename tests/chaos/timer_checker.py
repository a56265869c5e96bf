"""Judges timers by what loudspeakers rang and what their users were told, and by nothing else.

A timer's user asks for one thing after another, and is told when it is due then. What was due at a moment, and was still
meant to be when the moment came, rings once. Told apart are

    must     it was acknowledged, and nothing else was asked for before it was due and answered
    may      a change was answered too late to stop it, or an answer never came: once, or not at all
    may not  it was moved, paused or cancelled, acknowledged before it was due; or nobody ever set it

What rings does so within MOST_LATE_S of its moment, or of the recovery of the faults that cover it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from chaos.records import Inflicted

# A fault that begins so soon after the moment may still keep it from ringing.
_CLOSE_S: Final = 1.0
# Clocks of one machine, read by several processes.
_CLOCK_S: Final = 0.1
# What nothing keeps from ringing any longer rings within that; devices of a run ask so often for what they missed.
MOST_LATE_S: Final = 5.0
# Longer than any fault, and than a device takes to ask what it missed.
SILENT_WITHIN_S: Final = 45.0
IN_PAST: Final = "ScheduleInPastError"


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A moment at which something is due.

    Attributes:
        at: When, of the driver's monotonic clock.
        second: The same as occurrences name it: whole seconds since 1970.
    """

    at: float
    second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that a user asked the scheduler for.

    Attributes:
        what: "set", "move", "cancel", …
        asked_at: When it was asked for first.
        answered_at: When the answer came; None: it never did.
        due: When it is due from then on; None: not any more, or not until it is resumed.
        refused: Why nothing came of it; empty: it was done.
    """

    what: str
    asked_at: float
    answered_at: float | None
    due: Due | None = None
    refused: str = ""


@dataclass(slots=True, kw_only=True)
class Timer:
    """A timer or an alarm, as its user knows it."""

    device: str
    schedule_id: str
    steps: list[Step] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Rang:
    """One ringing of a loudspeaker.

    Attributes:
        device: Whose.
        occurrence_id: What for, "<schedule>.<revision>.<due time in seconds>"; empty: for nothing that the device knows of.
        began_at: When the first sound of it was played.
        ended_at: When it was over; None: it still rings.
    """

    device: str
    occurrence_id: str
    began_at: float
    ended_at: float | None = None

    @property
    def schedule_id(self) -> str:
        """What it belongs to."""
        return self.occurrence_id.split(".")[0]

    @property
    def second(self) -> int:
        """When it was due, in whole seconds since 1970."""
        return int(self.occurrence_id.rsplit(".", 1)[-1] or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerOffence:
    """Something that may not happen.

    Attributes:
        schedule_id: To what; empty: to nothing that was set.
        what: What, for people.
        at: About when.
    """

    schedule_id: str
    what: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerJudgement:
    """The timers of a run, judged.

    Attributes:
        set: Occurrences that were to ring, and those that might and did.
        rung: Those of them that did.
        missing: Those that did not.
        doubled: Ringings too many.
        wrong: Ringings of what was not due then, or was told to stop long ago.
        worst_late_s: Longest time from the moment, or the end of the fault that covers it, to the sound.
        offences: Why the run has failed; empty: it has not.
    """

    set: int = 0
    rung: int = 0
    missing: int = 0
    doubled: int = 0
    wrong: int = 0
    worst_late_s: float = 0.0
    offences: tuple[TimerOffence, ...] = ()


@dataclass(slots=True)
class _Meant:
    """What one timer may come to."""

    must: dict[int, Due] = field(default_factory=dict)
    may: dict[int, Due] = field(default_factory=dict)
    anything: bool = False


def judge_timers(timers: Sequence[Timer], rings: Sequence[Rang], faults: Sequence[Inflicted]) -> TimerJudgement:
    """Judge a run's timers."""
    meant = {timer.schedule_id: _meant(timer) for timer in timers}
    heard: dict[tuple[str, int], list[Rang]] = {}
    for rang in rings:
        heard.setdefault((rang.schedule_id, rang.second), []).append(rang)
    missing = list(_missing(meant, heard))
    doubled = [
        TimerOffence(schedule_id=key[0], what=f"rang {len(found)} times", at=found[1].began_at)
        for key, found in heard.items()
        if len(found) > 1
    ]
    wrong = [*_wrong(meant, rings), *_rang_on(timers, rings)]
    expected = [
        (key, due)
        for schedule_id, of in meant.items()
        for second, due in {**of.may, **of.must}.items()
        if (key := (schedule_id, second)) in heard or second in of.must
    ]
    rung = [(heard[key][0], heard[key][0].began_at - _able_at(due, faults)) for key, due in expected if key in heard]
    late = [
        TimerOffence(schedule_id=rang.schedule_id, what=f"rang {late_s:.1f} s late", at=rang.began_at)
        for rang, late_s in rung
        if late_s > MOST_LATE_S
    ]
    return TimerJudgement(
        set=len(expected),
        rung=len(rung),
        missing=len(missing),
        doubled=sum(len(found) - 1 for found in heard.values()),
        wrong=len(wrong),
        worst_late_s=max([0.0, *(late_s for _, late_s in rung)]),
        offences=(*missing, *doubled, *wrong, *late, *_unanswered(timers)),
    )


def _meant(timer: Timer) -> _Meant:
    meant = _Meant()
    now: Due | None = None
    for step in timer.steps:
        if step.answered_at is None or step.refused:
            # An attempt that was thought to be lost may be carried out yet.
            meant.anything = True
        if step.refused:
            continue
        if now is not None and (step.due is None or step.due.second != now.second):
            too_late = step.answered_at is None or step.answered_at + _CLOCK_S >= now.at
            if too_late:
                meant.may[now.second] = now
        now = step.due
    if now is not None:
        meant.must[now.second] = now
    return meant


def _missing(meant: Mapping[str, _Meant], heard: Collection[tuple[str, int]]) -> Iterator[TimerOffence]:
    for schedule_id, of in meant.items():
        for second, due in of.must.items():
            if (schedule_id, second) not in heard:
                yield TimerOffence(schedule_id=schedule_id, what="never rang", at=due.at)


def _wrong(meant: Mapping[str, _Meant], rings: Sequence[Rang]) -> Iterator[TimerOffence]:
    for rang in rings:
        of = meant.get(rang.schedule_id)
        due = None if of is None else of.must.get(rang.second) or of.may.get(rang.second)
        if due is not None and rang.began_at < due.at - _CLOCK_S:
            what = "rang too early"
        elif due is None and (of is None or not of.anything):
            what = f"rang for {rang.occurrence_id or 'nothing'!r}, which was not to ring"
        else:
            continue
        yield TimerOffence(schedule_id=rang.schedule_id, what=what, at=rang.began_at)


def _rang_on(timers: Sequence[Timer], rings: Sequence[Rang]) -> Iterator[TimerOffence]:
    steps = {timer.schedule_id: timer.steps for timer in timers}
    for rang in rings:
        stopped = [
            step.answered_at
            for step in steps.get(rang.schedule_id, ())
            if step.answered_at is not None and not step.refused and step.asked_at > rang.began_at
        ]
        ended_at = rang.ended_at if rang.ended_at is not None else float("inf")
        if stopped and ended_at > stopped[0] + SILENT_WITHIN_S:
            yield TimerOffence(schedule_id=rang.schedule_id, what="rang on though it was stopped", at=stopped[0])


def _unanswered(timers: Sequence[Timer]) -> Iterator[TimerOffence]:
    for timer in timers:
        for step in timer.steps:
            if step.answered_at is None:
                yield TimerOffence(
                    schedule_id=timer.schedule_id, what=f"{step.what} was never answered", at=step.asked_at
                )
            elif step.what == "set" and step.refused not in ("", IN_PAST):
                yield TimerOffence(
                    schedule_id=timer.schedule_id, what=f"could not be set: {step.refused}", at=step.asked_at
                )


def _able_at(due: Due, faults: Sequence[Inflicted]) -> float:
    """Return the moment, or the end of the last fault that covers it."""
    covering = [fault.recovered_at for fault in faults if fault.began_at <= due.at + _CLOSE_S]
    return max([due.at, *covering])
