"""Which of the turns that were spoken a service had to do with: its CPU time is that of those, not of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from earshot_cli.capacity.figures import ASR
from earshot_cli.errors import CliError
from earshot_device.core.outcome import OutcomeKind

BUS = "bus"
SKILL = "skill"
SCHEDULER = "scheduler"


class Turn(Protocol):
    """A turn, as far as it tells who handled it."""

    @property
    def transcript(self) -> str:
        """The words that were understood."""

    @property
    def kind(self) -> OutcomeKind | None:
        """How it ended."""

    @property
    def answer(self) -> NDArray[np.int16]:
        """What was heard of its answer."""


def handled(turns: Sequence[Turn], rang: int) -> dict[str, int]:
    """Return how many turns each service handled; of the scheduler, how many timers it was given and rang.

    A turn without words ends at asr, one that nobody can answer before the skills, one without a sound before tts.
    """
    return {
        ASR: len(turns),
        BUS: len(turns),
        "nlu": sum(bool(turn.transcript) for turn in turns),
        "dialogue": sum(turn.kind is not None for turn in turns),
        SKILL: sum(turn.kind is OutcomeKind.ANSWERED for turn in turns),
        "tts": sum(turn.answer.size > 0 for turn in turns),
        SCHEDULER: rang,
    }


def each_cost(used_s: Mapping[str, float], counts: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU time of each service for one turn that it handled.

    Raises:
        CliError: A service handled none, so that nothing can be said of its cost (code `nothing_handled`).
    """
    idle = [name for name in used_s if not counts[name]]
    if idle:
        raise CliError(f"{', '.join(idle)} handled no turn: nothing can be said of its cost", code="nothing_handled")
    return {name: used / counts[name] for name, used in used_s.items()}
