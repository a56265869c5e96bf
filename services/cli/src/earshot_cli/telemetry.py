"""The command's own telemetry: a device's root span is made here and sent to the stack's trace store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace

from earshot_chassis.settings import ServiceSettings
from earshot_chassis.telemetry import Telemetry

_FLUSH_MS = 2000


@contextmanager
def exported_to(otlp_endpoint: str) -> Iterator[None]:
    """Export this process's spans, as those of a device, to an OTLP/gRPC endpoint; to none if it is empty.

    Once a process: OpenTelemetry takes one provider and keeps it.
    """
    if otlp_endpoint:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
        os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc"
    settings = ServiceSettings(log_level="error", log_format="console")
    telemetry = Telemetry("device", version("earshot-device"), settings)
    telemetry.start()
    try:
        yield
    finally:
        telemetry.stop()


def flush() -> None:
    """Send what was recorded; blocking, two seconds at most."""
    flush_provider = getattr(trace.get_tracer_provider(), "force_flush", None)
    if flush_provider is not None:
        flush_provider(_FLUSH_MS)
