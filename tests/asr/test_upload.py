"""When an upload is acknowledged, repaired and given up; told the time."""

from __future__ import annotations

from earshot_asr.upload import UploadAction, UploadMonitor, UploadRules

RULES = UploadRules()
STEP = 0.1


def watch(progress: list[int], *, has_gap: bool, seconds: float) -> list[tuple[float, UploadAction]]:
    """Return what was due and when; progress holds next_sequence for each step, its last value stays."""
    monitor = UploadMonitor(RULES, 0.0)
    due = []
    for step in range(1, round(seconds / STEP) + 1):
        sequence = progress[min(step, len(progress)) - 1]
        action = monitor.check(step * STEP, sequence, has_gap=has_gap)
        if action is not None:
            due.append((round(step * STEP, 1), action))
    return due


def test_a_healthy_upload_is_left_alone() -> None:
    """While frames come nothing is due."""
    assert watch(list(range(1, 100)), has_gap=False, seconds=9) == []


def test_a_gap_is_repaired_and_at_last_given_up() -> None:
    """A missing frame is asked for after half a second, then ever more rarely, and given up after five."""
    assert watch([5], has_gap=True, seconds=5.1) == [
        (0.6, UploadAction.REPAIR),
        (1.6, UploadAction.REPAIR),
        (3.6, UploadAction.REPAIR),
        (5.1, UploadAction.GIVE_UP_GAP),
    ]


def test_a_gap_after_an_outage_is_waited_for_like_any_other() -> None:
    """Nothing came for longer than a gap is waited for; then a later frame did: the device is about to send the rest."""
    monitor = UploadMonitor(RULES, 0.0)
    for step in range(1, 61):
        assert monitor.check(step * STEP, 5, has_gap=False) is not UploadAction.GIVE_UP_GAP
    due = [(step, monitor.check(6.0 + step * STEP, 5, has_gap=True)) for step in range(1, 60)]
    assert [step for step, action in due if action is UploadAction.GIVE_UP_GAP][:1] == [51]


def test_a_gap_that_closes_is_forgotten() -> None:
    """After progress the next gap is asked for as soon as the first one was."""
    assert watch([5] * 9 + [6], has_gap=True, seconds=1.65) == [(0.6, UploadAction.REPAIR), (1.5, UploadAction.REPAIR)]


def test_audio_that_stops_is_lost() -> None:
    """Without any frame the capture is asked, and after thirty seconds the audio counts as lost."""
    assert watch([0], has_gap=False, seconds=30.05) == [
        (0.5, UploadAction.REPAIR),
        (1.5, UploadAction.REPAIR),
        (3.5, UploadAction.REPAIR),
        (7.5, UploadAction.REPAIR),
        (15.5, UploadAction.REPAIR),
        (30.0, UploadAction.LOST),
    ]


def test_an_upload_that_drips_is_ended() -> None:
    """One frame a second is no reason to hold a place for ever."""
    dripping = [second for second in range(70) for _ in range(10)]
    due = watch(dripping, has_gap=False, seconds=61)
    assert due[-1][1] is UploadAction.LOST
    assert next(at for at, action in due if action is UploadAction.LOST) == RULES.longest_s


def test_acknowledgements_are_rare_and_only_of_news() -> None:
    """The device is told twice a second what is new, and nothing when nothing is."""
    monitor = UploadMonitor(RULES, 0.0)
    told = [
        (round(step * STEP, 1), sequence)
        for step in range(1, 31)
        if (sequence := monitor.acknowledgement(step * STEP, min(step, 12))) is not None
    ]
    assert told == [(0.5, 5), (1.0, 10), (1.5, 12)]
