"""What can go wrong in the scheduler.

EarshotError
├── InvalidInputError
│   └── InvalidRequestError    a request that can never be carried out: INVALID_ARGUMENT
├── PermanentError
│   └── UnfitRequestError      it can't be carried out as things stand: FAILED_PRECONDITION
├── NotFoundError
│   └── UnknownScheduleError   there is no such schedule, or it is over: NOT_FOUND
├── ConflictError
│   └── StaleRevisionError     it was changed meanwhile: ABORTED
├── OverloadedError
│   └── TooManySchedulesError  the household has as many as it may: RESOURCE_EXHAUSTED
└── RetryableError
    ├── ContendedError         others kept changing it: UNAVAILABLE
    └── UndecidedError         what is due may yet be decided by the one who armed it: delivered again
"""

from __future__ import annotations

from earshot_chassis.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PermanentError,
    RetryableError,
)

STAGE = "scheduler"


class InvalidRequestError(InvalidInputError):
    """A request can never be carried out; the code says why."""

    code = "invalid_request"
    stage = STAGE


class UnfitRequestError(PermanentError):
    """A request can't be carried out as things stand; the code says why."""

    code = "unfit_request"
    stage = STAGE


class UnknownScheduleError(NotFoundError):
    """There is no such schedule, or it is over."""

    code = "schedule_not_found"
    stage = STAGE


class StaleRevisionError(ConflictError):
    """A schedule is not at the revision that a change was meant for."""

    code = "stale_revision"
    stage = STAGE


class TooManySchedulesError(OverloadedError):
    """A household has as many schedules as it may, or changed too many lately."""

    code = "too_many_schedules"
    stage = STAGE


class ContendedError(RetryableError):
    """A schedule could not be written: others kept changing it."""

    code = "schedule_contended"
    stage = STAGE


class UndecidedError(RetryableError):
    """Something is due whose arming is not yet decided."""

    code = "arming_undecided"
    stage = STAGE
