"""Settings of the trace store."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from earshot_chassis.settings import ServiceSettings


class TracestoreSettings(ServiceSettings):
    """The chassis's settings and the store's own. The gRPC port takes OTLP/gRPC."""

    tracestore_database: Path = Field(Path(".earshot/traces.sqlite"), description="The SQLite file.")
    tracestore_host: str = Field("127.0.0.1", description="Address of OTLP/HTTP and the query API.")
    tracestore_port: int = Field(0, ge=0, le=65535, description="Port of OTLP/HTTP and the query API; 0: any free one.")
    tracestore_max_spans: int = Field(500_000, gt=0, description="Spans to keep; the oldest go first.")
    tracestore_max_turns: int = Field(50_000, gt=0, description="Turns to keep; the oldest go first.")
    tracestore_max_body_bytes: int = Field(16 << 20, gt=0, description="Largest OTLP/HTTP body, unpacked.")
    tracestore_lost_after_s: float = Field(60.0, gt=0, description="A turn without an outcome is lost after this long.")
    tracestore_settled_after_s: float = Field(
        10.0, gt=0, description="What is missing of a trace is drawn when nothing was heard of it for so long."
    )
