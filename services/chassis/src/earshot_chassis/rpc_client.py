"""gRPC channels to other services: round_robin over what the target resolves to, a deadline and a span on every call."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, Metadata
from opentelemetry.trace import SpanKind

from earshot_chassis import telemetry

_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS = (
    ("grpc.service_config", _SERVICE_CONFIG),
    # A call that is silent asks every half second whether the process at the other end still lives: one that is frozen
    # keeps its connection, and would keep the call to its deadline. It is UNAVAILABLE after as long as a lease lasts.
    ("grpc.keepalive_time_ms", 500),
    ("grpc.keepalive_timeout_ms", 1_000),
    ("grpc.http2.ping_timeout_ms", 1_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.enable_retries", 0),
)


def connect(target: str, *, default_timeout_s: float = 5.0) -> grpc.aio.Channel:
    """Return a channel.

    Args:
        target: gRPC name: "127.0.0.1:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051", "dns:///skill-clock:50051".
        default_timeout_s: Deadline of calls that set none: a call without a deadline can wait for ever.
    """
    interceptors: list[grpc.aio.ClientInterceptor] = [
        _Unary(default_timeout_s),
        _UnaryStream(default_timeout_s),
        _StreamStream(default_timeout_s),
    ]
    return grpc.aio.insecure_channel(target, options=_OPTIONS, interceptors=interceptors)


class _Base:
    def __init__(self, default_timeout_s: float) -> None:
        self._default_timeout_s = default_timeout_s

    def _details(self, details: ClientCallDetails, current: Any) -> ClientCallDetails:
        headers: dict[str, str] = {}
        with telemetry.use(current):
            telemetry.inject(headers)
        metadata = Metadata(*(details.metadata or ()), *headers.items())
        return ClientCallDetails(
            method=details.method,
            timeout=details.timeout if details.timeout is not None else self._default_timeout_s,
            metadata=metadata,
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )


def _start(details: ClientCallDetails) -> Any:
    # A str for some kinds of call and bytes for others, whatever the annotation says.
    raw: Any = details.method
    method = (raw.decode() if isinstance(raw, bytes) else str(raw)).lstrip("/")
    attributes = {"rpc.system": "grpc", "rpc.method": method}
    return telemetry.start_span(method, kind=SpanKind.CLIENT, attributes=attributes)


def _watch(call: Any, current: Any) -> Any:
    """End the span when the call is done, whoever waits for it or not."""

    def done(_call: Any) -> None:
        status = _finished(call.code())
        if status is not grpc.StatusCode.OK:
            telemetry.fail(current, f"rpc_{status.name.lower()}" if status is not None else "rpc_unknown")
        current.end()

    call.add_done_callback(done)
    return call


def _finished(coroutine: Any) -> Any:
    """Return the result of a coroutine that has nothing left to wait for; None if it does wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    return None


class _Unary(_Base, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        current = _start(details)
        return _watch(await continuation(self._details(details, current), request), current)


class _UnaryStream(_Base, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        current = _start(details)
        return _watch(await continuation(self._details(details, current), request), current)


class _StreamStream(_Base, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        current = _start(details)
        return _watch(await continuation(self._details(details, current), requests), current)
