"""What can be wrong with what is asked. Mapped to the chassis's errors by the service, which may not be imported here."""

from __future__ import annotations


class RefusedError(Exception):
    """A change can't be made.

    Attributes:
        code: Stable, snake_case.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class InvalidScheduleError(RefusedError):
    """It could never be made: a field can't be used."""


class UnfitError(RefusedError):
    """It can't be made now: the moment is past, or the schedule is not in a state for it."""
