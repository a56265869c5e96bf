"""Spans of a skill's own, for what it waits for."""

from __future__ import annotations

from contextlib import AbstractContextManager

from opentelemetry.trace import Span, SpanKind

from earshot_chassis import telemetry


def request_span(name: str) -> AbstractContextManager[Span]:
    """Open a span around a request to a source outside; an exception marks it with its code.

    Args:
        name: Which request, "open_meteo.forecast": never an id, a place or anything that was said.
    """
    return telemetry.span(name, kind=SpanKind.CLIENT)
