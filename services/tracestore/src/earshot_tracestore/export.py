"""One export request, whatever it came over."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from earshot_tracestore.store import Store
from earshot_tracestore.wire import batch_of


async def accept(store: Store, request: ExportTraceServiceRequest) -> ExportTraceServiceResponse:
    """Store what is valid, and tell how much was not.

    Raises:
        OverloadedError: The sender has to come back later.
    """
    batch = batch_of(request)
    await store.add(batch)
    if not batch.rejected:
        return ExportTraceServiceResponse()
    return ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(
            rejected_spans=batch.rejected, error_message="spans without a valid trace id and span id"
        )
    )
