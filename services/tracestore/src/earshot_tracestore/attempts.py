"""Attempts that left no span, because their process was killed, frozen or cut off before it could send one. Pure.

The bus counts deliveries. A live span of the second delivery of a message proves that there was a first one; where no
span tells of it, one is drawn: from when the stream stored the message, or the attempt before ended, to when the next
attempt began. Nothing is stored, so that a frozen process that wakes and sends its span replaces what was drawn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from earshot_topology import attributes
from earshot_tracestore.model import Span

UNKNOWN_END = "no word from this attempt: its process was killed, frozen or cut off"

Message = tuple[str, str, str]


def with_lost_attempts(spans: Sequence[Span]) -> list[Span]:
    """Return a trace's spans and one for each stretch of deliveries that none of them tells of, ordered by start."""
    attempts: dict[Message, dict[int, Span]] = {}
    for span in spans:
        identity = span.attributes.get(attributes.MESSAGING_MESSAGE)
        if span.kind == "consumer" and isinstance(identity, str):
            attempts.setdefault((span.service, span.name, identity), {})[_number(span)] = span
    lost = [drawn for found in attempts.values() for drawn in _lost(found)]
    return sorted([*spans, *lost], key=lambda span: (span.start_ns, -span.end_ns)) if lost else list(spans)


def _lost(found: dict[int, Span]) -> Iterable[Span]:
    before, began_ns = 0, None
    for number in sorted(found):
        span = found[number]
        if number > before + 1:
            start_ns = began_ns if began_ns is not None else span.start_ns - _age_ns(span)
            yield _drawn(span, before + 1, number - 1, min(start_ns, span.start_ns))
        before, began_ns = number, span.end_ns


def _drawn(successor: Span, first: int, last: int, start_ns: int) -> Span:
    count = str(first) if first == last else f"{first}-{last}"
    known = {
        name: successor.attributes[name]
        for name in (
            attributes.MESSAGING_SYSTEM,
            attributes.MESSAGING_OPERATION,
            attributes.MESSAGING_DESTINATION,
            attributes.MESSAGING_CONSUMER_GROUP,
            attributes.MESSAGING_MESSAGE,
        )
        if name in successor.attributes
    }
    return Span(
        trace_id=successor.trace_id,
        span_id=hashlib.sha256(f"{successor.span_id}/{count}".encode()).hexdigest()[:16],
        parent_span_id=successor.parent_span_id,
        name=successor.name,
        kind=successor.kind,
        service=successor.service,
        instance="",
        start_ns=start_ns,
        end_ns=successor.start_ns,
        status="error",
        status_message=UNKNOWN_END,
        attributes={**known, attributes.MESSAGING_DELIVERY_COUNT: count, attributes.RECONSTRUCTED: True},
        events=[],
        links=[],
    )


def _number(span: Span) -> int:
    try:
        return max(1, int(span.attributes.get(attributes.MESSAGING_DELIVERY_COUNT, 1)))
    except (TypeError, ValueError):
        return 1


def _age_ns(span: Span) -> int:
    age = span.attributes.get(attributes.MESSAGING_AGE, 0.0)
    return int(max(0.0, age) * 1e9) if isinstance(age, (int, float)) else 0
