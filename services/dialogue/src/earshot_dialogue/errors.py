"""What can go wrong in the dialogue.

EarshotError
├── InvalidInputError
│   ├── InvalidTurnError      a turn event that lacks what a turn needs: parked
│   └── InvalidRequestError   a Converse request: INVALID_ARGUMENT; a device's request: answered with the code
├── RetryableError
│   ├── SessionContendedError other turns of the device kept writing its session: delivered again
│   └── OverloadedError
│       └── QuotaExceededError  the household used up what it may use, for now: a device's request, answered with the code
└── SkillError                never leaves the dialogue: it becomes an apology

A turn that nobody decided by its deadline, for Converse: NoOutcomeError, DEADLINE_EXCEEDED.
"""

from __future__ import annotations

from earshot_chassis.errors import EarshotError, InvalidInputError, OverloadedError, RetryableError
from earshot_dialogue.core.values import Fault

STAGE = "dialogue"


class InvalidTurnError(InvalidInputError):
    """A turn event lacks what a turn needs."""

    code = "invalid_turn"
    stage = STAGE


class InvalidRequestError(InvalidInputError):
    """A request can't be taken; the code says why."""

    code = "invalid_request"
    stage = STAGE


class SessionContendedError(RetryableError):
    """The session could not be written: other turns of the device kept changing it."""

    code = "session_contended"
    stage = STAGE


class QuotaExceededError(OverloadedError):
    """The household used up what it may use: the same is served again a little later."""

    code = "quota_exceeded"
    stage = STAGE


class NoOutcomeError(RetryableError):
    """A turn has no outcome, although its deadline has passed."""

    code = "no_outcome"
    stage = STAGE


class SkillError(EarshotError):
    """A skill call failed.

    Attributes:
        unavailable: Another attempt may do.
        unreachable: The replica itself did not answer.
    """

    code = "skill_failed"
    stage = "skill"

    def __init__(
        self, message: str, *, code: str | None = None, unavailable: bool = False, unreachable: bool = False
    ) -> None:
        super().__init__(message, code=code)
        self.unavailable = unavailable
        self.unreachable = unreachable

    @property
    def fault(self) -> Fault:
        """The error as an outcome tells it."""
        return Fault(code=self.code, message=str(self), stage=self.stage, retryable=self.unavailable)
