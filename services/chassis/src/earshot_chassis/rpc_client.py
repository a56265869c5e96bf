"""gRPC channels to other services: round_robin over what the target resolves to, a deadline and a span on every call."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import grpc
from grpc.aio import ClientCallDetails, Metadata
from opentelemetry.trace import SpanKind

from earshot_chassis import attempts, telemetry

_SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
_OPTIONS = (
    ("grpc.service_config", _SERVICE_CONFIG),
    # A call that is silent asks every half second whether the process at the other end still lives: one that is frozen
    # keeps its connection, and would keep the call to its deadline. It is UNAVAILABLE after as long as a lease lasts.
    ("grpc.keepalive_time_ms", 500),
    ("grpc.keepalive_timeout_ms", 850),
    ("grpc.http2.ping_timeout_ms", 850),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.enable_retries", 0),
)

_STATUS_DETAILS = "grpc-status-details-bin"


def connect(target: str, *, default_timeout_s: float = 5.0, service: str = "") -> grpc.aio.Channel:
    """Return a channel.

    Args:
        target: gRPC name: "127.0.0.1:50051", "ipv4:10.0.0.1:50051,10.0.0.2:50051", "dns:///skill-clock:50051".
        default_timeout_s: Deadline of calls that set none: a call without a deadline can wait for ever.
        service: Who is there, "skill-clock": whose span it is that is drawn when a call is cut off.
    """
    interceptors = [
        _Unary(default_timeout_s, target, service),
        _UnaryStream(default_timeout_s, target, service),
        _StreamStream(default_timeout_s, target, service),
    ]
    channel = grpc.aio.insecure_channel(target, options=_OPTIONS, interceptors=interceptors)
    for interceptor in interceptors:
        interceptor.channel = channel
    return channel


class _Base(grpc.aio.ClientInterceptor):
    channel: grpc.aio.Channel

    def __init__(self, default_timeout_s: float, target: str, service: str) -> None:
        self._default_timeout_s = default_timeout_s
        self._target = target
        self._service = service

    def _start(self, details: ClientCallDetails) -> _Calling:
        connected = self.channel.get_state() is grpc.ChannelConnectivity.READY
        return _Calling(_method(details), self._target, self._service, may_arrive=connected)

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


def _method(details: ClientCallDetails) -> str:
    # A str for some kinds of call and bytes for others, whatever the annotation says.
    raw: Any = details.method
    return (raw.decode() if isinstance(raw, bytes) else str(raw)).lstrip("/")


class _Calling:
    """One call's span, and that of a server that died while it worked for it.

    Args:
        method: What is called.
        target: Where.
        service: Whose method it is.
        may_arrive: Whether there was a connection when the call began.
    """

    def __init__(self, method: str, target: str, service: str, *, may_arrive: bool) -> None:
        self._method = method
        self._target = target
        self._service = service
        self._may_arrive = may_arrive
        self._began_ns = time.time_ns()
        self._attributes = {"rpc.system": "grpc", "rpc.method": method}
        self.span = telemetry.start_span(method, kind=SpanKind.CLIENT, attributes=self._attributes)

    def watch(self, call: Any) -> Any:
        """End the span when the call is done, whoever waits for it or not."""

        def done(_call: Any) -> None:
            status = _finished(call.code())
            if status is not grpc.StatusCode.OK:
                telemetry.fail(self.span, f"rpc_{status.name.lower()}" if status is not None else "rpc_unknown")
            if status is grpc.StatusCode.UNAVAILABLE and self._may_arrive and not _told(call):
                self._draw_server()
            self.span.end()

        call.add_done_callback(done)
        return call

    def _draw_server(self) -> None:
        """The connection broke, or nobody was heard on it any more: the server will hardly have sent its span."""
        mine = self.span.get_span_context()
        if not mine.is_valid:
            return
        span_id = attempts.derived(mine.trace_id, f"{mine.span_id:016x}")
        telemetry.draw(
            self._method,
            kind=SpanKind.SERVER,
            parent=attempts.carrying(telemetry.context_of(self.span), span_id),
            span_id=span_id,
            start_ns=self._began_ns,
            end_ns=time.time_ns(),
            code=attempts.LOST,
            attributes={**self._attributes, "server.address": self._target, attempts.RECONSTRUCTED: True},
            service=self._service,
        )


def _told(call: Any) -> bool:
    """Tell whether the server itself said why: then it lives."""
    return any(name == _STATUS_DETAILS for name, _ in _finished(call.trailing_metadata()) or ())


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
        calling = self._start(details)
        return calling.watch(await continuation(self._details(details, calling.span), request))


class _UnaryStream(_Base, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
        calling = self._start(details)
        return calling.watch(await continuation(self._details(details, calling.span), request))


class _StreamStream(_Base, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Callable[..., Any], details: Any, requests: Any) -> Any:
        calling = self._start(details)
        return calling.watch(await continuation(self._details(details, calling.span), requests))
