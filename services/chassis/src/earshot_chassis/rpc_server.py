"""The gRPC server of a service: health, reflection, one span a call, errors as google.rpc.Status, graceful drain.

It serves so many calls at once and refuses others as `overloaded`, which is retryable: what waits behind would be late.
`max_connection_age` makes clients reconnect now and then, so that replicas that came later get their share.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from opentelemetry.trace import Span, SpanKind, get_current_span

from earshot_chassis import attempts, telemetry
from earshot_chassis.addresses import joined
from earshot_chassis.errors import EarshotError, MalformedPayloadError, OverloadedError, code_of
from earshot_chassis.rpc_errors import to_status
from earshot_chassis.sampling import Seldom

_OPTIONS = (
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    # Our clients ping every 500 ms; the default tolerates one in five minutes on a silent call and then hangs up.
    ("grpc.http2.min_ping_interval_without_data_ms", 100),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
)
_DURATION = telemetry.histogram("earshot.rpc.server.duration", "Time that gRPC calls took.")
_OVERLOADED = telemetry.counter("earshot.rpc.server.overloaded", "gRPC calls that were refused: too many at once.")
_log = telemetry.logger("grpc")
_busy = Seldom()

DEFAULT_CALLS = 256
# The name under which health checks ask whether the event loop turns, and nothing else. What is not ready, for its bus is
# away, is not mended by a restart.
LIVE = "live"
# How long a call that is refused waits for its client's first request.
_FIRST_S = 1.0


class GrpcServer:
    """A gRPC server to which servicers are added before it starts.

    Args:
        calls: How many calls it serves at once.
        shared_port: Whether another process may listen on its port, too: its successor, until this one ends.
    """

    def __init__(self, calls: int = DEFAULT_CALLS, *, shared_port: bool = False) -> None:
        options = (*_OPTIONS, ("grpc.so_reuseport", int(shared_port)))
        self._server = grpc.aio.server(interceptors=[_Interceptor(_Places(calls))], options=options)
        self._health = health.aio.HealthServicer()
        self._names: list[str] = []
        self.port = 0
        self.listening = asyncio.Event()

    def add(self, adder: Callable[[Any, grpc.aio.Server], None], servicer: Any, name: str) -> None:
        """Serve a servicer.

        Args:
            adder: Generated add_<Service>Servicer_to_server.
            servicer: Its implementation.
            name: Full name of the service, "earshot.nlu.v1.Interpreter".
        """
        adder(servicer, self._server)
        self._names.append(name)

    async def start(self, host: str, port: int) -> int:
        """Listen; return the port.

        Raises:
            RuntimeError: The address is taken.
        """
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)
        self.port = self._server.add_insecure_port(joined(host, port))
        await self._health.set(LIVE, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        self.listening.set()
        return self.port

    async def report(self, *, serving: bool) -> None:
        """Tell health checks whether the service takes calls."""
        status = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, status)

    async def drain(self) -> None:
        """Tell health checks that the service takes no more calls, for good; it still does."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in progress end within the grace time, then cancel them."""
        await self._server.stop(max(0.0, grace_s))


class _Places:
    """How many calls there is room for."""

    def __init__(self, free: int) -> None:
        self._free = free

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Hold a place.

        Raises:
            OverloadedError: There is none.
        """
        if self._free <= 0:
            raise OverloadedError("every place for a call is taken")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class _Interceptor(grpc.aio.ServerInterceptor):
    """Wraps every method of ours in a place, a span and error mapping; health and reflection are left alone."""

    def __init__(self, places: _Places) -> None:
        self._places = places

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        handler = await continuation(details)
        if handler is None or not details.method.startswith("/earshot."):
            return handler
        parent = telemetry.extract(
            {name: str(value) for name, value in details.invocation_metadata if name in ("traceparent", "tracestate")}
        )
        method = details.method[1:]
        kind = _stream if handler.response_streaming else _unary
        wrap = kind(handler, method, parent, self._places)
        factory = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[handler.request_streaming, handler.response_streaming]
        # Requests come as bytes: a deserializer of grpc's own that fails ends the call as UNKNOWN, without a code.
        return factory(wrap, None, handler.response_serializer)


def _read(handler: Any, payload: bytes) -> Any:
    try:
        return handler.request_deserializer(payload)
    except DecodeError as error:
        raise MalformedPayloadError(f"not a request of this method ({len(payload)} bytes)") from error


class _Requests:
    """What a client streams, as it is read."""

    def __init__(self, handler: Any, payloads: AsyncIterator[bytes]) -> None:
        self._handler = handler
        self._payloads = payloads
        self._begun = False

    def __aiter__(self) -> _Requests:
        return self

    async def __anext__(self) -> Any:
        self._begun = True
        return _read(self._handler, await anext(self._payloads))

    async def hear_first(self) -> None:
        """Let the first one come, before a call ends of which none was read.

        To grpc's own client a call that ends under a write is INTERNAL, whatever it was told.
        """
        if not self._begun:
            with suppress(StopAsyncIteration, TimeoutError):
                async with asyncio.timeout(_FIRST_S):
                    await anext(self._payloads)


def _unary(handler: Any, method: str, parent: Any, places: _Places) -> Any:
    behavior = handler.stream_unary if handler.request_streaming else handler.unary_unary

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        started = time.monotonic()
        requests = _Requests(handler, request) if handler.request_streaming else None
        with _span(method, parent) as current:
            try:
                with places.taken():
                    return await behavior(_read(handler, request) if requests is None else requests, context)
            except asyncio.CancelledError:
                # The caller has gone: it hung up, died, or took this process for dead while it was frozen.
                telemetry.fail(current, "rpc_cancelled")
                raise
            except Exception as error:  # noqa: BLE001 - every error becomes a status
                if requests is not None:
                    await requests.hear_first()
                await _abort(context, current, method, error)
            finally:
                _DURATION.record(time.monotonic() - started, {"method": method})

    return call


def _stream(handler: Any, method: str, parent: Any, places: _Places) -> Any:
    behavior = handler.stream_stream if handler.request_streaming else handler.unary_stream

    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        started = time.monotonic()
        requests = _Requests(handler, request) if handler.request_streaming else None
        with _span(method, parent) as current:
            try:
                with places.taken():
                    async for response in behavior(_read(handler, request) if requests is None else requests, context):
                        yield response
            except asyncio.CancelledError:
                # The caller has gone: it hung up, died, or took this process for dead while it was frozen.
                telemetry.fail(current, "rpc_cancelled")
                raise
            except Exception as error:  # noqa: BLE001 - every error becomes a status
                if requests is not None:
                    await requests.hear_first()
                await _abort(context, current, method, error)
            finally:
                _DURATION.record(time.monotonic() - started, {"method": method})

    return call


def _span(method: str, parent: Any) -> AbstractContextManager[Span]:
    """Open the span of a call, under an id that the caller can tell as well: it draws it if this process dies."""
    caller = get_current_span(parent).get_span_context()
    span_id = attempts.derived(caller.trace_id, f"{caller.span_id:016x}") if caller.is_valid else None
    below = parent if span_id is None else attempts.carrying(parent, span_id)
    return telemetry.span(method, kind=SpanKind.SERVER, attributes=_attributes(method), parent=below, span_id=span_id)


async def _abort(context: grpc.aio.ServicerContext[Any, Any], current: Any, method: str, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    telemetry.fail(current, code_of(error))
    if isinstance(error, OverloadedError):
        _OVERLOADED.add(1, {"method": method, "code": error.code})
        if times := _busy.happened():
            _log.warning("overloaded", method=method, code=error.code, reason=str(error), times=times)
        ours: EarshotError = error
    elif isinstance(error, EarshotError):
        _log.warning("call_failed", method=method, code=error.code, reason=str(error))
        ours = error
    else:
        _log.error("call_crashed", method=method, exc_info=error)
        ours = EarshotError("internal error")
    await context.abort_with_status(rpc_status.to_status(to_status(ours)))


def _attributes(method: str) -> dict[str, str]:
    return {"rpc.system": "grpc", "rpc.method": method}
