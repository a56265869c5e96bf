"""What a skill can fail with.

EarshotError (chassis)
├── RetryableError
│   ├── SourceUnavailableError   source_unavailable: a source outside did not answer
│   │   └── SchedulesUnavailableError   schedules_unavailable: the scheduler did not answer, and nothing has happened
│   └── StateConflictError       state_conflict: others kept changing the same state
└── PermanentError
    ├── EffectRefusedError       effect_refused: a target outside did not do it
    ├── EffectUnknownError       effect_unknown: nobody can tell whether it did
    ├── SchedulerNotConfiguredError  scheduler_not_configured: EARSHOT_SCHEDULER_TARGET is not set
    ├── InvalidScheduleError     invalid_schedule: the scheduler refused a field
    │   ├── ScheduleInPastError  schedule_in_past: it would have been due already
    │   ├── ScheduleNotFoundError    schedule_not_found: there is none of that id, or it is over
    │   └── TooManySchedulesError    too_many_schedules: the household has as many as it may
    ├── BrokenSkillError         broken_skill: the code and the manifest do not fit each other
    │   ├── BrokenManifestError  broken_manifest: a file of the skill's folder is wrong; names file and key
    │   └── BrokenResponseError  broken_response: a response can't be rendered
    └── InvalidInputError
        ├── UnknownIntentError   unknown_intent
        ├── InvalidSlotError     invalid_slot
        ├── UnsupportedLocaleError   unsupported_locale
        ├── InvalidRequestError  invalid_request: time zone, household or key of the call
        └── InvalidWordError     word_empty, word_too_long, word_malformed: a household can't call anything so
"""

from __future__ import annotations

from earshot_chassis.errors import InvalidInputError, PermanentError, RetryableError

STAGE = "skill"


class SourceUnavailableError(RetryableError):
    """A source outside the skill did not answer, or answered with an error of its own."""

    code = "source_unavailable"
    stage = STAGE


class StateUnavailableError(RetryableError):
    """What the skill keeps can't be read or written at the moment."""

    code = "state_unavailable"
    stage = STAGE


class StateConflictError(RetryableError):
    """Others kept changing the same state while it was being changed."""

    code = "state_conflict"
    stage = STAGE


class EffectRefusedError(PermanentError):
    """A target outside the skill did not do what it was asked for, and it is sure that it did not."""

    code = "effect_refused"
    stage = STAGE


class EffectUnknownError(PermanentError):
    """Nobody can tell whether a target outside the skill did what it was asked for."""

    code = "effect_unknown"
    stage = STAGE


class SchedulesUnavailableError(SourceUnavailableError):
    """The scheduler did not answer, and nothing has happened."""

    code = "schedules_unavailable"


class SchedulerNotConfiguredError(PermanentError):
    """The skill uses schedules, and nobody has told it where the scheduler is."""

    code = "scheduler_not_configured"
    stage = STAGE


class InvalidScheduleError(PermanentError):
    """The scheduler refused what it was asked for."""

    code = "invalid_schedule"
    stage = STAGE


class ScheduleInPastError(InvalidScheduleError):
    """A schedule would have been due already."""

    code = "schedule_in_past"


class ScheduleNotFoundError(InvalidScheduleError):
    """There is no schedule of that id, or it is over."""

    code = "schedule_not_found"


class TooManySchedulesError(InvalidScheduleError):
    """The household has as many schedules as it may."""

    code = "too_many_schedules"


class BrokenSkillError(PermanentError):
    """The skill's code and its manifest do not fit each other."""

    code = "broken_skill"
    stage = STAGE


class BrokenManifestError(BrokenSkillError):
    """A file of the skill's folder is missing or wrong.

    Attributes:
        file: Path below the skill's package folder.
        key: Where in the file, "intents.get_time.slots.city.type"; empty for the file as a whole.
    """

    code = "broken_manifest"

    def __init__(self, file: str, key: str, problem: str) -> None:
        super().__init__(f"{file}: {key}: {problem}" if key else f"{file}: {problem}")
        self.file = file
        self.key = key


class BrokenResponseError(BrokenSkillError):
    """A response can't be rendered: there is no such key, or a value is missing."""

    code = "broken_response"


class UnknownIntentError(InvalidInputError):
    """The intent is not one of this skill's."""

    code = "unknown_intent"
    stage = STAGE


class InvalidSlotError(InvalidInputError):
    """A slot is not one of the intent's, or holds a value of another type."""

    code = "invalid_slot"
    stage = STAGE


class UnsupportedLocaleError(InvalidInputError):
    """The skill has no words in this locale."""

    code = "unsupported_locale"
    stage = STAGE


class InvalidRequestError(InvalidInputError):
    """A field of the call other than its intent and slots can't be used."""

    code = "invalid_request"
    stage = STAGE


class InvalidWordError(InvalidInputError):
    """A household can't call anything so; the code says why."""

    code = "word_malformed"
    stage = STAGE
