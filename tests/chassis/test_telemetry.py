"""What is recorded, and what never is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from earshot_chassis import telemetry
from earshot_chassis.errors import InvalidInputError
from earshot_topology import attributes
from support.spans import recorded_spans


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """Record the spans of this process."""
    yield from recorded_spans()


def test_pii_is_dropped_unless_wanted(spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes with a pii segment are recorded only where the switch is on, whichever way they are set."""
    secret = {attributes.PII_TRANSCRIPT: "call my doctor", attributes.LOCALE: "en-US"}
    for wanted in (False, True):
        monkeypatch.setattr(telemetry._Pii, "recorded", wanted)
        with telemetry.span("step", attributes=secret):
            telemetry.annotate({attributes.PII_ANSWER: "calling"})
        telemetry.start_span("other", attributes=secret).end()
    recorded = [dict(span.attributes or {}) for span in spans.get_finished_spans()]
    assert [attributes.PII_TRANSCRIPT in found for found in recorded] == [False, False, True, True]
    assert [attributes.PII_ANSWER in found for found in recorded] == [False, False, True, False]
    assert all(found[attributes.LOCALE] == "en-US" for found in recorded)


def test_failure_is_told_by_its_code(spans: InMemorySpanExporter) -> None:
    """A span that an error leaves holds its code and neither its text nor its stack: those may hold what users say."""
    with pytest.raises(InvalidInputError), telemetry.span("step"):
        raise InvalidInputError("can't read 'call my doctor'", code="unreadable")
    (span,) = spans.get_finished_spans()
    assert span.attributes == {"error.type": "unreadable"}
    assert span.status.description == "unreadable"
    assert not span.events


def test_context_travels_in_headers(spans: InMemorySpanExporter) -> None:
    """A context that is injected and extracted continues the same trace; broken headers start a new one."""
    headers: dict[str, str] = {}
    with telemetry.span("sender") as sender:
        telemetry.inject(headers)
    with telemetry.span("receiver", parent=telemetry.extract(headers)):
        assert telemetry.current_trace_id() == format(sender.get_span_context().trace_id, "032x")
    with telemetry.span("stranger", parent=telemetry.extract({"traceparent": "nonsense"})):
        assert telemetry.current_trace_id() != format(sender.get_span_context().trace_id, "032x")
    assert len(spans.get_finished_spans()) == 3
