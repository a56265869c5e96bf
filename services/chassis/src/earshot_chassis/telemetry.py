"""Traces, metrics and logs of a service: OpenTelemetry for the first two, structlog for the third.

Exported by the standard variables (OTEL_EXPORTER_OTLP_ENDPOINT, …_PROTOCOL, OTEL_TRACES_SAMPLER); without an endpoint
spans are made, propagated and dropped. Metrics are read at /metrics. Log lines carry the trace id; they never hold
what a user said, and therefore no exception's message (`failures`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from earshot_chassis.errors import code_of
from earshot_chassis.failures import Formatter, JsonFormatter, without_messages
from earshot_chassis.settings import ServiceSettings
from earshot_chassis.spanids import SpanIds, wanted

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACER = trace.get_tracer("earshot")
_METER = metrics.get_meter("earshot")

Attributes = Mapping[str, AttributeValue]
# The span that messages hang on when they are published, where it is not the current one.
_CARRIED: ContextVar[Span | None] = ContextVar("carried", default=None)


class _Pii:
    """Whether attributes with a pii segment are recorded in this process."""

    recorded = False


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    parent: otel_context.Context | None = None,
    links: list[trace.Link] | None = None,
    span_id: int | None = None,
) -> Iterator[Span]:
    """Open a span around a block; an exception marks it with its code and goes on.

    Args:
        name: Low in cardinality: never holds an id.
        kind: OpenTelemetry's kind.
        attributes: Declared names only; those with a pii segment are dropped unless they are wanted.
        parent: Context from `extract`; default: the current one.
        links: Spans of other traces, or of the sender.
        span_id: Its id, where others have to know it.
    """
    with wanted(span_id):
        current = _TRACER.start_span(
            name,
            context=parent,
            kind=kind,
            attributes=allowed(attributes) if attributes else None,
            links=links,
        )
    with trace.use_span(current, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield current
        except Exception as error:
            fail(current, code_of(error))
            raise


def start_span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes | None = None,
    parent: otel_context.Context | None = None,
    links: list[trace.Link] | None = None,
    start_time_ns: int | None = None,
) -> Span:
    """Start a span that is not bound to a block; the caller ends it."""
    return _TRACER.start_span(
        name,
        context=parent,
        kind=kind,
        attributes=allowed(attributes) if attributes else None,
        links=links,
        start_time=start_time_ns,
    )


@contextmanager
def use(current: Span) -> Iterator[None]:
    """Make a span the current one for a block, without ending it."""
    with trace.use_span(current, record_exception=False, set_status_on_exception=False):
        yield


@contextmanager
def carried(current: Span) -> Iterator[None]:
    """Hang the messages that a block publishes on a span: one that can be drawn if this process dies."""
    token = _CARRIED.set(current)
    try:
        yield
    finally:
        _CARRIED.reset(token)


def draw(
    name: str,
    *,
    kind: SpanKind,
    parent: otel_context.Context,
    span_id: int,
    start_ns: int,
    end_ns: int,
    code: str,
    attributes: Attributes,
    service: str = "",
) -> None:
    """Send the span of an attempt in place of the process that made it and could not.

    Args:
        name: As that process would have named it.
        kind: OpenTelemetry's kind.
        parent: Its parent.
        span_id: The id that it had.
        start_ns: When it began, as Unix time.
        end_ns: When it was over.
        code: Its error; empty: none that is known.
        attributes: Declared names only.
        service: Whose it was, without "earshot-"; empty: this service's.
    """
    with wanted(span_id):
        drawn = _Drawing.tracer(service).start_span(
            name, context=parent, kind=kind, attributes=allowed(attributes), start_time=start_ns
        )
    if code:
        fail(drawn, code)
    drawn.end(end_ns)


def allowed(attributes: Attributes) -> dict[str, AttributeValue]:
    """Return the attributes that may be recorded here."""
    if _Pii.recorded:
        return dict(attributes)
    return {name: value for name, value in attributes.items() if ".pii." not in name}


def annotate(attributes: Attributes) -> None:
    """Add attributes to the current span."""
    current = trace.get_current_span()
    if current.is_recording():
        current.set_attributes(allowed(attributes))


def note(event: str, attributes: Attributes) -> None:
    """Mark a moment of the current span."""
    trace.get_current_span().add_event(event, dict(allowed(attributes)))


def fail(failed: Span, code: str) -> None:
    """Mark a span as failed with an error code."""
    failed.set_attribute("error.type", code)
    failed.set_status(StatusCode.ERROR, code)


def inject(headers: MutableMapping[str, str]) -> None:
    """Write the current trace context into message headers."""
    _PROPAGATOR.inject(headers)


def inject_message(headers: MutableMapping[str, str]) -> None:
    """Write the context that a message hangs on into its headers; see `carried`. A context that is there stays."""
    if "traceparent" in headers:
        return
    attempt = _CARRIED.get()
    if attempt is None or attempt.get_span_context().trace_id != trace.get_current_span().get_span_context().trace_id:
        _PROPAGATOR.inject(headers)
    else:
        _PROPAGATOR.inject(headers, context=context_of(attempt))


def extract(headers: Mapping[str, str] | None) -> otel_context.Context:
    """Read a trace context from message headers; an empty one where there is none."""
    return _PROPAGATOR.extract(headers or {}, context=otel_context.Context())


def trace_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those of a message's headers that hold its trace context, to hang another message on the same span."""
    return {name: value for name, value in headers.items() if name in _PROPAGATOR.fields}


def context_of(parent: Span) -> otel_context.Context:
    """Return a context whose current span is the given one."""
    return trace.set_span_in_context(parent, otel_context.Context())


def link_of(context: otel_context.Context) -> list[trace.Link]:
    """Return a link to the context's span, if it has one."""
    remote = trace.get_current_span(context).get_span_context()
    return [trace.Link(remote)] if remote.is_valid else []


def current_trace_id() -> str:
    """Return the current trace id as 32 hex digits; empty outside a trace."""
    current = trace.get_current_span().get_span_context()
    return format(current.trace_id, "032x") if current.is_valid else ""


def counter(name: str, description: str, unit: str = "1") -> metrics.Counter:
    """Declare a counter."""
    return _METER.create_counter(name, unit=unit, description=description)


def gauge(name: str, description: str, unit: str = "1") -> metrics.UpDownCounter:
    """Declare a value that goes up and down by steps."""
    return _METER.create_up_down_counter(name, unit=unit, description=description)


def observed(name: str, description: str, read: Callable[[], float], unit: str = "1") -> None:
    """Declare a value that is read whenever metrics are; in another thread than the event loop's."""

    def observe(_options: metrics.CallbackOptions) -> list[metrics.Observation]:
        return [metrics.Observation(read())]

    _METER.create_observable_gauge(name, callbacks=[observe], unit=unit, description=description)


def histogram(
    name: str, description: str, unit: str = "s", buckets: tuple[float, ...] | None = None
) -> metrics.Histogram:
    """Declare a histogram; default buckets run from 1 ms to 10 s."""
    bounds = buckets or (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    return _METER.create_histogram(name, unit=unit, description=description, explicit_bucket_boundaries_advisory=bounds)


def logger(area: str) -> Any:
    """Return a logger whose lines are events with fields."""
    return structlog.get_logger(area)


class Telemetry:
    """Providers and exporters of one process: set up once, shut down at the end."""

    def __init__(self, name: str, version: str, settings: ServiceSettings) -> None:
        self._name = name
        self._version = version
        self._settings = settings
        self._tracing: Any = None
        self._metering: Any = None

    def start(self) -> None:
        """Install providers and the log format for this process."""
        from opentelemetry.exporter.prometheus import PrometheusMetricReader  # noqa: PLC0415 - half a second to import
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

        resource = Resource.create(
            {
                "service.name": f"earshot-{self._name}",
                "service.namespace": "earshot",
                "service.version": self._version,
                "service.instance.id": self._settings.instance_id,
            }
        )
        _Pii.recorded = self._settings.trace_pii
        ids: Any = SpanIds()
        # The service ends them itself, within its time; at the interpreter's exit they would be waited for without end.
        self._tracing = TracerProvider(resource=resource, id_generator=ids, shutdown_on_exit=False)
        exporter = _exporter()
        if exporter is not None:
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

            processor = BatchSpanProcessor(exporter)
            self._tracing.add_span_processor(processor)
            _Drawing.processor = processor
        trace.set_tracer_provider(self._tracing)
        self._metering = MeterProvider(
            resource=resource, metric_readers=[PrometheusMetricReader()], shutdown_on_exit=False
        )
        metrics.set_meter_provider(self._metering)
        start_logs(self._name, self._settings)

    def stop(self) -> None:
        """Flush what is pending; blocking, at most a few seconds."""
        if self._tracing is not None:
            self._tracing.shutdown()
        if self._metering is not None:
            self._metering.shutdown()


class _Drawing:
    """How spans of other processes are sent: through this one's exporter, under the other's name."""

    processor: Any = None

    @classmethod
    def tracer(cls, service: str) -> trace.Tracer:
        """Return a tracer for a service; this process's own where nothing is exported, or no name is given."""
        if cls.processor is None or not service:
            return _TRACER
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

        named = Resource({"service.name": f"earshot-{service}", "service.namespace": "earshot"})
        ids: Any = SpanIds()
        provider = TracerProvider(resource=named, id_generator=ids, shutdown_on_exit=False)
        provider.add_span_processor(cls.processor)
        return provider.get_tracer("earshot")


def _exporter() -> Any:
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint or os.environ.get("OTEL_TRACES_EXPORTER") == "none":
        return None
    protocol = os.environ.get(
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    )
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter as GrpcExporter,
        )

        return GrpcExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
        OTLPSpanExporter as HttpExporter,
    )

    return HttpExporter()


def _add_trace_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    trace_id = current_trace_id()
    if trace_id:
        event["trace_id"] = trace_id
    return event


def start_logs(name: str, settings: ServiceSettings) -> None:
    """Log in this process as a service does; `Telemetry.start` sees to it. For what a process has to do before that."""
    console = settings.log_format == "console"
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace_id,
            without_messages,
            structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    bound = {"service": name, "instance": settings.instance_id}
    structlog.contextvars.bind_contextvars(**bound)
    handler = logging.StreamHandler()
    told = Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler.setFormatter(told if console else JsonFormatter(bound))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[handler])
