"""OTLP over HTTP: POST /v1/traces with a protobuf body, gzip or not."""

from __future__ import annotations

import zlib

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from earshot_chassis.errors import InvalidInputError, OverloadedError
from earshot_tracestore.export import accept
from earshot_tracestore.store import Store

PROTOBUF = "application/x-protobuf"


class TracesEndpoint:
    """Accepts exports.

    Args:
        store: Where spans go.
        max_body_bytes: Largest body, before and after unpacking.
    """

    def __init__(self, store: Store, max_body_bytes: int) -> None:
        self._store = store
        self._max = max_body_bytes

    async def post(self, request: Request) -> Response:
        """Answer 200, 400 (malformed), 413 (too large), 415 (not protobuf) or 503 (come back later)."""
        if request.headers.get("content-type", "").split(";")[0].strip() != PROTOBUF:
            return _refused(415, "unsupported_media_type", f"send {PROTOBUF}")
        try:
            body = await self._body(request)
            message = ExportTraceServiceRequest.FromString(body)
        except InvalidInputError as error:
            return _refused(413 if error.code == "too_large" else 400, error.code, str(error))
        except DecodeError:
            return _refused(400, "malformed_payload", "not an ExportTraceServiceRequest")
        try:
            answer = await accept(self._store, message)
        except OverloadedError as error:
            return _refused(503, error.code, str(error))
        return Response(answer.SerializeToString(), media_type=PROTOBUF)

    async def _body(self, request: Request) -> bytes:
        packed = bytearray()
        async for chunk in request.stream():
            packed += chunk
            if len(packed) > self._max:
                raise InvalidInputError(f"the body is larger than {self._max} bytes", code="too_large")
        match request.headers.get("content-encoding", "identity"):
            case "identity":
                return bytes(packed)
            case "gzip":
                return _unpack(bytes(packed), self._max)
            case other:
                raise InvalidInputError(f"unknown content encoding {other[:40]!r}", code="unknown_encoding")


def _unpack(packed: bytes, limit: int) -> bytes:
    """Undo gzip, stopping at the limit: a small body must not become a large one in memory.

    Raises:
        InvalidInputError: It is not gzip, not whole, or too large.
    """
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(packed, limit)
    except zlib.error as error:
        raise InvalidInputError("the body is not gzip", code="malformed_payload") from error
    if unpacker.unconsumed_tail:
        raise InvalidInputError(f"the body unpacks to more than {limit} bytes", code="too_large")
    if not unpacker.eof:
        raise InvalidInputError("the gzip body is cut short", code="malformed_payload")
    return body


def _refused(status: int, code: str, message: str) -> JSONResponse:
    headers = {"retry-after": "1"} if status == 503 else None
    return JSONResponse({"code": code, "message": message}, status_code=status, headers=headers)
