"""Reading the spans that a test's own process makes, and sending them to a stack's trace store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot_chassis.spanids import SpanIds


def provider() -> TracerProvider:
    """Return this process's provider: OpenTelemetry allows one, so tests share it."""
    installed = trace.get_tracer_provider()
    if not isinstance(installed, TracerProvider):
        ids: Any = SpanIds()
        installed = TracerProvider(resource=Resource.create({"service.name": "earshot-test"}), id_generator=ids)
        trace.set_tracer_provider(installed)
    return installed


def recorded_spans() -> Iterator[InMemorySpanExporter]:
    """Yield an exporter that holds what is recorded meanwhile; for use in a fixture."""
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider().add_span_processor(processor)
    yield exporter
    processor.shutdown()


def exported_to(endpoint: str) -> Iterator[None]:
    """Send what is recorded meanwhile to an OTLP endpoint over gRPC; for use in a fixture."""
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=True), schedule_delay_millis=200)
    provider().add_span_processor(processor)
    yield
    processor.shutdown()
