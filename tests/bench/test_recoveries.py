"""What the bench of alarms takes for a recovery, and how long it took."""

from __future__ import annotations

from bench.schedule import recovered


def test_a_recovery_is_the_first_answer_after_an_outage() -> None:
    """Answers between outages count for the one before them, and how long each took is known."""
    assert recovered([10.0, 20.0], [9.0, 12.0, 13.0, 26.0], until=30.0) == {12.0: 2.0, 26.0: 6.0}


def test_outages_without_an_answer_between_them_have_one_recovery() -> None:
    """It is counted from the last one."""
    assert recovered([10.0, 14.0], [9.0, 15.0], until=30.0) == {15.0: 1.0}


def test_a_system_that_never_answered_again_took_until_the_end() -> None:
    """An outage after which nothing was answered in time is not left out."""
    assert recovered([10.0], [9.0], until=70.0) == {70.0: 60.0}
