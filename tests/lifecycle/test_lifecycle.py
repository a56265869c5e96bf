"""The turn's state machine, checked by chance: and by taking its fences away, which chance must notice.

EARSHOT_LIFECYCLE_EXAMPLES=20000 soaks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from earshot_device.core.speech_buffer import Added, SpeechBuffer
from earshot_device.core.turn import Turn, Verdict
from earshot_dialogue.claims.chain import OutcomeChain
from lifecycle.machine import TurnMachine
from lifecycle.world import Access, Listening, Who

EXAMPLES = int(os.environ.get("EARSHOT_LIFECYCLE_EXAMPLES", "250"))
CHECKED = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40,
    derandomize="EARSHOT_LIFECYCLE_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
# A fence that is missing is to be found, not explained: shrinking takes long.
HUNTED = settings(CHECKED, max_examples=1_500, phases=(Phase.generate,), report_multiple_bugs=False, print_blob=False)


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log nothing of thousands of turns."""
    monkeypatch.setattr("earshot_dialogue.deadlines._log", logging.getLogger("lifecycle"))
    monkeypatch.setattr(logging.getLogger("lifecycle"), "warning", lambda *_args, **_fields: None)


@pytest.mark.timeout(600)
def test_whatever_happens_a_turn_ends_once() -> None:
    """Redelivery, deadline, takeover, zombies, late duplicates, lost answers, the device's own decision: in any order."""
    run_state_machine_as_test(TurnMachine, settings=CHECKED)


def _no_compare_and_set(who: Who) -> Callable[[pytest.MonkeyPatch], None]:
    def remove(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Access, "unfenced", frozenset({who}))

    return remove


def _lost_answer_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_over(self: Any, standing: Any) -> None:
        del standing
        self.took_over = True

    monkeypatch.setattr(OutcomeChain, "_take_over", take_over)


def _any_outcome_binds(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Verdict] = Turn.decide

    def decide(self: Turn, segment: Any) -> Verdict:
        self.outcome_id = None
        self.phase = type(self.phase).WAITING if self.phase.name == "CLOSED" else self.phase
        return real(self, segment)

    monkeypatch.setattr(Turn, "decide", decide)


def _zombies_are_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Turn.hear

    def hear(self: Turn, recognised: Any, now: float) -> Verdict:
        self.epoch = 0
        return real(self, recognised, now)

    monkeypatch.setattr(Turn, "hear", hear)


def _frames_of_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(self: SpeechBuffer, frame: Any) -> Added:
        return Added.DUPLICATE if frame.sequence < self.head else Added.NEW

    monkeypatch.setattr(SpeechBuffer, "_judge", judge)


def _epochs_of_the_whole_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("earshot_device.core.speech_buffer._owner", lambda frame: (0, frame.owner_epoch))


def _both_sounds(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(self: Listening, seconds: float) -> None:
        self.now += seconds
        self.apologised = self.apologised or self.turn.expired(self.now)

    monkeypatch.setattr(Listening, "wait", wait)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "fence",
    [
        *(pytest.param(_no_compare_and_set(who), id=f"no compare-and-set for {who}") for who in Who),
        _lost_answer_taken_for_another,
        _any_outcome_binds,
        _zombies_are_believed,
        _frames_of_anybody,
        _epochs_of_the_whole_outcome,
        _both_sounds,
    ],
)
def test_a_missing_fence_is_found(fence: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine can fail: each fence that is taken away breaks a promise within its budget."""
    fence(monkeypatch)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(TurnMachine, settings=HUNTED)
