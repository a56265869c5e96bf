"""The checker of timers finds every defect that it is there for, each in a run that is right but for it."""

from __future__ import annotations

import pytest

from chaos.records import Inflicted
from chaos.timer_checker import IN_PAST, MOST_LATE_S, SILENT_WITHIN_S, Due, Rang, Step, Timer, judge_timers

EPOCH = 1_800_000_000


def due(at: float) -> Due:
    """Return a moment of the monotonic clock."""
    return Due(at=at, second=EPOCH + int(at))


def step(what: str, at: float, then: float | None, *, answered: float | None = 0.1, refused: str = "") -> Step:
    """Return a step that is answered a tenth of a second later."""
    return Step(
        what=what,
        asked_at=at,
        answered_at=None if answered is None else at + answered,
        due=None if then is None else due(then),
        refused=refused,
    )


def timer(*steps: Step, name: str = "a") -> Timer:
    """Return a timer; without steps: set at 10 for 20."""
    return Timer(device="d", schedule_id=name, steps=list(steps) or [step("set", 10.0, 20.0)])


def rang(at: float, *, of: float | None = None, name: str = "a", revision: int = 1, ended: float | None = 1.0) -> Rang:
    """Return a ringing at a moment, for what was due then (or at `of`)."""
    second = EPOCH + int(at if of is None else of)
    return Rang(
        device="d",
        occurrence_id=f"{name}.{revision}.{second}" if name else "",
        began_at=at,
        ended_at=None if ended is None else at + ended,
    )


def counts(judgement) -> tuple[int, int, int, int, int]:
    """Return what is counted."""
    return judgement.set, judgement.rung, judgement.missing, judgement.doubled, judgement.wrong


MOVED = timer(step("set", 10.0, 20.0), step("move", 12.0, 30.0))
CANCELLED = timer(step("set", 10.0, 20.0), step("cancel", 12.0, None))
CANCELLED_LATE = timer(step("set", 10.0, 20.0), step("cancel", 19.0, None, answered=2.0))
PAUSED = timer(step("set", 10.0, 20.0), step("pause", 12.0, None), step("resume", 14.0, 22.0))
SNOOZED = timer(step("set", 10.0, 20.0), step("snooze", 21.0, 26.0))
DISMISSED = timer(step("set", 10.0, 20.0), step("dismiss", 21.0, None))
TOO_LATE_TO_MOVE = timer(step("set", 10.0, 20.0), step("move", 12.0, None, answered=9.0, refused=IN_PAST))
NEVER_SET = timer(step("set", 10.0, None, refused=IN_PAST))


@pytest.mark.parametrize(
    ("asked", "rings", "count"),
    [
        (timer(), [rang(20.2)], 1),
        (MOVED, [rang(30.2, revision=2)], 1),
        (CANCELLED, [], 0),
        (CANCELLED_LATE, [], 0),
        (CANCELLED_LATE, [rang(20.2)], 1),
        (PAUSED, [rang(22.2, revision=3)], 1),
        (SNOOZED, [rang(20.2), rang(26.2, revision=3)], 2),
        (DISMISSED, [rang(20.2)], 1),
        (TOO_LATE_TO_MOVE, [rang(20.2)], 1),
        (NEVER_SET, [], 0),
    ],
)
def test_what_is_as_it_should_be_is_no_offence(asked, rings, count):
    """The checker does not invent offences; what came too late may ring or not."""
    judgement = judge_timers([asked], rings, [])
    assert not judgement.offences
    assert counts(judgement) == (count, count, 0, 0, 0)


@pytest.mark.parametrize(
    ("asked", "rings"),
    [
        (timer(), []),
        (MOVED, []),
        (PAUSED, []),
        (SNOOZED, [rang(20.2)]),
        (TOO_LATE_TO_MOVE, []),
    ],
)
def test_what_was_acknowledged_and_never_rings_is_missing(asked, rings):
    """Also after a change that was acknowledged, and after one that was refused."""
    judgement = judge_timers([asked, timer(name="b")], [*rings, rang(20.1, name="b")], [])
    assert [(offence.schedule_id, offence.what) for offence in judgement.offences] == [("a", "never rang")]
    assert (judgement.missing, judgement.doubled, judgement.wrong) == (1, 0, 0)


@pytest.mark.parametrize(
    ("asked", "rings"),
    [
        (timer(), [rang(20.2), rang(24.0, of=20.0)]),
        (timer(), [rang(20.2), rang(20.3, revision=2)]),
        (DISMISSED, [rang(20.2), rang(23.0, of=20.0)]),
        (CANCELLED_LATE, [rang(20.2), rang(23.0, of=20.0)]),
    ],
)
def test_what_rings_twice_for_one_moment_is_doubled(asked, rings):
    """By the same occurrence, or by another one that was armed for the same."""
    judgement = judge_timers([asked], rings, [])
    assert [offence.what for offence in judgement.offences] == ["rang 2 times"]
    assert (judgement.missing, judgement.doubled, judgement.wrong) == (0, 1, 0)


@pytest.mark.parametrize(
    ("asked", "rings"),
    [
        (MOVED, [rang(20.2), rang(30.2, revision=2)]),
        (CANCELLED, [rang(20.2)]),
        (PAUSED, [rang(20.2), rang(22.2, revision=3)]),
        (timer(), [rang(20.2), rang(25.0)]),
        (timer(), [rang(20.2), rang(20.2, name="stranger")]),
        (timer(), [rang(20.2), rang(25.0, name="")]),
        (timer(), [rang(18.0, of=20.0)]),
        (DISMISSED, [rang(20.2, ended=None)]),
        (DISMISSED, [rang(20.2, ended=SILENT_WITHIN_S + 5.0)]),
    ],
)
def test_what_rings_and_was_not_to_is_wrong(asked, rings):
    """Moved away, cancelled, paused, never set, before its time, or for ever."""
    judgement = judge_timers([asked], rings, [])
    assert len(judgement.offences) == 1
    assert (judgement.missing, judgement.doubled, judgement.wrong) == (0, 0, 1)


def fault(began_at: float, recovered_at: float) -> Inflicted:
    """Return a fault."""
    return Inflicted(
        kind="kill",
        stage="scheduler",
        target="scheduler-0",
        forgives=False,
        began_at=began_at,
        recovered_at=recovered_at,
    )


@pytest.mark.parametrize(
    ("faults", "late_s"),
    [
        ([], 6.0),
        ([fault(12.0, 14.0)], 6.0),
        ([fault(19.0, 23.0)], 3.0),
        ([fault(20.5, 23.0)], 3.0),
        ([fault(12.0, 21.0), fault(19.0, 22.0)], 4.0),
        ([fault(19.0, 23.0), fault(23.5, 26.0)], 3.0),
        ([fault(19.0, 30.0)], 0.0),
    ],
)
def test_lateness_counts_from_the_moment_or_the_end_of_what_covers_it(faults, late_s):
    """A fault that only began later is no excuse."""
    judgement = judge_timers([timer()], [rang(26.0, of=20.0)], faults)
    assert judgement.worst_late_s == pytest.approx(late_s)
    assert [offence.what for offence in judgement.offences] == (["rang 6.0 s late"] if late_s == 6.0 else [])


@pytest.mark.parametrize("faults", [[], [fault(19.0, 23.0)]])
def test_what_rings_later_than_the_limit_after_it_could_is_an_offence(faults):
    """Counted from the moment, or from the end of the fault that covers it; whatever was to ring or might."""
    able_at = max([20.0, *(each.recovered_at for each in faults)])
    for asked in (timer(), CANCELLED_LATE):
        just, late = (rang(able_at + MOST_LATE_S + by, of=20.0) for by in (-0.1, 0.1))
        assert not judge_timers([asked], [just], faults).offences
        (offence,) = judge_timers([asked], [late], faults).offences
        assert (offence.schedule_id, offence.what) == ("a", "rang 5.1 s late")


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        (timer(step("set", 10.0, None, answered=None)), "set was never answered"),
        (timer(step("set", 10.0, None, refused="TooManySchedulesError")), "could not be set: TooManySchedulesError"),
    ],
)
def test_a_scheduler_that_sets_nothing_fails_the_run(asked, what):
    """Otherwise nothing could be missing."""
    judgement = judge_timers([asked], [], [])
    assert [offence.what for offence in judgement.offences] == [what]
    assert counts(judgement) == (0, 0, 0, 0, 0)
