"""OTLP over gRPC: opentelemetry.proto.collector.trace.v1.TraceService/Export.

The method takes raw bytes and parses them itself, because gRPC answers bytes that don't parse with INTERNAL, which
exporters retry; malformed data is the sender's fault and stays malformed. gzip is undone by gRPC.
"""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from earshot_chassis.errors import OverloadedError
from earshot_tracestore.export import accept
from earshot_tracestore.store import Store

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class TraceServicer:
    """Accepts exports."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def export(self, payload: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        """Store an ExportTraceServiceRequest; INVALID_ARGUMENT if it is none, UNAVAILABLE to be sent again later."""
        try:
            request = ExportTraceServiceRequest.FromString(payload)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not an ExportTraceServiceRequest")
        try:
            response = await accept(self._store, request)
        except OverloadedError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(error))
        return response.SerializeToString()


def add_to_server(servicer: TraceServicer, server: grpc.aio.Server) -> None:
    """Register the servicer, as generated code does it."""
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Export": grpc.unary_unary_rpc_method_handler(servicer.export)
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
