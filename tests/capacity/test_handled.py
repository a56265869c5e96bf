"""Costs are divided by the turns that a service handled."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from earshot_cli.capacity.handled import each_cost, handled
from earshot_cli.errors import CliError
from earshot_device.core.outcome import OutcomeKind


@dataclass(frozen=True, eq=False)
class Turn:
    """A turn of which only this matters."""

    transcript: str = "what time is it"
    kind: OutcomeKind | None = OutcomeKind.ANSWERED
    answer: NDArray[np.int16] = field(default_factory=lambda: np.ones(10, dtype=np.int16))


TURNS = [
    Turn(),
    Turn(),
    # Nobody was understood, and nobody answered.
    Turn(transcript="", kind=None, answer=np.zeros(0, dtype=np.int16)),
    # It was understood, and no skill was there for it.
    Turn(kind=next(kind for kind in OutcomeKind if kind is not OutcomeKind.ANSWERED)),
]


def test_a_service_is_counted_only_for_turns_that_came_to_it():
    """Of four turns asr has all, nlu those with words, skills those that were answered, the scheduler those that rang."""
    assert handled(TURNS, rang=2) == {
        "asr": 4,
        "bus": 4,
        "nlu": 3,
        "dialogue": 3,
        "skill": 2,
        "tts": 3,
        "scheduler": 2,
    }


def test_a_cost_is_the_time_over_the_turns_that_were_handled():
    """Four skills used 0.4 s for the two turns that came to them, which are 0.2 s each, not a fourth of 0.4."""
    costs = each_cost({"asr": 2.0, "skill": 0.4, "scheduler": 0.1}, handled(TURNS, rang=2))
    assert costs == pytest.approx({"asr": 0.5, "skill": 0.2, "scheduler": 0.05})


def test_who_handled_nothing_has_no_cost_that_could_be_told():
    """No timer rang: the measurement is refused and says of whom, instead of calling the scheduler free."""
    with pytest.raises(CliError, match="scheduler") as refused:
        each_cost({"asr": 2.0, "scheduler": 0.1}, handled(TURNS, rang=0))
    assert refused.value.code == "nothing_handled"
