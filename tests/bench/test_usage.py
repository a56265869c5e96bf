"""What a turn is said to take is without rest."""

from __future__ import annotations

import pytest

from bench.usage import Used, turn_cpu_s


def test_rest_is_not_counted_as_work() -> None:
    """A process that takes as much while turns are spoken as at rest takes nothing for them; more is what they took."""
    started, rested = Used(0, 1.0), Used(0, 1.4)
    assert turn_cpu_s(started, rested, Used(0, 3.8), rest_s=20, spoken_s=120) == pytest.approx(0.0)
    assert turn_cpu_s(started, rested, Used(0, 4.8), rest_s=20, spoken_s=120) == pytest.approx(1.0)
    assert turn_cpu_s(started, rested, Used(0, 3.0), rest_s=20, spoken_s=120) == 0.0
