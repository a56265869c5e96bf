"""Reading the spans that a test's own process makes."""

from __future__ import annotations

from collections.abc import Iterator

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def recorded_spans() -> Iterator[InMemorySpanExporter]:
    """Yield an exporter that holds what is recorded meanwhile; for use in a fixture."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        # OpenTelemetry allows one provider a process; tests share it.
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    processor = SimpleSpanProcessor(exporter)
    provider.add_span_processor(processor)
    yield exporter
    processor.shutdown()
