"""An attempt that left no span is drawn from what the next one tells of it."""

from __future__ import annotations

from dataclasses import replace

from earshot_topology import attributes
from earshot_tracestore.attempts import UNKNOWN_END, with_lost_attempts
from earshot_tracestore.model import Span

SECOND = 1_000_000_000


def attempt(number: int, start_s: int, end_s: int, *, message: str = "7", age_s: float = 0.0, **fields) -> Span:
    """Return a worker's span of one delivery."""
    told = {attributes.MESSAGING_MESSAGE: message}
    if number > 1:
        told |= {attributes.MESSAGING_DELIVERY_COUNT: str(number), attributes.MESSAGING_AGE: age_s}
    values = {
        "trace_id": "t",
        "span_id": f"{message}.{number}",
        "parent_span_id": "p",
        "name": "turn.transcribed process",
        "kind": "consumer",
        "service": "earshot-nlu",
        "instance": "nlu-1",
        "start_ns": start_s * SECOND,
        "end_ns": end_s * SECOND,
        "status": "ok",
        "status_message": "",
        "attributes": told,
        "events": [],
        "links": [],
    }
    return Span(**(values | fields))


def drawn(spans: list[Span]) -> list[Span]:
    """Return what was added."""
    return [span for span in with_lost_attempts(spans) if span.attributes.get(attributes.RECONSTRUCTED)]


def test_a_killed_attempt_lasts_from_the_storing_of_its_message_to_its_takeover():
    """In the same trace, below the same parent, and told as what it is."""
    live = attempt(2, 13, 14, age_s=3.0)
    lost, shown = with_lost_attempts([live])
    assert shown == live
    assert (lost.start_ns, lost.end_ns) == (10 * SECOND, 13 * SECOND)
    assert (lost.trace_id, lost.parent_span_id, lost.service, lost.name) == ("t", "p", live.service, live.name)
    assert (lost.status, lost.status_message, lost.instance) == ("error", UNKNOWN_END, "")
    assert lost.attributes[attributes.MESSAGING_DELIVERY_COUNT] == "1"
    assert set(lost.attributes) <= attributes.DECLARED
    assert lost.span_id != live.span_id


def test_an_attempt_that_told_of_itself_is_not_drawn():
    """One that was handed back, or a frozen one that woke."""
    assert drawn([attempt(1, 10, 11), attempt(2, 13, 14, age_s=3.0)]) == []
    assert drawn([attempt(1, 10, 11)]) == []


def test_a_killed_attempt_after_a_failed_one_begins_where_that_one_ended():
    """Several in a row are one stretch: when one ended and the next began nobody knows."""
    (lost,) = drawn([attempt(1, 10, 11), attempt(4, 15, 16, age_s=5.0)])
    assert (lost.start_ns, lost.end_ns) == (11 * SECOND, 15 * SECOND)
    assert lost.attributes[attributes.MESSAGING_DELIVERY_COUNT] == "2-3"


def test_attempts_of_another_message_or_service_say_nothing():
    """Two segments of an answer lie below the same parent; two services hear the same event."""
    other = attempt(1, 10, 11, message="8")
    elsewhere = replace(attempt(1, 10, 11), service="earshot-dialogue", span_id="d")
    assert len(drawn([other, elsewhere, attempt(2, 13, 14, age_s=3.0)])) == 1


def test_what_others_send_is_left_alone():
    """Anybody may export spans; odd values draw nothing and break nothing."""
    odd = replace(
        attempt(2, 13, 14), attributes={attributes.MESSAGING_MESSAGE: "7", attributes.MESSAGING_DELIVERY_COUNT: "x"}
    )
    nameless = replace(attempt(2, 13, 14), attributes={attributes.MESSAGING_DELIVERY_COUNT: "2"})
    assert drawn([odd, nameless]) == []
