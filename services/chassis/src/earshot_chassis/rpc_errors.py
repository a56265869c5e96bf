"""Errors on gRPC: google.rpc.Status with an ErrorInfo (AIP-193), written on the server and read on the client."""

from __future__ import annotations

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from earshot_chassis.errors import (
    ConflictError,
    EarshotError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    PermanentError,
    RetryableError,
)

DOMAIN = "earshot"

# The most specific class first.
_STATUS: tuple[tuple[type[EarshotError], grpc.StatusCode], ...] = (
    (InvalidInputError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotFoundError, grpc.StatusCode.NOT_FOUND),
    (ConflictError, grpc.StatusCode.ABORTED),
    (OverloadedError, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (RetryableError, grpc.StatusCode.UNAVAILABLE),
    (PermanentError, grpc.StatusCode.FAILED_PRECONDITION),
    (EarshotError, grpc.StatusCode.INTERNAL),
)

# The server is gone or going. CANCELLED is what grpc's server makes of a call that comes in the moment in which it stops; a
# caller that gives up its own call gets asyncio.CancelledError instead.
CUT_OFF = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED})
_RETRYABLE = CUT_OFF | {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.DEADLINE_EXCEEDED}


def status_of(error: EarshotError) -> grpc.StatusCode:
    """Return the gRPC status code of an error."""
    return next(code for kind, code in _STATUS if isinstance(error, kind))


def to_status(error: EarshotError) -> status_pb2.Status:
    """Return an error as google.rpc.Status; its ErrorInfo has the code in upper case as reason."""
    info = error_details_pb2.ErrorInfo(reason=error.code.upper(), domain=DOMAIN, metadata={"stage": error.stage})
    detail = any_pb2.Any()
    detail.Pack(info)
    return status_pb2.Status(code=status_of(error).value[0], message=str(error), details=[detail])


def from_rpc_error(error: grpc.aio.AioRpcError) -> EarshotError:
    """Return a failed call as one of our errors: with the server's code where it sent one, else rpc_<status>."""
    status = error.code()
    reason, stage = f"rpc_{status.name.lower()}", ""
    sent = rpc_status.from_call(error)
    for detail in sent.details if sent is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info) and info.domain == DOMAIN:
            reason, stage = info.reason.lower(), info.metadata.get("stage", "")
    kind: type[EarshotError] = PermanentError
    if status is grpc.StatusCode.INVALID_ARGUMENT:
        kind = InvalidInputError
    elif status is grpc.StatusCode.NOT_FOUND:
        kind = NotFoundError
    elif status is grpc.StatusCode.ABORTED:
        kind = ConflictError
    elif status in _RETRYABLE:
        kind = RetryableError
    ours = kind(error.details() or status.name, code=reason)
    ours.stage = stage
    return ours
