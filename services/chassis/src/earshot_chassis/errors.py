"""What can go wrong in a service, told in codes that programs may branch on.

    EarshotError                      code, stage, retryable
    ├── RetryableError                the same message may succeed later: delayed nak, UNAVAILABLE
    │   ├── OverloadedError           no room at the moment: RESOURCE_EXHAUSTED
    │   └── LeaseLostError            this process was frozen, its message is another one's: settled by that one
    └── PermanentError                it never will: parked, FAILED_PRECONDITION
        ├── NotFoundError             there is no such thing: NOT_FOUND
        ├── InvalidInputError         the sender's fault: parked, INVALID_ARGUMENT
        │   └── MalformedPayloadError bytes that are not the message they claim to be
        └── ConflictError             somebody else was first: ABORTED

Services subclass these, one subclass for each stage, and give their own codes. Mapped to acks in `consuming` and to gRPC
in `rpc_errors`, nowhere else.
"""

from __future__ import annotations

from typing import ClassVar


class EarshotError(Exception):
    """An error with a stable code.

    Attributes:
        code: Stable, snake_case.
        stage: The stage that refused, "asr", "nlu"; empty in the chassis.
        retryable: Whether the same input may succeed later.
    """

    code: str = "internal"
    stage: str = ""
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RetryableError(EarshotError):
    """The same input may succeed later."""

    code = "unavailable"
    retryable = True


class OverloadedError(RetryableError):
    """There is no room for it at the moment."""

    code = "overloaded"


class LeaseLostError(RetryableError):
    """This process was away for longer than its lease: somebody else does its work."""

    code = "lease_lost"


class PermanentError(EarshotError):
    """The same input never succeeds."""

    code = "failed"


class InvalidInputError(PermanentError):
    """The sender sent something that it should not have sent."""

    code = "invalid_input"


class MalformedPayloadError(InvalidInputError):
    """A payload is not the message that it should be."""

    code = "malformed_payload"


class NotFoundError(PermanentError):
    """What is asked for is not there."""

    code = "not_found"


class ConflictError(PermanentError):
    """A compare-and-set found another value than expected: somebody else was first."""

    code = "conflict"


def code_of(error: BaseException) -> str:
    """Return an error's code; "internal" for one that is not ours."""
    return error.code if isinstance(error, EarshotError) else "internal"
