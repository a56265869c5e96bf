"""What a household may have in a minute, in time that is told."""

from __future__ import annotations

from earshot_dialogue.allowance import Allowance


def test_an_allowance_comes_back_with_time():
    """So many a minute for each household, which it may use at once; zero is no bound."""
    now = 0.0
    allowance = Allowance(2, lambda: now)
    assert [allowance.take("h"), allowance.take("h"), allowance.take("h"), allowance.take("g")] == [
        True,
        True,
        False,
        True,
    ]
    now = 30.0
    assert [allowance.take("h"), allowance.take("h")] == [True, False]
    unbounded = Allowance(0, lambda: now)
    assert all(unbounded.take("h") for _ in range(1_000))
